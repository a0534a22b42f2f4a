# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.training.expression_fit`: teaches the extension to read weights from landmarks as its tracker sees them.

The characters that `python -m models.performer.exercises` rendered go through the tracker with the weights as they are, and a
ridge regression learns from what is then solved. Characters stand in for each other's test: what is left of a shape at rest in
one who was not learned from is the doubt that a weight has to exceed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.expression import Reading, Resting, described, find_neutral, head_basis
from facelift_blender.capture.topology import MIRROR, region_indices
from facelift_blender.capture.types import Array, FaceLiftError, Take
from facelift_blender.rigs import arkit
from models.performer.exercises import FOLDER
from models.performer.truth import Truth

from . import expression_samples, paths
from .export import save_learned

RIDGE: Final = 6000.0
NEUTRALS, FEW = 3, 0.5
"""Faces at rest that each character is seen from: the solve's, and those of a share of the stills, as a short clip would have them."""
FOLDS: Final = 6
DOUBT, CAUTION, TOLD = 0.8, 2.0, 0.7
"""What a weight has to exceed, in standard deviations of its error at rest; so much more for a shape of which nothing is told; the
correlation from which a shape counts as told.
"""
ONE_SIDED: Final = ("eyeBlink", "eyeSquint", "eyeWide", "browDown", "browOuterUp", "cheekSquint")
ANTAGONISTS: Final = (
    ("eyeLookInLeft", "eyeLookOutLeft"), ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"), ("eyeLookUpRight", "eyeLookDownRight"),
)  # fmt: skip
"""Shapes that are two sides of one move: a line is drawn through both, of which each shows what is above nothing."""
_REST: Final = 0.02
_MOST: Final = 1.6
"""The largest gain."""


@dataclass(frozen=True)
class Samples:
    """described: (S, F). weights: (S, 52). characters: (S,)."""

    described: Array
    weights: Array
    characters: np.ndarray


