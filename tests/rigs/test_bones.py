# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest

from facelift_blender.rigs import arkit
from facelift_blender.rigs.bones import RIGIFY, RIGIFY_LEGACY, bone_of, face_channels, find_bones, jaw_channels


@pytest.mark.parametrize(("names", "head", "neck", "left", "right"), [
    (["CC_Base_Head", "CC_Base_NeckTwist01", "CC_Base_NeckTwist02", "CC_Base_L_Eye", "CC_Base_R_Eye"], 0, 1, 3, 4),
    (["Head", "Neck", "LeftEye", "RightEye", "HeadTop_End"], 0, 1, 2, 3), (["head", "neck", "eye.L", "eye.R", "ORG-eye.L"], 0, 1, 2, 3),
    (["J_Bip_C_Head", "J_Bip_C_Neck", "J_Adj_L_FaceEye", "J_Adj_R_FaceEye"], 0, 1, 2, 3),
    (["head", "neckLower", "lEye", "rEye", "neckUpper"], 0, 1, 2, 3), (["head", "neck_01", "FACIAL_L_Eye", "FACIAL_R_Eye"], 0, 1, 2, 3),
    (["head", "neck1", "l_eye", "r_eye"], 0, 1, 2, 3),
])  # fmt: skip
def test_bones_of_the_tools(names: list[str], head: int, neck: int, left: int, right: int) -> None:
    found = find_bones(names)
    assert (found.head, found.neck, found.eye_left, found.eye_right) == (names[head], names[neck], names[left], names[right])


def test_mixamo_has_no_eyes() -> None:
    found = find_bones(["mixamorig:Head", "mixamorig:Neck", "mixamorig:HeadTop_End"])
    assert (found.head, found.eye_left, found.jaw) == ("mixamorig:Head", "", "")


def test_two_heads_are_not_guessed() -> None:
    assert find_bones(["one:Head", "two:Head"]).head == ""


_LEGACY = ["head", "neck", "jaw_master", "master_eye.L", "master_eye.R", "eyes", "eye.L", "eye.R", "lid.T.L.002", "lips.L", "lips.R"]
_NEW = ["head", "neck", "jaw_master", "eye_master.L", "eye_master.R", "eye_common", "eye.L", "eye.R", "lid.T.L.002", "lip_end.L.001"]


@pytest.mark.parametrize(("names", "rig", "target", "corner"), [
    (_LEGACY, RIGIFY_LEGACY, "eyes", "lips.L"), (_NEW, RIGIFY, "eye_common", "lip_end.L.001"),
])  # fmt: skip
def test_both_faces_of_rigify(names: list[str], rig: str, target: str, corner: str) -> None:
    found = find_bones(names)
    assert (found.face_rig, found.target) == (rig, target)
    channels = face_channels(found)
    assert {name for channel in channels for name, _ in channel.shares} >= set(arkit.NAMES) - {"tongueOut"} - {
        name for name in arkit.NAMES if name.startswith(("eyeLookIn", "eyeLookOut"))
    }  # fmt: skip
    (smile,) = [channel for channel in channels if channel.target == f"{corner}#mouthSmileLeft"]
    assert bone_of(smile.target) == corner
    assert smile.move[0] > 0
    assert smile.move[1] > 0, "the left corner goes to the subject's left and up"


def test_left_and_right_are_mirrored() -> None:
    channels = {channel.target: channel for channel in face_channels(find_bones(_LEGACY))}
    for target, channel in channels.items():
        twin = channels.get(target.replace(".L", ".R").replace("Left", "Right"))
        if ".L" in target and twin is not None and not target.endswith(("#mouthLeft", "#mouthRight")):
            np.testing.assert_allclose(twin.move, np.array(channel.move) * [-1, 1, 1])


def test_a_rig_without_a_known_face_has_no_channels() -> None:
    assert face_channels(find_bones(["head", "jaw"])) == ()
    assert {channel.shares[0][0] for channel in jaw_channels("jaw")} == {"jawOpen", "jawForward", "jawLeft", "jawRight"}
