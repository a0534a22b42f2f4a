# SPDX-License-Identifier: GPL-3.0-or-later
"""What they would pick instead: MediaPipe's Face Mesh from its package, and a pose a frame by PnP.

Its wheel holds the nets of the Face Mesh (478 points, irises included), run here in video mode; the Landmarker's blendshape net is not
in it and is taken from the data folder where that is present (`models.performer.weights_bench`).
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.topology import COUNT
from facelift_blender.capture.types import Array, Image
from models.performer.weights_bench import mesh_blendshapes
from models.training import paths
from models.training.label_map import NEAREST, LabelMap, table_rows

USUAL_LENS = 50.0


def is_installed() -> bool:
    return importlib.util.find_spec("mediapipe") is not None


def has_blendshapes() -> bool:
    """Whether the blendshape net is at hand, and the Landmarker's mesh net with it."""
    return all((paths.DATA / "teacher" / f"{name}.onnx").is_file() for name in ("face_blendshapes", "face_landmarks_detector"))


def name() -> str:
    from importlib.metadata import version

    return f"MediaPipe {version('mediapipe')}" if is_installed() else "MediaPipe (not installed)"


class MediaPipe:
    """Face Mesh in video mode: pictures of a clip one after another to mesh points (478, 2) in pixels, or None."""

    def __init__(self) -> None:
        os.environ.setdefault("GLOG_minloglevel", "2")
        from mediapipe.python.solutions.face_mesh import FaceMesh

        self._net = FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)

    def __call__(self, image: Image) -> Array | None:
        faces = self._net.process(image).multi_face_landmarks
        if not faces:
            return None
        height, width = image.shape[:2]
        return np.array([(point.x * width, point.y * height) for point in faces[0].landmark])


class ToTable:
    """Mesh points (478, 2) to the landmark table (150, 2): by the labeller's map where it has been fitted, else by nearest vertices."""

    def __init__(self) -> None:
        fitted = paths.RUNS / "labeller" / "open.npz"
        self.map = LabelMap.load(fitted) if fitted.is_file() else None
        self.source = "the labeller's map" if self.map else "the nearest vertices"

    def __call__(self, mesh: Array) -> Array:
        return self.map(mesh) if self.map else nearest() @ mesh


@cache
def nearest() -> Array:
    """(150, 478): for each landmark of the table the vertex that stands for it, as it is usually done."""
    return table_rows(np.eye(478)[list(NEAREST)])


def blendshapes(mesh: Array) -> Array | None:
    """(52,) weights that the Landmarker's blendshape net gives for mesh points (478, 2); None where it is not at hand."""
    return mesh_blendshapes(mesh) if has_blendshapes() else None


def followed(path: Path, count: int) -> Array:
    """(count, 150, 2) pixels that MediaPipe sees on the frames of a clip; NaN where it sees no face."""
    from facelift_blender.capture.footage import probe, read_frames

    see, to_table = MediaPipe(), ToTable()
    pixels = np.full((count, COUNT, 2), np.nan)
    for frame, image in read_frames(probe(path)):
        if frame > count:
            break
        mesh = see(image)
        if mesh is not None:
            pixels[frame - 1] = to_table(mesh)
    return pixels


def pose(pixels: Array, face: Array, width: int, height: int) -> tuple[Array, Array]:
    """Rotation vector and translation of a rigid face (N, 3) seen at pixels (N, 2) through a 50 mm lens."""
    focal = USUAL_LENS / 36.0 * width
    matrix = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    _, turn, place = cv2.solvePnP(face, pixels, matrix, None, flags=cv2.SOLVEPNP_SQPNP)
    return turn[:, 0], place[:, 0]
