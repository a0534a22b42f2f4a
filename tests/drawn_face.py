# SPDX-License-Identifier: GPL-3.0-or-later
"""A drawn face that the detector takes for one."""

from __future__ import annotations

import cv2
import numpy as np

from facelift_blender.capture.crops import Box
from facelift_blender.capture.types import Image

DRAWN = (60, 46, 136, 178)
"""The face within the picture of 256 pixels: x, y, width, height."""


def drawn_face(size: int = 256) -> Image:
    """(size, size, 3) a face that looks at the camera, on a plain ground."""
    image = np.full((256, 256, 3), (90, 110, 130), np.uint8)
    for center, axes, colour in (
        ((128, 120), (78, 105), (60, 40, 30)),
        ((128, 235), (40, 40), (200, 155, 130)),
        ((128, 140), (60, 84), (225, 180, 155)),
        ((128, 182), (25, 8), (180, 80, 80)),
        ((128, 182), (25, 2), (120, 40, 40)),
        ((120, 152), (3, 2), (110, 60, 50)),
        ((136, 152), (3, 2), (110, 60, 50)),
    ):
        cv2.ellipse(image, center, axes, 0, 0, 360, colour, cv2.FILLED, cv2.LINE_AA)
    for x in (100, 156):
        _draw_eye(image, x)
    cv2.ellipse(image, (128, 150), (12, 9), 0, 20, 160, (190, 140, 115), 3, cv2.LINE_AA)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.2)
    return cv2.resize(smooth, (size, size), interpolation=cv2.INTER_AREA if size < 256 else cv2.INTER_LINEAR)


def _draw_eye(image: Image, x: int) -> None:
    cv2.ellipse(image, (x, 112), (17, 8), 0, 0, 360, (245, 245, 245), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(image, (x, 112), 8, (70, 45, 30), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(image, (x, 112), 4, (10, 10, 10), cv2.FILLED, cv2.LINE_AA)
    cv2.ellipse(image, (x, 109), (18, 8), 0, 180, 360, (60, 35, 25), 2, cv2.LINE_AA)
    cv2.ellipse(image, (x, 94), (20, 7), 0, 190, 350, (60, 40, 30), 4, cv2.LINE_AA)


def plate_with_faces(width: int, height: int, *places: tuple[int, int, int]) -> tuple[Image, list[Box]]:
    """A grey plate with drawn faces at (x, y, size of the drawing), and the faces' boxes."""
    image = np.full((height, width, 3), 80, np.uint8)
    boxes = []
    for x, y, size in places:
        image[y : y + size, x : x + size] = drawn_face(size)
        left, top, wide, high = (side * size / 256 for side in DRAWN)
        boxes.append((x + left, y + top, wide, high))
    return image, boxes
