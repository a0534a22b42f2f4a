# SPDX-License-Identifier: GPL-3.0-or-later
"""Stills: the faces of pictures, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .actors import SAME_FACE, overlap
from .camera import metadata_focal
from .crops import Box, box_of_landmarks
from .sequence import probe_picture, read_image
from .track import TrackSettings, looking, own_models
from .tracker import USUAL_FOCAL, Detect, Regress, is_face
from .types import Array, FaceLiftError, Image

if TYPE_CHECKING:
    from .landmarks import Estimate

DECIMALS = {"landmarks_2d": 3, "landmarks_3d": 6, "covariance": 4, "rotation": 7, "translation": 6, "box": 2, "score": 4, "intrinsics": 3}


def predict(paths: Sequence[str | Path], detect: Detect | None = None, regress: Regress | None = None) -> dict[str, Any]:
    """The faces of each picture, largest first.

    Returns {"images": [{"file", "width", "height", "faces": [{"box": [x, y, w, h], "score", "landmarks_2d": (N, 2) pixels,
    "landmarks_3d": (N, 3) canonical metres, "covariance": (N, 2, 2) pixels squared, "rotation": (3, 3) and "translation": (3,)
    canonical to camera, "intrinsics": (3, 3)}]}]}. A picture is turned upright as its EXIF tag says, and its pixels are those of
    the upright picture. One that cannot be read has an "error", a sentence. Raises FaceLiftError if weights are missing.
    detect, regress: other models than the extension's own.
    """
    detect, regress = own_models(detect, regress)
    regress = looking(regress, TrackSettings())
    return {"images": [_image(Path(path), detect, regress) for path in paths]}


def _image(path: Path, detect: Detect, regress: Regress) -> dict[str, Any]:
    try:
        image = read_image(path, upright=True)
    except FaceLiftError as error:
        return {"file": str(path), "width": 0, "height": 0, "faces": [], "error": str(error)}
    height, width = image.shape[:2]
    focal = metadata_focal(probe_picture(path, image)) or USUAL_FOCAL * max(width, height)
    intrinsics = np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    faces = [_face(estimate, intrinsics) for estimate in find_faces(image, detect, regress, focal)]
    return {"file": str(path), "width": width, "height": height, "faces": faces}


def find_faces(image: Image, detect: Detect, regress: Regress, focal: float) -> list[Estimate]:
    """Estimates of an RGB picture's faces, largest first; each is looked at twice, the second time through its landmarks' own box."""
    boxes = [face.box for face in detect(image)]
    for _ in range(2):
        estimates = [estimate for estimate in regress(image, boxes, focal) if is_face(estimate, image)] if boxes else []
        boxes = [box_of_landmarks(estimate.landmarks_2d) for estimate in estimates]
    kept: list[tuple[Box, Estimate]] = []
    for box, estimate in sorted(zip(boxes, estimates, strict=True), key=lambda pair: pair[0][2] * pair[0][3], reverse=True):
        if all(overlap(box, other) < SAME_FACE for other, _ in kept):
            kept.append((box, estimate))
    return [estimate for _, estimate in kept]


def _face(estimate: Estimate, intrinsics: Array) -> dict[str, Any]:
    values = {
        "box": box_of_landmarks(estimate.landmarks_2d),
        "score": estimate.score,
        "landmarks_2d": estimate.landmarks_2d,
        "landmarks_3d": estimate.landmarks_3d,
        "covariance": estimate.covariances,
        "rotation": estimate.rotation,
        "translation": estimate.translation,
        "intrinsics": intrinsics,
    }
    return {name: np.round(np.asarray(value, dtype=float), DECIMALS[name]).tolist() for name, value in values.items()}
