# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks that only repeat the regressor's own face under the lens it was told do not tell the focal length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic import Performance, make_take

from facelift_blender.capture import solve
from facelift_blender.capture.types import Observations, Take


def told(take: Take, landmarks: slice) -> Observations:
    """The raw take with some landmarks as the regressor's own projection under its assumed focal length."""
    raw = take.raw
    seen = raw.landmarks_3d @ np.swapaxes(raw.rotations, 1, 2) + raw.translations[:, None]
    pixels = raw.landmarks_2d.copy()
    pixels[:, landmarks] = (raw.assumed_focal * seen[..., :2] / seen[..., 2:] + np.array(take.lens.center))[:, landmarks]
    return replace(raw, landmarks_2d=pixels)


def test_they_are_known_one_by_one() -> None:
    take = make_take(Performance(frames=48, yaw=20))
    found = solve._told_through_pose(told(take, slice(0, 30)), take.lens)
    np.testing.assert_array_equal(np.flatnonzero(found), np.arange(30))
    assert not solve._told_through_pose(take.raw, take.lens).any()


def test_all_of_them_leave_the_say_to_the_prior() -> None:
    take = make_take(Performance(frames=48, yaw=20, focal=1400, assumed=2400))
    lens = solve.solve(told(take, slice(0, 150)), take.clip).lens
    assert lens.focal_source == "prior"
    assert lens.focal_interval[0] < 1400 < lens.focal_interval[1]
    assert lens.focal[0] < 2200
