# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of an actor, by which a person knows who a take is of."""

from __future__ import annotations

import numpy as np

from .crops import box_of_landmarks
from .footage import read_frames
from .types import FaceLiftError, Image, Take


def portrait(take: Take, size: int = 128) -> Image:
    """(size, size, 3) RGB: the face on the frame where it is largest and surest. Raises FaceLiftError for unreadable footage."""
    import cv2

    frame, (x, y, width, height) = _best(take)
    image = next((image for _, image in read_frames(take.clip, frame, frame)), None)
    if image is None:
        raise FaceLiftError(f"Frame {frame} of {take.clip.path} has no picture.")
    side = 1.25 * max(width, height)
    scale = size / side
    matrix = np.array([[scale, 0.0, -scale * (x + width / 2 - side / 2)], [0.0, scale, -scale * (y + height / 2 - side / 2)]])
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)


def _best(take: Take) -> tuple[int, tuple[float, float, float, float]]:
    """Clip frame and face box of the largest, surest and most frontal look at the actor."""
    rows = np.flatnonzero(take.raw.found)
    if not len(rows):
        raise FaceLiftError(f"{take.actor} has no frame with a face, so there is no picture of it.")
    boxes = [box_of_landmarks(points) for points in take.raw.landmarks_2d[rows]]
    frontal = np.abs(take.raw.rotations[rows, 2, 2]) ** 4
    best = int(np.argmax([max(box[2:]) for box in boxes] * take.raw.scores[rows] * frontal))
    return int(take.raw.frames[rows[best]]), boxes[best]
