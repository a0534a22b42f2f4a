# SPDX-License-Identifier: GPL-3.0-or-later
"""A multi-view store as the auto-decoder wants it: small pictures, how far the head lies behind each pixel, who is who.

A store's rows have the mesh's own 68 points; the face model is fitted to them and rays are cast at it. That mesh only says
where the head ends and how deep it lies: landmarks still come from lifting, never from it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.types import Array

from .generator import CENTRE, RADII
from .heads import FaceModel
from .store import SIZE, Store, decode

UNKNOWN = np.inf
"""A depth: something is there, but not within the volume that is modelled."""


@dataclass(frozen=True)
class ViewSet:
    """S views of I identities, P pixels a side.

    pictures: (S, P, P, 3) RGB uint8. depth: (S, P, P) metres from the camera less the distance of the volume's centre; NaN where
    there is no head, UNKNOWN where it lies outside the volume. focal: (S,) in picture sides; rotation: (S, 3, 3), translation: (S, 3).
    identity: (S,) index. landmarks: (I, N, 3) lifted, canonical metres.
    """

    pictures: Array
    depth: Array
    focal: Array
    rotation: Array
    translation: Array
    identity: Array
    landmarks: Array

    @property
    def most_frontal(self) -> Array:
        """(I,) the view of each identity that its camera faces best."""
        askew = self.rotation[:, 2, 2]
        return np.array([np.flatnonzero(self.identity == k)[askew[self.identity == k].argmin()] for k in range(len(self.landmarks))])

    def save(self, path: Path) -> None:
        """As .npz, whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez(part, **{field.name: getattr(self, field.name) for field in fields(self)})
        os.replace(part, path)

    @classmethod
    def load(cls, path: Path) -> ViewSet:
        table = np.load(path)
        return cls(**{name: table[name] for name in table.files})


def view_set(folder: Path, size: int) -> ViewSet:
    """The ViewSet of a store, made once and kept beside it."""
    kept = folder / f"view_set_{size}.npz"
    if not kept.exists() or kept.stat().st_mtime < (folder / "table.npz").stat().st_mtime:
        make_view_set(folder, size, FaceModel()).save(kept)
    return ViewSet.load(kept)


def make_view_set(folder: Path, size: int, model: FaceModel) -> ViewSet:
    """Shrink every picture and cast its rays. Rows of one identity follow each other and have the same landmarks."""
    data, table = Store(folder).open()
    changes = np.abs(np.diff(table["landmarks"], axis=0)).max(axis=(1, 2)) > 0
    identity = np.concatenate([[0], changes.cumsum()])
    pictures = np.stack([shrink(decode(data, table["ends"], k), size) for k in range(len(identity))])
    depth = np.empty((len(identity), size, size), np.float16)
    focal = table["focal"] / SIZE
    for k in range(identity[-1] + 1):
        rows = np.flatnonzero(identity == k)
        caster = Caster(fitted_mesh(model, table["truth68"][rows[0]]), model.triangles)
        for row in rows:
            depth[row] = caster.depth(float(focal[row]), table["rotation"][row], table["translation"][row], size)
    first = np.unique(identity, return_index=True)[1]
    return ViewSet(pictures, depth, focal, table["rotation"], table["translation"], identity, table["landmarks"][first])


def shrink(picture: Array, size: int) -> Array:
    """(size, size, 3), averaged."""
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def fitted_mesh(model: FaceModel, points: Array) -> Array:
    """(V, 3) the likeliest face whose 68 vertices are at `points` (68, 3) to half a millimetre."""
    basis = np.concatenate([model.identity, model.expression])
    spread = np.concatenate([np.ones(len(model.identity)), np.full(len(model.expression), 0.35)])
    rows = basis[:, model.lm68].reshape(len(basis), -1).astype(float) * spread[:, None]
    inner = rows @ rows.T + np.eye(len(basis)) * 0.0005**2
    weights = np.linalg.solve(inner, rows @ (points - model.base[model.lm68]).ravel()) * spread
    return model.vertices(weights[: len(model.identity)], weights[len(model.identity) :])


class Caster:
    """A mesh (V, 3), (F, 3) at which rays are cast."""

    def __init__(self, vertices: Array, triangles: Array) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self.scene = rtcore_scene.EmbreeScene()
        self.mesh = TriangleMesh(self.scene, np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(triangles, np.int32))

    def depth(self, focal: float, rotation: Array, translation: Array, size: int) -> Array:
        """(size, size) as ViewSet.depth."""
        at = ((np.arange(size) + 0.5) / size - 0.5) / focal
        x, y = np.meshgrid(at, at)
        rays = np.stack([x, y, np.ones_like(x)], axis=2).reshape(-1, 3)
        rays = (rays / np.linalg.norm(rays, axis=1, keepdims=True)) @ rotation
        eye = -rotation.T @ translation
        start = np.broadcast_to(eye, rays.shape)
        hit = self.scene.run(np.ascontiguousarray(start, np.float32), np.ascontiguousarray(rays, np.float32), query="INTERSECT", output=1)
        distance = np.where(hit["primID"] >= 0, hit["tfar"], np.nan)
        inside = np.linalg.norm((eye + rays * distance[:, None] - CENTRE) / np.array(RADII), axis=1) < 1
        depth = np.where(inside | np.isnan(distance), distance - np.linalg.norm(eye - CENTRE), UNKNOWN)
        return depth.reshape(size, size)
