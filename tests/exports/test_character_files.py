# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters written, read back and compared, at the clip's rate and at another."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from characters import make_armature, make_mesh, value_at

from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.exports.character_files import Engine, HandOver, export_character
from facelift_blender.rigs import arkit
from facelift_blender.scene.build import build_take
from facelift_blender.scene.retarget import Mode, RetargetSettings, retarget

_FRAMES = (1, 2, 17, 40)


def _character(take: Take, fps: int, mode: Mode = Mode.KEYS) -> bpy.types.Object:
    bpy.context.scene.render.fps = fps
    armature = make_armature()
    for name, keys in (("face", arkit.NAMES), ("teeth", ["jawOpen"])):
        mesh = make_mesh(name, keys, armature)
        mesh.parent = armature
        mesh.vertex_groups.new(name="Head").add([0, 1, 2], 1.0, "REPLACE")
    retarget(take, armature, bpy.context.scene, RetargetSettings(mode=mode))
    return armature


def _sample() -> dict[str, np.ndarray]:
    """Key values, the first vertices of the face in the world, and where the head bone's tail is."""
    face = next(thing for thing in bpy.data.objects if thing.type == "MESH" and "face" in thing.name)
    armature = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE")
    found: dict[str, list] = {"weights": [], "points": [], "head": []}
    for frame in _FRAMES:
        found["weights"].append([value_at(face, name, frame) for name in arkit.NAMES])
        graph = bpy.context.evaluated_depsgraph_get()
        shown, posed = face.evaluated_get(graph), armature.evaluated_get(graph)
        found["points"].append([list(shown.matrix_world @ vertex.co) for vertex in shown.data.vertices])
        found["head"].append(list(posed.matrix_world @ posed.pose.bones["Head"].head))
    return {name: np.array(values) for name, values in found.items()}


def _there_and_back(take: Take, path: Path, fps: int, settings: HandOver, mode: Mode = Mode.KEYS) -> tuple[dict, dict]:
    rig = _character(take, fps, mode)
    written = _sample()
    export_character(rig, path, bpy.context.scene, settings)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = fps
    if path.suffix == ".fbx":
        bpy.ops.import_scene.fbx(filepath=str(path), anim_offset=0.0)
    elif path.suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    else:
        bpy.ops.wm.usd_import(filepath=str(path))
    return written, _sample()


@pytest.mark.parametrize("fps", [24, 30])
@pytest.mark.parametrize("engine", Engine)
def test_fbx_for_every_engine_comes_back_equal(synthetic_take: Take, tmp_path: Path, engine: Engine, fps: int) -> None:
    written, read = _there_and_back(synthetic_take, tmp_path / "a.fbx", fps, HandOver(engine, (1, 60)))
    for name, error in (("weights", 1e-4), ("points", 2e-3), ("head", 2e-3)):
        assert read[name] == pytest.approx(written[name], abs=error), name
    bones = next(thing for thing in bpy.data.objects if thing.type == "ARMATURE").data.bones
    assert not [bone.name for bone in bones if bone.name.endswith("_end")]


@pytest.mark.parametrize("fps", [24, 30])
def test_gltf_morph_targets_come_back_equal(synthetic_take: Take, tmp_path: Path, fps: int) -> None:
    written, read = _there_and_back(synthetic_take, tmp_path / "a.glb", fps, HandOver(frames=(1, 60)))
    for name, error in (("weights", 1e-4), ("points", 2e-3), ("head", 2e-3)):
        assert read[name] == pytest.approx(written[name], abs=error), name


@pytest.mark.skipif("usd_export" not in dir(bpy.ops.wm), reason="this Blender was built without USD")
@pytest.mark.parametrize("fps", [24, 30])
def test_usd_comes_back_with_its_weights(synthetic_take: Take, tmp_path: Path, fps: int) -> None:
    written, read = _there_and_back(synthetic_take, tmp_path / "a.usd", fps, HandOver(frames=(1, 60)))
    assert read["weights"] == pytest.approx(written["weights"], abs=1e-3)


