# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads that are drawn in frames of their own come out in one, and are seen where they were."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from models.training import frames


@given(st.lists(st.floats(-40, 40), min_size=3, max_size=3), st.integers(0, 2**16))
def test_a_head_turned_in_its_own_frame_is_turned_back(angles: list[float], seed: int) -> None:
    mean = np.random.default_rng(seed).normal(0, 0.05, (150, 3))
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    assert_allclose(frames.turn_alike(mean[:68] @ turn.T, mean), turn.T, atol=1e-9)


def test_landmarks_stay_where_they_are_seen_and_heads_agree_on_what_is_ahead() -> None:
    random = np.random.default_rng(3)
    mean = random.normal(0, 0.05, (150, 3))
    own = np.repeat(Rotation.random(3, random_state=3).as_matrix(), 4, axis=0)  # three heads, four views each
    poses = Rotation.random(12, random_state=4).as_matrix()
    table = {"truth68": mean[:68] @ own.swapaxes(1, 2), "landmarks": mean @ own.swapaxes(1, 2), "rotation": poses, "focal": np.ones(12)}
    alike = frames.in_common_frame(table, mean)
    assert_allclose(alike["landmarks"], np.broadcast_to(mean, (12, 150, 3)), atol=1e-6)
    assert_allclose(alike["landmarks"] @ alike["rotation"].swapaxes(1, 2), table["landmarks"] @ poses.swapaxes(1, 2), atol=1e-6)
    assert alike["focal"] is table["focal"]


def test_a_store_that_knows_no_heads_is_left_as_it_is() -> None:
    table = {"points": np.zeros((2, 150, 2))}
    assert frames.in_common_frame(table, np.zeros((150, 3))) is table