def samples_of(takes: dict[int, tuple[Take, Truth]]) -> Samples:
    """Every still, from several faces at rest, as it is and in the mirror."""
    rows = [
        (described(*face), weights, np.full(len(weights), seed))
        for seed, (take, truth) in takes.items()
        for neutral in _neutrals(take, np.random.default_rng([seed, 24]))
        for face, weights in (
            ((take.landmarks, neutral), truth.weights),
            ((mirrored(take.landmarks), mirrored(neutral)), truth.weights[:, list(arkit.MIRROR)]),
        )
    ]
    return Samples(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _neutrals(take: Take, random: np.random.Generator) -> list[Array]:
    count = round(FEW * len(take))
    few = [random.choice(len(take), count, replace=False) for _ in range(NEUTRALS - 1)]
    return [take.neutral, *(find_neutral(take.landmarks[rows]) for rows in few)]


def mirrored(points: Array) -> Array:
    """Landmarks (..., N, 3) of the face in the mirror."""
    return points[..., list(MIRROR), :] * [-1.0, 1.0, 1.0]


def fit(samples: Samples) -> Reading:
    """The reading that fits the samples; twins share what they doubt."""
    left_out, moves = _left_out(samples), opposed(samples.weights)
    doubt, gain = np.zeros(52), np.ones(52)
    for shape in range(52):
        doubt[shape] = _doubt(left_out[:, shape], moves[:, shape])
        gain[shape] = _gain(left_out[:, shape] - doubt[shape], samples.weights[:, shape])
    twins = list(arkit.MIRROR)
    return Reading(ridge(samples.described, samples.weights), (doubt + doubt[twins]) / 2, (gain + gain[twins]) / 2)


def _doubt(found: Array, true: Array) -> float:
    """What a weight has to exceed to count: more where what is found has little to do with the truth; antagonists below nothing."""
    told = float(np.clip(np.corrcoef(found, true)[0, 1] / TOLD, 0.0, 1.0))
    return (DOUBT + CAUTION * (1.0 - told)) * float(np.sqrt(np.mean(found[np.abs(true) < _REST] ** 2)))


def _gain(found: Array, true: Array) -> float:
    """What brings a weight on average to its full size, where it shows at all."""
    found = np.clip(found, 0.0, 1.0)
    slope = float(found @ true / max(found @ found, 1e-9))
    return float(np.clip(slope, 1.0, _MOST))


def _left_out(samples: Samples) -> Array:
    """(S, 52) of each character by what the others taught."""
    found, everyone = np.zeros_like(samples.weights), np.unique(samples.characters)
    for fold in range(FOLDS):
        out = np.isin(samples.characters, everyone[fold::FOLDS])
        if out.any() and not out.all():
            found[out] = samples.described[out] @ ridge(samples.described[~out], samples.weights[~out])
    return found


def ridge(described: Array, weights: Array) -> Array:
    """(F, 52); what tells of the other eye or brow tells nothing of this one."""
    normal, goal = described.T @ described + RIDGE * np.eye(described.shape[1]), described.T @ opposed(weights)
    matrix = np.zeros_like(goal)
    for side in ("Right", "Left", ""):
        shapes = [k for k, name in enumerate(arkit.NAMES) if _own_side(name) == side]
        rows = np.flatnonzero(~_tells_of_other(side))
        matrix[np.ix_(rows, shapes)] = np.linalg.solve(normal[np.ix_(rows, rows)], goal[np.ix_(rows, shapes)])
    return matrix


def opposed(weights: Array) -> Array:
    """Weights (S, 52) with antagonists counted against each other: below nothing where the other shows."""
    moves = weights.copy()
    for pair in ANTAGONISTS:
        one, other = (arkit.INDEX[name] for name in pair)
        moves[:, [one, other]] -= weights[:, [other, one]]
    return moves


def _own_side(shape: str) -> str:
    """The side whose eye and brow alone tell of a shape; none for gaze, which the eyes share, and for mouth and nose."""
    side = "Left" if shape.endswith("Left") else "Right"
    return side if shape.startswith(ONE_SIDED) and shape.endswith(side) else ""


def _tells_of_other(side: str) -> np.ndarray:
    """(F,) what is described of the other side's eye and brow."""
    face = head_basis().neutral
    away = {"Right": face[:, 0] > 0.0, "Left": face[:, 0] < 0.0, "": np.zeros(len(face), bool)}[side]
    upper = np.isin(np.arange(len(face)), region_indices("eyes", "irises", "brows", "forehead"))
    moved = np.where((away & upper)[:, None], np.random.default_rng(0).normal(size=face.shape), 0.0)
    return described(face + moved, face) != 0.0


def observed(folder: Path) -> dict[int, tuple[Take, Truth]]:
    """Every character's take by the extension's models as they are, and its truth. Raises FaceLiftError if there is none."""
    seeds, look = expression_samples.everyone(folder), expression_samples.looking_twice()
    return {seed: expression_samples.observe(seed, folder, look) for seed in seeds}


def main(arguments: Sequence[str] | None = None) -> int:
    return teach("expression", lambda folder: fit(samples_of(observed(folder))), __doc__, arguments)


def teach(name: str, learn: Callable[[Path], Reading | Resting], told: str | None, arguments: Sequence[str] | None) -> int:
    """The command that writes what is learned from a folder of exercises; its exit status."""
    source = f"python -m models.training.{name}_fit"
    parser = argparse.ArgumentParser(prog=source, description=told)
    parser.add_argument("--exercises", type=Path, default=FOLDER, help="folder with the rendered stills")
    parser.add_argument("-o", "--output", type=Path, default=paths.WEIGHTS / f"{name}.npz")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        learned = learn(options.exercises)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    save_learned(name, learned, options.output, source)
    sys.stdout.write(f"{options.output}: {len(expression_samples.seeds(options.exercises))} characters\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
