# SPDX-License-Identifier: GPL-3.0-or-later
"""Quad meshes: limit surface, triangles, normals, samples, nearest points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from facelift_blender.capture.types import Array
from facelift_blender.rigs.head import Head


def on_limit(head: Head) -> Head:
    """The head with its vertices and shapes moved to where Catmull-Clark subdivision brings them in the end.

    So a point on the plain mesh lies within a sagitta of the surface that a renderer subdivides the cage to.
    """
    stencil = limit_stencil(head.faces, len(head.vertices))
    shapes = np.stack([stencil @ shape for shape in head.shapes])
    return replace(head, vertices=stencil @ head.vertices, shapes=shapes)


def limit_stencil(faces: np.ndarray, count: int) -> csr_matrix:
    """(V, V) sparse: cage vertices to their limit positions; a rim follows its own cubic spline."""
    valence = np.bincount(faces.ravel(), minlength=count).astype(float)
    rim = _rim_edges(faces)
    on_rim = np.zeros(count, dtype=bool)
    on_rim[rim] = True
    corner = faces.ravel()
    inner = ~on_rim[corner]
    terms = [(corner, np.roll(faces, turn, axis=1).ravel(), weight) for turn, weight in ((1, 2.0), (2, 1.0), (3, 2.0))]
    scale = 1.0 / (valence * (valence + 5.0))
    rows = [row[inner] for row, _, _ in terms] + [rim[:, 0], rim[:, 1], np.arange(count)]
    columns = [column[inner] for _, column, _ in terms] + [rim[:, 1], rim[:, 0], np.arange(count)]
    rim_share = np.full(len(rim), 1.0 / 6.0)
    values = [weight * scale[row[inner]] for row, _, weight in terms] + [rim_share, rim_share]
    values.append(np.where(on_rim, 4.0 / 6.0, valence / (valence + 5.0)))
    return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(count, count))


def _rim_edges(faces: np.ndarray) -> np.ndarray:
    """(E, 2) the edges that one face alone has."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    return unique[count == 1]


def triangles(faces: np.ndarray) -> np.ndarray:
    """(2F, 3): quad k is split into triangles 2k and 2k + 1."""
    return faces[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def vertex_normals(vertices: Array, faces: np.ndarray) -> Array:
    """(V, 3) unit normals, outwards."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    total = np.zeros_like(vertices)
    np.add.at(total, faces.ravel(), np.repeat(normals, 4, axis=0))
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-15)


def barycentric_grid(steps: int) -> Array:
    """(K, 3) weights spread evenly over a triangle, its corners and edges among them."""
    i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    inside = i + j <= steps
    return np.stack([i[inside], j[inside], steps - i[inside] - j[inside]], axis=1) / steps


def nearest_on_surface(points: Array, vertices: Array, corners: np.ndarray, steps: int = 12) -> tuple[np.ndarray, Array]:
    """Vertex indices (K, 3) and weights (K, 3) of the samples of triangles (T, 3) that lie nearest to points (K, 3)."""
    grid = barycentric_grid(steps)
    samples = np.einsum("gk,tkc->tgc", grid, vertices[corners]).reshape(-1, 3)
    nearest = cKDTree(samples).query(points)[1]
    return corners[nearest // len(grid)], grid[nearest % len(grid)]


def at(vertices: Array, indices: np.ndarray, weights: Array) -> Array:
    """(..., K, 3) the points of barycentric places on vertices (..., V, 3)."""
    return np.einsum("...kjc,kj->...kc", vertices[..., indices, :], weights)
