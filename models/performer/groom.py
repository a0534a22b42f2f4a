# SPDX-License-Identifier: GPL-3.0-or-later
"""Brows, lashes and hair as strands that are rooted in the head's surface, so that they follow any identity and expression.

Roots are drawn on the average head, in its canonical frame, and kept as barycentric places.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facelift_blender.capture.types import Array
from facelift_blender.rigs.head import PARTS, Head

from .surface import at, nearest_on_surface, triangles, vertex_normals

_BROW: Final = np.array([[10.5, 17.5], [17.0, 20.0], [26.0, 22.5], [36.0, 24.5], [45.0, 24.0], [51.0, 20.5], [56.0, 15.0]]) * 1e-3
"""Middle line of the left brow on the average head, seen from the front, metres."""
_BROW_WIDTH: Final = np.array([3.2, 3.8, 3.8, 3.4, 2.8, 2.0, 1.0]) * 1e-3
"""Half its width there."""


@dataclass(frozen=True)
class Strands:
    """Hairs of one kind.

    indices: (K, 3) and weights: (K, 3), the roots; directions: (K, 3) canonical, unit, which way each lies at rest;
    lengths: (K,) metres; points: number of points along a hair; lift: how far a hair stands off the skin, as a share of
    its length, at its end; radius: metres at the root.
    """

    indices: np.ndarray
    weights: Array
    directions: Array
    lengths: Array
    points: int
    lift: float
    radius: float
    curl: float = 0.0

    def turned(self, rotation: Array) -> Strands:
        """The same hairs on a head that is turned by a rotation (3, 3)."""
        return replace(self, directions=self.directions @ rotation.T)

    def grow(self, vertices: Array, normals: Array) -> Array:
        """(K, points, 3): the hairs on the head's vertices (V, 3) with normals (V, 3)."""
        root = at(vertices, self.indices, self.weights)
        normal = at(normals, self.indices, self.weights)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        along = self.directions - normal * (self.directions * normal).sum(axis=1, keepdims=True)
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        t = np.linspace(0.0, 1.0, self.points)[None, :, None]
        rise = self.lift * (2.0 * t - t**2) + self.curl * t * (1.0 - t)
        return root[:, None] + self.lengths[:, None, None] * (t * along[:, None] + rise * normal[:, None])


def brows(head: Head, generator: np.random.Generator, count: int = 1000, thickness: float = 1.0) -> Strands:
    """Both brows on the average head, `count` hairs each, growing upwards at the nose and outwards at the temple."""
    t = generator.uniform(0.0, 1.0, count)
    knots = np.linspace(0.0, 1.0, len(_BROW))
    middle = np.column_stack([np.interp(t, knots, _BROW[:, axis]) for axis in (0, 1)])
    across = generator.uniform(-1.0, 1.0, count) * np.interp(t, knots, _BROW_WIDTH) * thickness
    places = np.column_stack([middle[:, 0], middle[:, 1] + across])
    angle = np.radians(np.interp(t, [0.0, 0.15, 0.5, 1.0], [80.0, 50.0, 15.0, -35.0]) - 25.0 * across / 4e-3)
    angle += generator.normal(0.0, 0.15, count)
    directions = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(count)])
    lengths = generator.uniform(5e-3, 8e-3, count) * np.interp(t, [0.0, 0.3, 1.0], [0.8, 1.0, 0.7])
    places, directions = _both_sides(places, directions)
    indices, weights = _from_the_front(head, places)
    return Strands(indices, weights, directions, np.tile(lengths, 2), points=4, lift=0.1, radius=8.5e-5)


_HAIRLINE: Final = np.array([
    [0, 66], [25, 66], [42, 58], [58, 40], [70, 12], [77, -12], [84, 4], [100, 12], [115, -18], [135, -58], [180, -72],
])  # fmt: skip
"""Degrees round the head from the face, and the height there, in millimetres, at which hair begins."""


def hairline_margin(points: Array) -> Array:
    """(...) metres by which points of the average head (..., 3) lie above the hairline."""
    around = np.degrees(np.arctan2(np.abs(points[..., 0]), points[..., 2] + 0.075))
    return points[..., 1] - np.interp(around, _HAIRLINE[:, 0], _HAIRLINE[:, 1] * 1e-3)


def hair(head: Head, generator: np.random.Generator, length: float, count: int = 16000) -> Strands:
    """Short hair on the average head, combed back and to the sides, longer on the top."""
    corners = triangles(head.faces[head.parts == PARTS.index("skin")])
    corners = corners[(hairline_margin(head.vertices[corners]) > -4e-3).all(axis=1)]
    a, b, c = head.vertices[corners].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    chosen = corners[generator.choice(len(corners), count, p=areas / areas.sum())]
    weights = generator.dirichlet([1.0, 1.0, 1.0], count)
    root = at(head.vertices, chosen, weights)
    kept = hairline_margin(root) > generator.uniform(-2e-3, 4e-3, count)
    root, chosen, weights = root[kept], chosen[kept], weights[kept]
    top = np.clip((root[:, 1] - 0.03) / 0.05, 0.0, 1.0)
    sideways = np.clip((root[:, 0] - 0.02) / 0.07, -1.0, 1.0)
    directions = np.column_stack([sideways * (0.3 + 0.4 * top), -1.1 + 1.1 * top, -0.5 - 0.6 * top])
    directions += generator.normal(0.0, 0.15, root.shape)
    lengths = length * (0.35 + 0.65 * top) * generator.uniform(0.75, 1.1, len(root))
    return Strands(chosen, weights, directions, lengths, points=6, lift=0.3, radius=2.0e-4, curl=0.25)


def _both_sides(places: Array, directions: Array) -> tuple[Array, Array]:
    mirror = np.array([-1.0, 1.0, 1.0])
    return np.concatenate([places, places * mirror[:2]]), np.concatenate([directions, directions * mirror])


def _from_the_front(head: Head, places: Array) -> tuple[np.ndarray, Array]:
    """Roots on the front skin at (K, 2) x, y metres."""
    corners = triangles(head.faces[head.parts == PARTS.index("skin")])
    facing = vertex_normals(head.vertices, head.faces)[corners].mean(axis=1)[:, 2] > 0.2
    front = corners[facing & (head.vertices[corners][..., 2].min(axis=1) > 0.0)]
    flat = head.vertices * [1.0, 1.0, 1e-4]
    return nearest_on_surface(np.column_stack([places, np.zeros(len(places))]), flat, front)
