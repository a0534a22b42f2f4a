# SPDX-License-Identifier: GPL-3.0-or-later
"""Irises are found by their edge, wherever the labels have them; in shut eyes there are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from facelift_blender.capture.second_look import KINDS
from facelift_blender.capture.types import Array, Image
from models.training.iris import CORNERS, IRIS, LOWER, UPPER, with_found_iris

RADIUS = 9.0


def drawn_eye(iris: tuple[float, float], gap: float) -> tuple[Image, Array]:
    """A light almond with a dark disc, and its landmarks with the iris in the middle."""
    eye = np.full((len(KINDS[0].landmarks), 2), 64.0)
    eye[CORNERS] = [[42, 64], [86, 64]]
    for rows, way in ((UPPER, -gap), (LOWER, gap)):
        along = np.linspace(48, 80, 5) if way < 0 else np.linspace(80, 48, 5)
        eye[rows] = np.stack([along, 64 + way * (1 - ((along - 64) / 22) ** 2)], axis=1)
    eye[IRIS] = 64 + np.array([[0, 0], [RADIUS, 0], [0, -RADIUS], [-RADIUS, 0], [0, RADIUS]])
    ball, skin = np.full((128, 128, 3), 215, np.uint8), np.full((128, 128, 3), 150, np.uint8)
    cv2.circle(ball, tuple(int(v * 16) for v in iris), int(RADIUS * 16), (60, 50, 40), -1, cv2.LINE_AA, 4)
    inside = np.zeros((128, 128), np.uint8)
    cv2.fillPoly(inside, [np.rint(eye[[CORNERS[0], *UPPER, CORNERS[1], *LOWER]]).astype(np.int32)], 1)
    return np.where(inside[..., None] > 0, ball, skin), eye


@pytest.mark.parametrize("iris", [(64.0, 64.0), (60.0, 65.0), (67.5, 62.0)])
def test_an_iris_is_found_by_its_edge(iris: tuple[float, float]) -> None:
    image, eye = drawn_eye(iris, 11.0)
    moved, sure = with_found_iris(image, eye)
    assert sure
    assert np.linalg.norm(moved[IRIS[0]] - iris) < 1.2
    assert np.allclose(moved[IRIS[1:]] - moved[IRIS[0]], eye[IRIS[1:]] - eye[IRIS[0]])


def test_a_shut_eye_has_none() -> None:
    image, eye = drawn_eye((60.0, 65.0), 1.0)
    moved, sure = with_found_iris(image, eye)
    assert not sure
    assert np.array_equal(moved, eye)
