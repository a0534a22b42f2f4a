# SPDX-License-Identifier: GPL-3.0-or-later
"""A lens that zooms while the head stays, and one that stays while the head comes nearer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic import Performance, make_take

from facelift_blender.capture import zoom
from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Array, Take

FRAMES = 96


def ramp(ratio: float) -> Array:
    """(T,) a smooth rise from 1 to the ratio in the middle third of the clip."""
    share = np.clip(np.linspace(-1, 2, FRAMES), 0, 1)
    return ratio ** (share * share * (3 - 2 * share))


def filmed(focal: Array, nearer: Array) -> Take:
    """The synthetic head through a lens of focal lengths (T,), at distances multiplied by `nearer` (T,)."""
    truth = make_take(Performance(frames=FRAMES, distance=0.6))
    places = truth.translations * [1.0, 1.0, 0.0] + truth.translations * [0.0, 0.0, 1.0] * nearer[:, None]
    shot = replace(truth, translations=places, lens=replace(truth.lens, focal=focal))
    seen = project(shot) + np.random.default_rng(0).normal(0, 0.5, (FRAMES, 150, 2))
    guessed = places * np.stack([np.ones(FRAMES), np.ones(FRAMES), 1400.0 / focal], axis=1)
    return replace(shot, raw=replace(truth.raw, landmarks_2d=seen, translations=guessed))


def test_a_zoom_is_found() -> None:
    """A zoom by half: the course of the focal length within 8 %, the head's distance stays."""
    truth = filmed(1200.0 * ramp(1.5), np.ones(FRAMES))
    take = solve(truth.raw, truth.clip, SolveSettings(zoom=True))
    course = take.lens.focal / truth.lens.focal
    assert np.abs(course / course.mean() - 1).max() < 0.08
    depth = take.translations[:, 2] / truth.translations[:, 2]
    assert np.abs(depth / depth.mean() - 1).max() < 0.1
    assert np.linalg.norm(project(take) - project(truth), axis=-1).mean() < 1.0


def test_a_head_that_comes_nearer_is_no_zoom() -> None:
    truth = filmed(np.full(FRAMES, 1400.0), 1.0 / ramp(1.15))
    focal = solve(truth.raw, truth.clip, SolveSettings(zoom=True)).lens.focal
    assert np.ptp(np.log(focal)) < 0.15


def test_without_zoom_all_frames_share_one_focal_length() -> None:
    truth = filmed(1200.0 * ramp(1.5), np.ones(FRAMES))
    assert np.ptp(solve(truth.raw, truth.clip).lens.focal) == 0.0


def test_the_curve_follows_what_is_told_surely_and_bridges_the_rest() -> None:
    seconds, course = np.arange(FRAMES) / 24, np.log(ramp(1.5))
    sure = np.full(FRAMES, 1e6)
    sure[40:50] = 0.0
    told = np.where(sure > 0, course, 5.0)
    np.testing.assert_allclose(zoom.zoom_curve(told, sure, np.ones(FRAMES), seconds), course, atol=0.02)
