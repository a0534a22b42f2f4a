# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bpy
import numpy as np
import pytest
from characters import BONES, make_armature
from synthetic import face

from facelift_blender.capture import topology
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.scene import axes, followers
from facelift_blender.scene.followers import Follow

EYES = np.array([0.0, -0.08, 1.68])


def _face_rig() -> bpy.types.Object:
    """A rig of life size with bones where some landmarks of the synthetic face lie."""
    places = {name: EYES + axes.head_points(face()[row]) for name, row in (("corner.L", 54), ("lip.B", 57), ("brow.L", 24), ("tail", 8))}
    places["tail"] = places["tail"] + [0, 0, -0.5]
    return make_armature(bones={**BONES, **places})


def _tip(rig: bpy.types.Object, bone: str, frame: int) -> np.ndarray:
    bpy.context.scene.frame_set(frame)
    return np.array(rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[bone].head)


def test_bones_find_the_landmarks_that_lie_on_them(synthetic_take: Take) -> None:
    rig = _face_rig()
    found = followers.suggest(rig, synthetic_take, ["corner.L", "lip.B", "brow.L", "tail"])
    assert [pair.bone for pair in found] == ["corner.L", "lip.B", "brow.L"], "what is far from the face follows nothing"
    places = {pair.bone: face()[topology.NAMES.index(pair.landmark)] for pair in found}
    for name, row in (("corner.L", 54), ("lip.B", 57), ("brow.L", 24)):
        assert np.linalg.norm(places[name] - face()[row]) < 0.004
    assert not any(bone.constraints for bone in rig.pose.bones)


def test_bones_move_as_the_landmarks_do(synthetic_take: Take) -> None:
    bpy.context.scene.render.fps = 24
    rig = _face_rig()
    rest = _tip(rig, "lip.B", 1)
    for _ in range(2):
        empties = followers.follow(
            synthetic_take, rig, bpy.context.scene, [Follow("lip.B", "lip_outer_10"), Follow("corner.L", "lip_outer_7")]
        )
    assert len(empties) == 2
    assert len([thing for thing in bpy.data.objects if thing.type == "EMPTY"]) == 2, "again replaces them"
    row = topology.NAMES.index("lip_outer_10")
    for frame in (3, 6, 30):
        want = axes.head_points(synthetic_take.landmarks[frame - 1, row] - synthetic_take.neutral[row])
        assert _tip(rig, "lip.B", frame) - rest == pytest.approx(want, abs=1e-5)
    followers.unfollow(rig)
    assert _tip(rig, "lip.B", 6) == pytest.approx(rest, abs=1e-6)
    assert not [thing for thing in bpy.data.objects if thing.type == "EMPTY"]


def test_the_points_ride_on_the_head(synthetic_take: Take) -> None:
    rig = _face_rig()
    (empty,) = followers.follow(synthetic_take, rig, bpy.context.scene, [Follow("lip.B", "lip_outer_10")])
    assert (empty.parent, empty.parent_bone) == (rig, "Head")


def test_what_is_not_there_is_told(synthetic_take: Take) -> None:
    rig = _face_rig()
    with pytest.raises(FaceLiftError, match="no bone 'nose'"):
        followers.follow(synthetic_take, rig, bpy.context.scene, [Follow("nose", "lip_outer_10")])
    with pytest.raises(FaceLiftError, match="no eye bones"):
        followers.suggest(make_armature("blind", {"Head": (0, 0, 1)}), synthetic_take, ["Head"])
