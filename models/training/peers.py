# SPDX-License-Identifier: GPL-3.0-or-later
"""The face mesh net in common use, as it is usually run: one crop, from its own points of the frame before."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnxruntime

from facelift_blender.capture.types import Array, Image

from . import paths
from .label_map import NEAREST, LabelMap
from .labeller import CROP, Crop, crop_of_points, mesh_points, settle


@dataclass
class FaceMesh:
    """478 points of a picture. `label_map`: the labeller's, to compare like with like; without it the nearest vertices stand for the 68."""

    label_map: LabelMap | None = None
    crop: Crop | None = field(default=None, init=False)

    def __call__(self, image: Image, box: tuple[float, float, float, float]) -> Array:
        """(68, 2) pixels of a picture by itself, from a face box."""
        return self._read(mesh_points(image, [settle(image, box)])[0][0, :, :2])

    def follow(self, image: Image, box: tuple[float, float, float, float]) -> Array:
        """(68, 2) pixels of the next frame of a clip; `box` starts the first."""
        self.crop = self.crop or settle(image, box)
        mesh = mesh_points(image, [self.crop])[0][0, :, :2]
        self.crop = crop_of_points(mesh)
        return self._read(mesh)

    def _read(self, mesh: Array) -> Array:
        return mesh[list(NEAREST)] if self.label_map is None else self.label_map(mesh)[:68]


def face_mesh_session(threads: int) -> onnxruntime.InferenceSession:
    """The net by itself, to be timed: feed `input_12` (1, 256, 256, 3)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(paths.DATA / "teacher" / "face_landmarks_detector.onnx"), options)


def face_mesh_feeds() -> dict[str, Array]:
    return {"input_12": np.random.default_rng(0).random((1, CROP, CROP, 3), np.float32)}