def test_drivers_are_baked_for_the_file_and_stay_in_the_scene(synthetic_take: Take, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 24
    build_take(synthetic_take, bpy.context.scene)
    rig = _character(synthetic_take, 24, Mode.DRIVERS)
    face = bpy.data.objects["face"]
    before = [value_at(face, "jawOpen", frame) for frame in _FRAMES]
    actions = set(bpy.data.actions.keys())
    export_character(rig, tmp_path / "a.fbx", bpy.context.scene, HandOver(frames=(1, 48)))
    drivers = face.data.shape_keys.animation_data.drivers
    assert len(drivers) == synthetic_take.observable.sum()
    assert not any(curve.mute for curve in drivers)
    assert set(bpy.data.actions.keys()) == actions
    assert [value_at(face, "jawOpen", frame) for frame in _FRAMES] == pytest.approx(before)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    bpy.ops.import_scene.fbx(filepath=str(tmp_path / "a.fbx"), anim_offset=0.0)
    face = next(thing for thing in bpy.data.objects if thing.type == "MESH" and "face" in thing.name)
    assert [value_at(face, "jawOpen", frame) for frame in _FRAMES] == pytest.approx(before, abs=1e-4)


def test_strips_go_into_the_file(synthetic_take: Take, tmp_path: Path) -> None:
    written, read = _there_and_back(synthetic_take, tmp_path / "a.fbx", 24, HandOver(frames=(1, 48)), Mode.STRIPS)
    assert read["weights"] == pytest.approx(written["weights"], abs=1e-4)


def test_the_scene_is_left_as_it_was(synthetic_take: Take, tmp_path: Path) -> None:
    rig = _character(synthetic_take, 24)
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 5, 9
    scene.frame_set(7)
    collections = len(bpy.data.collections)
    export_character(rig, tmp_path / "a.fbx", scene, HandOver(frames=(1, 48)))
    assert (scene.frame_start, scene.frame_end, scene.frame_current, len(bpy.data.collections)) == (5, 9, 7, collections)


@pytest.mark.parametrize(("settings", "kinds"), [
    (HandOver(skeleton=False), {"MESH"}), (HandOver(meshes=False), {"ARMATURE"}), (HandOver(animation=False), {"MESH", "ARMATURE"}),
])  # fmt: skip
def test_what_is_left_out(synthetic_take: Take, tmp_path: Path, settings: HandOver, kinds: set[str]) -> None:
    export_character(_character(synthetic_take, 24), tmp_path / "a.fbx", bpy.context.scene, settings)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(tmp_path / "a.fbx"))
    assert {thing.type for thing in bpy.data.objects} - {"EMPTY"} == kinds
    assert bool(bpy.data.actions) == settings.animation


def test_unreal_gets_centimetres(synthetic_take: Take, tmp_path: Path) -> None:
    """What the file itself says of unit and axes."""
    from io_scene_fbx import parse_fbx

    export_character(_character(synthetic_take, 24), tmp_path / "a.fbx", bpy.context.scene, HandOver(Engine.UNREAL))
    root, _ = parse_fbx.parse(str(tmp_path / "a.fbx"))
    settings = next(element for element in root.elems if element.id == b"GlobalSettings")
    values = {row.props[0]: row.props[4:] for block in settings.elems if block.id == b"Properties70" for row in block.elems}
    assert values[b"UnitScaleFactor"] == [1.0]
    assert (values[b"UpAxis"], values[b"UpAxisSign"], values[b"FrontAxis"], values[b"FrontAxisSign"]) == ([2], [1], [1], [1])


def test_an_unknown_ending_is_one_sentence(synthetic_take: Take, tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="does not end in"):
        export_character(make_mesh("face"), tmp_path / "a.obj", bpy.context.scene)
