# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that are bent take their landmarks along: a dot painted at a landmark is found where the landmark went."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

from facelift_blender.capture.second_look import COLUMNS, KINDS
from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.types import Array, Image
from models.training import acting, heads, turning

SIDE = 128
EYE = [(row, *place) for row, place in zip(acting.CORNERS, ((-0.5, 0.0), (0.5, 0.0)), strict=True)]


def an_eye() -> Array:
    """(K, 2) an open eye in a patch: corners, lids, an iris, a brow."""
    points = np.zeros((len(KINDS[0].landmarks), 2))
    for rows, height in ((acting._UPPER, -0.16), (acting._LOWER, 0.12), (acting._BROWS, -0.5)):
        x = np.linspace(-0.4, 0.4, len(rows))
        points[rows] = np.stack([x, height * (1 - (x if height > -0.5 else 0 * x) ** 2)], axis=1)
    points[acting.IRIS] = [(0, 0), (0.1, 0), (0, -0.1), (-0.1, 0), (0, 0.1)]
    for row, x, y in EYE:
        points[row] = x, y
    return points * 44 + SIDE / 2


def dot(at: Array) -> Image:
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    cv2.circle(image, (round(at[0] * 16), round(at[1] * 16)), 3 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return image


def centre(image: Image) -> Array:
    weight = image[:, :, 0].astype(float)
    y, x = np.indices(weight.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("row", [acting.CORNERS[0], acting._BROWS[2], acting.IRIS[0]])
def test_an_eye_that_acts_takes_its_landmarks_along(row: int) -> None:
    eye = an_eye()
    went = []
    for seed in range(12):
        picture, points, trust = acting.acted(dot(eye[row]), 0, eye, np.ones(len(eye)), np.random.default_rng(seed))
        if trust[row] > 0:
            went.append(np.linalg.norm(points[row] - eye[row]))
            assert np.linalg.norm(centre(picture) - points[row]) < 1.5 + 0.25 * went[-1]  # a lid hides a part of what looks far up
    assert row in acting.CORNERS or max(went) > 2


def test_a_lid_that_shuts_hides_the_iris_and_never_passes_the_other() -> None:
    eye, hidden = an_eye(), 0
    for seed in range(40):
        _, points, trust = acting.acted(np.zeros((SIDE, SIDE, 3), np.uint8), 0, eye, np.ones(len(eye)), np.random.default_rng(seed))
        gap = points[acting._LOWER, 1].mean() - points[acting._UPPER, 1].mean()
        assert gap > -0.5
        assert trust[acting.IRIS].max() == trust[acting.IRIS].min()
        hidden += int(trust[acting.IRIS[0]] == 0)
        assert trust[acting.IRIS[0]] > 0 or gap < 0.8 * 0.28 * 44
    assert 5 < hidden < 30


def test_closed_lips_are_not_torn_open() -> None:
    columns = COLUMNS["mouth"]
    names = [NAMES[k] for k in KINDS[2].landmarks]
    x = np.linspace(-0.5, 0.5, columns.stop - columns.start)
    lips = np.stack([x, np.where([name.startswith("lip_inner") for name in names], 0.0, 0.1)], axis=1) * 40 + SIDE / 2
    lips[acting._MOUTH_CORNERS] = np.array([[-0.5, 0.0], [0.5, 0.0]]) * 40 + SIDE / 2
    for seed in range(20):
        _, points, _ = acting.acted(np.zeros((SIDE, SIDE, 3), np.uint8), 2, lips, np.ones(len(lips)), np.random.default_rng(seed))
        before, after = (np.subtract(*where[acting._INNER]) for where in (lips, points))
        assert abs(np.linalg.norm(after) - np.linalg.norm(before)) < 0.6 * np.linalg.norm(before)


@pytest.fixture
def face() -> Array:
    """(N, 3) landmarks on the front of an ellipsoid."""
    random = np.random.default_rng(0)
    directions = random.normal(0, 1, (150, 3)) + [0, 0, 2.0]
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * [0.07, 0.1, 0.09] + [0, -0.03, -0.07]


def test_a_turned_photograph_shows_the_head_from_another_side(face: Array) -> None:
    camera = heads.Camera(400.0, (96.0, 96.0), heads.FLIP, np.array([0.0, 0.0, 0.6]))
    points = camera.project(face)
    went = []
    for seed in range(8):
        picture, moved = turning.turned(np.full((192, 192, 3), 90, np.uint8), points, 400.0, face, np.random.default_rng(seed))
        assert picture.shape == (192, 192, 3)
        found = turning._facing(moved, 400.0, face, 96.0)
        assert found is not None
        assert np.abs(found.project(face) - moved).max() < 0.2
        cosine = (np.trace(found.rotation @ camera.rotation.T) - 1) / 2
        went.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    assert 3 < np.median(went) < 30
    assert max(went) < 2**0.5 * np.degrees(turning.MOST) + 0.5


def test_what_is_no_face_is_left_as_it_is(face: Array) -> None:
    picture = np.arange(192 * 192 * 3, dtype=np.uint8).reshape(192, 192, 3)
    same, points = turning.turned(picture, np.full((150, 2), 96.0), 400.0, face, np.random.default_rng(0))
    assert same is picture
    assert (points == 96.0).all()
