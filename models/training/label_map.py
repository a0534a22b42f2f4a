# SPDX-License-Identifier: GPL-3.0-or-later
"""From the 478 points of a face mesh to the landmark table, in the hand-labelled definition.

`mesh:k` rows are its vertices. Each `ibug:k` row is an affine combination of the vertices around it, whose weights sum to one
and serve x and y alike, so that it turns, scales and opens its mouth with the face; they are ridge-fitted to hand labels,
towards the one vertex that lies nearest. What that leaves is corrected by a ridge regression on the whole level mesh, which
fades where a face is unlike the ones it was fitted to: in profile the affine rows stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelift_blender.capture.topology import COUNT, MIRROR, TABLE
from facelift_blender.capture.types import Array, FaceLiftError

EYE_CORNERS = ((33, 133), (263, 362))
"""Vertices of the right and of the left eye's corners."""


# The vertex nearest to each iBUG point: where the ridge pulls to.
NEAREST = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 64, 97, 2, 326, 294,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178,
)  # fmt: skip

_LIPS = {
    "upper": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    "lower": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
}
_LIDS = {
    "right_upper": (33, 246, 161, 160, 159, 158, 157, 173, 133), "right_lower": (33, 7, 163, 144, 145, 153, 154, 155, 133),
    "left_upper": (263, 466, 388, 387, 386, 385, 384, 398, 362), "left_lower": (263, 249, 390, 373, 374, 380, 381, 382, 362),
}  # fmt: skip


def _support(index: int, mean: Array, count: int) -> Array:
    """Vertices that may speak for iBUG point `index`: its own lip or lid, else the `count` nearest to its vertex."""
    lips = dict.fromkeys((49, 50, 51, 52, 53, 61, 62, 63), "upper") | dict.fromkeys((55, 56, 57, 58, 59, 65, 66, 67), "lower")
    lids = {37: "right_upper", 38: "right_upper", 40: "right_lower", 41: "right_lower"}
    lids |= {43: "left_upper", 44: "left_upper", 46: "left_lower", 47: "left_lower"}
    distance = np.linalg.norm(mean - mean[NEAREST[index]], axis=1)
    pool = np.array(_LIPS[lips[index]] if index in lips else _LIDS[lids[index]] if index in lids else range(468))
    return pool[np.argsort(distance[pool])[:count]]


def fit_affine(meshes: Array, targets: Array, ridge: float = 0.02, count: int = 14) -> Array:
    """Affine combinations (68, 478) from mesh points (F, 478, 2) to hand labels (F, 68, 2), both in pixels.

    Each face is scaled to its own size first, so that every face counts alike.
    """
    scale = 1.0 / meshes.std(axis=(1, 2))[:, None, None]
    meshes, targets = meshes * scale, targets * scale
    mean = np.mean(meshes - meshes.mean(axis=1, keepdims=True), axis=0)
    weights = np.zeros((68, 478))
    for k in range(68):
        near = NEAREST[k]
        support = np.array([vertex for vertex in _support(k, mean, count + 1) if vertex != near])
        rows = (meshes[:, support] - meshes[:, [near]]).transpose(0, 2, 1).reshape(-1, len(support))
        wanted = (targets[:, k] - meshes[:, near]).reshape(-1)
        damping = ridge * len(wanted) * float((rows**2).mean())
        solution = np.linalg.solve(rows.T @ rows + damping * np.eye(len(support)), rows.T @ wanted)
        weights[k, support] = solution
        weights[k, near] = 1.0 - solution.sum()
    return weights


def table_rows(ibug: Array) -> Array:
    """(150, 478): the fitted 68 rows, then one vertex for each `mesh:` row."""
    rows = np.zeros((COUNT, 478))
    rows[:68] = ibug
    for k, landmark in enumerate(TABLE[68:], start=68):
        rows[k, int(landmark.definition.split(":")[1])] = 1.0
    return rows


@dataclass(frozen=True)
class Level:
    """A mesh brought to rest: (478, 2) = turn (2, 2) @ (points - centre (2,)) / size."""

    points: Array
    centre: Array
    turn: Array
    size: float

    def back(self, shift: Array) -> Array:
        """A displacement (K, 2) of level points, in the picture."""
        return shift * self.size @ self.turn


