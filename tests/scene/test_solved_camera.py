# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera motion that Blender's tracker has solved, brought to the solve's axes and back into the scene."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from synthetic import make_take, rotation

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.scene import axes, camera


def poses(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    matrices = np.tile(np.eye(4), (count, 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = rotation(random.normal(0, 1, (count, 3))), random.normal(0, 1, (count, 3))
    return matrices


def footage(frames: list[int], matrices: np.ndarray, length: int) -> SimpleNamespace:
    """What the reader asks of a MovieClip; a real one can only be solved with a window."""
    cameras = [SimpleNamespace(frame=frame, matrix=matrix) for frame, matrix in zip(frames, matrices, strict=True)]
    solved = SimpleNamespace(reconstruction=SimpleNamespace(cameras=cameras))
    return SimpleNamespace(name="plate", frame_duration=length, tracking=SimpleNamespace(objects=[solved]))


def test_the_solved_camera_comes_back_where_it_was() -> None:
    take = make_take()
    world = poses(len(take))
    found = camera.read_solved_camera(footage(list(range(1, len(take) + 1)), world, len(take)))
    np.testing.assert_allclose(axes.camera_matrices(replace(take, camera_poses=found)), world, atol=1e-12)


def test_frames_left_out_take_the_pose_before_and_units_are_metres() -> None:
    world = poses(2)
    found = camera.read_solved_camera(footage([3, 5], world, 6), unit=0.01)
    expected = axes.camera_poses(world * np.r_["0,2", np.c_[np.ones((3, 3)), np.full(3, 0.01)], np.ones((1, 4))])
    np.testing.assert_allclose(found, expected[[0, 0, 0, 0, 1, 1]], atol=1e-12)


def test_a_camera_that_is_not_solved_is_named() -> None:
    with pytest.raises(FaceLiftError, match="plate is not solved"):
        camera.read_solved_camera(footage([], poses(0), 6))
