# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks are wont to get wrong is taken out where the face stands, and the lens is told by the nearness that is read."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Performance, make_take

from facelift_blender.capture.habits import Habits, Sighting, load_habits, without_habits
from facelift_blender.capture.head_pose import rotation_matrix
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import load_take, save_take
from facelift_blender.capture.topology import MIRROR
from facelift_blender.capture.types import Observations, Take
from facelift_blender.capture.weights import model_path, sha256_of

COUNT = 150


def center(take: Take) -> tuple[float, float]:
    return take.clip.width / 2, take.clip.height / 2


def rolled(raw: Observations, middle: tuple[float, float], angle: float) -> Observations:
    """The picture turned about its centre."""
    turn = rotation_matrix(np.array([0.0, 0.0, angle]))
    pixels = (raw.landmarks_2d - middle) @ turn[:2, :2].T + middle
    return replace(raw, landmarks_2d=pixels, rotations=turn @ raw.rotations, translations=raw.translations @ turn.T)


def in_the_mirror(raw: Observations, width: int) -> Observations:
    flip, twin = np.diag([-1.0, 1.0, 1.0]), list(MIRROR)
    pixels = raw.landmarks_2d[:, twin] * [-1.0, 1.0] + [width, 0.0]
    return replace(
        raw, landmarks_2d=pixels, landmarks_3d=raw.landmarks_3d[:, twin] @ flip, rotations=flip @ raw.rotations @ flip,
        translations=raw.translations @ flip,
    )  # fmt: skip


def constant(seen: tuple[float, float] = (0.0, 0.0), turn: tuple[float, float, float] = (0.0, 0.0, 0.0), near: float = 1.0) -> Habits:
    """Habits that are the same in every view; the nearness is a multiple of the one that was assumed."""
    matrix, nearness = np.zeros((11, 5 * COUNT + 3)), np.zeros(7)
    matrix[0, : 2 * COUNT], matrix[0, -3:], nearness[-1] = np.tile(seen, COUNT), turn, near
    return Habits(np.zeros(3 * COUNT), np.zeros((3 * COUNT, 0)), np.zeros(2 * COUNT), np.zeros((2 * COUNT, 0)), matrix, nearness)


def stretching(share: float) -> Habits:
    """Landmark 0 goes up the face by a share more of how far it is moved in space from where it is in the mean of the clip."""
    axes = np.zeros((3 * COUNT, 1))
    axes[1] = 1.0
    matrix = np.zeros((2 * 9 - 1, 5 * COUNT + 3))
    matrix[9 + 5, 2 * COUNT + 1] = share
    return Habits(np.zeros(3 * COUNT), axes, np.zeros(2 * COUNT), np.zeros((2 * COUNT, 0)), matrix, np.zeros(6 + 6 + 1))


def test_a_sighting_is_free_of_roll(synthetic_take: Take) -> None:
    rows, middle = np.flatnonzero(synthetic_take.raw.found), center(synthetic_take)
    upright = Sighting.of(synthetic_take.raw, middle, rows)
    turned = Sighting.of(rolled(synthetic_take.raw, middle, 0.4), middle, rows)
    for name in ("views", "shapes", "rests", "scales", "nearness"):
        np.testing.assert_allclose(getattr(turned, name), getattr(upright, name), atol=1e-9, err_msg=name)


def test_what_is_the_projection_of_the_shape_leaves_no_rest(synthetic_take: Take) -> None:
    raw = synthetic_take.raw
    seen = raw.landmarks_3d @ np.swapaxes(raw.rotations, 1, 2) + raw.translations[:, None]
    raw = replace(raw, landmarks_2d=raw.assumed_focal * seen[..., :2] / seen[..., 2:] + center(synthetic_take))
    np.testing.assert_allclose(Sighting.of(raw, center(synthetic_take), np.flatnonzero(raw.found)).rests, 0.0, atol=1e-12)


def test_a_habit_is_taken_out_along_the_head_and_as_large_as_the_head_is(synthetic_take: Take) -> None:
    """Four millimetres up the face are so many pixels along its own up; the raw take that was given stays as it is."""
    raw = synthetic_take.raw
    before = raw.landmarks_2d.copy()
    moved = constant(seen=(0.0, 0.004)).without(raw, center(synthetic_take)).landmarks_2d - before
    up = raw.rotations[:, :2, 1] / np.linalg.norm(raw.rotations[:, :2, 1], axis=1, keepdims=True)
    wanted = 0.004 * (raw.assumed_focal / raw.translations[:, 2])[:, None] * up
    np.testing.assert_allclose(moved, np.broadcast_to(wanted[:, None], moved.shape), atol=1e-9)
    np.testing.assert_array_equal(raw.landmarks_2d, before)


