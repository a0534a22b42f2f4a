# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of how far a face is seen to move: nothing of where it is, how large, or how it is rolled."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from facelift_blender.capture.expression import head_basis
from facelift_blender.capture.topology import IRIS_CENTERS
from models.training.amplitudes import moves


def test_moves_do_not_depend_on_place_size_or_roll() -> None:
    flat = head_basis().neutral[None, :, :2] * [1.0, -1.0]
    c, s = np.cos(0.4), np.sin(0.4)
    placed = 3.0 * flat @ np.array([[c, s], [-s, c]]) + [50.0, 20.0]
    for name, value in moves(flat).items():
        np.testing.assert_allclose(moves(placed)[name], value, atol=1e-12)


def test_eyes_that_look_down_and_aside_are_seen_to() -> None:
    flat = np.repeat(head_basis().neutral[None, :, :2] * [1.0, -1.0], 2, axis=0)
    flat[1, list(IRIS_CENTERS)] += [0.002, 0.001]
    size = np.linalg.norm(flat[0, 45] - flat[0, 36])
    aside, down = (np.diff(moves(flat)[name])[0] * size for name in ("gaze, to the side", "gaze, up and down"))
    assert (aside, down) == pytest.approx((0.002, 0.001), abs=1e-4)
