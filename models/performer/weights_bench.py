# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.performer.weights_bench [CLIP.mp4 ...]`: the weights of rendered performances against their truth.

Beside them, on the same pixels, those of the face mesh net's own blendshape net. A clip has its truth beside it
(NAME_truth.json.gz); without clips the demo's and the benchmark's are taken. What no landmarks show is not counted.
`--turning` tells what is read in faces at rest that turn (`python -m models.performer.exercises --turning`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.head_pose import rotation_vector
from facelift_blender.capture.types import Array, FaceLiftError, Take
from facelift_blender.rigs import arkit

from .bench_cases import CASES
from .exercises import TURNING, sideways_stills
from .truth import Truth, load_truth

FOLDER: Final = Path(__file__).parent
TOLD: Final = ("jawOpen", "eyeBlink", "mouthSmile", "browDown", "browInnerUp", "browOuterUp", "mouthPucker")
"""Shapes whose correlation in time is asked for."""
_REST, _TURNED, _LIVELY, _CALM = 0.02, 25.0, 0.05, 0.08
"""Weight under which a shape is at rest, degrees from which a head is turned, spread from which a shape's correlation counts, and
what no weight of a turned face at rest is to exceed.
"""

_POINTS: Final = (
    "0 1 4-8 10 13 14 17 21 33 37 39 40 46 52-55 58 61 63 65-67 70 78 80-82 84 87 88 91 93 95 103 105 107 109 127 132 133 136 "
    "144-146 148-150 152-155 157-163 168 172 173 176 178 181 185 191 195 197 234 246 249 251 263 267 269 270 276 282-285 288 291 293 "
    "295-297 300 308 310-312 314 317 318 321 323 324 332 334 336 338 356 361 362 365 373-375 377-382 384-390 397 398 400 402 405 409 415 "
    "454 466 468-477"
)
"""Which of the mesh's 478 points the blendshape net reads."""


@dataclass(frozen=True)
class Scores:
    """Of one solver. error: (52,) mean absolute. along: (52,) correlation, NaN where the truth hardly moves. false: (52,) mean
    weight where the truth rests. turned: (52,) the same, 95th percentile, on frames with a turned head.
    """

    error: Array
    along: Array
    false: Array
    turned: Array


def score(found: Array, truth: Truth) -> Scores:
    """Scores of weights (T, 52) whose rows are the truth's; rows and columns with NaN are left out."""
    rows = np.flatnonzero(np.isfinite(found).any(axis=1))
    found, true = found[rows], truth.weights[rows]
    facing = np.diag([1.0, -1.0, -1.0])
    turned = np.degrees(np.abs(rotation_vector(facing @ truth.rotations[rows])[:, 1])) > _TURNED
    rest = true < _REST
    columns = range(found.shape[1])
    along = [np.corrcoef(found[:, k], true[:, k])[0, 1] if np.std(true[:, k]) > _LIVELY and np.std(found[:, k]) > 0 else _lost(true[:, k])
             for k in columns]  # fmt: skip
    return Scores(
        np.abs(found - true).mean(axis=0), np.array(along),
        np.array([found[rest[:, k], k].mean() if rest[:, k].any() else np.nan for k in columns]),
        np.array([_high(found[rest[:, k] & turned, k]) for k in columns]),
    )  # fmt: skip


def _lost(true: Array) -> float:
    """The correlation of weights that never move: none where the truth does."""
    return 0.0 if np.std(true) > _LIVELY else np.nan


def _high(values: Array) -> float:
    return float(np.quantile(values, 0.95)) if len(values) else np.nan


# ---------------------------------------------------------------- the two solvers


def our_weights(clip: Path, truth: Truth, take: Path | None = None) -> tuple[Array, np.ndarray]:
    """(T, 52) weights of our tracker on every frame of the truth, NaN where it has none, and (52,) which are observable."""
    return _on_every_frame(_take(clip, take), truth)


def good_weights(clip: Path, truth: Truth, seed: int = 1) -> tuple[Array, np.ndarray]:
    """The same from landmarks as a good tracker would see them (`bench_measure.true_observations`), solved as ever.

    They are fitted by least squares: the reading is taught on landmarks as ours are.
    """
    from facelift_blender.capture.expression import fit_weights
    from facelift_blender.capture.solve import solve
    from facelift_blender.capture.types import Clip

    from .bench_measure import true_observations

    shot = truth.shot
    filmed = Clip(str(clip), shot.width, shot.height, shot.fps, len(truth))
    take = solve(true_observations(truth, seed), filmed)
    return _on_every_frame(replace(take, weights=fit_weights(take.landmarks, take.neutral)), truth)


def _on_every_frame(take: Take, truth: Truth) -> tuple[Array, np.ndarray]:
    weights = np.full((len(truth), 52), np.nan)
    known = take.valid & (take.frames >= 1) & (take.frames <= len(truth))
    weights[take.frames[known] - 1] = take.weights[known]
    return weights, take.observable


def _take(clip: Path, take: Path | None) -> Take:
    from facelift_blender.capture.take import load_take
    from facelift_blender.capture.track import track

    return load_take(take) if take else track(clip)[0]


def mesh_weights(clip: Path, count: int) -> Array:
    """(T, 52) weights that the mesh net's own blendshape net gives, in the order of `arkit.NAMES`; NaN for what it has not."""
    from facelift_blender.capture.faces import Detector
    from facelift_blender.capture.footage import probe, read_frames
    from models.training.labeller import crop_of_points, mesh_points, settle

    detector, crop = Detector(), None
    weights = np.full((count, 52), np.nan)
    for frame, image in read_frames(probe(clip)):
        if frame > count:
            break
        if crop is None:
            faces = detector(image)
            crop = settle(image, faces[0].box) if faces else None
        if crop is None:
            continue
        points, sure = mesh_points(image, [crop])
        crop = crop_of_points(points[0, :, :2]) if sure[0] > 0.5 else None
        weights[frame - 1] = mesh_blendshapes(points[0, :, :2])
    return weights


def mesh_blendshapes(points: Array) -> Array:
    """(52,) of mesh points (478, 2) in pixels."""
    net, subset = _net()
    (found,) = net.run(None, {net.get_inputs()[0].name: points[subset][None].astype(np.float32)})
    weights = np.full(52, np.nan)
    weights[_net_order()] = found.ravel()[1:]
    return weights


@cache
def _net() -> tuple[object, np.ndarray]:
    import onnxruntime

    from models.training import paths

    path = paths.DATA / "teacher" / "face_blendshapes.onnx"
    if not path.is_file():
        raise FaceLiftError(f"{path} is not there: the comparison needs the mesh net's blendshape net.")
    return onnxruntime.InferenceSession(str(path)), np.array(subset_points())


def subset_points() -> list[int]:
    """The 146 points, written out."""
    spans = [tuple(map(int, part.split("-"))) for part in _POINTS.split()]
    return [point for span in spans for point in range(span[0], span[-1] + 1)]


def _net_order() -> list[int]:
    """Where each of the net's outputs after the first stands in `arkit.NAMES`: it has them by the alphabet, without the tongue."""
    return [arkit.INDEX[name] for name in sorted(arkit.NAMES) if name != "tongueOut"]


# ---------------------------------------------------------------- tables


def summary(scores: Scores, shown: np.ndarray) -> dict[str, float]:
    """The figures that are asked for, over the shapes (52,) that count."""
    told = shown & np.array([name.startswith(TOLD) for name in arkit.NAMES])
    brows = shown & np.array([name.startswith("brow") for name in arkit.NAMES])
    return {
        "mean absolute error": float(np.nanmean(scores.error[shown])),
        "correlation of jaw, blinks, smiles, brows, pucker": float(np.nanmean(scores.along[told])),
        "the worst of these": float(np.nanmin(scores.along[told])),
        "false activation at rest": float(np.nanmean(scores.false[shown])),
        "95th percentile at rest, head turned": float(np.nanmean(scores.turned[shown])),
        "the same of the brows": float(np.nanmean(scores.turned[brows])),
    }


def mean_scores(many: Sequence[Scores]) -> Scores:
    """Over clips, leaving out what a clip does not have."""
    with np.errstate(all="ignore"):
        return Scores(*(_mean([getattr(scores, name) for scores in many]) for name in ("error", "along", "false", "turned")))


def _mean(columns: Sequence[Array]) -> Array:
    table = np.stack(columns)
    known = np.isfinite(table)
    return np.where(known.any(axis=0), np.where(known, table, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def report(ours: Scores, theirs: Scores, shown: np.ndarray) -> str:
    """The two tables: figure by figure, and shape by shape."""
    both = shown & np.isfinite(ours.error) & np.isfinite(theirs.error)
    mine, other = summary(ours, both), summary(theirs, both)
    lines = [f"{'':52}{'ours':>9}{'mesh net':>11}"]
    lines += [f"{name:52}{mine[name]:9.3f}{other[name]:11.3f}" for name in mine]
    better = int((ours.error[both] < theirs.error[both]).sum())
    lines += [f"{'shapes with the smaller error':52}{better:9d}{int(both.sum()) - better:11d}  of {int(both.sum())}", ""]
    lines.append(f"{'':22}{'error':>17}{'correlation':>20}{'at rest':>18}")
    for k in np.flatnonzero(both):
        pairs = ((ours.error, theirs.error), (ours.along, theirs.along), (ours.false, theirs.false))
        cells = "".join(f"{one[k]:11.3f}{two[k]:8.3f}" for one, two in pairs)
        lines.append(f"{arkit.NAMES[k]:20}{cells}".replace("nan", "  -"))
    return "\n".join(lines)


def turned_rest(folder: Path) -> str:
    """A table of what is read in faces at rest that turn 35 degrees to each side, then 20 up and down, smoothed as is usual."""
    from facelift_blender.capture.solve import SolveSettings, resmooth
    from models.training import expression_samples

    seeds, look = expression_samples.seeds(folder), expression_samples.looking_twice()
    if not seeds:
        raise FaceLiftError(f"{folder} has no faces that turn: render them with `python -m models.performer.exercises --turning`.")
    lines = [f"{'at rest, turning':20}{'pixels':>9}{'mean':>9}{'95 %':>9}{'highest':>9}{'sideways':>10}"]
    highest = []
    for seed in seeds:
        take = resmooth(expression_samples.observe(seed, folder, look)[0], SolveSettings().smoothing)
        weights, most = take.weights[:, take.observable], arkit.NAMES[int(np.argmax(take.weights.max(axis=0)))]
        wide, sideways = np.ptp(take.raw.landmarks_2d[..., 0], axis=1).max(), weights[: sideways_stills(len(take))].max()
        told = (weights.mean(), np.quantile(weights, 0.95), weights.max())
        lines.append(f"{seed:<20}{wide:9.0f}{''.join(f'{value:9.3f}' for value in told)}{sideways:10.3f}  {most}")
        highest.append((weights.max(), sideways))
    above = np.sum(np.array(highest) > _CALM, axis=0)
    return "\n".join([*lines, f"over {_CALM:g}: {above[0]} of {len(seeds)} faces, turned sideways alone {above[1]}"])


def find_clips(clips: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Each clip with its truth. Raises FaceLiftError for a clip without one."""
    from models.training import paths

    acting = sorted(paths.RUNS / "bench" / f"{case.name}.mp4" for case in CASES)
    given = list(clips) or [FOLDER / "demo.mp4", *(clip for clip in acting if clip.exists())]
    pairs = [(clip, clip.with_name(f"{clip.stem}_truth.json.gz")) for clip in given]
    without = [truth for _, truth in pairs if not truth.is_file()]
    if without:
        raise FaceLiftError(f"{without[0]} is not there: a clip is measured against its truth.")
    return pairs


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.performer.weights_bench", description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="rendered clips (default: the demo and the benchmark)")
    parser.add_argument("--takes", type=Path, metavar="DIR", help="folder with NAME.take.npz, instead of tracking anew")
    parser.add_argument("--good-landmarks", action="store_true", help="ours from noisy true landmarks: solve and fit without the regressor")
    parser.add_argument("--turning", action="store_true", help="faces at rest that turn, instead of clips")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    ours, theirs, shown = [], [], np.ones(52, bool)
    try:
        if options.turning:
            sys.stdout.write(turned_rest(TURNING) + "\n")
            return 0
        for clip, path in find_clips(options.clips):
            truth = load_truth(path)
            take = options.takes / f"{clip.stem}.take.npz" if options.takes else None
            weights, observable = good_weights(clip, truth) if options.good_landmarks else our_weights(clip, truth, take)
            ours.append(score(weights, truth))
            theirs.append(score(mesh_weights(clip, len(truth)), truth))
            shown &= observable
            sys.stdout.write(f"{clip.stem:20}{np.nanmean(ours[-1].error[shown]):9.3f}{np.nanmean(theirs[-1].error[shown]):9.3f}\n")
            sys.stdout.flush()
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(report(mean_scores(ours), mean_scores(theirs), shown) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
