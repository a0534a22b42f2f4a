# SPDX-License-Identifier: GPL-3.0-or-later
"""Irises found by their edge: the labeller's hardly move up and down, and lag behind to the side.

The circle within the lids across whose edge the picture brightens most, found over all places and a range of radii at once
[Daugman 1993, the integro-differential operator].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from facelift_blender.capture.second_look import KINDS
from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.types import Array, Image

SIDE, ACROSS = 72, 0.6
"""Pixels of the square in which is searched, and the share of it that the eye's width takes."""
RADII = np.arange(0.15, 0.27, 0.012)
"""Of irises, in widths of the eye."""
REACH = (0.36, 0.26)
"""How far an iris may be from between the corners, to the side and up or down, in widths of the eye."""
LEAST_OPEN, LEAST_SEEN, LEAST_CONTRAST, FARTHEST = 0.1, 0.45, 0.25, 0.13
"""What makes a find sure: opening (area over squared width), share of the circle within the lids, contrast, way from the labeller's."""


def rows_of(*names: str) -> list[int]:
    """Where landmarks of the right eye stand in an eye patch."""
    return [KINDS[0].landmarks.index(NAMES.index(name)) for name in names]


CORNERS = rows_of("eye_right_1", "eye_right_4")
UPPER = rows_of(*(f"lid_upper_right_mesh_{k}" for k in range(1, 6)))
LOWER = rows_of(*(f"lid_lower_right_mesh_{k}" for k in range(1, 6)))
IRIS = rows_of("iris_center_right_mesh_1", *(f"iris_ring_right_mesh_{k}" for k in range(1, 5)))


@dataclass(frozen=True)
class Circle:
    """centre: (2,) pixels; radius: pixels; contrast: of its edge over that within the lids; seen: share of it within the lids."""

    centre: Array
    radius: float
    contrast: float
    seen: float


def with_found_iris(cut: Image, eye: Array) -> tuple[Array, bool]:
    """An eye patch's landmarks (K, 2) in pixels of `cut`, the iris moved to where its edge is; and whether one was found for sure."""
    width = float(np.linalg.norm(eye[CORNERS[0]] - eye[CORNERS[1]]))
    circle = find_circle(cut, eye) if width > 4 else None
    if circle is None or circle.contrast < LEAST_CONTRAST or circle.seen < LEAST_SEEN:
        return eye, False
    move = circle.centre - eye[IRIS[0]]
    if np.linalg.norm(move) > FARTHEST * width:
        return eye, False
    moved = eye.copy()
    moved[IRIS] += move
    return moved, True


def find_circle(cut: Image, eye: Array) -> Circle | None:
    """The iris within the lids of landmarks (K, 2), None where they are nearly shut or no edge brightens outwards."""
    corners = eye[CORNERS]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    matrix = _level(corners, SIDE * ACROSS / width)
    square = cv2.warpAffine(cut, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    light = cv2.GaussianBlur(0.6 * square[..., 0] + 0.4 * square[..., 1], (0, 0), 1.0)
    inside = _within_lids(eye @ matrix[:, :2].T + matrix[:, 2])
    if inside.sum() < LEAST_OPEN * (SIDE * ACROSS) ** 2:
        return None
    soft = cv2.GaussianBlur(cv2.erode(inside, np.ones((2, 2))), (0, 0), 0.6)
    slopes = [cv2.Sobel(light, cv2.CV_32F, *axis, ksize=3) / 8 * soft for axis in ((1, 0), (0, 1))]
    score, seen, (x, y), radius = max((_search(slopes, soft, share * SIDE * ACROSS) for share in RADII), key=lambda found: found[0])
    if score <= 0:
        return None
    centre = np.linalg.solve(matrix[:, :2], np.array([x, y]) - matrix[:, 2])
    return Circle(centre, radius * width / (SIDE * ACROSS), score / max(float(light[inside > 0].std()), 1.0), seen)


def _level(corners: Array, scale: float) -> Array:
    """(2, 3) picture to the square: the corners level, midway between them in the middle."""
    across = corners[1] - corners[0]
    c, s = across / np.linalg.norm(across)
    linear = scale * np.array([[c, s], [-s, c]])
    return np.hstack([linear, (np.full(2, SIDE / 2) - linear @ corners.mean(axis=0))[:, None]])


def _within_lids(eye: Array) -> Array:
    """(SIDE, SIDE) 1 between the lids, 0 elsewhere."""
    outline = eye[[CORNERS[0], *UPPER, CORNERS[1], *LOWER]]
    inside = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(inside, [np.rint(outline * 8).astype(np.int32)], 1.0, shift=3)
    return inside


def _search(slopes: list[Array], soft: Array, radius: float) -> tuple[float, float, tuple[float, float], float]:
    """The best place of a circle: its score, the share of it that is seen, where it is to a part of a pixel, and its radius."""
    across, down, weight = _ring(round(radius, 3))
    seen = cv2.filter2D(soft, -1, weight)
    score = (cv2.filter2D(slopes[0], -1, across) + cv2.filter2D(slopes[1], -1, down)) / (seen + 0.12)
    score = np.where(_reachable() & (seen > 0.3), score, -1e9)
    y, x = np.clip(np.unravel_index(np.argmax(score), score.shape), 1, SIDE - 2)
    place = (x + _peak(score[y, x - 1 : x + 2]), y + _peak(score[y - 1 : y + 2, x]))
    return float(score[y, x]), float(seen[y, x]), place, radius


@cache
def _ring(radius: float) -> tuple[Array, Array, Array]:
    """Kernels of a circle that sum the slope along its normal, (across, down), and what they look at; its sides count for more."""
    reach = int(np.ceil(radius)) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    distance = np.maximum(np.hypot(x, y), 1e-6)
    weight = np.exp(-0.5 * ((distance - radius) / 0.7) ** 2) * (0.25 + np.abs(x) / distance)
    weight /= weight.sum()
    return weight * x / distance, weight * y / distance, weight


@cache
def _reachable() -> Array:
    y, x = np.abs(np.mgrid[:SIDE, :SIDE] - SIDE / 2)
    return (x < REACH[0] * SIDE * ACROSS) & (y < REACH[1] * SIDE * ACROSS)


def _peak(three: Array) -> float:
    """Where a parabola through three scores has its top, from the middle one."""
    bend = three[0] - 2 * three[1] + three[2]
    return float(np.clip(0.5 * (three[0] - three[2]) / bend, -0.5, 0.5)) if bend < 0 and three.min() > -1e8 else 0.0
