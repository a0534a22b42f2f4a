# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of one benchmark clip: the solve against the truth, beside what a pose a frame with a fixed lens gives."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import cv2
import numpy as np

from facelift_blender.capture import camera
from facelift_blender.capture.expression import head_basis
from facelift_blender.capture.head_pose import rotation_matrix
from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.take import project
from facelift_blender.capture.tracker import USUAL_FOCAL
from facelift_blender.capture.types import Array, Clip, Observations, Take
from facelift_blender.rigs import arkit

from .bench_cases import Case
from .bench_placed import placed_figures
from .bench_plate import OnPlate
from .compare import compare, turning_errors
from .truth import Truth

PIXEL_NOISE, POSE_NOISE, SHAPE_NOISE, SHAPE_BIAS = 0.0025, np.radians(2.0), 0.001, 0.001
"""Of the solver alone: pixels as a share of the face's width, radians, and metres of each landmark: by frame and by clip."""
DRAWS = 5
"""How often noise is drawn for each clip where the solver alone is asked for the focal length: one draw tells it to a half only."""
_USUAL_LENS = 50.0
_LIDS = (((37, 38), (41, 40)), ((43, 44), (47, 46)))
_LIPS = (((62,), (66,)),)
_BLINK, _JAW, _AROUND = 0.8, 0.25, 5
"""Weights from which a lid or the jaw has an event, and frames about it in which its height and middle are read."""


def true_observations(truth: Truth, seed: int) -> Observations:
    """A regressor that sees true landmarks: with noise, half alike from frame to frame and over the face, another lens and a face
    that is the actor's only roughly.
    """
    random, count = np.random.default_rng([seed, 7]), len(truth)
    apart = np.sum((truth.neutral[:, None] - truth.neutral) ** 2, axis=-1)
    root = np.linalg.cholesky(np.exp(-0.5 * apart / 0.02**2) + 1e-6 * np.eye(len(apart)))
    noise = random.normal(0, 1, truth.pixels.shape)
    smooth = np.einsum("nm,tmd->tnd", root, random.normal(0, 1, truth.pixels.shape))
    for row in range(1, count):
        smooth[row] = 0.6 * smooth[row - 1] + 0.8 * smooth[row]
    deviation = PIXEL_NOISE * face_width(truth)
    pixels = truth.pixels + deviation * np.sqrt(0.5) * (noise + smooth)
    shapes = (
        truth.landmarks + SHAPE_BIAS * (root @ random.normal(0, 1, (len(apart), 3))) + random.normal(0, SHAPE_NOISE, truth.landmarks.shape)
    )
    rotations = rotation_matrix(random.normal(0, POSE_NOISE, (count, 3))) @ truth.rotations
    assumed = USUAL_FOCAL * truth.shot.width
    translations = truth.translations * [1.0, 1.0, assumed / truth.intrinsics[0, 0]]
    covariances = np.tile(np.eye(2) * deviation**2, (*truth.pixels.shape[:2], 1, 1))
    covariances[~truth.visible] *= 25.0
    return Observations(
        np.arange(1, count + 1), np.ones(count, bool), pixels, covariances, shapes, rotations, translations, np.full(count, 0.95), assumed,
    )  # fmt: skip


def face_width(truth: Truth) -> float:
    """Median width of the face in pixels."""
    return float(np.median(np.ptp(truth.pixels[..., 0], axis=1)))


def clip_of(truth: Truth, name: str) -> Clip:
    return Clip(name, truth.shot.width, truth.shot.height, truth.shot.fps, len(truth))


def measure(raw: Observations, truth: Truth, case: Case, mesh: Observations | None = None) -> tuple[dict[str, float], OnPlate]:
    """All figures of one clip, from what a regressor said of it, and where its take lies on the plate; `mesh`: what the common
    net said of it.
    """
    clip, known = clip_of(truth, case.name), SolveSettings(distortion=case.distortion)
    started = process_time()
    take = solve(raw, clip, known)
    seconds = process_time() - started
    given = solve(raw, clip, replace(known, focal_mm=case.lens))
    figures, told = compare(take, truth), compare(given, truth)
    low, high = take.lens.focal_interval
    rows = take.valid & take.raw.found
    return {
        **{name: figure.value for name, figure in figures.items()}, "interval": 100 * (high / low - 1.0),
        "told": float(take.lens.focal_source == "solved"), "ms": 1e3 * seconds / len(truth),
        **{f"given: {name}": told[name].value for name in _POSE}, **turning_figures(given, truth), **placed_figures(given, truth),
        "raw rotation": told["head rotation"].raw, "raw plate": figures["on the plate"].raw,
        "raw jitter": figures["jitter on the plate"].raw, **events(take, truth), **kept_events(take, truth),
        **{f"pnp: {name}": value for name, value in pnp_figures(raw, take, truth).items()},
        **({f"mesh pnp: {name}": value for name, value in pnp_figures(mesh, take, truth).items()} if mesh else {}),
    }, OnPlate.of(project(take)[rows], take.frames[rows], truth)  # fmt: skip


def other_draws(truth: Truth, case: Case) -> dict[str, float]:
    """Focal lengths, and whether their intervals hold the true one, that the solver alone finds with other noise."""
    figures = {}
    for draw in range(1, DRAWS):
        take = solve(
            true_observations(truth, case.seed + 1000 * draw), clip_of(truth, case.name), SolveSettings(distortion=case.distortion)
        )
        told = compare(take, truth)
        figures |= {f"{name}, {draw}": told[name].value for name in ("focal length", "focal interval holds it")}
    return figures


