# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole solve on synthetic truth: what is recovered, what must not change it, and a clear word for what cannot be solved."""

from __future__ import annotations

from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from synthetic import Performance, make_take

from facelift_blender.capture import expression, head_pose, topology
from facelift_blender.capture.solve import SolveSettings, resmooth, solve
from facelift_blender.capture.take import load_take, project, save_take
from facelift_blender.capture.types import Distortion, FaceLiftError, Observations, Take
from facelift_blender.rigs import arkit

PERFORMANCE = Performance(frames=144)
LENS = SolveSettings(focal_mm=1400 / 1280 * 36)


def rows(raw: Observations, keep: np.ndarray) -> Observations:
    names = ("frames", "found", "landmarks_2d", "covariances", "landmarks_3d", "rotations", "translations", "scores")
    return replace(raw, **{name: getattr(raw, name)[keep] for name in names})


def lose(raw: Observations, frames: range) -> Observations:
    found, pixels = raw.found.copy(), raw.landmarks_2d.copy()
    found[list(frames)], pixels[list(frames)] = False, np.nan
    return replace(raw, found=found, landmarks_2d=pixels)


def turn_error(one: np.ndarray, other: np.ndarray) -> float:
    """RMS angle between rotations, degrees, after what is constant between them is taken out."""
    apart = np.swapaxes(one, 1, 2) @ other
    u, _, vt = np.linalg.svd(apart.sum(axis=0))
    return float(np.degrees(np.sqrt(np.mean(np.sum(head_pose.rotation_vector(apart @ (u @ vt).T) ** 2, axis=1)))))


def bend(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.diff(values, 2, axis=0) ** 2)))


@pytest.fixture(scope="module")
def truth() -> Take:
    return make_take(PERFORMANCE)


@pytest.fixture(scope="module")
def solved(truth: Take) -> Take:
    return solve(truth.raw, truth.clip)


def test_truth_is_recovered(truth: Take, solved: Take) -> None:
    """Focal 12 %, rotation 0.5 degrees, depth 1 % given the focal length, inner face 1 mm, on the plate to 0.8 px."""
    inner = [index for index, landmark in enumerate(topology.TABLE) if landmark.region != "contour"]
    share = solved.lens.focal / truth.lens.focal
    assert abs(share[0] - 1) < 0.12
    assert solved.lens.focal_source == "solved"
    assert turn_error(truth.rotations, solved.rotations) < 0.5
    assert np.sqrt(np.mean((solved.translations[:, 2] / truth.translations[:, 2] / share - 1) ** 2)) < 0.01
    assert np.sqrt(np.mean(np.sum((solved.landmarks - truth.landmarks)[:, inner] ** 2, axis=-1))) < 0.001
    assert np.sqrt(np.mean(np.sum((project(solved) - project(truth)) ** 2, axis=-1))) < 0.8
    assert solved.valid.all()
    assert np.all(solved.residuals < 2.0)


def test_take_is_whole_and_survives_the_disk(solved: Take, tmp_path: object) -> None:
    save_take(solved, tmp_path / "take.npz")
    again = load_take(tmp_path / "take.npz")
    np.testing.assert_array_equal(again.landmarks, solved.landmarks)
    assert again.provenance == solved.provenance
    assert set(solved.provenance["solve_ms"]) == {"solve", "smooth"}


def test_scale_comes_from_the_pupils(truth: Take) -> None:
    right, left = topology.IRIS_CENTERS
    wide, narrow = (solve(truth.raw, truth.clip, replace(LENS, interpupillary=pupils)) for pupils in (0.07, 0.056))
    assert np.linalg.norm(wide.neutral[right] - wide.neutral[left]) == pytest.approx(0.07)
    np.testing.assert_allclose(wide.translations, narrow.translations * 1.25, atol=1e-3)
    np.testing.assert_allclose(project(wide), project(narrow), atol=0.2)


def test_user_focal_length_rules(truth: Take) -> None:
    lens = solve(truth.raw, truth.clip, SolveSettings(focal_mm=50.0, sensor_width=36.0)).lens
    assert lens.focal_source == "user"
    assert lens.focal[0] == pytest.approx(50 / 36 * 1280)
    assert lens.focal_interval == (lens.focal[0],) * 2


