# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mathutils import Matrix
from synthetic import make_take, rotation

from facelift_blender.capture.types import Take
from facelift_blender.scene import axes

angles = st.floats(-4.0, 4.0)


@given(st.lists(st.tuples(angles, angles, angles), min_size=1, max_size=20))
def test_quaternions_are_mathutils_own_but_for_the_sign(vectors: list[tuple[float, float, float]]) -> None:
    rotations = rotation(np.array(vectors))
    for found, matrix in zip(axes.quaternions(rotations), rotations, strict=True):
        expected = np.array(Matrix(matrix).to_quaternion())
        assert min(np.abs(found - expected).max(), np.abs(found + expected).max()) < 1e-5


def test_quaternions_never_flip_over_several_full_turns() -> None:
    angle = np.linspace(0.0, 6.0 * np.pi, 200)
    found = axes.quaternions(rotation(np.stack([0 * angle, angle, 0.1 * angle], axis=1)))
    assert np.linalg.norm(np.diff(found, axis=0), axis=1).max() < 0.06
    assert found[0] == pytest.approx([1.0, 0.0, 0.0, 0.0])


def test_a_camera_with_the_identity_pose_stands_upright_and_looks_along_y(synthetic_take: Take) -> None:
    matrix = axes.camera_matrices(synthetic_take)[0]
    assert matrix @ [0.0, 0.0, -1.0, 0.0] == pytest.approx([0.0, 1.0, 0.0, 0.0])
    assert matrix @ [0.0, 1.0, 0.0, 0.0] == pytest.approx([0.0, 0.0, 1.0, 0.0])


def test_a_head_that_looks_into_the_lens_is_upright_and_faces_the_camera(synthetic_take: Take) -> None:
    straight = replace(synthetic_take, rotations=np.tile(np.diag([1.0, -1.0, -1.0]), (len(synthetic_take), 1, 1)))
    assert axes.head_matrices(straight)[:, :3, :3] == pytest.approx(np.tile(np.eye(3), (len(straight), 1, 1)))
    assert axes.head_points(np.array([0.0, 1.0, 0.0])) == pytest.approx([0.0, 0.0, 1.0])
    assert axes.head_points(np.array([0.0, 0.0, 1.0])) == pytest.approx([0.0, -1.0, 0.0])


@given(st.floats(0.0, 1280.0), st.floats(0.0, 720.0), st.floats(0.5, 2.0))
def test_the_lens_keeps_its_angle_and_its_principal_point(center_x: float, center_y: float, aspect: float) -> None:
    lens = replace(make_take().lens, center=(center_x, center_y), pixel_aspect=aspect)
    shift_x, shift_y = axes.lens_shift(lens)
    assert lens.width / 2 - shift_x * lens.width == pytest.approx(center_x)
    assert lens.height / 2 + shift_y * lens.width / axes.pixel_height(lens) == pytest.approx(center_y)
    assert axes.focal_mm(lens)[0] / lens.sensor_width == pytest.approx(lens.matrix(0)[0, 0] / lens.width)
