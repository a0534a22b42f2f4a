# SPDX-License-Identifier: GPL-3.0-or-later
"""Who moves: a camera that is solved already, or a head that is held still; and the scale from a measured length."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Performance, make_take, rotation

from facelift_blender.capture.provenance import describe
from facelift_blender.capture.solve import SolveSettings, resmooth, solve
from facelift_blender.capture.take import load_take, project, save_take
from facelift_blender.capture.types import Array, FaceLiftError, Take

LENS = SolveSettings(focal_mm=1400 / 1280 * 36)
FRAMES = 60


def shaky(count: int = FRAMES) -> Array:
    """World from camera of a camera that shakes much faster than a head moves: (count, 4, 4)."""
    random = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = rotation(random.normal(0, 0.03, (count, 3)))
    poses[:, :3, 3] = random.normal(0, 0.01, (count, 3))
    return poses


def filmed(truth: Take, cameras: Array) -> Take:
    """The same head before another camera."""
    world_to_camera = np.linalg.inv(cameras)
    turn, shift = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    rotations = turn @ truth.rotations
    translations = np.einsum("tij,tj->ti", turn, truth.translations) + shift
    moved = replace(truth, rotations=rotations, translations=translations, camera_poses=cameras)
    noise = truth.raw.landmarks_2d - project(truth)
    return replace(moved, raw=replace(truth.raw, rotations=rotations, translations=translations, landmarks_2d=project(moved) + noise))


def world_places(take: Take) -> Array:
    return np.einsum("tij,tj->ti", take.camera_poses[:, :3, :3], take.translations) + take.camera_poses[:, :3, 3]


@pytest.fixture(scope="module")
def truth() -> Take:
    return make_take(Performance(frames=FRAMES))


def test_before_a_solved_camera_the_head_moves_smoothly_in_the_world(truth: Take) -> None:
    shot = filmed(truth, shaky())
    known = solve(shot.raw, truth.clip, replace(LENS, camera_poses=shaky()))
    assert np.array_equal(known.camera_poses, shaky())
    off = np.linalg.norm(world_places(known) - truth.translations, axis=1)
    unknown = solve(shot.raw, truth.clip, LENS)
    lost = np.linalg.norm(project(unknown) - project(shot), axis=-1).mean()
    assert np.sqrt(np.mean(off**2)) < 0.01
    assert np.linalg.norm(project(known) - project(shot), axis=-1).mean() < min(0.7 * lost, 0.4)
    np.testing.assert_allclose(resmooth(known, 0.5).translations, known.translations, atol=1e-9)


def test_a_head_held_still_gives_its_motion_to_the_camera(truth: Take) -> None:
    still, usual = solve(truth.raw, truth.clip, replace(LENS, still_head=True)), solve(truth.raw, truth.clip, LENS)
    np.testing.assert_allclose(world_places(still), np.broadcast_to(usual.translations[0], (FRAMES, 3)), atol=1e-9)
    turned = still.camera_poses[:, :3, :3] @ still.rotations
    np.testing.assert_allclose(turned, np.broadcast_to(usual.rotations[0], turned.shape), atol=1e-9)
    np.testing.assert_allclose(project(still), project(usual))
    again = resmooth(still, 0.8)
    np.testing.assert_allclose(world_places(again), np.broadcast_to(again.translations[0], (FRAMES, 3)), atol=1e-9)


def test_a_measured_length_rules_the_scale(truth: Take) -> None:
    take = solve(truth.raw, truth.clip, replace(LENS, measured=(36, 45, 0.095)))
    assert np.linalg.norm(take.neutral[36] - take.neutral[45]) == pytest.approx(0.095)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (replace(LENS, measured=(36, 36, 0.1)), "measured length"), (replace(LENS, measured=(36, 200, 0.1)), "measured length"),
        (replace(LENS, measured=(36, 45, float("nan"))), "measured length"), (replace(LENS, camera_poses=shaky(10)), "does not cover"),
        (replace(LENS, camera_poses=shaky() * 2.0), "does not cover"), (replace(LENS, camera_poses=shaky(), still_head=True), "held still"),
    ],
)  # fmt: skip
def test_what_cannot_be(truth: Take, settings: SolveSettings, word: str) -> None:
    with pytest.raises(FaceLiftError, match=word):
        solve(truth.raw, truth.clip, settings)


def test_provenance_names_the_camera_and_survives_the_disk(truth: Take, tmp_path: Path) -> None:
    settings = replace(LENS, camera_poses=shaky())
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"footage")
    told = describe(replace(truth.clip, path=str(path)), settings, (), {}, FRAMES, FRAMES, ())
    assert told["settings"]["camera_poses"]["shape"] == [FRAMES, 4, 4]
    take = solve(truth.raw, truth.clip, settings, provenance=told)
    save_take(take, tmp_path / "take.npz")
    assert load_take(tmp_path / "take.npz").provenance == take.provenance