def test_mirrored_picture_gives_the_mirrored_head(truth: Take) -> None:
    raw, flip, twin = truth.raw, np.array([-1.0, 1.0, 1.0]), list(topology.MIRROR)
    mirrored = replace(
        raw, landmarks_2d=raw.landmarks_2d[:, twin] * [-1, 1] + [1280, 0], landmarks_3d=raw.landmarks_3d[:, twin] * flip,
        covariances=raw.covariances[:, twin], rotations=raw.rotations * np.outer(flip, flip), translations=raw.translations * flip,
    )  # fmt: skip
    one, other = solve(raw, truth.clip, LENS), solve(mirrored, truth.clip, LENS)
    np.testing.assert_allclose(other.translations, one.translations * flip, atol=1e-3)
    np.testing.assert_allclose(other.landmarks[:, twin] * flip, one.landmarks, atol=6e-4)


def test_time_reversed_is_the_same(truth: Take) -> None:
    raw = rows(truth.raw, np.arange(len(truth))[::-1])
    backwards = solve(replace(raw, frames=truth.raw.frames), truth.clip, LENS)
    forwards = solve(truth.raw, truth.clip, LENS)
    np.testing.assert_allclose(backwards.landmarks[::-1], forwards.landmarks, atol=2e-4)
    assert turn_error(backwards.rotations[::-1], forwards.rotations) < 0.02


def test_still_face_is_five_times_stiller_than_raw() -> None:
    still = make_take(Performance(frames=120, expression=0.0, yaw=0, pitch=0, roll=0))
    take = solve(still.raw, still.clip, LENS)
    assert bend(take.landmarks) < bend(still.raw.landmarks_3d) / 5
    assert bend(project(take)) < bend(still.raw.landmarks_2d) / 5


def test_resmooth_zero_is_raw_and_half_is_the_solve(solved: Take) -> None:
    np.testing.assert_allclose(resmooth(solved, 0.5).landmarks, solved.landmarks, atol=1e-9)
    amounts = [resmooth(solved, amount) for amount in (0.0, 0.3, 1.0)]
    bends = [bend(take.landmarks) for take in amounts]
    assert bends[0] > bends[1] > bends[2]
    assert amounts[0].residuals.mean() < amounts[2].residuals.mean()
    assert amounts[0].lens == solved.lens
    assert amounts[2].provenance["smoothing"]["mouth"] == 1.0


def test_resmooth_takes_lens_and_neutral_from_the_take(solved: Take) -> None:
    again = resmooth(replace(solved, neutral=solved.neutral * 1.1), 0.5)
    np.testing.assert_allclose(again.translations, solved.translations * 1.1, atol=2e-4)


def test_short_gap_is_bridged_with_little_confidence(truth: Take) -> None:
    take = solve(lose(truth.raw, range(60, 68)), truth.clip, LENS)
    assert take.valid.all()
    error = head_pose.rotation_vector(np.swapaxes(take.rotations[60:68], 1, 2) @ truth.rotations[60:68])
    assert np.degrees(np.abs(error).max()) < 3.0
    assert take.confidence[60:68].max() <= 0.2
    assert take.confidence[:60].min() > 0.5


def test_long_gap_stays_a_gap(truth: Take) -> None:
    take = solve(lose(truth.raw, range(50, 80)), truth.clip, LENS)
    np.testing.assert_array_equal(np.flatnonzero(~take.valid), np.arange(50, 80))
    assert np.isnan(take.translations[60]).all()
    assert np.isnan(take.weights[60]).all()
    assert not take.confidence[60].any()
    assert np.isfinite(take.landmarks[take.valid]).all()
    assert np.isnan(project(take)[60]).all()


def test_frames_left_out_are_gaps_in_time(truth: Take) -> None:
    """Every second frame only: the same motion, not one twice as fast."""
    half = solve(rows(truth.raw, np.arange(0, len(truth), 2)), truth.clip, LENS)
    assert turn_error(truth.rotations[::2], half.rotations) < 0.7
    np.testing.assert_allclose(half.times, truth.times[::2])


