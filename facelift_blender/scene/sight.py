# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Movie Clip Editor shows of a take on one frame: numbers alone, in pixels of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..capture.take import project
from ..capture.topology import CONTOUR_LINES
from ..capture.types import Array, Take
from ..rigs.head import PARTS, Head, load_head

GAZE_LENGTH = 0.06
"""Metres that the eyes' rays are drawn long."""
_SOLID = tuple(PARTS.index(name) for name in ("skin", "lips"))


@dataclass(frozen=True)
class Sight:
    """Pixels of the picture, y down. points: (N, 2) with confidence: (N,). contours and gaze: (L, 2, 2) line segments.
    wire: (W, 2, 2) edges of the head's front.
    """

    points: Array
    confidence: Array
    contours: Array
    wire: Array
    gaze: Array


class Viewer:
    """Looks at a take frame by frame; what all frames share is reckoned once."""

    def __init__(self, take: Take) -> None:
        self.take = take
        self.pixels = project(take)
        self._rows = {int(frame): row for row, frame in enumerate(take.frames) if take.valid[row]}
        self._mesh: tuple[Array, Array] | None = None
        self.head = load_head()
        self.edges, self.faces = _edges(self.head)
        self.eyes = _eyeballs(self.head)
        self._pairs = np.array([pair for line in CONTOUR_LINES for pair in pairwise(line)])

    @property
    def mesh(self) -> tuple[Array, Array] | None:
        """The head bent to the actor as `fit_head` makes it, (V, 3) and (52, V, 3); without it there is no wire and no gaze."""
        return self._mesh

    def wear(self, mesh: tuple[Array, Array]) -> None:
        """Take a bent head."""
        self._mesh = mesh

    def look(self, frame: int) -> Sight | None:
        """The take on a clip frame, or None where it has no face there."""
        row = self._rows.get(frame)
        if row is None:
            return None
        pixels = self.pixels[row]
        wire, gaze = self._head_lines(row)
        return Sight(pixels, self.take.confidence[row], _finite(pixels[self._pairs]), wire, gaze)

    def _head_lines(self, row: int) -> tuple[Array, Array]:
        if self._mesh is None:
            return np.zeros((0, 2, 2)), np.zeros((0, 2, 2))
        rest, offsets = self._mesh
        vertices = rest + np.tensordot(self.take.weights[row], offsets, axes=1)
        seen = vertices @ self.take.rotations[row].T + self.take.translations[row]
        flat = self._project(seen, row)
        front = _faces_camera(flat, self.faces)
        shown = front[self.edges[:, 2]] | front[self.edges[:, 3]]
        return _finite(flat[self.edges[shown, :2]]), _finite(np.array([self._ray(vertices, eye, row) for eye in self.eyes]))

    def _ray(self, vertices: Array, eye: tuple[Array, Array], row: int) -> Array:
        """From the pupil along the line from the eyeball's middle through it: (2, 2) pixels."""
        ball, pupil = (vertices[part].mean(axis=0) for part in eye)
        along = (pupil - ball) / np.linalg.norm(pupil - ball)
        ends = np.stack([pupil, pupil + GAZE_LENGTH * along])
        return self._project(ends @ self.take.rotations[row].T + self.take.translations[row], row)

    def _project(self, seen: Array, row: int) -> Array:
        """Points (M, 3) of the camera on the plate, (M, 2); the bend of the lens is left to the landmarks' own."""
        lens = self.take.lens
        depth = np.where(seen[:, 2:] > 1e-6, seen[:, 2:], np.nan)
        matrix = lens.matrix(row)
        return seen[:, :2] / depth * [matrix[0, 0], matrix[1, 1]] + np.array(lens.center)


def _finite(lines: Array) -> Array:
    return lines[np.isfinite(lines).all(axis=(1, 2))]


def _faces_camera(flat: Array, faces: Array) -> Array:
    """(F,) whether each face looks at the camera."""
    corners = flat[faces]
    one, other = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    with np.errstate(invalid="ignore"):
        return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] < 0


def _edges(head: Head) -> tuple[Array, Array]:
    """(E, 4) ends of each edge of the skin and its two faces (twice the same at a rim), and the skin's faces (F, 4)."""
    faces = head.faces[np.isin(head.parts, _SOLID)]
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    owners = np.repeat(np.arange(len(faces)), faces.shape[1])
    order = np.lexsort((sides[:, 1], sides[:, 0]))
    ends, first, counts = np.unique(sides[order], axis=0, return_index=True, return_counts=True)
    last = first + counts - 1
    return np.column_stack([ends, owners[order][first], owners[order][last]]), faces


def _eyeballs(head: Head) -> list[tuple[Array, Array]]:
    """Vertices of the right and of the left eyeball, each with those of its pupil."""

    def vertices(*parts: str) -> Array:
        return np.unique(head.faces[np.isin(head.parts, [PARTS.index(part) for part in parts])])

    balls, pupils = vertices("sclera", "iris", "pupil"), vertices("pupil")
    right = head.vertices[:, 0] < 0.0
    return [(balls[right[balls] == side], pupils[right[pupils] == side]) for side in (True, False)]
