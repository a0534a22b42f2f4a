# SPDX-License-Identifier: GPL-3.0-or-later
"""The crop is a camera turned to the face: places, poses and covariances pass through it and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from facelift_blender.capture.crops import box_of_landmarks, crop_of_box, look_through, on_grid, turn_towards

CENTER = (640.0, 360.0)
places = st.tuples(st.floats(20, 1260), st.floats(20, 700))


@given(places, st.floats(30, 800), st.floats(500, 5000), st.floats(-0.8, 0.8))
def test_points_return_from_the_crop(place: tuple[float, float], side: float, focal: float, roll: float) -> None:
    crop = look_through(*place, side, focal, CENTER, 128, roll)
    points = np.random.default_rng(0).uniform([0, 0], [1280, 720], (40, 2))
    near = points[np.linalg.norm(points - place, axis=1) < 2 * side]
    assert np.allclose(crop.to_picture(crop.to_crop(near)), near, atol=1e-6)


@given(places, st.floats(30, 800), st.floats(500, 5000), st.floats(-0.8, 0.8))
def test_the_crop_sees_what_a_turned_camera_sees(place: tuple[float, float], side: float, focal: float, roll: float) -> None:
    crop = look_through(*place, side, focal, CENTER, 128, roll)
    head = np.random.default_rng(1).normal(0, 0.06, (30, 3)) + [(place[0] - CENTER[0]) / focal, (place[1] - CENTER[1]) / focal, 1.0]
    picture = focal * head[:, :2] / head[:, 2:] + CENTER
    turned = head @ crop.rotation.T
    assert np.allclose(crop.to_crop(picture), (crop.focal * turned[:, :2] / turned[:, 2:] + 0.5) * 128, atol=1e-6)


@given(places, st.floats(30, 400))
def test_the_face_is_in_the_middle_of_its_crop(place: tuple[float, float], side: float) -> None:
    crop = look_through(*place, side, 1500.0, CENTER, 128)
    assert np.allclose(crop.to_crop(np.array(place)), [64, 64], atol=1e-6)


@given(places, st.floats(60, 400), st.floats(-0.5, 0.5))
def test_jacobian_is_the_derivative(place: tuple[float, float], side: float, roll: float) -> None:
    crop = look_through(*place, side, 1500.0, CENTER, 128, roll)
    points = np.array([[30.0, 40.0], [100.0, 90.0]])
    step = 1e-4
    moved = [crop.to_picture(points + step * axis) - crop.to_picture(points - step * axis) for axis in np.eye(2)]
    numeric = np.stack(moved, axis=2) / (2 * step)
    assert np.allclose(crop.jacobian(points), numeric, atol=1e-5)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_turning_towards_a_ray(x: float, y: float) -> None:
    rotation = turn_towards(np.array([x, y, 1.0]))
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.allclose(rotation @ [x, y, 1.0], [0, 0, np.sqrt(x * x + y * y + 1)], atol=1e-12)


def test_box_holds_the_landmarks_and_the_crop_has_a_margin() -> None:
    landmarks = np.array([[500.0, 200.0], [700.0, 460.0], [600.0, 300.0]])
    box = box_of_landmarks(landmarks)
    assert box == (500.0, 200.0, 200.0, 260.0)
    inside = crop_of_box(box, 2000.0, CENTER, 128).to_crop(landmarks)
    assert inside.min() > 10
    assert inside.max() < 118


@given(st.floats(-500, 4000), st.floats(-500, 4000), st.floats(20, 3000), st.floats(0.5, 2.0))
def test_a_box_on_the_grid_is_about_the_same_and_stays(x: float, y: float, side: float, aspect: float) -> None:
    box = (x, y, side, side * aspect)
    near = on_grid(box)
    assert np.allclose(near, box, atol=0.011 * max(box[2:]))
    assert np.allclose(on_grid(near), near, atol=1e-6 * max(box[2:]))


@given(st.floats(0, 2000), st.floats(0, 2000), st.floats(50, 1000), st.integers(0, 2**32 - 1))
def test_boxes_that_nearly_agree_mostly_become_one(x: float, y: float, side: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    boxes = [(x, y, side, side) + random.normal(0, side / 3000, 4) for _ in range(40)]
    centres = {tuple(np.round([a + c / 2, b + d / 2, max(c, d)], 6)) for a, b, c, d in map(on_grid, boxes)}
    assert len(centres) <= 12
