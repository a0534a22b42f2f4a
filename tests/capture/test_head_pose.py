# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose of many frames: slopes against finite differences, truth recovered, outliers ignored."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import FRONTAL, Performance, face, make_take, rotation, shapes

from facelift_blender.capture import head_pose
from facelift_blender.capture.head_pose import Pose

angle = st.floats(-0.6, 0.6)


def some_pose(count: int = 3, seed: int = 0) -> Pose:
    random = np.random.default_rng(seed)
    return Pose(FRONTAL @ rotation(random.normal(0, 0.3, (count, 3))), random.normal(0, 80, (count, 2)), random.uniform(1500, 2500, count))


@settings(deadline=None)
@given(st.tuples(*[st.floats(-1.75, 1.75)] * 3))
def test_rotation_vector_round_trip(vector: tuple[float, ...]) -> None:
    np.testing.assert_allclose(head_pose.rotation_vector(head_pose.rotation_matrix(np.array(vector))), vector, atol=1e-9)


def test_nearly_half_a_turn_has_its_angle() -> None:
    vector = head_pose.rotation_vector(head_pose.rotation_matrix(np.array([0.6, -0.8, 0.0]) * (np.pi - 1e-3)))
    np.testing.assert_allclose(vector, np.array([0.6, -0.8, 0.0]) * (np.pi - 1e-3), atol=1e-6)


def test_metric_pose_round_trip() -> None:
    pose = some_pose()
    back = head_pose.pose_from(pose.rotations, pose.translations(1400.0), 1400.0)
    np.testing.assert_allclose(back.anchors, pose.anchors)
    np.testing.assert_allclose(back.scales, pose.scales)


def test_slopes_against_finite_differences() -> None:
    pose, inverse, step = some_pose(), 1 / 1300, 1e-6
    points = np.tile(face(), (3, 1, 1))
    _, by_pose, by_point, by_inverse = head_pose.linearise(points, pose, inverse)
    for axis in range(6):
        move = np.tile(np.eye(6)[axis] * step, (3, 1))
        ahead, behind = (head_pose.reproject(points, pose.moved(sign * move), inverse) for sign in (1, -1))
        slope = (ahead - behind) / (2 * step)
        np.testing.assert_allclose(by_pose[..., axis], slope, rtol=1e-5, atol=1e-3)
    for axis, move in enumerate(np.eye(3) * step):
        slope = (head_pose.reproject(points + move, pose, inverse) - head_pose.reproject(points - move, pose, inverse)) / (2 * step)
        np.testing.assert_allclose(by_point[..., axis], slope, rtol=1e-5, atol=1e-3)
    slope = (head_pose.reproject(points, pose, inverse + 1e-9) - head_pose.reproject(points, pose, inverse - 1e-9)) / 2e-9
    np.testing.assert_allclose(by_inverse, slope, rtol=1e-5, atol=1e-1)


def test_whitener_is_a_root_of_the_inverse_and_zero_for_the_unseen() -> None:
    random = np.random.default_rng(0)
    half = random.normal(size=(5, 2, 2))
    covariances = half @ np.swapaxes(half, 1, 2) + 0.1 * np.eye(2)
    white = head_pose.whitener(covariances)
    np.testing.assert_allclose(np.swapaxes(white, 1, 2) @ white, np.linalg.inv(covariances), rtol=1e-9)
    np.testing.assert_allclose(head_pose.whiten(white[:, None], half[:, None])[:, 0], white @ half, rtol=1e-12)
    assert not head_pose.whitener(np.array([np.full((2, 2), np.nan), np.diag([np.inf, np.inf]), np.zeros((2, 2))])).any()