_POSE = ("head rotation", "depth, given the focal", "inner face", "on the plate")


def turning_figures(take: Take, truth: Truth) -> dict[str, float]:
    """The rotation's error in parts: what is the same on all frames (and its pitch), and what varies, degrees RMS."""
    errors = turning_errors(take, truth)
    bias = errors.mean(axis=0)
    varying = float(np.sqrt(np.mean(np.sum((errors - bias) ** 2, axis=1))))
    return {"rotation bias": float(np.linalg.norm(bias)), "pitch bias": float(bias[0]), "rotation varying": varying}


def pnp_figures(raw: Observations, take: Take, truth: Truth) -> dict[str, float]:
    """The usual practice: a generic rigid face, a 50 mm lens, each frame by itself."""
    focal = _USUAL_LENS / 36.0 * truth.shot.width
    lens = replace(take.lens, focal=np.full(len(take), focal), focal_interval=(focal, focal))
    face = head_basis().neutral
    turns, places = take.rotations.copy(), take.translations.copy()
    for row in np.flatnonzero(take.raw.found):
        rays = camera.to_rays(raw.landmarks_2d[None, take.frames[row] - raw.frames[0]], replace(lens, focal=lens.focal[:1]))[0]
        _, turn, place = cv2.solvePnP(face, rays, np.eye(3), None, flags=cv2.SOLVEPNP_SQPNP)
        turns[row], places[row] = rotation_matrix(turn[:, 0]), place[:, 0]
    still = np.broadcast_to(face, take.landmarks.shape)
    seen = replace(take.raw, landmarks_2d=raw.landmarks_2d[take.frames - raw.frames[0]])
    practice = replace(take, raw=seen, rotations=turns, translations=places, lens=lens, landmarks=still, neutral=face)
    figures = compare(practice, truth)
    true = truth.translations[take.frames - 1, 2]
    depth = 100 * float(np.sqrt(np.nanmean((places[:, 2] / true - 1.0) ** 2)))
    return {name: figures[name].value for name in (*_POSE, "jitter on the plate")} | {"depth, its own focal": depth}


def events(take: Take, truth: Truth) -> dict[str, float]:
    """Blinks and openings of the jaw: how much of their amplitude is kept, and how many frames their middle is off."""
    found: dict[str, list[tuple[float, float]]] = {"blink": [], "jaw": []}
    for kind, gaps, name, level in (("blink", _LIDS, "eyeBlinkLeft", _BLINK), ("jaw", _LIPS, "jawOpen", _JAW)):
        weights = truth.weights[:, arkit.INDEX[name]]
        for peak in _peaks(weights, level):
            rows = slice(max(peak - _AROUND, 0), peak + _AROUND + 1)
            found[kind] += [_event(_gap(take.landmarks[rows], gap), _gap(truth.landmarks[rows], gap), kind == "blink") for gap in gaps]
    figures = {}
    for kind, events in found.items():
        kept, late = np.array(events).reshape(-1, 2).T
        figures |= {f"{kind} amplitude": float(np.nanmedian(kept)) if len(kept) else np.nan}
        figures |= {f"{kind} timing": float(np.nanmedian(np.abs(late))) if len(late) else np.nan}
    return figures


def kept_events(take: Take, truth: Truth) -> dict[str, float]:
    """The amplitude of blinks and of the jaw in the picture: how much of the truth's the regressor has, and of that the solve keeps."""
    true, found, raw = (_upright(pixels) for pixels in (truth.pixels, project(take), take.raw.landmarks_2d))
    flat = replace(truth, landmarks=true)
    solved, seen = (events(replace(take, landmarks=pixels), flat) for pixels in (found, raw))
    names = ("blink amplitude", "jaw amplitude")
    return {f"raw {name}": seen[name] for name in names} | {f"kept {name}": solved[name] / seen[name] for name in names}


def _upright(pixels: Array) -> Array:
    """Places in the picture (T, N, 2) with a third of zero."""
    return np.concatenate([pixels, np.zeros_like(pixels[..., :1])], axis=-1)


def _peaks(weights: Array, level: float) -> list[int]:
    inner = np.arange(_AROUND, len(weights) - _AROUND)
    return [int(row) for row in inner if weights[row] >= level and weights[row] == weights[row - _AROUND : row + _AROUND + 1].max()]


def _gap(landmarks: Array, rows: tuple[tuple[int, ...], tuple[int, ...]]) -> Array:
    upper, lower = rows
    return np.linalg.norm(landmarks[:, list(upper)].mean(axis=1) - landmarks[:, list(lower)].mean(axis=1), axis=-1)


def _event(found: Array, true: Array, closing: bool) -> tuple[float, float]:
    """Share of the true amplitude that is along the true course, and frames that the middle is off."""
    sign = -1.0 if closing else 1.0
    true, found = (sign * values - (sign * values).min() for values in (true, found))
    kept = float(np.polyfit(true, found, 1)[0])
    middle = [float(np.sum(values**2 * np.arange(len(values))) / max(np.sum(values**2), 1e-12)) for values in (true, found)]
    return kept, middle[1] - middle[0]
