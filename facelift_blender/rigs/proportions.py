# SPDX-License-Identifier: GPL-3.0-or-later
"""How expressions scale from one face to another: the one place that settles it.

There are two answers, for two questions. Landmarks that are fitted (`scale_by_part`) move as much more as their part of the
face is larger: a rule of a few ratios, which noise in the neutral face hardly touches. Surfaces that are shown (`Bend`) are
bent where they go to, so that what meets on the known face, lids and lips, meets on the other one. Over the shapes both move
landmarks alike within a tenth; with 1 mm of noise in the neutral face, bending the fitted landmarks too would double to
triple the error of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..capture import topology
from ..capture.types import Array

STIFFNESS: Final = 1e-3
"""Metres of smoothing in the warp: landmarks this close together, and noise of this size, are averaged."""
_STILL: Final = 1e-5
"""Metres under which a point counts as not moved by an expression."""


_PARTS: Final = (("eyes", "irises"), ("brows", "forehead"), ("mouth",), ("nose",), ("contour", "chin", "cheeks"))
"""Regions that scale together; those named by two lie on both sides, and each side by itself."""
_SMALLEST, _LARGEST = 0.6, 1.6
_MEMBERS: Final = np.array([[landmark.region in regions for landmark in topology.TABLE] for regions in _PARTS], float)
_PAIRED: Final = _MEMBERS[[len(regions) == 2 for regions in _PARTS]].any(axis=0)
"""Which landmarks each part has, (P, N), and which lie in a part of two sides, (N,)."""


def scale_by_part(shapes: Array, source: Array, target: Array) -> Array:
    """Offsets (K, N, 3) of the topology's landmarks, from a face (N, 3) to another: each part's moves as much larger as the part is."""
    sides = _sides(source)
    ratios = _spread(target, sides) / np.maximum(_spread(source, sides), 1e-4)
    ratios[:, 2] = ratios[:, :2].mean(axis=1)  # depth is known worst
    ratios = sides.T @ np.clip(ratios, _SMALLEST, _LARGEST)
    shares = sides.sum(axis=0)[:, None]
    return shapes * np.where(shares > 0.0, ratios / np.maximum(shares, 1.0), 1.0)


def _sides(face: Array) -> Array:
    """(2 P, N) 1 for landmarks of a part's one side and then of its other; in the middle, or of a part with one side, for both."""
    across = np.where(_PAIRED, face[:, 0], 0.0)
    return np.concatenate([_MEMBERS * (across >= 0.0), _MEMBERS * (across <= 0.0)])


def _spread(face: Array, sides: Array) -> Array:
    """(2 P, 3) standard deviations of a face's (N, 3) parts."""
    apart, counts = face - face.mean(axis=0), sides.sum(axis=1)[:, None]
    return np.sqrt(np.maximum(sides @ apart**2 / counts - (sides @ apart / counts) ** 2, 0.0))


@dataclass(frozen=True)
class Bend:
    """The way from one face to another: a size, a turn (3, 3), a shift (3,), and a field on top of them."""

    scale: float
    rotation: Array
    shift: Array
    field: Spline

    def place(self, points: Array) -> Array:
        """Points (..., 3) by size, turn and shift alone."""
        return self.scale * points @ self.rotation.T + self.shift

    def __call__(self, points: Array) -> Array:
        """Points (V, 3) of the one face on the other."""
        placed = self.place(points)
        return placed + self.field(placed)

    def offsets(self, points: Array, offsets: Array) -> Array:
        """What an expression's offsets (V, 3) at points (V, 3) of the one face are on the other: (V, 3)."""
        moving = np.abs(offsets).max(axis=1) > _STILL
        bent = self.scale * offsets @ self.rotation.T
        bent[moving] = self(points[moving] + offsets[moving]) - self(points[moving])
        return bent


def bend_between(source: Array, target: Array, stiffness: float = STIFFNESS) -> Bend:
    """The way from a face with landmarks (N, 3) to one with these, metres."""
    scale, rotation, shift = similarity(source, target)
    placed = scale * source @ rotation.T + shift
    return Bend(scale, rotation, shift, Spline(placed, target - placed, stiffness))


def similarity(source: Array, target: Array) -> tuple[float, Array, Array]:
    """Scale, rotation (3, 3) and shift (3,) that take points (N, 3) onto others with the least squared error."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    left, stretch, right = np.linalg.svd((target - target_mean).T @ (source - source_mean))
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = left * flip @ right
    scale = float(stretch @ flip / np.sum((source - source_mean) ** 2))
    return scale, rotation, target_mean - scale * rotation @ source_mean


class Spline:
    """A smooth field of shifts (N, 3) given at points (N, 3): biharmonic, affine far away."""

    def __init__(self, points: Array, shifts: Array, stiffness: float = STIFFNESS) -> None:
        count = len(points)
        system = np.zeros((count + 4, count + 4))
        system[:count, :count] = -_distances(points, points) + stiffness * np.eye(count)
        system[:count, count:] = _affine(points)
        system[count:, :count] = _affine(points).T
        self.points = points
        self.coefficients = np.linalg.solve(system, np.concatenate([shifts, np.zeros((4, 3))]))

    def __call__(self, places: Array) -> Array:
        """Shifts at places (V, 3)."""
        return np.concatenate([-_distances(places, self.points), _affine(places)], axis=1) @ self.coefficients


def _distances(one: Array, other: Array) -> Array:
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2.0 * one @ other.T
    return np.sqrt(np.clip(squares, 0.0, None))


def _affine(points: Array) -> Array:
    return np.concatenate([np.ones((len(points), 1)), points], axis=1)
