# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import FRONTAL, rotation

from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.exports.livelink import COLUMNS, EYE_SIDEWAYS, eye_angles, head_angles, timecode, write_livelink
from facelift_blender.rigs import arkit

angle = st.floats(-1.4, 1.4)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_header_is_the_apps(synthetic_take: Take, tmp_path: Path) -> None:
    write_livelink(synthetic_take, tmp_path / "a.csv")
    header = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft", "EyeLookDownLeft"]
    assert header[53:] == [
        "TongueOut", "HeadYaw", "HeadPitch", "HeadRoll",
        "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
    ]  # fmt: skip
    assert len(COLUMNS) == 61


def test_every_weight_comes_back(synthetic_take: Take, tmp_path: Path) -> None:
    write_livelink(synthetic_take, tmp_path / "a.csv")
    rows = _rows(tmp_path / "a.csv")
    read = np.array([[float(row[name[0].upper() + name[1:]]) for name in arkit.NAMES] for row in rows])
    assert read == pytest.approx(synthetic_take.weights, abs=1e-9)
    assert {row["BlendShapeCount"] for row in rows} == {"61"}
    assert [row["Timecode"] for row in rows[:2]] == ["00:00:00:00.000", "00:00:00:01.000"]


def test_frames_without_a_face_are_left_out(synthetic_take: Take, tmp_path: Path) -> None:
    valid = np.arange(48) % 2 == 0
    write_livelink(replace(synthetic_take, valid=valid), tmp_path / "a.csv")
    assert [row["Timecode"] for row in _rows(tmp_path / "a.csv")][:3] == ["00:00:00:00.000", "00:00:00:02.000", "00:00:00:04.000"]


@pytest.mark.parametrize(
    ("time", "fps", "text"),
    [
        (0.0, 24.0, "00:00:00:00.000"), (1.5, 24.0, "00:00:01:12.000"), (3661.0, 30.0, "01:01:01:00.000"),
        (0.0125, 60.0, "00:00:00:00.750"),
        (24 * 1001 / 24000, 24000 / 1001, "00:00:01:00.000"), (30 * 1001 / 30000, 29.97, "00:00:01:00.000"),
    ],
)  # fmt: skip
def test_timecode(time: float, fps: float, text: str) -> None:
    assert timecode(time, fps) == text


@given(angle, angle, angle)
def test_head_angles_are_found_again(yaw: float, pitch: float, roll: float) -> None:
    turned = rotation(np.array([0, yaw, 0.0])) @ rotation(np.array([pitch, 0, 0.0])) @ rotation(np.array([0, 0, roll]))
    assert head_angles((FRONTAL @ turned)[None])[0] == pytest.approx([yaw, pitch, roll], abs=1e-7)


def test_a_head_turned_to_its_left_and_down_has_positive_angles() -> None:
    left_down = rotation(np.array([0.0, 0.3, 0.0])) @ rotation(np.array([0.2, 0.0, 0.0]))
    nose = FRONTAL @ left_down @ [0.0, 0.0, 1.0]
    assert (nose[:2] > 0).all(), "to the picture's right, which is the subject's left, and down"
    assert (head_angles((FRONTAL @ left_down)[None])[0, :2] > 0.1).all()


def test_both_eyes_turn_to_the_same_side() -> None:
    weights = np.zeros((1, 52))
    weights[0, [arkit.INDEX["eyeLookOutLeft"], arkit.INDEX["eyeLookInRight"]]] = 1.0
    left_yaw, _, _, right_yaw, _, _ = eye_angles(weights)[0]
    assert left_yaw == right_yaw == EYE_SIDEWAYS


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom a read-only folder stops")
def test_a_read_only_folder_is_told_in_one_sentence(synthetic_take: Take, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FaceLiftError, match="cannot be written"):
        write_livelink(synthetic_take, tmp_path / "a.csv")


def test_a_folder_that_cannot_be_made_is_told_in_one_sentence(synthetic_take: Take, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FaceLiftError, match="cannot be written"):
        write_livelink(synthetic_take, tmp_path / "file" / "a.csv")
