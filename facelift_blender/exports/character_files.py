# SPDX-License-Identifier: GPL-3.0-or-later
"""An animated character handed over to other programs: FBX as Unreal, Unity and Maya read it, glTF with morph targets, USD.

Drivers are baked while a file is written, because no format carries them; the file in Blender stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ..capture.types import Array, FaceLiftError
from ..scene import characters
from ..scene.actions import Curve, Keys, Track, has_slots
from ..scene.layers import write_layer
from .scene_files import run_exporter


class Engine(Enum):
    """Who reads the FBX: its unit and its axes."""

    BLENDER = "Metres, as Blender writes it by default"
    UNREAL = "Centimetres, -Y forward, Z up, bones without ends"
    UNITY = "Metres at scale 1, -Z forward, Y up"
    MAYA = "Centimetres, Z forward, Y up"


_AXES: Final[dict[Engine, dict[str, Any]]] = {
    Engine.BLENDER: {"axis_forward": "-Z", "axis_up": "Y", "apply_scale_options": "FBX_SCALE_NONE"},
    Engine.UNREAL: {"axis_forward": "-Y", "axis_up": "Z", "apply_scale_options": "FBX_SCALE_NONE"},
    Engine.UNITY: {"axis_forward": "-Z", "axis_up": "Y", "apply_scale_options": "FBX_SCALE_ALL"},
    Engine.MAYA: {"axis_forward": "Z", "axis_up": "Y", "apply_scale_options": "FBX_SCALE_NONE"},
}


@dataclass(frozen=True)
class HandOver:
    """What of a character goes into a file. frames: first and last (None: the scene's range). step: frames between two baked keys.

    meshes, skeleton: which objects. animation: whether anything moves. only_deform: leave out the bones that deform nothing.
    """

    engine: Engine = Engine.BLENDER
    frames: tuple[float, float] | None = None
    step: float = 1.0
    meshes: bool = True
    skeleton: bool = True
    animation: bool = True
    only_deform: bool = False


def export_character(rig: bpy.types.Object, path: Path, scene: bpy.types.Scene, settings: HandOver = HandOver()) -> None:
    """Write a character (its armature, face and all that hangs on them) as .fbx, .glb or .usd, by the path's ending.

    Raises FaceLiftError for another ending, for nothing to write, or when Blender cannot write the format.
    """
    path = Path(path)
    writers = {".fbx": _fbx, ".glb": _gltf, ".usd": _usd, ".usdc": _usd}
    if path.suffix.lower() not in writers:
        raise FaceLiftError(f"{path.name} does not end in .fbx, .glb or .usd: name the file by the format that you want.")
    things = _things(rig, settings)
    if not things:
        raise FaceLiftError(f"{rig.name} has neither a mesh nor a skeleton to write.")
    with ExitStack() as stack:
        stack.enter_context(frame_range(scene, settings.frames))
        if settings.animation:
            stack.enter_context(baked(characters.face_meshes(rig), scene, settings.step))
        collection = stack.enter_context(gathered(things, scene))
        writers[path.suffix.lower()](collection, path, settings)


def _things(rig: bpy.types.Object, settings: HandOver) -> list[bpy.types.Object]:
    armature = characters.find_armature(rig)
    root = armature or rig
    family = {rig, root, *root.children_recursive, *characters.face_meshes(rig)}
    if armature:
        family |= {thing for thing in bpy.data.objects if any(m.type == "ARMATURE" and m.object == armature for m in thing.modifiers)}
    kinds = {kind for kind, wanted in (("MESH", settings.meshes), ("ARMATURE", settings.skeleton)) if wanted}
    return sorted((thing for thing in family if thing.type in kinds), key=lambda thing: thing.name)


def _fbx(collection: bpy.types.Collection, path: Path, settings: HandOver) -> None:
    options = {
        "object_types": {"MESH", "ARMATURE"}, "add_leaf_bones": False, "use_armature_deform_only": settings.only_deform,
        "mesh_smooth_type": "FACE", "use_mesh_modifiers": False, "bake_anim": settings.animation, "bake_anim_step": settings.step,
        "bake_anim_simplify_factor": 0.0, "bake_anim_use_nla_strips": False, "bake_anim_use_all_actions": False,
        "bake_anim_use_all_bones": True, "bake_anim_force_startend_keying": True, **_AXES[settings.engine],
    }  # fmt: skip
    run_exporter("fbx", collection, path, options)


def _gltf(collection: bpy.types.Collection, path: Path, settings: HandOver) -> None:
    options = {
        "export_format": "GLB", "export_animations": settings.animation, "export_animation_mode": "SCENE", "export_morph": True,
        "export_anim_scene_split_object": False, "export_force_sampling": True, "export_frame_range": True,
        "export_frame_step": max(1, round(settings.step)), "export_def_bones": settings.only_deform, "export_morph_animation": True,
        "export_optimize_animation_size": False,
    }  # fmt: skip
    run_exporter("glb", collection, path, options)


def _usd(collection: bpy.types.Collection, path: Path, settings: HandOver) -> None:
    options = {"export_animation": settings.animation, "export_shapekeys": True, "export_armatures": settings.skeleton,
               "only_deform_bones": settings.only_deform}  # fmt: skip
    run_exporter("usd", collection, path, options)


# ---------------------------------------------------------------- for a while


@contextmanager
def frame_range(scene: bpy.types.Scene, frames: tuple[float, float] | None) -> Iterator[None]:
    """For a while the scene runs over whole frames that hold these; None leaves it."""
    kept = scene.frame_start, scene.frame_end, scene.frame_current, scene.frame_subframe
    if frames is not None:
        scene.frame_start, scene.frame_end = math.floor(frames[0]), math.ceil(frames[1])
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = kept[:2]
        scene.frame_set(kept[2], subframe=kept[3])


@contextmanager
def gathered(things: Sequence[bpy.types.Object], scene: bpy.types.Scene) -> Iterator[bpy.types.Collection]:
    """For a while a collection that holds just these objects, which Blender's exporters ask for."""
    collection = bpy.data.collections.new("FaceLift hand-over")
    scene.collection.children.link(collection)
    for thing in things:
        collection.objects.link(thing)
    try:
        yield collection
    finally:
        bpy.data.collections.remove(collection)


@contextmanager
def baked(meshes: Sequence[bpy.types.Object], scene: bpy.types.Scene, step: float = 1.0) -> Iterator[None]:
    """For a while keys stand in the place of the drivers of the meshes' shape keys, over the scene's frame range."""
    driven = {mesh.data.shape_keys: _driven(mesh.data.shape_keys) for mesh in meshes}
    driven = {owner: curves for owner, curves in driven.items() if curves}
    frames = np.arange(scene.frame_start, scene.frame_end + 1e-6, step)
    samples = _sample(driven, scene, frames) if driven else {}
    before = {owner: _state(owner) for owner in driven}
    made = []
    try:
        for owner, curves in driven.items():
            keys = Keys(frames, np.zeros(len(frames), bool))
            if owner.animation_data.action is not None:
                owner.animation_data.action = owner.animation_data.action.copy()
                if has_slots() and before[owner][1]:
                    owner.animation_data.action_slot = owner.animation_data.action.slots[before[owner][1]]
            for curve in curves:
                curve.mute = True
            track = Track("Baked", owner, [Curve(path, values, keys) for path, values in samples[owner].items()])
            made.append(write_layer(track, "Baked", "FaceLift baked"))
        yield
    finally:
        for owner, curves in driven.items():
            for curve in curves:
                curve.mute = False
            _restore(owner, before[owner])
        for action in made:
            bpy.data.actions.remove(action)


def _driven(keys: bpy.types.Key) -> list[bpy.types.FCurve]:
    return [curve for curve in keys.animation_data.drivers if not curve.mute] if keys.animation_data else []


def _sample(driven: dict[bpy.types.Key, list[bpy.types.FCurve]], scene: bpy.types.Scene, frames: Array) -> dict[bpy.types.Key, dict]:
    """Values (K,) of each driven path of each owner at the frames."""
    found = {owner: {curve.data_path: np.zeros(len(frames)) for curve in curves} for owner, curves in driven.items()}
    for index, frame in enumerate(frames):
        scene.frame_set(int(frame), subframe=float(frame - int(frame)))
        graph = bpy.context.evaluated_depsgraph_get()
        for owner, paths in found.items():
            shown = owner.evaluated_get(graph)
            for path, values in paths.items():
                values[index] = shown.path_resolve(path)
    return found


def _state(owner: bpy.types.Key) -> tuple[bpy.types.Action | None, str]:
    animation = owner.animation_data
    slot = animation.action_slot.identifier if has_slots() and animation.action_slot else ""
    return animation.action, slot


def _restore(owner: bpy.types.Key, state: tuple[bpy.types.Action | None, str]) -> None:
    action, slot = state
    owner.animation_data.action = action
    if slot:
        owner.animation_data.action_slot = action.slots[slot]
