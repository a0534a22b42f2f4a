# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from modal import Double, Window, drive

from facelift_blender.rigs import arkit
from facelift_blender.scene.layers import layers_of
from facelift_blender.scene.ownership import member
from facelift_blender.scene.storage import take_of
from facelift_blender.ui import job, working
from facelift_blender.ui.retarget import operators

ON_RIG = [cls.bl_idname.split(".")[1] for cls in operators.CLASSES if cls.__name__ != "FACELIFT_OT_add_head"]


@pytest.fixture
def rig(tracked: bpy.types.Collection) -> bpy.types.Object:
    bpy.ops.facelift.add_head()
    return bpy.context.scene.facelift_rig


def value(rig: bpy.types.Object, key: str, frame: int) -> float:
    bpy.context.scene.frame_set(frame)
    keys = rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys
    return (keys or rig.data.shape_keys).key_blocks[key].value


@pytest.mark.parametrize("name", ON_RIG)
def test_a_take_and_a_character_are_needed(footage: bpy.types.MovieClip, road: object, name: str) -> None:
    call = getattr(bpy.ops.facelift, name)
    with pytest.raises(RuntimeError, match="Track footage first"):
        call()
    bpy.ops.facelift.track_footage()
    with pytest.raises(RuntimeError, match="Choose a character first"):
        call()


def test_the_demo_head_is_a_persons_own_and_beside_the_actor(rig: bpy.types.Object, tracked: bpy.types.Collection) -> None:
    assert rig.name == "Demo Head"
    assert "facelift" not in rig
    assert len(rig.data.shape_keys.key_blocks) == 53
    assert rig.location.x > member(tracked, "Head").matrix_world.translation.x + 0.2


def test_a_match_is_listed_before_anything_is_written(rig: bpy.types.Object) -> None:
    assert bpy.ops.facelift.match_rig() == {"FINISHED"}
    assert {item.target for item in rig.facelift.channels} == set(arkit.NAMES)
    assert "52 channels" in rig.facelift.notes
    assert rig.data.shape_keys.animation_data is None


def test_the_take_comes_onto_the_head_as_edited(rig: bpy.types.Object, tracked: bpy.types.Collection) -> None:
    bpy.ops.facelift.match_rig()
    rig.facelift.channels["jawOpen"].gain = 0.5
    rig.facelift.channels["mouthPucker"].write = False
    assert bpy.ops.facelift.retarget() == {"FINISHED"}
    weights = take_of(tracked).weights
    frame = int(weights[:, 17].argmax()) + 1
    assert value(rig, "jawOpen", frame) == pytest.approx(0.5 * weights[frame - 1, 17], abs=1e-4)
    assert value(rig, "mouthPucker", frame) == 0.0
    assert bpy.ops.facelift.retarget() == {"FINISHED"}
    assert bpy.ops.facelift.clear_retarget() == {"FINISHED"}
    assert value(rig, "jawOpen", frame) == pytest.approx(value(rig, "jawOpen", 1))


def test_one_click_matches_and_writes(rig: bpy.types.Object) -> None:
    assert bpy.ops.facelift.retarget() == {"FINISHED"}
    assert len(rig.facelift.channels) == 52


def test_a_mapping_goes_to_a_file_and_comes_back(rig: bpy.types.Object, tmp_path: Path) -> None:
    bpy.ops.facelift.match_rig()
    rig.facelift.channels["jawOpen"].gain = 1.5
    assert bpy.ops.facelift.save_mapping(filepath=str(tmp_path / "a.json")) == {"FINISHED"}
    bpy.ops.facelift.match_rig()
    assert rig.facelift.channels["jawOpen"].gain == 1.0
    assert bpy.ops.facelift.load_mapping(filepath=str(tmp_path / "a.json")) == {"FINISHED"}
    assert rig.facelift.channels["jawOpen"].gain == 1.5
    (tmp_path / "b.json").write_text("nonsense")
    with pytest.raises(RuntimeError, match="is not JSON"):
        bpy.ops.facelift.load_mapping(filepath=str(tmp_path / "b.json"))


def test_a_character_without_a_face_is_told(tracked: bpy.types.Collection) -> None:
    thing = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.facelift_rig = thing
    with pytest.raises(RuntimeError, match="no shape key or bone"):
        bpy.ops.facelift.retarget()


def test_undo_takes_it_off_again(rig: bpy.types.Object) -> None:
    name = rig.name
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.facelift.retarget()
    bpy.ops.ed.undo_push(message="retargeted")
    bpy.ops.ed.undo()
    assert bpy.data.objects[name].data.shape_keys.animation_data is None


def test_in_the_window_it_is_written_in_slices(rig: bpy.types.Object, tracked: bpy.types.Collection, window: Window) -> None:
    double = Double(operators.FACELIFT_OT_retarget)
    assert double.invoke(window, None) == {"RUNNING_MODAL"}
    assert rig.data.shape_keys.animation_data is None
    assert drive(double, window) == {"FINISHED"}
    assert "52 channels" in double.reports[-1][1]
    weights = take_of(tracked).weights
    frame = int(weights[:, 17].argmax()) + 1
    assert value(rig, "jawOpen", frame) == pytest.approx(weights[frame - 1, 17], abs=1e-4)
    assert job.current() is None
    assert not window.timers


def test_escape_keeps_what_is_written_and_doing_it_again_completes_it(
    rig: bpy.types.Object, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "run_slice", lambda steps: next(steps, working) is working)
    double = Double(operators.FACELIFT_OT_retarget)
    double.invoke(window, None)
    tick = SimpleNamespace(type="TIMER", value="NOTHING")
    while not (double._job.progress and double._job.progress.done == 5):
        assert double.modal(window, tick) in ({"PASS_THROUGH"}, {"RUNNING_MODAL"})
    assert double.modal(window, SimpleNamespace(type="ESC", value="PRESS")) == {"FINISHED"}
    owner = rig.data.shape_keys
    (layer,) = layers_of(owner)
    assert len(json.loads(owner.animation_data.action["facelift_layers"])[_slot(owner)][layer]["curves"]) == 5
    assert "kept" in double.reports[-1][1]
    assert bpy.ops.facelift.retarget() == {"FINISHED"}
    assert len(json.loads(owner.animation_data.action["facelift_layers"])[_slot(owner)][layer]["curves"]) > 30
    assert bpy.ops.facelift.clear_retarget() == {"FINISHED"}
    assert not layers_of(owner)


def _slot(owner: bpy.types.Key) -> str:
    slot = getattr(owner.animation_data, "action_slot", None)
    return str(slot.handle) if slot else ""


def test_a_character_that_goes_meanwhile_is_told(rig: bpy.types.Object, window: Window) -> None:
    double = Double(operators.FACELIFT_OT_retarget)
    double.invoke(window, None)
    bpy.data.objects.remove(rig)
    assert drive(double, window) == {"CANCELLED"}
    assert "choose the character again" in double.reports[-1][1]
