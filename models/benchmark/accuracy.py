# SPDX-License-Identifier: GPL-3.0-or-later
"""Against the exact truth of rendered clips, and against hand labels of photographs; ours and the peer's on the same pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.take import project
from facelift_blender.capture.track import TrackSettings, looking, track
from facelift_blender.capture.types import Array, FaceLiftError, Take
from models.performer import weights_bench
from models.performer.bench_measure import events, pnp_figures, true_observations
from models.performer.compare import compare
from models.performer.truth import Truth, load_truth
from models.training import measures, paths

from . import clips, peers
from .apart import apart
from .figures import Chart, Figure, Findings, Say, Table

CLIPS: Final = {"quick": 0, "usual": 4, "full": 99}
PHOTOGRAPHS: Final = {"quick": 0, "usual": 4, "full": 1}
"""Rendered clips beside the bundled one, and every how many-th of the held-out photographs; 0 none."""

UNITS: Final = {
    "head rotation": "degrees RMS", "depth": "% RMS", "depth, its own focal": "% RMS", "focal length": "% off",
    "inner face": "mm RMS", "on the plate": "% of the face's width", "on the plate, bias removed": "% of the face's width",
    "jitter on the plate": "% of the face's width", "blink amplitude": "of the true one", "weights": "mean absolute error",
    "weights, false at rest": "mean", "weights, correlation": "mean",
}  # fmt: skip
MORE: Final = ("weights, correlation",)
_USUAL_FOCAL: Final = peers.USUAL_LENS / 36.0


@dataclass(frozen=True)
class Pair:
    """A figure of a clip, ours and the peer's; NaN where it has none."""

    ours: float
    peer: float = float("nan")


def run(extent: str, say: Say) -> Findings:
    """extent: quick, usual or full."""
    found, by_clip = Findings(), {}
    for path in clips.rendered(CLIPS[extent]):
        if not say(f"against the truth of {path.stem}"):
            continue
        try:
            by_clip[path.stem] = measure(path)
        except FaceLiftError as error:
            found.notes.append(f"{path.stem} could not be measured: {error}")
    found.add(_on_clips(by_clip))
    found.add(_on_photographs(PHOTOGRAPHS[extent], say))
    return found


# ---------------------------------------------------------------- rendered truth


def measure(path: Path) -> dict[str, Pair]:
    """Every figure of one rendered clip."""
    truth = load_truth(clips.truth_beside(path))
    take = track(path)[0]
    figures = {name: figure.value for name, figure in compare(take, truth).items()}
    peer = of_peer(apart(peers.followed, path, len(truth))[0], take, truth) if peers.is_installed() else {}
    lids = on_plate_events(project(take), take, truth)
    ours = {**figures, "depth": figures["depth, given the focal"], "depth, its own focal": depth(take, truth), "blink amplitude": lids}
    ours |= {"focal length": abs(figures["focal length"]), "on the plate, bias removed": unbiased(project(take), take, truth)}
    names = [name for name in UNITS if not name.startswith("weights")]
    pairs = {name: Pair(ours[name], peer.get(name, float("nan"))) for name in names}
    return pairs | weight_pairs(path, take, truth)


def of_peer(seen: Array, take: Take, truth: Truth) -> dict[str, float]:
    """Figures of a pose a frame from pixels (T, N, 2) through a 50 mm lens; frames on which either sees nothing do not count."""
    rows = take.frames - 1
    both = take.raw.found & np.isfinite(seen[rows]).all(axis=(1, 2))
    if not both.any():
        return {}
    known = replace(take, raw=replace(take.raw, found=both), valid=take.valid & both)
    figures = pnp_figures(replace(true_observations(truth, 0), landmarks_2d=seen), known, truth)
    focal = float(truth.intrinsics[0, 0])
    return figures | {
        "depth": figures["depth, given the focal"], "focal length": 100 * abs(_USUAL_FOCAL * truth.shot.width / focal - 1),
        "on the plate, bias removed": unbiased(seen[rows], known, truth), "blink amplitude": on_plate_events(seen[rows], known, truth),
    }  # fmt: skip


def depth(take: Take, truth: Truth) -> float:
    """RMS % of the distance, by the take's own focal length."""
    rows = np.flatnonzero(take.valid)
    off = take.translations[rows, 2] / truth.translations[take.frames[rows] - 1, 2] - 1
    return 100 * float(np.sqrt(np.mean(off**2)))


def unbiased(pixels: Array, take: Take, truth: Truth) -> float:
    """RMS error of pixels (T, N, 2) on the take's frames, each landmark's mean offset over the clip (its definition) taken out."""
    rows = take.valid & take.raw.found
    true = truth.pixels[take.frames[rows] - 1]
    turned = (pixels[rows] - true) / np.median(np.ptp(true[..., 0], axis=1))
    seen = truth.visible[take.frames[rows] - 1][..., None]
    offset = np.sum(turned * seen, axis=0) / np.maximum(seen.sum(axis=0), 1)
    return 100 * float(np.sqrt(np.sum(((turned - offset) ** 2) * seen) / seen.sum()))


def on_plate_events(pixels: Array, take: Take, truth: Truth) -> float:
    """Share of the true blinks' amplitude that the lids' pixels (T, N, 2) keep."""
    flat = replace(take, landmarks=_flat(pixels))
    return events(flat, replace(truth, landmarks=_flat(truth.pixels)))["blink amplitude"]