@settings(deadline=None, max_examples=25)
@given(st.tuples(angle, angle, angle), st.floats(0.4, 3.0), st.floats(600, 4000))
def test_pose_is_recovered(turn: tuple[float, ...], distance: float, focal: float) -> None:
    """From a start 10 degrees and 10 % off, without noise: to a thousandth of a degree."""
    rotations = FRONTAL @ rotation(np.array([turn]))
    truth = head_pose.pose_from(rotations, np.array([[0.05, -0.02, distance]]), focal)
    points = face()[None]
    pixels = head_pose.reproject(points, truth, 1 / focal)
    start = truth.moved(np.array([[0.1, -0.1, 0.1, 20, -10, 0.1]]))
    white = head_pose.whitener(np.broadcast_to(np.eye(2), (1, 150, 2, 2)))
    fit = head_pose.fit_poses(pixels, white, points, np.zeros((150, 3, 0)), start, 1 / focal, steps=12)
    error = head_pose.rotation_vector(np.swapaxes(fit.pose.rotations, 1, 2) @ rotations)
    assert np.degrees(np.abs(error).max()) < 1e-3
    np.testing.assert_allclose(fit.pose.scales, truth.scales, rtol=1e-4)


def test_a_third_of_outliers_does_not_turn_the_head() -> None:
    take = make_take(Performance(frames=10, expression=0.0))
    pose = head_pose.pose_from(take.rotations, take.translations, 1400.0)
    pixels = take.raw.landmarks_2d - np.array([640.0, 360.0])
    pixels[:, ::3] += np.random.default_rng(1).normal(0, 40, (10, 50, 2))
    points, white = np.tile(face(), (10, 1, 1)), head_pose.whitener(take.covariances)
    fit = head_pose.fit_poses(pixels, white, points, np.zeros((150, 3, 0)), pose, 1 / 1400, steps=10)
    error = head_pose.rotation_vector(np.swapaxes(fit.pose.rotations, 1, 2) @ take.rotations)
    assert np.degrees(np.sqrt(np.mean(np.sum(error**2, axis=1)))) < 0.5


def test_pose_covariance_tells_the_scatter() -> None:
    take = make_take(Performance(frames=300, expression=0.0, yaw=0, pitch=0, roll=0))
    pose = head_pose.pose_from(take.rotations, take.translations, 1400.0)
    pixels = take.raw.landmarks_2d - np.array([640.0, 360.0])
    points, white = np.tile(face(), (300, 1, 1)), head_pose.whitener(take.covariances)
    fit = head_pose.fit_poses(pixels, white, points, np.zeros((150, 3, 0)), pose, 1 / 1400)
    scatter = np.std(head_pose.rotation_vector(np.swapaxes(take.rotations, 1, 2) @ fit.pose.rotations), axis=0)
    told = np.sqrt(np.mean(fit.covariances[:, range(3), range(3)], axis=0))
    np.testing.assert_allclose(np.sort(scatter), np.sort(told), rtol=0.25)


def test_strays_move_points_onto_the_picture_and_outliers_little() -> None:
    points, pose = np.tile(face(), (1, 1, 1)), some_pose(1)
    moved = points.copy()
    moved[0, 50] += [0.001, 0.0005, 0.0]
    moved[0, 60] += [0.05, 0.0, 0.0]
    pixels = head_pose.reproject(moved, pose, 1 / 1400)
    white = head_pose.whitener(np.broadcast_to(0.04 * np.eye(2), (1, 150, 2, 2)))
    found = head_pose.strays(pixels, white, points, pose, 1 / 1400, np.full(150, 0.001))
    errors = np.linalg.norm(head_pose.reproject(points + found, pose, 1 / 1400) - pixels, axis=-1)[0]
    assert errors[50] < 0.05
    assert np.linalg.norm(found[0, 60]) < 0.005
    assert np.abs(found[0, :50]).max() < 1e-12


def test_align_takes_out_the_rigid_part_and_leaves_the_jaw() -> None:
    random = np.random.default_rng(2)
    opening = np.abs(np.sin(np.arange(40) / 4))
    still = face() + opening[:, None, None] * shapes()[17]
    turned = still @ np.swapaxes(rotation(random.normal(0, 0.05, (40, 3))), 1, 2) * random.uniform(0.95, 1.05, (40, 1, 1)) + 0.003
    aligned, mean, spread, motion = head_pose.align(turned)
    np.testing.assert_allclose(head_pose.move(turned, motion), aligned, atol=1e-12)
    nose = list(range(27, 31))
    assert np.std(aligned[:, nose], axis=0).max() < 3e-4
    assert np.corrcoef(aligned[:, 8, 1], opening)[0, 1] < -0.99
    assert mean.shape == (150, 3)
    assert spread[8] > 5 * spread[27]
