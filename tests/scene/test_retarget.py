# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes onto characters: what is driven, what is left alone, and where the keys lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest
from characters import BONES, make_armature, make_mesh, value_at

from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.rigs import arkit
from facelift_blender.rigs.matcher import match
from facelift_blender.scene import axes, retarget
from facelift_blender.scene.build import build_take
from facelift_blender.scene.layers import layers_of
from facelift_blender.scene.retarget import Mode, RetargetSettings

KEYS = RetargetSettings()
JAW, BLINK = arkit.INDEX["jawOpen"], arkit.INDEX["eyeBlinkLeft"]


@pytest.fixture
def take(synthetic_take: Take) -> Take:
    bpy.context.scene.render.fps = 24
    return synthetic_take


def run(take: Take, rig: bpy.types.Object, **settings: object) -> list[bpy.types.Action]:
    return retarget.retarget(take, rig, bpy.context.scene, RetargetSettings(**settings))


def values(mesh: bpy.types.Object, key: str, frames: range) -> list[float]:
    return [value_at(mesh, key, frame) for frame in frames]


def snapshot() -> list[tuple]:
    """All that planning may not change."""
    return [(action.name, len(action.users_id) if hasattr(action, "users_id") else 0) for action in bpy.data.actions] + [
        (thing.name, bool(thing.animation_data), thing.data.shape_keys and bool(thing.data.shape_keys.animation_data))
        for thing in bpy.data.objects if thing.type == "MESH"
    ]  # fmt: skip


def test_keys_take_the_takes_values(take: Take) -> None:
    face = make_mesh("face", [name[0].upper() + name[1:] for name in arkit.NAMES])
    (action,) = run(take, face)
    assert action.name.startswith("FaceLift synthetic Actor 1.face")
    for frame in (1, 13, 20, 48):
        assert value_at(face, "JawOpen", frame) == pytest.approx(take.weights[frame - 1, JAW], abs=1e-6)
        assert value_at(face, "EyeBlinkLeft", frame) == pytest.approx(take.weights[frame - 1, BLINK], abs=1e-6)


def test_planning_changes_nothing_and_says_what_would_be_done(take: Take) -> None:
    face = make_mesh("face", ["jawOpen", "eyeBlink_L", "Fat"], make_armature())
    before = snapshot()
    seen = retarget.plan(take, face, bpy.context.scene)
    assert snapshot() == before
    assert (seen.armature, seen.keys) == ("Ada", {"face": ("jawOpen", "eyeBlink_L", "Fat")})
    assert (seen.bones.head, seen.bones.eye_left) == ("Head", "LeftEye")
    assert seen.frames[[0, -1]] == pytest.approx([1, 48])
    text = "\n".join(seen.lines())
    for words in ("2 channels (ARKit)", "unmatched: Fat", "head Head, eyes LeftEye", "frames 1 to 48"):
        assert words in text


