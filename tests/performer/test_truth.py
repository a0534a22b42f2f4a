# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled clip and its truth agree with one another, and so do a performance and what is said of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.types import Array, FaceLiftError, Image
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import load_head
from models.performer.performance import PITCH, ROLL, YAW, Shot, draw_performance
from models.performer.truth import Truth, load_truth, project, save_truth, truth_of

DEMO = Path(__file__).parents[2] / "models" / "performer" / "demo.mp4"


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(DEMO.with_name("demo_truth.json.gz"))


@pytest.fixture(scope="module")
def frames() -> list[Image]:
    clip = cv2.VideoCapture(str(DEMO))
    read = []
    while (frame := clip.read())[0]:
        read.append(frame[1])
    return read


def test_clip_has_the_size_and_length_of_its_truth(truth: Truth, frames: list[Image]) -> None:
    assert len(frames) == len(truth) == 240
    assert all(frame.shape == (truth.shot.height, truth.shot.width, 3) for frame in frames)
    assert cv2.VideoCapture(str(DEMO)).get(cv2.CAP_PROP_FPS) == pytest.approx(truth.shot.fps)
    assert DEMO.stat().st_size < 3e6


def test_truth_reprojects_to_itself(truth: Truth) -> None:
    again = project(truth.landmarks, truth.rotations, truth.translations, truth.intrinsics)
    assert np.abs(again - truth.pixels).max() < 0.02
    identity = np.swapaxes(truth.rotations, 1, 2) @ truth.rotations
    assert np.abs(identity - np.eye(3)).max() < 1e-5
    assert np.linalg.det(truth.rotations).min() > 0.99


def test_truth_spans_what_the_demo_is_to_show(truth: Truth) -> None:
    facing = truth.rotations @ [0.0, 0.0, 1.0]
    yaw = np.degrees(np.arctan2(facing[:, 0], -facing[:, 2]))
    pitch = np.degrees(np.arcsin(-facing[:, 1]))
    assert yaw.max() > 30.0 > -30.0 > yaw.min()
    assert pitch.max() > 16.0 > -16.0 > pitch.min()
    assert truth.weights.min() >= 0.0
    assert truth.weights.max() <= 1.0
    shown = truth.weights.max(axis=0) > 0.3
    for name in ("jawOpen", "eyeBlinkLeft", "mouthSmileLeft", "browInnerUp", "browDownLeft", "mouthPucker"):
        assert shown[arkit.INDEX[name]], name


def test_pupils_are_63_mm_apart_when_the_eyes_look_ahead(truth: Truth) -> None:
    right, left = truth.neutral[list(topology.IRIS_CENTERS)]
    assert left[0] - right[0] == pytest.approx(0.063, abs=1.5e-3)


def _eye_patch(frame: Image, pixels: Array, corners: tuple[int, int]) -> Image:
    """A patch from corner to corner of an eye, 64 by 32, level."""
    outer, inner = pixels[list(corners)]
    middle, across = (outer + inner) / 2.0, inner - outer
    up = np.array([across[1], -across[0]]) * np.sign(across[0]) * 0.35
    source = np.array([outer, inner, middle + up], dtype=np.float32)
    target = np.array([[4, 16], [60, 16], [32, 0]], dtype=np.float32)
    return cv2.warpAffine(frame, cv2.getAffineTransform(source, target), (64, 32))


def _brightness(frames: list[Image], places: Array) -> Array:
    """(T,) mean brightness of the five by three pixels about places (T, 2)."""
    return np.array([cv2.getRectSubPix(frame, (5, 3), (float(x), float(y))).mean() for frame, (x, y) in zip(frames, places, strict=True)])


