# SPDX-License-Identifier: GPL-3.0-or-later
"""The regressor's window on a face: a virtual camera turned to look straight at it.

A face off the picture's middle is seen askew. The crop undoes that: it is what a camera of the same place would see if it
were turned to the face, so a pose told in the crop becomes a pose in the clip's camera by one rotation. Training and
tracking cut their crops here, alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .types import Array

Box = tuple[float, float, float, float]
"""x, y, width, height in pixels of the picture."""

MARGIN = 1.3
"""Side of the crop over the longer side of the landmarks' box."""


SIDES_AN_OCTAVE, STEPS_A_SIDE = 64, 256
"""How coarse the grid of the crops is: by size, and by place."""


@dataclass(frozen=True)
class FaceCrop:
    """homography: (3, 3) picture to crop pixels; rotation: (3, 3) clip's camera to virtual camera; focal: in crop sides."""

    homography: Array
    rotation: Array
    focal: float
    size: int

    @cached_property
    def inverse(self) -> Array:
        """(3, 3) crop pixels to the picture's."""
        return np.linalg.inv(self.homography)

    def to_crop(self, points: Array) -> Array:
        """(..., 2) pixels of the picture -> of the crop."""
        return _apply(self.homography, points)

    def to_picture(self, points: Array) -> Array:
        """(..., 2) pixels of the crop -> of the picture."""
        return _apply(self.inverse, points)

    def jacobian(self, points: Array) -> Array:
        """(N, 2, 2) derivative of `to_picture` at crop points (N, 2): carries covariances over."""
        inverse = self.inverse
        rows = points @ inverse[:, :2].T + inverse[:, 2]
        picture = rows[:, :2] / rows[:, 2:]
        return (inverse[None, :2, :2] - picture[:, :, None] * inverse[None, 2:, :2]) / rows[:, 2, None, None]


def _apply(homography: Array, points: Array) -> Array:
    rows = points @ homography[:, :2].T + homography[:, 2]
    return rows[..., :2] / rows[..., 2:]


def turn_towards(ray: Array) -> Array:
    """(3, 3) the smallest rotation that brings the direction `ray` (3,) onto the optical axis."""
    forward = ray / np.linalg.norm(ray)
    x, y, _ = forward
    skew = np.array([[0.0, 0.0, -x], [0.0, 0.0, -y], [x, y, 0.0]])  # of its product with the optical axis
    return np.eye(3) + skew + skew @ skew / (1.0 + forward[2])


def look_through(x: float, y: float, side: float, focal: float, center: tuple[float, float], size: int, roll: float = 0.0) -> FaceCrop:
    """A crop of `side` pixels about (x, y), turned by `roll` radians, `size` pixels wide, under a focal length in pixels."""
    rotation = turn_towards(np.array([(x - center[0]) / focal, (y - center[1]) / focal, 1.0]))
    c, s = np.cos(roll), np.sin(roll)
    rotation = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) @ rotation
    crop_focal = focal * size / side
    virtual = np.array([[crop_focal, 0.0, size / 2], [0.0, crop_focal, size / 2], [0.0, 0.0, 1.0]])
    unproject = np.array([[1 / focal, 0.0, -center[0] / focal], [0.0, 1 / focal, -center[1] / focal], [0.0, 0.0, 1.0]])
    return FaceCrop(virtual @ rotation @ unproject, rotation, crop_focal / size, size)


def crop_of_box(box: Box, focal: float, center: tuple[float, float], size: int, margin: float = MARGIN) -> FaceCrop:
    """The crop about a face's box."""
    x, y, width, height = box
    return look_through(x + width / 2, y + height / 2, max(width, height) * margin, focal, center, size)


def on_grid(box: Box) -> Box:
    """The box moved and scaled a little (half a percent of its side at most), onto a grid of sizes and places.

    Trackers that come to a face by different ways, each box made from the frame before, soon look through one and the same crop
    and agree from then on.
    """
    longest = max(box[2], box[3], 1e-6)
    side = 2.0 ** (round(math.log2(longest) * SIDES_AN_OCTAVE) / SIDES_AN_OCTAVE)
    step = side / STEPS_A_SIDE
    width, height = box[2] * side / longest, box[3] * side / longest
    x, y = round((box[0] + box[2] / 2) / step) * step, round((box[1] + box[3] / 2) / step) * step
    return x - width / 2, y - height / 2, width, height


def box_of_landmarks(landmarks_2d: Array) -> Box:
    """The box (x, y, w, h) about the landmarks (N, 2): the next frame's crop is cut from it."""
    low, high = landmarks_2d.min(axis=0), landmarks_2d.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])