def test_hidden_mouth_leaves_the_pose_alone(truth: Take) -> None:
    mouth = list(topology.region_indices("mouth", "chin"))
    pixels, covariances = truth.raw.landmarks_2d.copy(), truth.raw.covariances.copy()
    pixels[40:80][:, mouth] += [60.0, 25.0]
    hidden = np.ix_(range(40, 80), mouth)
    pixels[hidden] = truth.raw.landmarks_2d[hidden] + [60.0, 25.0]
    covariances[hidden] = 900.0 * np.eye(2)
    take = solve(replace(truth.raw, landmarks_2d=pixels, covariances=covariances), truth.clip, LENS)
    assert turn_error(truth.rotations, take.rotations) < 0.7
    assert take.confidence[hidden].max() < 0.3 < take.confidence[:40][:, mouth].mean()


def test_behind_a_hand_no_expression_is_invented(truth: Take) -> None:
    """A smile that the regressor imagines on 40 hidden frames adds less than 0.05 to what is there, and nothing before."""
    basis, smile = expression.head_basis(), [arkit.INDEX["mouthSmileLeft"], arkit.INDEX["mouthSmileRight"]]
    mouth = list(topology.region_indices("mouth", "chin", "cheeks"))
    imagined, covariances = truth.raw.landmarks_3d.copy(), truth.raw.covariances.copy()
    imagined[40:80] += 0.8 * basis.shapes[smile].sum(axis=0)
    covariances[np.ix_(range(40, 80), mouth)] *= 100.0
    take = solve(replace(truth.raw, landmarks_3d=imagined, covariances=covariances), truth.clip, LENS)
    without = solve(truth.raw, truth.clip, LENS)
    assert np.max(take.weights[40:80, smile] - without.weights[40:80, smile]) < 0.05
    np.testing.assert_allclose(take.weights[:35], without.weights[:35], atol=0.05)


def test_one_frame(truth: Take) -> None:
    take = solve(rows(truth.raw, np.array([70])), truth.clip)
    assert len(take) == 1
    assert take.valid.all()
    assert take.lens.focal_source == "prior"
    assert take.provenance["warnings"]
    assert np.isfinite(take.landmarks).all()


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_few_frames(truth: Take, count: int) -> None:
    take = solve(rows(truth.raw, np.arange(count)), truth.clip)
    assert take.valid.all()
    assert np.isfinite(take.landmarks).all()
    assert turn_error(truth.rotations[:count], take.rotations) < 1.0


def test_nothing_found(truth: Take) -> None:
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        solve(lose(truth.raw, range(len(truth))), truth.clip)
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        solve(rows(truth.raw, np.arange(0)), truth.clip)


def test_all_hidden(truth: Take) -> None:
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        solve(replace(truth.raw, covariances=np.full_like(truth.raw.covariances, np.inf)), truth.clip)


def test_frames_with_holes_are_not_used(truth: Take) -> None:
    rotations, translations = truth.raw.rotations.copy(), truth.raw.translations.copy()
    rotations[10], translations[20] = np.nan, [0, 0, -1.0]
    take = solve(replace(truth.raw, rotations=rotations, translations=translations), truth.clip, LENS)
    assert take.valid.all()
    assert take.confidence[[10, 20]].max() <= 0.2


def test_points_in_a_row_are_refused(truth: Take) -> None:
    flat = truth.raw.landmarks_3d * [1.0, 0.0, 0.0]
    with pytest.raises(FaceLiftError, match="do not form a face"):
        solve(replace(truth.raw, landmarks_3d=flat), truth.clip)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (SolveSettings(focal_mm=0.0), "focal length"), (SolveSettings(focal_mm=float("nan")), "focal length"),
        (SolveSettings(sensor_width=-1.0, focal_mm=50), "focal length"), (SolveSettings(smoothing=2.0), "smoothing"),
        (SolveSettings(interpupillary=63.0), "Pupils"), (SolveSettings(distortion=Distortion("FISHEYE")), "FISHEYE"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(truth: Take, settings: SolveSettings, word: str) -> None:
    with pytest.raises(FaceLiftError, match=word):
        solve(truth.raw, truth.clip, settings)


def test_time_grows_linearly_and_is_short() -> None:
    """At most 6 ms of one processor a frame on a busy machine, and not more for a long clip than for a short one."""
    cost = []
    for count in (150, 1500):
        take = make_take(Performance(frames=count))
        started = process_time()
        solve(take.raw, take.clip)
        cost.append((process_time() - started) / count)
    assert cost[1] < 1.5 * cost[0]
    assert cost[1] < 6e-3