def test_all_meshes_of_a_character_are_driven_whichever_part_is_named(take: Take) -> None:
    armature = make_armature()
    parts = [make_mesh("face", ["jawOpen", "eyeBlinkLeft"], armature), make_mesh("teeth", ["JawOpen"], armature)]
    lashes = make_mesh("lashes", ["eyeBlink_L"])
    lashes.parent = armature
    for rig in (armature, parts[0], lashes):
        seen = retarget.plan(take, rig, bpy.context.scene)
        assert set(seen.keys) == {"face", "teeth", "lashes"}
    run(take, armature)
    blink = [value_at(mesh, key, 20) for mesh, key in ((parts[0], "eyeBlinkLeft"), (lashes, "eyeBlink_L"))]
    assert blink == pytest.approx([take.weights[19, BLINK]] * 2, abs=1e-6)
    assert value_at(parts[1], "JawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-6)


def test_meshes_that_share_their_data_are_driven_once(take: Take) -> None:
    face = make_mesh("face")
    twin = bpy.data.objects.new("twin", face.data)
    bpy.context.scene.collection.objects.link(twin)
    twin.parent = face
    assert list(retarget.plan(take, face, bpy.context.scene).keys) == ["face"]


def test_gain_offset_and_mute_of_a_saved_mapping(take: Take) -> None:
    face = make_mesh("face", ["jawOpen", "mouthPucker"])
    saved = match({"x": ["jawOpen", "mouthPucker"]}).edit("jawOpen", gain=2.0, offset=0.1, high=1.5).edit("mouthPucker", mute=True)
    run(take, face, mapping=saved)
    frame = int(np.argmax(take.weights[:, JAW])) + 1
    assert value_at(face, "jawOpen", frame) == pytest.approx(min(2 * take.weights[frame - 1, JAW] + 0.1, 1.5), abs=1e-5)
    assert values(face, "mouthPucker", range(1, 48, 9)) == [0.0] * 6


def test_again_replaces_itself_and_leaves_the_rest(take: Take) -> None:
    face = make_mesh("face", ["jawOpen", "eyeBlinkLeft", "Fat"])
    keys = face.data.shape_keys
    for frame, value in ((1, 0.0), (30, 1.0)):
        keys.key_blocks["Fat"].value = value
        keys.key_blocks["Fat"].keyframe_insert("value", frame=frame)
    keys.key_blocks["jawOpen"].value = 0.77
    keys.key_blocks["jawOpen"].keyframe_insert("value", frame=200)
    theirs = keys.animation_data.action
    fat = values(face, "Fat", range(1, 40, 6))
    for _ in range(2):
        (action,) = run(take, face)
        assert action == theirs
        assert values(face, "Fat", range(1, 40, 6)) == pytest.approx(fat)
        assert value_at(face, "jawOpen", 200) == pytest.approx(0.77)
        assert value_at(face, "jawOpen", 10) == pytest.approx(take.weights[9, JAW], abs=1e-6)
    assert layers_of(keys) == ("FaceLift synthetic Actor 1",)
    run(take, face, mapping=match({"x": ["jawOpen"]}).edit("jawOpen", mute=True))
    assert value_at(face, "jawOpen", 10) == pytest.approx(0.77), "its own keys are gone, the other one stays"
    retarget.clear(face, "FaceLift synthetic Actor 1")
    assert values(face, "Fat", range(1, 40, 6)) == pytest.approx(fat)
    assert layers_of(keys) == ()


def test_keys_that_a_person_shaped_keep_their_handles(take: Take) -> None:
    face = make_mesh("face", ["jawOpen"])
    keys = face.data.shape_keys
    for frame, value in ((100, 0.0), (120, 1.0), (140, 0.0)):
        keys.key_blocks["jawOpen"].value = value
        keys.key_blocks["jawOpen"].keyframe_insert("value", frame=frame)
    before = values(face, "jawOpen", range(100, 141, 4))
    run(take, face)
    assert values(face, "jawOpen", range(100, 141, 4)) == pytest.approx(before, abs=1e-5)


def test_a_second_take_does_not_erase_the_first(take: Take) -> None:
    face = make_mesh("face", ["jawOpen"])
    later = replace(take, clip=replace(take.clip, path="later.mp4"), weights=np.roll(take.weights, 5, axis=0))
    run(take, face)
    run(later, face, start=101.0)
    assert value_at(face, "jawOpen", 10) == pytest.approx(take.weights[9, JAW], abs=1e-6)
    assert value_at(face, "jawOpen", 110) == pytest.approx(later.weights[9, JAW], abs=1e-6)
    assert len(layers_of(face.data.shape_keys)) == 2


@pytest.mark.parametrize("fps", [30, 60, 25, 12])
def test_another_rate_is_resampled_in_real_time(take: Take, fps: int) -> None:
    face = make_mesh("face", ["jawOpen"])
    bpy.context.scene.render.fps = fps
    run(take, face)
    last = int(take.times[-1] * fps) + 1
    for frame in (1, 3, last // 2, last):
        want = np.interp((frame - 1) / fps, take.times, take.weights[:, JAW])
        assert value_at(face, "jawOpen", frame) == pytest.approx(want, abs=1e-5)
    assert bpy.context.scene.render.fps == fps


@pytest.mark.parametrize("fps", [24, 30])
def test_over_a_long_gap_the_last_value_holds(take: Take, fps: int) -> None:
    valid = take.valid.copy()
    valid[10:34] = False
    bpy.context.scene.render.fps = fps
    face = make_mesh("face", ["jawOpen"])
    run(replace(take, valid=valid), face)
    gap = int(20 / 24 * fps) + 1
    assert value_at(face, "jawOpen", gap) == pytest.approx(take.weights[9, JAW], abs=1e-5)


def test_strips_lie_on_a_track_of_their_own(take: Take) -> None:
    face = make_mesh("face", ["jawOpen", "Fat"])
    keys = face.data.shape_keys
    keys.key_blocks["Fat"].value = 0.4
    keys.key_blocks["Fat"].keyframe_insert("value", frame=1)
    theirs = keys.animation_data.action
    for _ in range(2):
        run(take, face, mode=Mode.STRIPS)
        assert keys.animation_data.action == theirs
        (lane,) = keys.animation_data.nla_tracks
        (strip,) = lane.strips
        assert (strip.frame_start, strip.frame_end) == (1, 48)
    for frame in (2, 30, 48):
        assert value_at(face, "jawOpen", frame) == pytest.approx(take.weights[frame - 1, JAW], abs=1e-5)
    assert value_at(face, "Fat", 20) == pytest.approx(0.4)
    retarget.clear(face, lane.name)
    assert not keys.animation_data.nla_tracks


def test_strips_of_two_takes_lie_side_by_side(take: Take) -> None:
    face = make_mesh("face", ["jawOpen"])
    run(take, face, mode=Mode.STRIPS)
    run(take, face, mode=Mode.STRIPS, start=101.0, layer="second")
    assert value_at(face, "jawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-5)
    assert value_at(face, "jawOpen", 106) == pytest.approx(take.weights[5, JAW], abs=1e-5)


def test_drivers_follow_the_takes_face(take: Take) -> None:
    collection = build_take(take, bpy.context.scene)
    face = make_mesh("hero", ["JawOpen", "EyeBlinkLeft"])
    mapping = match({"x": ["JawOpen"]}).edit("JawOpen", gain=1.5, curve=((0.0, 0.0), (0.2, 0.1), (1.0, 1.0)))
    for _ in range(2):
        run(take, face, mode=Mode.DRIVERS, mapping=mapping)
        assert len(face.data.shape_keys.animation_data.drivers) == 2
    channel = mapping.find("JawOpen")
    for frame in (3, 6, 30):
        assert value_at(face, "JawOpen", frame) == pytest.approx(channel.evaluate(take.weights)[frame - 1], abs=1e-4)
    assert all(curve.driver.is_simple_expression for curve in face.data.shape_keys.animation_data.drivers)
    source = next(thing for thing in collection.objects if thing.type == "MESH")
    assert source.data.shape_keys != face.data.shape_keys
    run(take, face)
    assert not face.data.shape_keys.animation_data.drivers, "keys take the drivers' place"


def test_drivers_need_the_take_in_the_file(take: Take) -> None:
    with pytest.raises(FaceLiftError, match="build the take first"):
        run(take, make_mesh("hero"), mode=Mode.DRIVERS)


def test_drivers_of_others_are_left_alone_and_told(take: Take) -> None:
    face = make_mesh("face", ["jawOpen", "mouthPucker"])
    curve = face.data.shape_keys.key_blocks["jawOpen"].driver_add("value")
    curve.driver.expression = "0.25"
    assert retarget.plan(take, face, bpy.context.scene).blocked == ("jawOpen",)
    run(take, face)
    assert value_at(face, "jawOpen", 9) == pytest.approx(0.25)
    assert value_at(face, "mouthPucker", 29) == pytest.approx(take.weights[28, arkit.INDEX["mouthPucker"]], abs=1e-6)


def bone_turn(armature: bpy.types.Object, name: str, frame: int) -> np.ndarray:
    """How a bone has turned away from its rest, in the armature's axes."""
    bpy.context.scene.frame_set(frame)
    posed = armature.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[name]
    return np.array(posed.matrix.to_3x3()) @ np.array(posed.bone.matrix_local.to_3x3()).T


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "ZYX", "AXIS_ANGLE"])
def test_the_head_turns_as_the_actors_does(take: Take, mode: str) -> None:
    armature = make_armature()
    armature.pose.bones["Head"].rotation_mode = mode
    run(take, armature, neck=0.0, eyes=False)
    for frame in (1, 17, 40):
        want = axes.head_matrices(take)[frame - 1, :3, :3]
        assert bone_turn(armature, "Head", frame) == pytest.approx(want, abs=1e-4)


def test_the_neck_takes_its_share_and_the_head_arrives_all_the_same(take: Take) -> None:
    armature = make_armature()
    run(take, armature, neck=0.4, eyes=False)
    want = axes.head_matrices(take)[16, :3, :3]
    assert bone_turn(armature, "Head", 17) == pytest.approx(want, abs=1e-4)
    trace = np.trace(bone_turn(armature, "Neck", 17))
    assert np.degrees(np.arccos((trace - 1) / 2)) == pytest.approx(0.4 * np.degrees(np.arccos((np.trace(want) - 1) / 2)), abs=0.1)


def test_a_character_that_was_imported_lying_still_turns_the_right_way(take: Take) -> None:
    """Armatures from FBX are turned by 90 degrees, with the y axis up inside, and scaled."""
    places = {name: (100 * x, 100 * z, -100 * y) for name, (x, y, z) in BONES.items()}
    armature = make_armature(bones=places)
    armature.rotation_euler, armature.scale = (np.pi / 2, 0, 0), (0.01, 0.01, 0.01)
    bpy.context.view_layer.update()
    run(take, armature, neck=0.0, eyes=False)
    turned = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    want = axes.head_matrices(take)[16, :3, :3]
    assert turned @ bone_turn(armature, "Head", 17) @ turned.T == pytest.approx(want, abs=1e-4)


def test_eyes_look_where_the_actor_looks(take: Take) -> None:
    weights = np.zeros_like(take.weights)
    weights[:, arkit.INDEX["eyeLookOutLeft"]] = weights[:, arkit.INDEX["eyeLookInRight"]] = 1.0
    weights[24:, arkit.INDEX["eyeLookUpLeft"]] = 1.0
    armature = make_armature()
    run(replace(take, weights=weights), armature, head=False)
    ahead = np.array([0.0, -1.0, 0.0])
    for eye in ("LeftEye", "RightEye"):
        gaze = bone_turn(armature, eye, 2) @ ahead
        assert np.degrees(np.arctan2(gaze[0], -gaze[1])) == pytest.approx(30, abs=0.1), "to the subject's left, +x for who faces -y"
    assert np.degrees(np.arcsin((bone_turn(armature, "LeftEye", 40) @ ahead)[2])) > 20


def test_a_jaw_bone_opens_where_no_key_does(take: Take) -> None:
    armature = make_armature()
    face = make_mesh("face", ["eyeBlinkLeft", "eyeBlinkRight"], armature)
    run(take, face, head=False, eyes=False)
    frame = int(np.argmax(take.weights[:, JAW])) + 1
    down = bone_turn(armature, "Jaw", frame) @ np.array([0.0, -1.0, 0.0])
    assert np.degrees(np.arcsin(-down[2])) == pytest.approx(18 * take.weights[frame - 1, JAW], abs=0.1)
    make_mesh("mouth", ["jawOpen"], armature)
    assert "Jaw#jawOpen" not in {channel.target for channel in retarget.plan(take, face, bpy.context.scene).mapping.channels}


@pytest.mark.parametrize(("marks", "corner"), [
    (("master_eye.L", "eyes"), "lips.L"), (("eye_master.L", "eye_common"), "lip_end.L.001"),
])  # fmt: skip
def test_both_faces_of_rigify_act(take: Take, marks: tuple[str, str], corner: str) -> None:
    """On a face of twice the size of a real one, so that it moves twice as far."""
    middle, target = marks
    armature = make_armature(bones={
        "head": (0, 0, 1.6), "eye.L": (0.063, -0.4, 1.7), "eye.R": (-0.063, -0.4, 1.7), middle: (0.063, -0.1, 1.7), target: (0, -0.4, 1.7),
        "jaw_master": (0, 0, 1.6), corner: (0.05, -0.15, 1.6), "lid.T.L.002": (0.063, -0.13, 1.71),
    })  # fmt: skip
    weights = np.zeros_like(take.weights)
    for row, names in ((4, ["mouthSmileLeft"]), (14, ["eyeBlinkLeft"]), (24, ["eyeLookOutLeft", "eyeLookInRight"]), (34, ["jawOpen"])):
        weights[row, [arkit.INDEX[name] for name in names]] = 1.0
    run(replace(take, weights=weights), armature, head=False)

    def move(bone: str, frame: int) -> np.ndarray:
        places = []
        for at in (1, frame):
            bpy.context.scene.frame_set(at)
            graph = bpy.context.evaluated_depsgraph_get()
            places.append(1e3 * np.array(armature.evaluated_get(graph).pose.bones[bone].head))
        return places[1] - places[0]

    assert move(corner, 5) == pytest.approx([18, 8, 18], abs=0.1), "to the side, back and up"
    assert move("lid.T.L.002", 15) == pytest.approx([0, 0, -18], abs=0.1)
    assert move(target, 25) == pytest.approx([300 * np.tan(np.radians(30)), 0, 0], abs=0.5), "both eyes look 30 degrees to the left"
    assert (bone_turn(armature, "jaw_master", 35) @ [0, -1, 0])[2] == pytest.approx(-np.sin(np.radians(18)), abs=1e-3)


def test_other_bones_and_the_bodys_animation_are_untouched(take: Take) -> None:
    armature = make_armature()
    armature.pose.bones["Hips"].keyframe_insert("location", frame=5)
    theirs = armature.animation_data.action
    run(take, armature)
    assert armature.animation_data.action == theirs
    paths = {tuple(c["curves"][0]) for c in json.loads(theirs["facelift_layers"]).popitem()[1].values()}
    assert not any("Hips" in path for path, _ in paths)


def test_what_the_take_cannot_tell_is_left_to_the_animator(take: Take) -> None:
    observable = np.ones(52, bool)
    observable[arkit.INDEX["tongueOut"]] = False
    face = make_mesh("face", ["jawOpen", "tongueOut"])
    block = face.data.shape_keys.key_blocks["tongueOut"]
    block.value = 0.6
    block.keyframe_insert("value", frame=10)
    told = replace(take, observable=observable)
    assert retarget.plan(told, face, bpy.context.scene).unseen == ("tongueOut",)
    run(told, face)
    assert values(face, "tongueOut", range(1, 48, 9)) == pytest.approx([0.6] * 6)
    assert value_at(face, "jawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-6)


def test_nothing_to_drive_is_one_sentence(take: Take) -> None:
    with pytest.raises(FaceLiftError, match="has no shape key or bone"):
        retarget.plan(take, make_mesh("cube", ["Key 1"]), bpy.context.scene)


def test_a_take_without_a_face_is_refused_before_anything_is_written(take: Take) -> None:
    face = make_mesh("face")
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        run(replace(take, valid=np.zeros(len(take), bool)), face)
    assert face.data.shape_keys.animation_data is None


def linked_character(folder: Path, instance: bool) -> bpy.types.Object:
    """A character saved in another file and linked here: as an instanced collection, or object by object."""
    armature = make_armature()
    collection = bpy.data.collections.new("Hero")
    bpy.context.scene.collection.children.link(collection)
    for thing in (armature, make_mesh("face", ["jawOpen", "eyeBlinkLeft"], armature)):
        bpy.context.scene.collection.objects.unlink(thing)
        collection.objects.link(thing)
    path = str(folder / "hero.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(path, link=True) as (_, there):
        there.collections = ["Hero"]
    linked = bpy.data.collections["Hero"]
    if instance:
        empty = bpy.data.objects.new("Hero", None)
        empty.instance_type, empty.instance_collection = "COLLECTION", linked
        bpy.context.scene.collection.objects.link(empty)
        return empty
    bpy.context.scene.collection.children.link(linked)
    return linked.objects["Ada"]


@pytest.mark.parametrize("instance", [True, False])
def test_a_linked_character_is_overridden_and_driven(take: Take, tmp_path: Path, instance: bool) -> None:
    rig = linked_character(tmp_path, instance)
    bpy.context.scene.render.fps = 24
    seen = retarget.plan(take, rig, bpy.context.scene)
    assert any("library override" in note for note in seen.notes)
    with pytest.raises(FaceLiftError, match="make a library override"):
        run(take, rig, override=False)
    retarget.apply(take, rig, bpy.context.scene, seen)
    (face,) = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.library is None]
    assert face.override_library is not None
    assert value_at(face, "jawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (face,) = [thing for thing in bpy.data.objects if thing.type == "MESH" and thing.library is None]
    assert value_at(face, "jawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-5)


def test_onto_many_characters(take: Take) -> None:
    faces = [make_mesh(f"hero {index}", ["jawOpen"]) for index in range(3)]
    for face in faces:
        run(take, face)
    assert [value_at(face, "jawOpen", 6) for face in faces] == pytest.approx([take.weights[5, JAW]] * 3, abs=1e-6)