def roll_of(points: Array) -> float:
    """Radians by which the eyes of mesh points (478, 2) lean."""
    right, left = (points[list(corners)].mean(axis=0) for corners in EYE_CORNERS)
    return float(np.arctan2(*(left - right)[::-1]))


def level(points: Array) -> Level:
    """Mesh points (478, 2) with the eyes' line level, the mean at 0 and the longer side of the box 1."""
    roll = roll_of(points)
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    centre = points.mean(axis=0)
    upright = (points - centre) @ turn.T
    size = float(np.ptp(upright, axis=0).max())
    return Level(upright / size, centre, turn, size)


@dataclass(frozen=True)
class Correction:
    """What the affine rows leave, by the level mesh. mean: (956,), weights: (957, 136), axes: (K, 956) over their deviation."""

    mean: Array
    weights: Array
    axes: Array

    def __call__(self, at: Level) -> Array:
        """(68, 2) in the units of the level mesh."""
        offset = at.points.reshape(-1) - self.mean
        strange = float(np.mean((self.axes @ offset) ** 2))
        return (_with_one(offset) @ self.weights).reshape(68, 2) * np.clip((5.0 - strange) / 3.0, 0.0, 1.0)


def _with_one(offsets: Array) -> Array:
    return np.concatenate([offsets, np.full((*offsets.shape[:-1], 1), 0.3)], axis=-1)


def fit_correction(meshes: Array, left: Array, trust: Array, mirror: Array, ridge: float = 0.01, axes: int = 20) -> Correction:
    """Ridge-fit level meshes (F, 478, 2) to what is left (F, 68, 2); trust (F, 68) of each label.

    Every face counts with its mirror image.
    """
    across, twins = np.array([-1.0, 1.0]), list(MIRROR[:68])
    inputs = np.concatenate([meshes, meshes[:, mirror] * across]).reshape(-1, 956)
    left = np.concatenate([left, left[:, twins] * across])
    trust = np.concatenate([trust, trust[:, twins]])
    mean = inputs.mean(axis=0)
    rows, weights = _with_one(inputs - mean), np.zeros((957, 68, 2))
    for pattern in np.unique(trust, axis=1).T:
        columns = np.flatnonzero((trust == pattern[:, None]).all(axis=0))
        weighed = rows * pattern[:, None]
        wanted = (left[:, columns] * pattern[:, None, None]).reshape(len(left), -1)
        solution = weighed.T @ np.linalg.solve(weighed @ weighed.T + ridge * np.eye(len(rows)), wanted)
        weights[:, columns] = solution.reshape(957, -1, 2)
    _, strengths, principal = np.linalg.svd(inputs - mean, full_matrices=False)
    deviations = strengths[:axes, None] / np.sqrt(len(inputs))
    return Correction(mean, weights.reshape(957, 136), principal[:axes] / deviations)


@dataclass(frozen=True)
class LabelMap:
    """Mesh points to the table's points. affine: (150, 478)."""

    affine: Array
    correction: Correction

    def __call__(self, mesh: Array) -> Array:
        """(478, 2) -> (150, 2), in the same picture."""
        points = self.affine @ mesh
        at = level(mesh)
        points[:68] += at.back(self.correction(at))
        return points

    def save(self, path: Path) -> None:
        np.savez(path, affine=self.affine, **vars(self.correction))

    @classmethod
    def load(cls, path: Path) -> LabelMap:
        """Raises FaceLiftError if it was not fitted yet."""
        if not path.is_file():
            raise FaceLiftError(f"{path} is not there: fit it with `python -m models.training.labeller`.")
        table = np.load(path)
        return cls(table["affine"], Correction(table["mean"], table["weights"], table["axes"]))


def fit_label_map(meshes: Array, targets: Array, trust: Array, mirror: Array) -> LabelMap:
    """Both parts from mesh points (F, 478, 2), hand labels (F, 68, 2) in pixels and the trust in each (F, 68)."""
    affine = table_rows(fit_affine(meshes, targets))
    levels = [level(mesh) for mesh in meshes]
    left = np.stack(
        [(at.turn @ (target - affine[:68] @ mesh).T).T / at.size for at, target, mesh in zip(levels, targets, meshes, strict=True)]
    )
    return LabelMap(affine, fit_correction(np.stack([at.points for at in levels]), left, trust, mirror))
