# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the topology's landmarks lie on the head: pictures of it are labelled, and the labels brought back to the surface.

Each picture's label is the visible place of its own parts (lids on skin, irises on the eyeball, lips on their own lip) that
projects nearest to it; places are averaged over the pictures by how squarely they face the camera, then made symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facelift_blender.capture.topology import COUNT, MIRROR, NAMES, TABLE, region_indices
from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, Head

from .surface import at, barycentric_grid, nearest_on_surface, triangles, vertex_normals

_STEPS: Final = 6
_EARS: Final = -0.057
"""Depth, metres, behind which no contour is: there are the ears."""
_CONTOUR: Final = region_indices("contour")
_EYES: Final = region_indices("eyes")
_IRISES: Final = region_indices("irises")
_UPPER_LIP: Final = (*range(49, 54), 61, 62, 63)
_LOWER_LIP: Final = (*range(55, 60), 65, 66, 67)


@dataclass(frozen=True)
class View:
    """One labelled picture of a head: its expression weights (52,), camera matrix (3, 3), canonical to camera, and labels (N, 2) px."""

    weights: Array
    intrinsics: Array
    rotation: Array
    translation: Array
    labels: Array
    frontal: bool = True

    def project(self, points: Array) -> Array:
        """(..., 2) pixels of canonical points (..., 3)."""
        seen = (points @ self.rotation.T + self.translation) @ self.intrinsics.T
        return seen[..., :2] / seen[..., 2:]

    def facing(self, points: Array, normals: Array) -> Array:
        """Cosine between the normals and the way to the camera."""
        eye = -self.rotation.T @ self.translation
        towards = eye - points
        return (normals * towards).sum(axis=-1) / np.linalg.norm(towards, axis=-1)


def embed(head: Head, views: Sequence[View]) -> Head:
    """The head with its landmarks placed by the views."""
    corners = triangles(head.faces)
    parts = np.repeat(head.parts, 2)
    places = np.zeros((len(views), COUNT, 3))
    votes = np.zeros((len(views), COUNT))
    for k, view in enumerate(views):
        places[k], votes[k] = _places(head, corners, parts, view)
    mean = (places * votes[..., None]).sum(axis=0) / votes.sum(axis=0)[:, None]
    mean = 0.5 * (mean + mean[list(MIRROR)] * [-1.0, 1.0, 1.0])
    return _attach(head, corners, parts, mean)