def test_what_a_frame_has_beyond_its_clip_is_stretched_and_the_clips_mean_stays(synthetic_take: Take) -> None:
    raw = synthetic_take.raw
    height = raw.landmarks_3d[raw.found, 0, 1]
    found = stretching(0.25).without(raw, center(synthetic_take)).landmarks_3d[raw.found, 0, 1]
    np.testing.assert_allclose(found, height + 0.25 * (height - height.mean()), atol=1e-12)


def test_a_single_frame_has_nothing_beyond_its_clip(synthetic_take: Take) -> None:
    raw = synthetic_take.raw
    alone = replace(raw, found=np.arange(len(raw.frames)) == np.flatnonzero(raw.found)[0])
    np.testing.assert_array_equal(stretching(0.25).without(alone, center(synthetic_take)).landmarks_3d, raw.landmarks_3d)


def test_a_turn_is_taken_out_about_the_heads_own_axes(synthetic_take: Take) -> None:
    raw = synthetic_take.raw
    found = constant(turn=(0.03, 0.0, 0.0)).without(raw, center(synthetic_take)).rotations
    np.testing.assert_allclose(found, raw.rotations @ rotation_matrix(np.array([0.03, 0.0, 0.0])), atol=1e-12)


def test_frames_without_a_face_stay_as_they_are(synthetic_take: Take) -> None:
    raw = synthetic_take.raw
    gone = np.arange(len(raw.frames)) % 5 == 2
    holes = {name: np.where(gone.reshape(-1, *[1] * (getattr(raw, name).ndim - 1)), np.nan, getattr(raw, name)) for name in (
        "landmarks_2d", "landmarks_3d", "rotations", "translations")}  # fmt: skip
    found = constant(seen=(0.001, 0.0)).without(replace(raw, found=~gone, **holes), center(synthetic_take))
    np.testing.assert_array_equal(np.isnan(found.nearness), gone)
    np.testing.assert_array_equal(np.isnan(found.landmarks_2d).all(axis=(1, 2)), gone)


@pytest.mark.parametrize("true", [0.6, 1.5])
def test_the_nearness_tells_the_lens_where_the_landmarks_only_repeat_what_was_assumed(true: float) -> None:
    """Of a face that is near the focal length comes within a sixth, its interval holds it."""
    take = make_take(Performance(frames=30))
    raw, near = take.raw, take.raw.translations * 0.35 / np.median(take.raw.translations[:, 2])
    seen = raw.landmarks_3d @ np.swapaxes(raw.rotations, 1, 2) + near[:, None]
    pixels = raw.assumed_focal * seen[..., :2] / seen[..., 2:] + np.array(take.lens.center)
    told = replace(raw, landmarks_2d=pixels, translations=near, nearness=1.0 / (true * np.linalg.norm(near, axis=1)))
    found = solve(told, take.clip).lens
    assert found.focal[0] == pytest.approx(true * raw.assumed_focal, rel=0.17)
    assert found.focal_interval[0] < true * raw.assumed_focal < found.focal_interval[1]


def test_the_nearness_is_kept_with_the_take(synthetic_take: Take, tmp_path: Path) -> None:
    told = replace(synthetic_take, raw=replace(synthetic_take.raw, nearness=np.linspace(0.5, 2.0, len(synthetic_take))))
    for take in (told, synthetic_take):
        save_take(take, tmp_path / "take.npz")
        np.testing.assert_array_equal(load_take(tmp_path / "take.npz").raw.nearness, take.raw.nearness)


def test_only_the_extensions_own_networks_have_known_habits(synthetic_take: Take) -> None:
    own = [sha256_of(model_path(name)) for name in ("facelift", "second_look")]
    raw, center = synthetic_take.raw, synthetic_take.lens.center
    np.testing.assert_array_equal(without_habits(raw, center, *own).landmarks_2d, load_habits().without(raw, center).landmarks_2d)
    assert without_habits(raw, center, own[0], "another") is raw


def test_what_is_shipped_treats_both_sides_alike(synthetic_take: Take) -> None:
    raw, width = synthetic_take.raw, synthetic_take.clip.width
    habits = load_habits()
    one = in_the_mirror(habits.without(raw, center(synthetic_take)), width)
    other = habits.without(in_the_mirror(raw, width), center(synthetic_take))
    scale = float(np.median(raw.assumed_focal / raw.translations[:, 2]))
    np.testing.assert_allclose(one.landmarks_2d, other.landmarks_2d, atol=3e-4 * scale)
    np.testing.assert_allclose(one.nearness, other.nearness, atol=0.05)


def test_what_is_shipped_is_of_one_size() -> None:
    habits = load_habits()
    made = habits.shape_axes.shape[1] + habits.rest_axes.shape[1]
    assert habits.matrix.shape == (2 * (6 + 3 * made) - 1, 5 * COUNT + 3)
    assert habits.nearness.shape == (6 + 6 * made + 1,)
    assert all(np.isfinite(getattr(habits, part.name)).all() for part in fields(Habits))
