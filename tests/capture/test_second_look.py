# SPDX-License-Identifier: GPL-3.0-or-later
"""The second look: where it looks, what it makes of what it measures, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelift_blender.capture import second_look, weights
from facelift_blender.capture.head_pose import rotation_matrix
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.second_look import REGIONS, LookingTwice, Patch, SecondLook, Sight, facing, fused, measured, placed, trust
from facelift_blender.capture.topology import COUNT, MIRROR
from facelift_blender.capture.types import Array, FaceLiftError
from facelift_blender.capture.weights import model_path
from facelift_blender.rigs.head import load_head

FOCAL = 800.0
FACING = np.diag([1.0, -1.0, -1.0])
IMAGE = np.full((480, 640, 3), 128, np.uint8)

patches = st.builds(
    Patch, st.floats(-500, 500), st.floats(-500, 500), st.floats(4, 900), st.floats(-3.1, 3.1), st.booleans()
)  # fmt: skip


def seen(yaw: float = 0.0, roll: float = 0.0, depth: float = 0.6, sigma: float = 3.0) -> Estimate:
    """The head that ships, turned, before the middle of IMAGE."""
    landmarks = load_head().landmarks
    rotation = rotation_matrix(np.array([0.0, 0.0, roll])) @ FACING @ rotation_matrix(np.array([0.0, yaw, 0.0]))
    points = landmarks @ rotation.T + [0.0, 0.0, depth]
    pixels = FOCAL * points[:, :2] / points[:, 2:] + [320, 240]
    return Estimate(pixels, np.tile(np.eye(2) * sigma**2, (COUNT, 1, 1)), landmarks, rotation, np.array([0.0, 0.0, depth]), 1.0)


@given(patches, st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900)), min_size=1, max_size=5))
def test_to_the_patch_and_back(patch: Patch, points: list[tuple[float, float]]) -> None:
    inside = patch.to_patch(np.array(points))
    assert np.allclose(patch.to_picture(inside), points, atol=1e-6)
    matrix = patch.matrix(64)
    assert np.allclose(np.array(points) @ matrix[:, :2].T + matrix[:, 2], 64 * inside, atol=1e-6 * 64 / min(patch.side, 1))


@given(patches)
def test_a_covariance_is_carried_as_points_are(patch: Patch) -> None:
    cholesky = np.array([[0.02, 0.01, 0.03]])
    points, covariance = measured([patch], np.array([0]), np.array([[0.4, 0.7]]), cholesky)
    lower = np.array([[0.02, 0.0], [0.01, 0.03]])
    ends = patch.to_picture(np.array([[0.4, 0.7]]) + lower.T)
    moves = ends - points
    assert np.allclose(covariance[0], moves.T @ moves, rtol=1e-6, atol=1e-9 * patch.side**2)


@pytest.mark.parametrize("roll", [-0.7, 0.0, 0.5])
@pytest.mark.parametrize("yaw", [0.0, 0.5, -0.6])
def test_patches_stand_upright_about_their_regions(yaw: float, roll: float) -> None:
    estimate = seen(yaw, roll)
    for region, patch in zip(REGIONS, placed(estimate), strict=True):
        inside = patch.to_patch(estimate.landmarks_2d[region.landmarks])
        assert np.allclose(inside.min(axis=0) + inside.max(axis=0), 1.0)
        assert 0.02 < inside.min() < inside.max() < 0.98
        up = patch.turn @ (estimate.rotation @ [0.0, 1.0, 0.0])[:2]
        assert abs(up[0]) < 1e-9 > up[1]


def test_the_left_eye_is_the_right_one_in_the_mirror() -> None:
    estimate = seen(0.3)
    flipped = replace(
        estimate,
        landmarks_2d=(estimate.landmarks_2d * [-1, 1] + [640, 0])[list(MIRROR)],
        landmarks_3d=(estimate.landmarks_3d * [-1, 1, 1])[list(MIRROR)],
        rotation=np.diag([-1, 1, 1]) @ estimate.rotation @ np.diag([-1, 1, 1]),
    )
    waves = np.sin(np.arange(640) / 9.0)[None, :, None] + np.cos(np.arange(480) / 13.0)[:, None, None]
    image = np.rint(127 + 60 * np.broadcast_to(waves, IMAGE.shape)).astype(np.uint8)
    left, right = placed(estimate)[1], placed(flipped)[0]
    assert np.allclose(
        left.to_patch(estimate.landmarks_2d[REGIONS[1].landmarks]), right.to_patch(flipped.landmarks_2d[REGIONS[0].landmarks])
    )
    one, other = left.cut(image, 32).astype(int), right.cut(np.ascontiguousarray(image[:, ::-1]), 32).astype(int)
    assert one.std() > 5
    assert np.abs(one - other).max() < 12  # the mirror moves a picture by a pixel


@given(st.floats(0.2, 9), st.floats(0.2, 9), st.floats(0.1, 1.0))
def test_what_is_surer_counts_for_more(first: float, second: float, share: float) -> None:
    estimate, region = seen(sigma=first), REGIONS[3]
    before = estimate.landmarks_2d[region.landmarks]
    covariances, each = np.tile(np.eye(2) * second**2, (len(before), 1, 1)), np.ones(len(before))
    doubts = second_look._FIRST_DOUBT * each
    after = fused(estimate, Sight(np.array(region.landmarks), share * each, doubts, before + [10.0, -5.0], covariances))
    doubted = second_look._FIRST_DOUBT * first**2
    gain = doubted / (doubted + second**2 / share)
    assert np.allclose(after.landmarks_2d[region.landmarks] - before, gain * np.array([10.0, -5.0]))
    assert np.allclose(after.covariances[region.landmarks], np.eye(2) * (1 - gain) * doubted)
    others = np.setdiff1d(np.arange(COUNT), region.landmarks)
    assert np.array_equal(after.landmarks_2d[others], estimate.landmarks_2d[others])


def test_a_region_turned_away_is_not_looked_at() -> None:
    estimate = seen(yaw=1.2)
    shares = trust(estimate, placed(estimate), IMAGE)
    assert min(shares[:2]) == 0.0
    assert max(shares[:2]) == 1.0
    assert np.all(facing(seen()) > 0.8)


def test_a_region_off_the_picture_is_not_looked_at() -> None:
    estimate = seen()
    away = replace(estimate, landmarks_2d=estimate.landmarks_2d + [-420.0, 0.0])
    assert not trust(away, placed(away), IMAGE).any()


def test_trust_fades_as_the_head_turns() -> None:
    shares = [trust(e, placed(e), IMAGE)[0] for e in (seen(yaw) for yaw in np.linspace(-1.4, 1.4, 57))]
    assert {0.0, 1.0} <= set(shares)
    assert np.abs(np.diff(shares)).max() < 0.4


@pytest.fixture(scope="module")
def look() -> SecondLook:
    return SecondLook(threads=1)


def test_regions_are_looked_at_and_the_rest_is_kept(look: SecondLook) -> None:
    estimate = seen()
    (after,) = look(IMAGE, [estimate])
    touched = sorted({k for region in REGIONS for k in region.landmarks})
    kept = np.setdiff1d(np.arange(COUNT), touched)
    assert np.array_equal(after.landmarks_2d[kept], estimate.landmarks_2d[kept])
    assert not np.allclose(after.landmarks_2d[touched], estimate.landmarks_2d[touched])
    assert np.all(np.linalg.eigvalsh(after.covariances) > 0)
    assert np.array_equal(after.landmarks_3d, estimate.landmarks_3d)
    assert np.array_equal(after.rotation, estimate.rotation)


def test_faces_together_are_seen_as_each_alone(look: SecondLook) -> None:
    faces = [seen(0.2), seen(1.3), seen(-0.4, 0.3)]
    image = np.random.default_rng(1).integers(0, 256, IMAGE.shape).astype(np.uint8)
    for one, together in zip(faces, look(image, faces), strict=True):
        assert np.allclose(look(image, [one])[0].landmarks_2d, together.landmarks_2d, atol=1e-3)


def test_a_regressor_that_looks_twice(look: SecondLook) -> None:
    class First:
        name, sha256, provider = "first", "0", "CPU"

        def __call__(self, *_: object) -> list[Estimate]:
            return [seen()]

    twice = LookingTwice(First(), look)
    assert np.array_equal(twice(IMAGE, [(0, 0, 9, 9)], FOCAL)[0].landmarks_2d, look(IMAGE, [seen()])[0].landmarks_2d)
    assert (twice.name, twice.provider) == ("first", "CPU")
    assert look(IMAGE, []) == []


def test_weights_that_are_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FaceLiftError, match=r"facelift\.onnx are not FaceLift's"):
        SecondLook(model_path("facelift"))
    monkeypatch.setattr(weights, "FOLDERS", (tmp_path,))
    (tmp_path / "weights.json").write_text('{"second_look": {"file": "second_look.onnx", "sha256": "0"}}')
    with pytest.raises(FaceLiftError, match=r"second_look\.onnx are missing"):
        SecondLook()
    (tmp_path / "second_look.onnx").write_bytes(b"0")
    with pytest.raises(FaceLiftError, match=r"second_look\.onnx are damaged"):
        SecondLook()


def test_patches_of_large_faces_do_not_alias() -> None:
    stripes = np.zeros((960, 960, 3), np.uint8)
    stripes[:, ::2] = 255
    cut: Array = Patch(480, 480, 640, 0.2, False).cut(stripes, 64)
    assert np.abs(cut.astype(int) - 127).max() < 40
    assert second_look.OUTPUTS == 80
