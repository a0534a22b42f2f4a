# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.training.amplitudes`: how far eyes, lids, lips and brows are seen to go, of the way that rendered characters' go.

The characters of the exercises (`models.performer.exercises`), which the second look was not taught on; slopes and correlations
over all stills, each character's own usual taken off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from facelift_blender.capture.landmarks import Regressor
from facelift_blender.capture.second_look import LookingTwice, SecondLook
from facelift_blender.capture.topology import EYE_CORNERS, IRIS_CENTERS
from facelift_blender.capture.types import Array
from models.performer.exercises import FOLDER

from . import paths
from .expression_samples import seeds, seen

EVERY = 6


def moves(points: Array) -> dict[str, Array]:
    """What the inner face does in the picture, from landmarks (T, N, 2): (T,) each, in the mean distance of the eyes' outer corners."""
    across = points[:, 45] - points[:, 36]
    size = np.linalg.norm(across, axis=1, keepdims=True)
    right = across / size
    down = np.stack([-right[:, 1], right[:, 0]], axis=1)
    gaze = np.mean(
        [points[:, iris] - points[:, list(corners)].mean(axis=1) for iris, corners in zip(IRIS_CENTERS, EYE_CORNERS, strict=True)], axis=0
    )
    ways = {
        "gaze, to the side": (gaze, right), "gaze, up and down": (gaze, down),
        "lids": (points[:, [40, 41, 46, 47]].mean(axis=1) - points[:, [38, 37, 44, 43]].mean(axis=1), down),
        "lips": (points[:, 66] - points[:, 62], down), "width of the mouth": (points[:, 54] - points[:, 48], right),
        "corners of the mouth": (points[:, [48, 54]].mean(axis=1) - points[:, 33], down),
        "inner brows": (points[:, [21, 22]].mean(axis=1) - points[:, [39, 42]].mean(axis=1), down),
    }  # fmt: skip
    return {name: np.sum(way * axis, axis=1) / np.median(size) for name, (way, axis) in ways.items()}


def amplitudes(look: LookingTwice, folder: Path, every: int) -> dict[str, tuple[float, float]]:
    """Slope and correlation of each move, what is seen over the truth."""
    found: dict[str, list[Array]] = {}
    for seed in seeds(folder)[::every]:
        raw, _, pixels, _ = seen(seed, folder, look)
        for (name, one), other in zip(moves(raw.landmarks_2d).items(), moves(pixels).values(), strict=True):
            found.setdefault(name, []).append(np.stack([one - np.median(one), other - np.median(other)]))
    joined = {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
    return {name: (float(one @ true / (true @ true)), float(np.corrcoef(one, true)[0, 1])) for name, (one, true) in joined.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m models.training.amplitudes", description=__doc__)
    parser.add_argument("--weights", type=Path, default=paths.WEIGHTS / "second_look.onnx", help="a second look other than the shipped one")
    parser.add_argument("--exercises", type=Path, default=FOLDER)
    parser.add_argument("--every", type=int, default=EVERY, help="take every so many characters")
    arguments = parser.parse_args()
    look = LookingTwice(Regressor(threads=1, device="CPU"), SecondLook(arguments.weights, 1, "CPU"))
    for name, (slope, correlation) in amplitudes(look, arguments.exercises, arguments.every).items():
        print(f"{name:24}{slope:6.2f} of its way, correlation {correlation:.2f}")


if __name__ == "__main__":
    main()
