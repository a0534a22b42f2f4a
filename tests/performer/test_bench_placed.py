# SPDX-License-Identifier: GPL-3.0-or-later
"""A head that is placed once: what is the same on all frames is the placement's, what varies is the pose's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture.head_pose import rotation_matrix
from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.types import Take
from models.performer import bench_placed
from models.performer.bench_cases import Case
from models.performer.bench_measure import clip_of, true_observations
from models.performer.bench_placed import placed_figures
from models.performer.truth import Truth, load_truth


@pytest.fixture(scope="module")
def truth() -> Truth:
    whole = load_truth(Path(bench_placed.__file__).with_name("demo_truth.json.gz"))
    names = ("weights", "rotations", "translations", "camera_rotations", "camera_translations", "landmarks", "pixels", "visible")
    return replace(whole, **{name: getattr(whole, name)[40:64] for name in names})


@pytest.fixture(scope="module")
def exact(truth: Truth) -> Take:
    """A take that is the truth."""
    take = solve(true_observations(truth, 0), clip_of(truth, "demo"), SolveSettings(focal_mm=Case("", 50, 1).lens))
    return replace(take, rotations=truth.rotations, translations=truth.translations, landmarks=truth.landmarks)


def test_the_truth_in_another_frame_sits(truth: Truth, exact: Take) -> None:
    turn, shift = rotation_matrix(np.array([0.1, -0.05, 0.02])), np.array([0.0, 0.01, 0.02])
    landmarks = (exact.landmarks - shift) @ turn
    other = replace(exact, rotations=exact.rotations @ turn, translations=exact.translations + exact.rotations @ shift, landmarks=landmarks)
    figures = placed_figures(other, truth)
    assert figures["placed rotation"] < 0.02
    assert figures["slip"] < 0.02


def test_a_face_that_is_misjudged_in_depth_alone_does_not_slip(truth: Truth, exact: Take) -> None:
    """Its landmarks lean back by five degrees, its poses are true: laid by its points it would be turned."""
    lean = rotation_matrix(np.array([np.radians(5.0), 0.0, 0.0]))
    figures = placed_figures(replace(exact, landmarks=exact.landmarks @ lean.T), truth)
    assert figures["placed rotation"] < 0.02


def test_a_head_that_sways_a_degree_is_a_degree_off_and_slips(truth: Truth, exact: Take) -> None:
    sway = np.radians(1.0) * np.sqrt(2.0) * np.sin(np.arange(len(truth)) * 2.0)
    turns = rotation_matrix(np.stack([0 * sway, sway, 0 * sway], axis=1))
    figures = placed_figures(replace(exact, rotations=exact.rotations @ turns), truth)
    assert figures["placed rotation"] == pytest.approx(1.0, abs=0.1)
    assert figures["slip"] > 0.2
