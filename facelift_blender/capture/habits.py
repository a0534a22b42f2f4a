# SPDX-License-Identifier: GPL-3.0-or-later
"""What these networks are wont to get wrong, taken out of what they say.

Heads whose every point is known were shown to the networks, and what they said of them was laid beside the truth: where a landmark
is drawn to in a view, how much of a move is lost, which face and which turn of the head the regressor makes of it. One linear map
tells all of that from the view, the canonical shape, how far the second look moved the landmarks from the first's projection, and how
the view changes what these mean. A move loses more than a face does, and so what a frame has beyond its clip is told once more.
A second map tells how near the face is. The regressor shows the perspective of the lens that it was told; but it is not at ease
with a wrong one, and the face that it then makes, and where the second look contradicts it, tell of the true one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .head_pose import pose_from, reproject, rotation_matrix
from .roomy import roomy_copy, windows
from .types import Array, Observations
from .weights import model_path, read_learned, sha256_of

_TELLING = 1000
"""Frames that tell what is usual in a clip."""


@dataclass(frozen=True)
class Sighting:
    """What the networks said of F frames, free of where and how large the face stands in the picture.

    views: (F, 3) canonical, unit, from the head to the camera. shapes: (F, N, 3) canonical landmarks. rests: (F, N, 2) metres by
    which landmarks lie off the projection of that shape, along `axes` (F, 2, 2), whose columns are the head's right and up in the
    picture. scales: (F,) pixels a metre. nearness: (F,) 1 / metres of the distance that was assumed.
    """

    views: Array
    shapes: Array
    rests: Array
    axes: Array
    scales: Array
    nearness: Array

    @staticmethod
    def of(raw: Observations, center: tuple[float, float], rows: NDArray[np.int64]) -> Sighting:
        """Of some rows, all of them found."""
        rotations, translations, shapes = raw.rotations[rows], raw.translations[rows], raw.landmarks_3d[rows]
        pose = pose_from(rotations, translations, raw.assumed_focal)
        up = rotations[:, :2, 1] / np.linalg.norm(rotations[:, :2, 1], axis=1, keepdims=True)
        axes = np.stack([np.stack([-up[:, 1], up[:, 0]], axis=1), up], axis=2)
        off = raw.landmarks_2d[rows] - reproject(shapes, pose, 1.0 / raw.assumed_focal) - np.array(center)
        distance = np.linalg.norm(translations, axis=1)
        views = np.einsum("tji,tj->ti", rotations, -translations / distance[:, None])
        return Sighting(views, shapes, off / pose.scales[:, None, None] @ axes, axes, pose.scales, 1.0 / distance)


@dataclass(frozen=True)
class Habits:
    """shape, shape_axes: (3 N,), (3 N, A) and rest, rest_axes: (2 N,), (2 N, B): middles and main components of shapes and rests.
    matrix: (2 D - 1, 5 N + 3), what is `described`, and how it differs from the clip's, to corrections: of the landmarks in the picture
    (metres along the head's axes), of the shape (metres), of the rotation (a vector, radians, canonical). nearness: (E,), what tells
    of it (`described_nearness`) to the true one.
    """

    shape: Array
    shape_axes: Array
    rest: Array
    rest_axes: Array
    matrix: Array
    nearness: Array

    def described(self, sighting: Sighting) -> Array:
        """(F, D): a constant, the view and its squares, what shape and rest are made of, and that by how far the head is turned."""
        view, made = self._view(sighting), self._made(sighting)
        return np.concatenate([view, made, view[:, 1:2] * made, view[:, 2:3] * made], axis=1)

    def described_nearness(self, sighting: Sighting) -> Array:
        """(F, E): what is described, and by the view's squares too, and the nearness that was assumed."""
        view, made = self._view(sighting), self._made(sighting)
        return np.concatenate([view, *(part[:, None] * made for part in view.T), sighting.nearness[:, None]], axis=1)

    @staticmethod
    def _view(sighting: Sighting) -> Array:
        x, y = sighting.views[:, 0], sighting.views[:, 1]
        return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)

    def _made(self, sighting: Sighting) -> Array:
        count = len(sighting.views)
        shapes = (sighting.shapes.reshape(count, -1) - self.shape) @ self.shape_axes
        rests = (sighting.rests.reshape(count, -1) - self.rest) @ self.rest_axes
        return np.concatenate([shapes, rests], axis=1)

    def without(self, raw: Observations, center: tuple[float, float]) -> Observations:
        """The observations without these habits, and how near the face seems; frames without a face stay as they are."""
        parts = {name: roomy_copy(getattr(raw, name)) for name in ("landmarks_2d", "landmarks_3d", "rotations")}
        nearness, usual = np.full(len(raw.frames), np.nan), self._usual(raw, center)
        for window in windows(len(raw.frames)):
            rows = np.flatnonzero(raw.found[window]) + window.start
            if len(rows):
                self._take_out(Sighting.of(raw, center, rows), rows, usual, parts, nearness)
        return replace(raw, **parts, nearness=nearness)

    def _usual(self, raw: Observations, center: tuple[float, float]) -> Array:
        """(D,): what is described of the clip, in the mean."""
        rows = np.flatnonzero(raw.found)
        rows = rows[:: max(1, len(rows) // _TELLING)]
        told = [self.described(Sighting.of(raw, center, rows[part])).sum(axis=0) for part in windows(len(rows))]
        return np.sum(told, axis=0) / max(len(rows), 1)

    def _take_out(self, sighting: Sighting, rows: NDArray[np.int64], usual: Array, parts: dict[str, Array], nearness: Array) -> None:
        count = sighting.shapes.shape[1]
        told = beside_usual(self.described(sighting), usual)
        seen, shape, turn = np.split(told @ self.matrix, [2 * count, 5 * count], axis=1)
        parts["landmarks_2d"][rows] += sighting.scales[:, None, None] * (seen.reshape(-1, count, 2) @ np.swapaxes(sighting.axes, 1, 2))
        parts["landmarks_3d"][rows] += shape.reshape(-1, count, 3)
        parts["rotations"][rows] = parts["rotations"][rows] @ rotation_matrix(turn)
        nearness[rows] = self.described_nearness(sighting) @ self.nearness


def beside_usual(told: Array, usual: Array) -> Array:
    """(F, 2 D - 1): what is described, and how it differs from what is usual in the clip, (D,) or (F, D)."""
    return np.concatenate([told, (told - usual)[:, 1:]], axis=1)


def without_habits(raw: Observations, center: tuple[float, float], regressor: str, look: str) -> Observations:
    """What networks with such hashes of their weights said, without their habits: the extension's own are known, others' are not."""
    own = tuple(sha256_of(model_path(name)) for name in ("facelift", "second_look"))
    return load_habits().without(raw, center) if (regressor, look) == own else raw


@lru_cache(maxsize=1)
def load_habits() -> Habits:
    """What the extension ships (`models.training.habits_fit`). Raises FaceLiftError if it is missing or altered."""
    return read_learned(model_path("habits"), Habits)