def _flat(pixels: Array) -> Array:
    return np.concatenate([pixels, np.zeros((*pixels.shape[:2], 1))], axis=-1)


def weight_pairs(path: Path, take: Take, truth: Truth) -> dict[str, Pair]:
    """Ours beside the Landmarker's nets, over the shapes that landmarks can show."""
    found = np.full((len(truth), 52), np.nan)
    found[take.frames[take.valid] - 1] = take.weights[take.valid]
    ours = weights_bench.score(found, truth)
    shown = take.observable
    pairs = {"weights": ours.error, "weights, false at rest": ours.false, "weights, correlation": ours.along}
    if not peers.has_blendshapes():
        return {name: Pair(float(np.nanmean(values[shown]))) for name, values in pairs.items()}
    theirs = weights_bench.score(weights_bench.mesh_weights(path, len(truth)), truth)
    other = {"weights": theirs.error, "weights, false at rest": theirs.false, "weights, correlation": theirs.along}
    both = {name: shown & np.isfinite(pairs[name]) & np.isfinite(other[name]) for name in pairs}
    return {name: Pair(_mean(pairs[name][both[name]]), _mean(other[name][both[name]])) for name in pairs}


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _on_clips(by_clip: dict[str, dict[str, Pair]]) -> Findings:
    """Medians as figures, and each clip in a table."""
    found = Findings()
    if not by_clip:
        return found
    many = f", median of {len(by_clip)} rendered clips" if len(by_clip) > 1 else ", the bundled clip"
    for name, unit in UNITS.items():
        ours, theirs = (_median([getattr(pairs[name], who) for pairs in by_clip.values()]) for who in ("ours", "peer"))
        if name == "blink amplitude":
            ours, theirs, unit = abs(1 - ours), abs(1 - theirs), "off the true one"  # noqa: PLW2901
        bar = theirs / 2 if name == "jitter on the plate" else np.nan
        found.figures.append(Figure("accuracy", name + many, unit, ours, theirs, bar, name in MORE))
    rows = [(clip, *(value for name in UNITS for value in (pairs[name].ours, pairs[name].peer))) for clip, pairs in by_clip.items()]
    columns = ("clip", *(f"{name}: {who}" for name in UNITS for who in ("ours", "the peer's")))
    found.tables.append(Table("Rendered truth, clip by clip", columns, rows))
    lucky = [clip for clip, pairs in by_clip.items() if pairs["focal length"].peer < 0.1]
    if lucky:
        found.notes.append(
            f"The lens of {', '.join(lucky)} is the 50 mm that the peer's pose takes for granted: its focal error there is luck."
        )
    found.charts += [_beside(name, by_clip) for name in ("head rotation", "on the plate", "jitter on the plate", "weights")]
    return found


def _median(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")


def _beside(name: str, by_clip: dict[str, dict[str, Pair]]) -> Chart:
    places = list(range(1, len(by_clip) + 1))
    series = {
        who: (places, [getattr(pairs[name], key) for pairs in by_clip.values()])
        for who, key in (("FaceLift", "ours"), ("the peer", "peer"))
    }
    return Chart(f"Rendered truth: {name}", "clip", UNITS[name], series)


# ---------------------------------------------------------------- photographs


def _on_photographs(every: int, say: Say) -> Findings:
    """The held-out photographs of the model's evaluation, every so many-th; the peer's mesh net from the same boxes."""
    needed = [paths.DATA / "labelled68" / "labels.npz", paths.DATA / "teacher" / "face_landmarks_detector.onnx"]
    if not every or not all(path.is_file() for path in needed):
        return Findings(notes=["The held-out photographs were not measured: the data folder is not there, or the size is small."])
    from facelift_blender.capture.landmarks import Regressor
    from models.training import evaluate
    from models.training.labels import labelled68
    from models.training.peers import FaceMesh

    faces = labelled68()[1][::every]
    if not say(f"{len(faces)} held-out photographs"):
        return Findings()
    regressor, to_table = looking(Regressor(), TrackSettings()), peers.ToTable()
    mesh = FaceMesh(to_table.map)
    rivals: dict[str, evaluate.Points] = {
        "ours": lambda image, box: evaluate.estimate(regressor, image, box, 1.2 * max(image.shape[:2])).landmarks_2d,
        "peer": mesh,
    }
    values = {row.what: row.value for row in evaluate.photographs(rivals, faces)}
    names = list(dict.fromkeys(what.rpartition(", ")[0] for what in values))
    figures = [
        Figure(
            "accuracy",
            f"{len(faces)} photographs, {name}",
            "% by the box" if "box" in name else "% of the eyes",
            values[f"{name}, ours"],
            values[f"{name}, peer"],
        )
        for name in names
    ]
    return Findings(
        figures, notes=[f"On photographs the peer is the Landmarker's mesh net, brought to the 68 points by {to_table.source}."]
    )


# ---------------------------------------------------------------- clips without truth


def upper_face(points: Array) -> Array:
    """(T, K, 2) brows, nose and eyes of points (T, >= 68, 2), each frame laid on the first."""
    inner = np.arange(17, 48)
    return measures.aligned(points[:, :68], inner)[:, inner]


def blink_gap(points: Array) -> Array:
    """(T,) opening of the lids over the eyes' width, of points (T, >= 48, 2)."""
    lids = np.mean(
        [np.linalg.norm(points[:, upper] - points[:, lower], axis=-1) for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46))], axis=0
    )
    return lids / np.linalg.norm(points[:, 36] - points[:, 39], axis=-1)
