# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the faces are: YuNet, run by OpenCV, which takes a plate of any size.

OpenCV rather than onnxruntime: the exported graph has a fixed input, which OpenCV follows along with the picture, so that
a wide plate needs no padding; and the boxes come decoded. YuNet sees faces of about 10 to 300 pixels: the plate is
shrunk for the first look, and looked at again larger and smaller if that finds nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .crops import Box
from .types import FaceLiftError, Image

LOOKS = (640, 1536, 224)
"""Longer sides that a plate is brought to, in turn until a face is found."""

LEAST = 16
"""Pixels that the shorter side needs in a look: on narrower pictures OpenCV reads past its own memory."""

MOST_ENLARGED = 2.0
SURE = 0.6
OVERLAP = 0.3


@dataclass(frozen=True)
class Face:
    """box: x, y, width, height in pixels of the picture, from hairline to chin; score: 0 to 1."""

    box: Box
    score: float

    @property
    def area(self) -> float:
        return self.box[2] * self.box[3]


class Detector:
    """Finds the faces of a picture, largest first. Raises FaceLiftError if the weights are missing or altered."""

    name = "YuNet"

    def __init__(self, path: Path | None = None) -> None:
        import cv2

        if path is None:
            from .weights import model_path

            path = model_path("detector")
        weights = path.read_bytes()
        self.sha256 = hashlib.sha256(weights).hexdigest()
        try:
            buffer, no_config = np.frombuffer(weights, np.uint8), np.empty(0, np.uint8)
            self._net = cv2.FaceDetectorYN.create("onnx", buffer, no_config, (320, 320), SURE, OVERLAP, 500)
        except cv2.error:
            raise FaceLiftError("The face detector's weights cannot be loaded; install FaceLift again.") from None

    def __call__(self, image: Image) -> list[Face]:
        """Faces of an RGB picture (H, W, 3)."""
        for scale in _scales(image):
            faces = self._look(image, scale)
            if faces:
                return sorted(faces, key=lambda face: face.area, reverse=True)
        return []

    def _look(self, image: Image, scale: float) -> list[Face]:
        import cv2

        height, width = image.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        if min(size) < LEAST:
            return []
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR) if scale != 1 else image
        self._net.setInputSize(size)
        rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        stretch = np.array([width / size[0], height / size[1]] * 2)
        return [] if rows is None else [Face(tuple((row[:4] * stretch).tolist()), float(row[14])) for row in rows]


def _scales(image: Image) -> Iterable[float]:
    """Distinct scales of the looks; a small picture is enlarged `MOST_ENLARGED` times at most."""
    side = max(image.shape[:2])
    scales = [min(look / side, MOST_ENLARGED) for look in LOOKS]
    return dict.fromkeys(1.0 if 0.75 < scale < 1.34 else scale for scale in scales)
