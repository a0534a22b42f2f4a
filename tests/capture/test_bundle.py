# SPDX-License-Identifier: GPL-3.0-or-later
"""What the clip shares: focal length with its interval, and the face, recovered from synthetic truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import FRONTAL, Performance, face, make_take, rotation

from facelift_blender.capture import bundle, solve
from facelift_blender.capture.head_pose import Pose
from facelift_blender.capture.types import Lens

TURNING = Performance(frames=144, yaw=25, pitch=12)


def estimate(performance: Performance, prior: bundle.Prior | None = None) -> bundle.ClipEstimate:
    take = make_take(performance)
    prior = prior or solve._prior(take.clip, solve.SolveSettings())
    lens = replace(take.lens, focal=np.full(len(take), prior.focal))
    return solve._estimate(take.raw, lens, solve._Guide.of(take.raw), prior)[0]


@pytest.mark.parametrize(
    "performance",
    [
        TURNING, replace(TURNING, noise=1.5), replace(TURNING, depth_error=0.08), replace(TURNING, depth_error=-0.08),
        replace(TURNING, focal=900, distance=0.45), replace(TURNING, focal=2800, assumed=1400, distance=1.0),
    ],
)  # fmt: skip
def test_focal_length_is_found_when_the_head_turns(performance: Performance) -> None:
    """Within 13 % and the interval, whatever focal length the regressor believed in, and even where its depth is 8 % wrong."""
    focal = estimate(performance).focal
    assert focal.source == "solved"
    assert abs(focal.value / performance.focal - 1) < 0.13
    assert focal.interval[0] < performance.focal < focal.interval[1]


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """90 % intervals of 8 clips: at least 6 hold it, and they are no wider than half of the value."""
    runs = [replace(TURNING, frames=96, seed=seed, depth_error=0.04 * (-1) ** seed) for seed in range(8)]
    found = [estimate(run).focal for run in runs]
    assert sum(focal.interval[0] < 1400 < focal.interval[1] for focal in found) >= 6
    assert np.median([(focal.interval[1] - focal.interval[0]) / focal.value for focal in found]) < 0.5


STILL = Performance(frames=48, yaw=0, pitch=0, roll=0)


@pytest.mark.parametrize("performance", [Performance(frames=1), STILL, replace(STILL, roll=30)])
def test_a_head_that_does_not_turn_leaves_the_say_to_the_prior(performance: Performance) -> None:
    found = estimate(performance)
    assert found.focal.source == "prior"
    assert "does not tell the focal length" in found.warnings[0]
    assert found.focal.interval[1] / found.focal.interval[0] > 1.15
    assert found.focal.interval[0] < 1400 < found.focal.interval[1]


def test_a_known_focal_length_rules() -> None:
    focal = estimate(TURNING, bundle.Prior(1700.0, 0.0, "user")).focal
    assert focal == bundle.Focal(1700.0, (1700.0, 1700.0), "user")


def test_metadata_is_weighed_and_keeps_its_name() -> None:
    focal = estimate(replace(TURNING, yaw=0, pitch=0), bundle.Prior(1430.0, 0.05, "metadata")).focal
    assert focal.source == "metadata"
    assert abs(focal.value / 1430 - 1) < 0.05


def test_picture_scaled_scales_the_focal_length() -> None:
    small, large = estimate(TURNING).focal, estimate(replace(TURNING, width=2560, height=1440, focal=2800, assumed=2800, noise=1.4)).focal
    assert large.value == pytest.approx(2 * small.value, rel=2e-3)


def test_slopes_of_all_unknowns_against_finite_differences() -> None:
    """The reduced gradient is zero where the cost is least: moving any shared unknown raises the cost."""
    take = make_take(replace(TURNING, frames=12))
    sight = solve._Sight.of(take.raw, take.lens, solve._Guide.of(take.raw))
    problem = bundle._Problem.of(sight.pixels, sight.white, sight.shapes, sight.guide.modes, sight.pose)
    prior = bundle.Prior(1500.0, 0.5, "prior")
    state = bundle._adjust(problem, bundle._start(problem, sight.pose), prior, 2)
    normal = bundle._normal(problem, state, prior)

    def errors(field: np.ndarray, strength: float) -> np.ndarray:
        changed = replace(state, field=field)
        model = bundle.linearise(problem.shapes(changed), state.pose, strength / prior.focal)[0]
        residuals = bundle.whiten(problem.white, (problem.pixels - model)[..., None])
        return problem.apart @ (residuals * np.sqrt(weight))[..., 0]

    model = bundle.linearise(problem.shapes(state), state.pose, state.strength / prior.focal)[0]
    residuals = bundle.whiten(problem.white, (problem.pixels - model)[..., None])
    weight = bundle.student_weight(residuals[..., 0])[..., None, None]
    step = 1e-4
    for column in range(1 + len(state.field)):
        by_field = np.eye(len(state.field) + 1)[column, 1:] * step
        by_strength = step if column == 0 else 0.0
        ahead, behind = (errors(state.field + sign * by_field, state.strength + sign * by_strength) for sign in (1, -1))
        slope = (np.sum(ahead**2) - np.sum(behind**2)) / (4 * step)
        assert -slope == pytest.approx(normal.shared_side.sum(axis=0)[column], rel=1e-4, abs=1e-3)


def test_face_field_holds_no_pose_and_no_size() -> None:
    basis = bundle.face_field(face())
    middle = face() - face().mean(axis=0)
    np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.einsum("nd,ndp->p", middle[:, :2], basis[:, :2]), 0, atol=1e-12)
    assert basis.shape[2] > 20


def test_key_frames_are_the_different_ones() -> None:
    angles = np.zeros((400, 3))
    angles[[50, 150, 250, 350], 1] = 0.3, 0.4, 0.5, 0.6
    pose = Pose(FRONTAL @ rotation(angles), np.zeros((400, 2)), np.full(400, 2000.0))
    rows = bundle.key_frames(pose, np.arange(400) != 50)
    assert {150, 250, 350} <= set(rows)
    assert 50 not in rows
    assert len(rows) <= 96
    assert list(rows) == sorted(set(rows))


def test_lens_with_distortion_is_seen_through() -> None:
    """Bent picture, known distortion: the focal length comes out as without."""
    from facelift_blender.capture import camera
    from facelift_blender.capture.types import Distortion

    take = make_take(TURNING)
    lens = Lens(1280, 720, take.lens.focal, (1400, 1400), (640.0, 360.0), distortion=Distortion("POLYNOMIAL", (-0.15, 0.03)))
    bent = camera.to_pixels((take.raw.landmarks_2d - np.array([640.0, 360.0])) / 1400.0, lens)
    raw = replace(take.raw, landmarks_2d=bent)
    solved = solve.solve(raw, take.clip, solve.SolveSettings(distortion=lens.distortion))
    assert abs(solved.lens.focal[0] / 1400 - 1) < 0.11