def _allowed(index: int, head: Head, corners: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(T,) which triangles may carry a landmark."""
    on = {name: parts == PARTS.index(name) for name in PARTS}
    if index in _IRISES:
        side = np.sign(head.vertices[corners][:, 0, 0])
        return (on["sclera"] | on["iris"] | on["pupil"]) & (side == (1 if "left" in NAMES[index] else -1))
    skin = on["skin"] | on["lips"]
    if _lip(index):
        above = head.vertices[corners][..., 1].mean(axis=1) > _mouth_line(head)
        return skin & (above if _lip(index) == "upper" else ~above)
    if index in _EYES:
        return skin & _is_rim(index, head, corners)
    if index in _CONTOUR:
        return skin & ~(_is_neck(head) | (head.vertices[:, 2] < _EARS))[corners].any(axis=1)
    return skin


def _mouth_line(head: Head) -> float:
    """Height between the lips at rest: above what the jaw takes with it, below what it leaves."""
    lips = np.unique(head.faces[head.parts == PARTS.index("lips")])
    middle = lips[(np.abs(head.vertices[lips, 0]) < 6e-3) & (head.vertices[lips, 2] > 0.03)]
    falls = head.shapes[arkit.INDEX["jawOpen"], middle, 1] < -10e-3
    heights = head.vertices[middle, 1]
    return float((heights[falls].max() + heights[~falls].min()) / 2.0)


def _is_rim(index: int, head: Head, corners: np.ndarray) -> np.ndarray:
    """(T,) triangles of the lids' rims: skin near an eyeball that faces the gap. Corners of the eye may lie on either lid."""
    upright = vertex_normals(head.vertices, head.faces)[corners].mean(axis=1)[:, 1]
    center = head.vertices[corners].mean(axis=1)
    near = (np.abs(center[:, 1]) < 9e-3) & (center[:, 2] > 4e-3) & (np.abs(np.abs(center[:, 0]) - 0.0315) < 0.0185)
    if index in (36, 39, 42, 45):
        return near
    upper = index in (37, 38, 43, 44) or NAMES[index].startswith("lid_upper")
    return near & ((upright < -0.3) & (center[:, 1] > -6e-3) if upper else (upright > 0.3) & (center[:, 1] < 2e-3))


def _is_neck(head: Head) -> np.ndarray:
    """(V,) below the plane through the chin's underside and the angles of the jaw."""
    (chin_y, chin_z), (angle_y, angle_z) = (-0.118, 0.014), (-0.076, -0.045)
    slope = (chin_y - angle_y) / (chin_z - angle_z)
    return head.vertices[:, 1] < angle_y + slope * (head.vertices[:, 2] - angle_z)


def _lip(index: int) -> str:
    """The lip that a landmark belongs to, `upper` or `lower`; nothing for corners and for the rest of the face."""
    definition = TABLE[index].definition
    if index in _UPPER_LIP or definition in {f"mesh:{k}" for k in (185, 409, 39, 269, 191, 415, 81, 311)}:
        return "upper"
    if index in _LOWER_LIP or definition in {f"mesh:{k}" for k in (181, 405, 146, 375, 178, 402, 95, 324)}:
        return "lower"
    return ""


def _places(head: Head, corners: np.ndarray, parts: np.ndarray, view: View) -> tuple[Array, Array]:
    """Places at rest (N, 3) of a view's labels, and how much each counts (N,)."""
    grid = barycentric_grid(_STEPS)
    shown = head.pose(view.weights)
    points, rest = (np.einsum("gk,tkc->tgc", grid, vertices[corners]) for vertices in (shown, head.vertices))
    normals = np.einsum("gk,tkc->tgc", grid, vertex_normals(shown, head.faces)[corners])
    facing = view.facing(points, normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12))
    pixels = view.project(points)
    seen = (facing > 0.02) & _unhidden(pixels, points @ view.rotation.T[:, 2] + view.translation[2])
    places, votes = np.zeros((COUNT, 3)), np.zeros(COUNT)
    for index in range(COUNT):
        candidates = seen & _allowed(index, head, corners, parts)[:, None]
        distance = np.where(candidates, np.linalg.norm(pixels - view.labels[index], axis=-1), np.inf)
        best = np.unravel_index(np.argmin(distance), distance.shape)
        places[index] = rest[best]
        votes[index] = 1.0 if index in _CONTOUR else max(facing[best], 0.05) ** 2
    votes[list(_CONTOUR)] *= 1.0 if view.frontal else 1e-6
    return places, votes


def _unhidden(pixels: Array, depth: Array, cell: float = 3.0, slack: float = 4e-3) -> np.ndarray:
    """Which samples are not behind others that fall in the same cell of the picture."""
    cells = np.floor(pixels / cell).astype(np.int64)
    cells -= cells.min(axis=(0, 1))
    flat = cells[..., 1] * (cells[..., 0].max() + 1) + cells[..., 0]
    front = np.full(int(flat.max()) + 1, np.inf)
    np.minimum.at(front, flat.ravel(), depth.ravel())
    return depth < front[flat] + slack


def _attach(head: Head, corners: np.ndarray, parts: np.ndarray, points: Array) -> Head:
    """Landmarks on the nearest allowed surface to points (N, 3); a twin gets the mirrored place."""
    indices, weights = np.zeros((COUNT, 3), dtype=np.int64), np.zeros((COUNT, 3))
    for index in range(COUNT):
        allowed = corners[_allowed(index, head, corners, parts)]
        close = allowed[np.linalg.norm(head.vertices[allowed].mean(axis=1) - points[index], axis=1) < 12e-3]
        places = nearest_on_surface(points[[index]], head.vertices, close, steps=24)
        indices[index], weights[index] = places[0][0], places[1][0]
    return replace(head, landmark_vertices=indices, landmark_weights=weights)


def spread(head: Head, view: View) -> Array:
    """(N,) pixels between a view's labels and the embedded landmarks: how well pictures and embedding agree."""
    return np.linalg.norm(view.project(at(head.pose(view.weights), head.landmark_vertices, head.landmark_weights)) - view.labels, axis=1)
