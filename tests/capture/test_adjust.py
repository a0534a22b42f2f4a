# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facelift_blender.capture.adjust import Adjustments, adjust, interpupillary
from facelift_blender.capture.corrections import Corrections, Pin
from facelift_blender.capture.refine import refine
from facelift_blender.capture.smoothing import Smoothing
from facelift_blender.capture.solve import smoothing_of, solve
from facelift_blender.capture.take import project
from facelift_blender.capture.types import FaceLiftError, Take


@pytest.fixture(scope="module")
def solved(synthetic_take: Take) -> Take:
    return solve(synthetic_take.raw, synthetic_take.clip)


def test_nothing_wanted_is_nothing_done(solved: Take) -> None:
    assert adjust(solved, Adjustments()) is solved
    assert adjust(solved, Adjustments(smoothing=smoothing_of(solved))) is solved


def test_smoothing_goes_part_by_part(solved: Take) -> None:
    raw_mouth = adjust(solved, Adjustments(smoothing=replace(smoothing_of(solved), mouth=0.0)))
    assert np.array_equal(raw_mouth.rotations, solved.rotations)
    jitter = [np.abs(np.diff(take.landmarks[:, 48:68], 2, axis=0)).mean() for take in (solved, raw_mouth)]
    assert jitter[1] > 1.5 * jitter[0]


def test_the_scale_leaves_picture_and_expression(solved: Take) -> None:
    large = adjust(solved, Adjustments(interpupillary=0.07))
    assert interpupillary(large) == pytest.approx(0.07)
    assert np.allclose(project(large), project(solved), atol=1e-6)
    assert np.array_equal(large.weights, solved.weights)
    assert np.allclose(large.translations, solved.translations * 0.07 / 0.063)


def test_the_frame_at_rest_has_no_expression(solved: Take) -> None:
    frame = int(solved.frames[np.argmax(solved.weights.sum(axis=1))])
    resting = adjust(solved, Adjustments(rest=frame))
    assert resting.weights[resting.frames == frame].max() < 0.02
    assert np.array_equal(project(resting), project(solved))
    with pytest.raises(FaceLiftError, match="no face of Actor 1"):
        adjust(solved, Adjustments(rest=9999))


def test_before_and_after_a_correction(solved: Take) -> None:
    point = project(solved)[20, 57] + [4.0, 6.0]
    refined = refine(solved, Corrections((Pin(int(solved.frames[20]), 57, tuple(point)),), falloff=4.0))
    before = adjust(refined, Adjustments(corrected=False))
    assert np.linalg.norm(project(refined)[20, 57] - point) < 0.5
    assert np.abs(project(before)[20] - project(solved)[20]).max() < 0.05


def test_adjustments_are_told_and_read() -> None:
    for wanted in (Adjustments(), Adjustments(Smoothing(mouth=0.1), 7, 0.064, False)):
        assert Adjustments.of(wanted.text()) == wanted