def test_the_picture_shows_lids_where_the_truth_blinks(truth: Truth, frames: list[Image]) -> None:
    """An open eye has white and black in it; a shut one is skin: the spread of its brightness falls."""
    blink = truth.weights[:, arkit.INDEX["eyeBlinkLeft"]]
    frontal = np.abs(truth.rotations[:, 0, 2]) < 0.45
    spread = np.array([
        np.std(_eye_patch(frame, pixels, topology.EYE_CORNERS[1])[6:26, 10:54].mean(axis=2))
        for frame, pixels in zip(frames, truth.pixels, strict=True)
    ])  # fmt: skip
    shut, wide = spread[frontal & (blink > 0.95)], spread[frontal & (blink < 0.05)]
    assert len(shut) >= 2
    assert np.median(shut) < 0.75 * np.median(wide)


def test_the_picture_is_dark_between_lips_that_the_truth_parts(truth: Truth, frames: list[Image]) -> None:
    upper, lower = truth.pixels[:, 62], truth.pixels[:, 66]
    gap = np.linalg.norm(upper - lower, axis=1)
    between = _brightness(frames, (upper + lower) / 2.0)
    lips = _brightness(frames, (lower + truth.pixels[:, 57]) / 2.0)
    assert (gap > 12.0).sum() >= 10
    assert (between[gap > 12.0] < 0.7 * lips[gap > 12.0]).mean() > 0.9


def test_irises_are_darker_than_the_skin_below_them(truth: Truth, frames: list[Image]) -> None:
    open_eyes = np.flatnonzero((truth.weights[:, arkit.INDEX["eyeBlinkRight"]] < 0.05) & (np.abs(truth.rotations[:, 0, 2]) < 0.3))
    iris = topology.IRIS_CENTERS[0]
    ratios = []
    for index in open_eyes:
        lids = truth.pixels[index][[37, 38, 40, 41]]
        below = lids.mean(axis=0) + np.array([0.0, 25.0])
        at_iris, on_cheek = _brightness([frames[index]] * 2, np.stack([truth.pixels[index, iris], below]))
        ratios.append(at_iris / on_cheek)
    assert np.median(ratios) < 0.5


@pytest.mark.parametrize("handheld", [0.0, 1.0])
def test_performances_are_bounded_smooth_and_repeatable(handheld: float) -> None:
    shot = Shot(frame_count=240, handheld=handheld)
    performance, again = draw_performance(11, shot), draw_performance(11, shot)
    assert np.array_equal(performance.weights, again.weights)
    assert not np.array_equal(performance.weights, draw_performance(12, shot).weights)
    assert performance.weights.min() >= 0.0
    assert performance.weights.max() <= 1.0
    forward = performance.rotations[:, :, 2]
    assert np.degrees(np.abs(np.arctan2(forward[:, 0], forward[:, 2]))).max() < YAW + ROLL
    assert np.degrees(np.abs(np.arcsin(forward[:, 1]))).max() < PITCH + ROLL
    traces = np.einsum("tij,tij->t", performance.rotations[1:], performance.rotations[:-1])
    assert np.degrees(np.arccos(np.clip((traces - 1.0) / 2.0, -1.0, 1.0))).max() < 8.0
    moved = np.ptp(performance.camera_translations, axis=0).max()
    assert (moved > 0.005) == (handheld > 0.0)


def test_truth_survives_its_file(tmp_path: Path) -> None:
    written = truth_of(load_head(), draw_performance(3, Shot(frame_count=6, lens=35.0, distance=0.6)))
    for name in ("truth.json", "truth.json.gz"):
        save_truth(written, tmp_path / name)
        read = load_truth(tmp_path / name)
        assert read.shot == written.shot
        assert np.abs(read.pixels - written.pixels).max() <= 0.0051
        assert np.array_equal(read.visible, written.visible)


def test_far_side_of_a_turned_head_is_hidden() -> None:
    truth = truth_of(load_head(), draw_performance(3, Shot()))
    turned = int(np.argmax(truth.rotations[:, 0, 2]))
    right, left = truth.visible[turned, 0:6].mean(), truth.visible[turned, 11:17].mean()
    assert {right > 0.5, left > 0.5} == {True, False}
    assert truth.visible[0].mean() > 0.9


def test_another_versions_truth_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text('{"version": 99, "names": [], "shapes": []}')
    with pytest.raises(FaceLiftError, match="another version"):
        load_truth(path)
