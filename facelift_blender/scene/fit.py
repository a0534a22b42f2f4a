# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped head bent to an actor's neutral landmarks: numbers alone, no Blender."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..capture.types import Array
from ..rigs.head import PARTS, Head

STIFFNESS: Final = 1e-3
"""Metres of smoothing in the warp: landmarks this close together, and noise of this size, are averaged."""

_STILL: Final = 1e-5
"""Metres under which a vertex counts as not moved by a shape."""


def fit_head(head: Head, neutral: Array) -> tuple[Array, Array]:
    """The head's vertices (V, 3) and shape offsets (52, V, 3) for an actor with this neutral face (N, 3), canonical metres.

    A similarity brings the head's landmarks onto the actor's; a biharmonic spline takes up what is left. Each shape is bent
    where it goes to, so that lids that meet on the head meet on the actor. Eyeballs stay round.
    """
    scale, rotation, shift = similarity(head.landmarks, neutral)
    placed, landmarks = (scale * points @ rotation.T + shift for points in (head.vertices, head.landmarks))
    field = Spline(landmarks, neutral - landmarks)
    vertices = placed + field(placed)
    shapes = np.array([_bend(field, placed, vertices, shape) for shape in scale * head.shapes @ rotation.T])
    for eyeball in _eyeballs(head):
        size, turn, move = similarity(placed[eyeball], vertices[eyeball])
        vertices[eyeball] = size * placed[eyeball] @ turn.T + move
        shapes[:, eyeball] = size * scale * head.shapes[:, eyeball] @ (turn @ rotation).T
    return vertices, shapes


def _bend(field: Spline, placed: Array, vertices: Array, shape: Array) -> Array:
    """A shape's offsets (V, 3) between the bent head at rest and the bent head with the shape."""
    moving = np.abs(shape).max(axis=1) > _STILL
    bent, reached = shape.copy(), placed[moving] + shape[moving]
    bent[moving] = reached + field(reached) - vertices[moving]
    return bent


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


def _eyeballs(head: Head) -> list[np.ndarray]:
    """Vertex indices of the right and of the left eyeball."""
    parts = [PARTS.index(name) for name in ("sclera", "iris", "pupil")]
    vertices = np.unique(head.faces[np.isin(head.parts, parts)])
    right = head.vertices[vertices, 0] < 0.0
    return [side for side in (vertices[right], vertices[~right]) if len(side) > 3]
