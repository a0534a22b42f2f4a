# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates on which a face is a bright disc, and models that read its place from the pixels exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import synthetic

from facelift_blender.capture.crops import Box
from facelift_blender.capture.faces import Face
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.types import Image

SIZE = (320, 180)
FACE = synthetic.face()
Disc = tuple[float, float, float, int]
"""x, y, radius in pixels; red, which tells two faces apart."""


def draw(discs: Sequence[Disc], ground: int = 40) -> Image:
    """A plate with a face for each disc; the ground's stripes make two grounds differ as two shots do."""
    image = np.full((SIZE[1], SIZE[0], 3), ground, np.uint8)
    image[:, :: 2 + ground // 20, 2] = 90
    if ground > 100:
        image[: SIZE[1] // 2] //= 3
    for x, y, radius, red in discs:
        cv2.circle(image, (round(x * 16), round(y * 16)), round(radius * 16), (red, 255, 0), cv2.FILLED, cv2.LINE_AA, 4)
    return image


def discs_of(image: Image) -> list[tuple[float, float, float]]:
    bright = (image[:, :, 1] > 200).astype(np.uint8)
    count, _, stats, centers = cv2.connectedComponentsWithStats(bright)
    return [
        (*centers[k] + 0.5, float(np.sqrt(stats[k, cv2.CC_STAT_AREA] / np.pi))) for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] > 20
    ]


class Eye:
    """A detector that sees the discs, and counts how often it looks."""

    name, sha256 = "discs", "none"

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, image: Image) -> list[Face]:
        self.looks += 1
        faces = [Face((x - r, y - r, 2 * r, 2 * r), 0.9) for x, y, r in discs_of(image)]
        return sorted(faces, key=lambda face: face.area, reverse=True)


def estimate_disc(x: float, y: float, radius: float, focal: float, score: float = 0.95) -> Estimate:
    """The synthetic face, as large as the disc and over it, looking at the camera."""
    span = float(np.ptp(FACE[:, :2], axis=0).max())
    depth = focal * span / (2 * radius)
    middle = FACE.mean(axis=0) @ synthetic.FRONTAL.T
    ray = np.array([(x - SIZE[0] / 2) / focal, (y - SIZE[1] / 2) / focal, 1.0])
    place = depth * ray - middle
    seen = FACE @ synthetic.FRONTAL.T + place
    pixels = focal * seen[:, :2] / seen[:, 2:] + np.array(SIZE) / 2
    return Estimate(pixels, np.tile(np.eye(2) * 0.04, (len(FACE), 1, 1)), FACE.copy(), synthetic.FRONTAL.copy(), place, score)


class Gaze:
    """A regressor that finds the disc nearest to the middle of the box, if it lies within; else it is unsure."""

    name, sha256, provider = "gaze", "none", "CPU"

    def __init__(self) -> None:
        self.crops = 0

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        self.crops += len(boxes)
        return [self._one(image, box, focal) for box in boxes]

    def _one(self, image: Image, box: Box, focal: float) -> Estimate:
        x, y, reach = box[0] + box[2] / 2, box[1] + box[3] / 2, max(box[2], box[3]) * 0.75
        near = [disc for disc in discs_of(image) if np.hypot(disc[0] - x, disc[1] - y) < reach]
        if not near:
            return estimate_disc(x, y, max(box[2], box[3]) / 2, focal, score=0.1)
        return estimate_disc(*min(near, key=lambda disc: np.hypot(disc[0] - x, disc[1] - y)), focal)


def write_plates(folder: Path, frames: Sequence[Image]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, image in enumerate(frames, 1):
        (folder / f"plate_{number:04d}.png").write_bytes(cv2.imencode(".png", image[:, :, ::-1])[1].tobytes())
    return folder / "plate_0001.png"
