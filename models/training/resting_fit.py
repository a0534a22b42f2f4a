# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.training.resting_fit`: teaches the extension to see when a face that passes for the actor's rest does something.

The characters that `python -m models.performer.exercises` rendered go through the tracker, and a ridge regression learns what
the regressor's canonical shapes tell of the weights, whosever they are. Characters stand in for each other's test: what faces
at rest of those who were not learned from seem to show is what a face has to exceed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.expression import Resting, described, find_neutral, head_basis
from facelift_blender.capture.solve import steadied_shapes
from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit

from . import expression_samples
from .expression_fit import FOLDS, mirrored, teach

RIDGE: Final = 3000.0
DOUBT: Final = 1.5
"""What a face has to show to be taken not to rest, in standard deviations of what the characters' faces at rest seem to show."""


@dataclass(frozen=True)
class Shapes:
    """A character's. shapes: (S, N, 3) canonical; weights: (S, 52)."""

    shapes: Array
    weights: Array


def described_wholly(shapes: Array) -> Array:
    """(S, F) of shapes (S, N, 3) against the known head's."""
    return described(shapes, head_basis().neutral)


def fit(characters: Mapping[int, Shapes]) -> Resting:
    """What the characters taught; twins count alike."""
    everyone = sorted(characters)
    told = [_told(characters, everyone[fold::FOLDS]) for fold in range(FOLDS)]
    at_rest = np.concatenate([found for found in told if len(found)])
    matrix, offset = _ridge(list(characters.values()))
    least = DOUBT * np.sqrt(np.mean(at_rest**2, axis=0)) - offset
    return Resting(matrix, (least + least[list(arkit.MIRROR)]) / 2)


def _told(characters: Mapping[int, Shapes], out: Sequence[int]) -> Array:
    """(C, 52) what the others' lesson says of the faces at rest of those left out."""
    matrix, offset = _ridge([shapes for seed, shapes in characters.items() if seed not in out])
    rest = [find_neutral(characters[seed].shapes) for seed in out]
    return described_wholly(np.stack(rest)) @ matrix + offset if rest else np.zeros((0, 52))


def _ridge(characters: Sequence[Shapes]) -> tuple[Array, Array]:
    """(F, 52) and (52,): a line through all shapes and those in the mirror."""
    shapes = np.concatenate([part for one in characters for part in (one.shapes, mirrored(one.shapes))])
    weights = np.concatenate([part for one in characters for part in (one.weights, one.weights[:, list(arkit.MIRROR)])])
    seen = described_wholly(shapes)
    middle, usual = seen.mean(axis=0), weights.mean(axis=0)
    normal = (seen - middle).T @ (seen - middle) + RIDGE * np.eye(seen.shape[1])
    matrix = np.linalg.solve(normal, (seen - middle).T @ (weights - usual))
    return matrix, usual - middle @ matrix


def observed(folder: Path) -> dict[int, Shapes]:
    """Every character as the extension's models see it. Raises FaceLiftError if there is none."""
    seeds, look = expression_samples.everyone(folder), expression_samples.looking_twice()
    seen = {seed: expression_samples.tracked(seed, folder, look) for seed in seeds}
    return {seed: Shapes(steadied_shapes(raw), truth.weights) for seed, (raw, truth, _) in seen.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    return teach("resting", lambda folder: fit(observed(folder)), __doc__, arguments)


if __name__ == "__main__":
    sys.exit(main())
