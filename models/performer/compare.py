# SPDX-License-Identifier: GPL-3.0-or-later
"""A take against the truth of the performance that was filmed: `python -m models.performer.compare TAKE.npz TRUTH.json.gz`.

Both heads have a canonical frame of their own; one turn, shift and size for the whole clip, which lays the solved face on the
true one, as both are in the mean of the clip, is taken out first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelift_blender.capture import topology
from facelift_blender.capture.head_pose import move, rotation_vector, similarity
from facelift_blender.capture.take import load_take, project
from facelift_blender.capture.types import Array, FaceLiftError, Take
from facelift_blender.rigs import arkit

from .truth import Truth, load_truth

_INNER = [index for index, landmark in enumerate(topology.TABLE) if landmark.region != "contour"]
_TOLD = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "browInnerUp", "mouthPucker")


@dataclass(frozen=True)
class Figure:
    """One line of the table; `raw` is the same of the regressor's own guesses, NaN where they have none."""

    name: str
    value: float
    raw: float
    unit: str


def compare(take: Take, truth: Truth) -> dict[str, Figure]:
    """Errors of a take, by name, in the order of the table. Raises FaceLiftError if take and truth share no valid frame."""
    rows = np.flatnonzero(take.valid & take.raw.found & (take.frames >= 1) & (take.frames <= len(truth)))
    if not len(rows):
        raise FaceLiftError("The take has no valid frame within the truth; is it the take of this clip?")
    frames = take.frames[rows] - 1
    parts = (part(take, truth, rows, frames) for part in (_camera, _pose, _face, _plate))
    return {figure.name: figure for part in parts for figure in part}


def turning_errors(take: Take, truth: Truth) -> Array:
    """(F, 3) degrees by which the solved head is turned too far on each frame of both, about its own x, y and z."""
    rows = np.flatnonzero(take.valid & take.raw.found & (take.frames >= 1) & (take.frames <= len(truth)))
    frames = take.frames[rows] - 1
    motion = _onto(take.landmarks[rows], truth.landmarks[frames])
    turned, _ = _laid(motion, take.rotations[rows], take.translations[rows])
    return np.degrees(rotation_vector(np.swapaxes(truth.rotations[frames], 1, 2) @ turned))


def table(figures: dict[str, Figure]) -> str:
    """The comparison as text, one line a figure."""
    lines = [f"{'':28}{'take':>9}{'regressor':>11}"]
    for figure in figures.values():
        raw = "" if np.isnan(figure.raw) else f"{figure.raw:.3f}"
        lines.append(f"{figure.name:28}{figure.value:9.3f}{raw:>11}  {figure.unit}")
    return "\n".join(lines)


def _camera(take: Take, truth: Truth, _rows: Array, _frames: Array) -> list[Figure]:
    true, found = float(truth.intrinsics[0, 0]), float(np.median(take.lens.focal))
    low, high = take.lens.focal_interval
    inside = low * 0.999 <= true <= high * 1.001
    return [
        Figure("focal length", 100 * (found / true - 1), 100 * (take.raw.assumed_focal / true - 1), "% off"),
        Figure("focal interval holds it", float(inside), np.nan, "1 yes, 0 no"),
    ]


def _pose(take: Take, truth: Truth, rows: Array, frames: Array) -> list[Figure]:
    zoom = float(truth.intrinsics[0, 0])
    true = truth.landmarks[frames]
    solved = _laid(_onto(take.landmarks[rows], true), take.rotations[rows], take.translations[rows])
    guess = _laid(_onto(take.raw.landmarks_3d[rows], true), take.raw.rotations[rows], take.raw.translations[rows])
    focals = float(np.median(take.lens.focal)), take.raw.assumed_focal
    turns = [_rms(np.degrees(rotation_vector(np.swapaxes(truth.rotations[frames], 1, 2) @ turned))) for turned, _ in (solved, guess)]
    true, places = truth.translations[frames, 2:], (solved[1], guess[1])
    depths = [100 * _rms(place[:, 2:] / focal * zoom / true - 1) for place, focal in zip(places, focals, strict=True)]
    return [Figure("head rotation", *turns, "degrees RMS"), Figure("depth, given the focal", *depths, "% RMS")]


def _face(take: Take, truth: Truth, rows: Array, frames: Array) -> list[Figure]:
    true = truth.landmarks[frames]
    solved, guess = (move(face, _onto(face, true)) for face in (take.landmarks[rows], take.raw.landmarks_3d[rows]))
    off = [1e3 * _rms((face - true)[:, _INNER]) for face in (solved, guess)]
    moved = [1e3 * _rms((face - face.mean(axis=0) - true + true.mean(axis=0))[:, _INNER]) for face in (solved, guess)]
    weights, told = take.weights[rows], [arkit.INDEX[name] for name in _TOLD]
    wrong = np.abs(weights - truth.weights[frames])
    along = [np.corrcoef(weights[:, k], truth.weights[frames, k])[0, 1] if np.ptp(weights[:, k]) > 0 else 0.0 for k in told]
    return [
        Figure("inner face", *off, "mm RMS"), Figure("inner face, motion only", *moved, "mm RMS"),
        Figure("weights, observable", float(wrong[:, take.observable].mean()), np.nan, "mean absolute error"),
        Figure("weights, correlation", float(np.mean(along)), np.nan, "mean of jaw, blinks, smiles, brows, pucker"),
    ]  # fmt: skip


def _plate(take: Take, truth: Truth, rows: Array, frames: Array) -> list[Figure]:
    true, seen = truth.pixels[frames], truth.visible[frames]
    face = np.median(np.ptp(true[..., 0], axis=1))
    errors = [pixels[rows] - true for pixels in (project(take), take.raw.landmarks_2d)]
    off = [100 * _rms(error[seen]) / face for error in errors]
    jitter = [100 * _rms(np.diff(error, 2, axis=0)) / face for error in errors]
    unit = "% of the face's width, RMS"
    return [Figure("on the plate", *off, unit), Figure("jitter on the plate", *jitter, unit + " acceleration")]


def _onto(faces: Array, true: Array) -> tuple[Array, Array, Array]:
    """The size, turn and shift (one of each) that lay faces (T, N, 3) on the true ones in the mean, by their inner points."""
    weights = np.isin(np.arange(faces.shape[1]), _INNER).astype(float)
    return similarity(faces.mean(axis=0)[None], true.mean(axis=0), weights)


def _laid(motion: tuple[Array, Array, Array], rotations: Array, translations: Array) -> tuple[Array, Array]:
    """Poses (T, 3, 3), (T, 3) of the true canonical frame, from those of a frame that this motion lays on it."""
    scales, turns, shifts = motion
    turned = rotations @ turns[0].T
    return turned, translations * scales[0] - turned @ shifts[0]


def _rms(errors: Array) -> float:
    """Root of the mean squared length over the last axis."""
    return float(np.sqrt(np.mean(np.sum(errors**2, axis=-1))))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m models.performer.compare", description=__doc__)
    parser.add_argument("take", type=Path)
    parser.add_argument("truth", type=Path)
    options = parser.parse_args(arguments)
    print(table(compare(load_take(options.take), load_truth(options.truth))))


if __name__ == "__main__":
    main()
