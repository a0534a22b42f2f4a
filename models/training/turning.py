# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs turned a little: open photographs look at the camera, faces in footage look everywhere [Zhu et al. 2016, face profiling].

The mean face gives each landmark its depth. What is seen before and after carries the picture with it; hidden landmarks move as
the head does.
"""

from __future__ import annotations

import cv2
import numpy as np

from facelift_blender.capture.types import Array, Image

from .acting import brought
from .heads import FLIP, Camera
from .lift import HEAD_CENTRE, outward_normals, visibility

YAW, PITCH = 0.22, 0.1
"""Deviations of the turns, radians."""
MOST, SEEN = 0.45, 0.6
"""Radians that nothing is turned beyond, and the share of landmarks to be seen before and after: the rest was never photographed."""


def turned(picture: Image, points: Array, focal: float, mean: Array, random: np.random.Generator) -> tuple[Image, Array]:
    """The picture (S, S, 3) and its landmarks (N, 2), in pixels, with the head turned at random. mean: (N, 3) canonical metres."""
    middle = len(picture) / 2
    camera = _facing(points, focal, mean, middle)
    if camera is None:
        return picture, points
    depth = (mean @ camera.rotation.T + camera.translation)[:, 2:]
    seen = np.concatenate([(points - middle) / focal * depth, depth], axis=1)
    yaw, pitch = np.clip(random.normal(0, (YAW, PITCH)), -MOST, MOST)
    turn = cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0] @ cv2.Rodrigues(np.array([pitch, 0.0, 0.0]))[0]
    about = camera.rotation @ HEAD_CENTRE + camera.translation
    after = (seen - about) @ turn.T + about
    moved = focal * after[:, :2] / after[:, 2:] + middle
    later = Camera(focal, camera.center, turn @ camera.rotation, turn @ (camera.translation - about) + about)
    kept = (visibility(mean, outward_normals(mean), [camera, later]) > 0.5).all(axis=0)
    if kept.mean() < SEEN:
        return picture, points
    return brought(picture, points, moved, kept), moved


def _facing(points: Array, focal: float, mean: Array, middle: float) -> Camera | None:
    """The camera that sees the mean face most nearly where the points are; none if the points are no face."""
    matrix = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
    start = cv2.Rodrigues(FLIP)[0], np.array([[0.0], [0.0], [focal * 0.15 / max(float(np.ptp(points[:, 1])), 1.0)]])
    found, vector, offset = cv2.solvePnP(mean, points, matrix, None, *start, True, cv2.SOLVEPNP_ITERATIVE)
    camera = Camera(focal, (middle, middle), cv2.Rodrigues(vector)[0], offset[:, 0])
    size = float(np.ptp(points, axis=0).max())
    if not found or offset[2, 0] < 0.1 or np.linalg.norm(camera.project(mean) - points, axis=1).mean() > 0.1 * size:
        return None
    return camera
