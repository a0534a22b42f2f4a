# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a filmed performance, frame by frame, and its file."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.types import Array, FaceLiftError
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, Head

from .performance import Performance, Shot
from .surface import barycentric_grid, triangles, vertex_normals

VERSION: Final = 1
_DECIMALS: Final = {
    "weights": 4, "landmarks": 6, "neutral": 6, "pixels": 2, "rotations": 7, "translations": 6,
    "camera_rotations": 7, "camera_translations": 6, "intrinsics": 4,
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """shot: width, height, fps, lens, sensor, distance. intrinsics: (3, 3) of every frame. neutral: (N, 3) canonical, metres.

    camera_rotations: (T, 3, 3), camera_translations: (T, 3): stage to OpenCV camera, the same in every frame of a still camera.
    rotations: (T, 3, 3), translations: (T, 3): canonical to OpenCV camera. weights: (T, 52) in the order of `arkit.NAMES`.
    landmarks: (T, N, 3) canonical, metres, as the face moves. pixels: (T, N, 2), where they are seen.
    visible: (T, N): in the picture and not behind the head itself; strands of hair are not counted.
    """

    shot: Shot
    intrinsics: Array
    camera_rotations: Array
    camera_translations: Array
    rotations: Array
    translations: Array
    weights: Array
    neutral: Array
    landmarks: Array
    pixels: Array
    visible: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)


def project(points: Array, rotations: Array, translations: Array, intrinsics: Array) -> Array:
    """(T, N, 2) pixels of points (T, N, 3) under rotations (T, 3, 3), translations (T, 3) and intrinsics (3, 3)."""
    seen = (np.einsum("tij,tnj->tni", rotations, points) + translations[:, None]) @ intrinsics.T
    return seen[..., :2] / seen[..., 2:]


def truth_of(head: Head, performance: Performance) -> Truth:
    """The truth of a performance played by a head with embedded landmarks."""
    shot = performance.shot
    rotations, translations = performance.head_poses()
    landmarks = head.landmarks + np.tensordot(performance.weights, head.landmark_shapes, axes=1)
    pixels = project(landmarks, rotations, translations, shot.intrinsics)
    visible = np.stack([
        _visible(head, head.pose(weights), points, rotation, translation)
        for weights, points, rotation, translation in zip(performance.weights, landmarks, rotations, translations, strict=True)
    ])  # fmt: skip
    inside = ((pixels >= 0.0) & (pixels <= [shot.width, shot.height])).all(axis=-1)
    return Truth(
        shot, shot.intrinsics, performance.camera_rotations, performance.camera_translations, rotations, translations,
        performance.weights, head.landmarks, landmarks, pixels, visible & inside,
    )  # fmt: skip


_CELL: Final = 2e-3
"""Width, in metres at the head's distance, of the cells of the depth picture."""
_SLACK: Final = 6e-3
"""Metres that a point may lie behind what its cell shows, for surface that turns away within the cell."""


def _visible(head: Head, vertices: Array, points: Array, rotation: Array, translation: Array) -> np.ndarray:
    """(N,) whether the head's opaque surface leaves the way to points (N, 3) open and does not turn its back there."""
    opaque = triangles(head.faces[head.parts != PARTS.index("lashes")])
    surface, seen = (p @ rotation.T + translation for p in (vertices, points))
    samples = np.einsum("gk,tkc->tgc", barycentric_grid(3), surface[opaque]).reshape(-1, 3)
    cells = _cells(np.concatenate([seen, samples]), float(np.median(surface[:, 2])))
    flat = cells[:, 1] * (cells[:, 0].max() + 1) + cells[:, 0]
    front = np.full(int(flat.max()) + 1, np.inf)
    np.minimum.at(front, flat[len(seen) :], samples[:, 2])
    normals = vertex_normals(surface, head.faces)[head.landmark_vertices].mean(axis=1)
    facing = -(normals * seen).sum(axis=1) / np.linalg.norm(seen, axis=1)
    return (seen[:, 2] < front[flat[: len(seen)]] + _SLACK) & (facing > -0.25)


def _cells(points: Array, distance: float) -> np.ndarray:
    """(K, 2) columns and rows, from 0, of the cells in which points (K, 3) before the camera are seen."""
    cells = np.floor(points[:, :2] / points[:, 2:] * distance / _CELL).astype(np.int64)
    return cells - cells.min(axis=0)


def save_truth(truth: Truth, path: Path, about: dict[str, Any] | None = None) -> None:
    """Write the truth as JSON, rounded well below what a picture shows; compressed when the name ends in .gz."""
    fields = {name: np.round(getattr(truth, name), places).tolist() for name, places in _DECIMALS.items()}
    shot = {name: getattr(truth.shot, name) for name in Shot.__dataclass_fields__}
    content = {"version": VERSION, "about": about or {}, "names": NAMES, "shapes": arkit.NAMES, "shot": shot, **fields}
    text = json.dumps({**content, "visible": truth.visible.astype(int).tolist()}, separators=(",", ":")).encode()
    data = gzip.compress(text, 9, mtime=0) if path.suffix == ".gz" else text
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def load_truth(path: Path) -> Truth:
    """Read what `save_truth` wrote. Raises FaceLiftError for another version or another landmark table."""
    data = path.read_bytes()
    content = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    if content.get("version") != VERSION or tuple(content["names"]) != NAMES or tuple(content["shapes"]) != arkit.NAMES:
        raise FaceLiftError(f"{path} was made for another version: make the performance again.")
    fields = {name: np.array(content[name], dtype=np.float64) for name in _DECIMALS}
    return Truth(shot=Shot(**content["shot"]), visible=np.array(content["visible"], dtype=bool), **fields)
