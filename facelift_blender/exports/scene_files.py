# SPDX-License-Identifier: GPL-3.0-or-later
"""The built scene as FBX, USD or glTF, through Blender's own exporters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import bpy

from ..capture.types import FaceLiftError
from ..scene.ownership import member
from .files import replacing

_OPERATORS: Final = {"fbx": ("FBX", "export_scene", "fbx"), "usd": ("USD", "wm", "usd_export"), "glb": ("glTF", "export_scene", "gltf")}
"""Name, module and operator of Blender's exporter, by file name ending."""


def require_exporter(ending: str) -> Callable[..., set[str]]:
    """Blender's own exporter. Raises FaceLiftError when this Blender has none."""
    name, module, operator = _OPERATORS[ending]
    if operator not in dir(getattr(bpy.ops, module)):
        raise FaceLiftError(f"This Blender cannot write {name}: use one from blender.org, enable its {name} add-on, or leave {ending} out.")
    return getattr(getattr(bpy.ops, module), operator)


def export_fbx(collection: bpy.types.Collection, path: Path) -> None:
    """Landmark empties, head, camera and face with its shape keys, baked a key a frame."""
    options = {
        "object_types": {"EMPTY", "CAMERA", "MESH"}, "add_leaf_bones": False, "bake_anim": True, "bake_anim_step": 1.0,
        "bake_anim_simplify_factor": 0.0, "bake_anim_use_nla_strips": False, "bake_anim_use_all_actions": False,
        "bake_anim_force_startend_keying": True, "mesh_smooth_type": "FACE",
    }  # fmt: skip
    _export("fbx", collection, path, options)


def export_usd(collection: bpy.types.Collection, path: Path) -> None:
    """The collection as USD, animated."""
    _export("usd", collection, path, {"export_animation": True})


def export_gltf(collection: bpy.types.Collection, path: Path) -> None:
    """The collection as one binary glTF with one animation for all; the format carries no lens animation."""
    options = {
        "export_format": "GLB", "export_cameras": True, "export_animation_mode": "SCENE", "export_anim_scene_split_object": False,
        "export_force_sampling": True, "export_frame_range": True,
    }  # fmt: skip
    _export("glb", collection, path, options)


EXPORTERS: Final[dict[str, Callable[[bpy.types.Collection, Path], None]]] = {"fbx": export_fbx, "usd": export_usd, "glb": export_gltf}
"""By file name ending."""


def _export(ending: str, collection: bpy.types.Collection, path: Path, options: dict[str, Any]) -> None:
    require_exporter(ending)
    with keyed_range(bpy.context.scene, collection):
        run_exporter(ending, collection, path, options)


def run_exporter(ending: str, collection: bpy.types.Collection, path: Path, options: dict[str, Any]) -> None:
    """Write a collection with Blender's own exporter, put in place whole.

    Options that this Blender's exporter does not know are left out. Raises FaceLiftError when it cannot write.
    """
    export, name = require_exporter(ending), _OPERATORS[ending][0]
    known = export.get_rna_type().properties.keys() if hasattr(export, "get_rna_type") else options.keys()
    options = {option: value for option, value in options.items() if option in known}
    with replacing(Path(path)) as temporary:
        try:
            done = export(filepath=str(temporary), collection=collection.name, **options)
        except RuntimeError as error:
            raise FaceLiftError(f"{name} could not be written to {path}: {_reason(error)}.") from error
        if done != {"FINISHED"} or not _is_whole(ending, temporary):
            raise FaceLiftError(f"{name} could not be written to {path}: Blender's exporter gave up; see whether the disk is full.")


def _reason(error: RuntimeError) -> str:
    """What is said last in the traceback that Blender makes of an exporter's failure."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Location:")]
    return lines[-1].removeprefix("Error: ").rstrip(".") if lines else "Blender's exporter failed"


def _is_whole(ending: str, path: Path) -> bool:
    """Whether a file reaches as far as its head says: Blender's USD exporter says nothing of a disk that is full."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(24)
    if ending == "usd" and head[:8] == b"PXR-USDC":
        return len(head) == 24 and int.from_bytes(head[16:24], "little") < size
    if ending == "glb":
        return int.from_bytes(head[8:12], "little") == size
    return size > 0


@contextmanager
def keyed_range(scene: bpy.types.Scene, collection: bpy.types.Collection) -> Iterator[None]:
    """For a while the scene's frame range is that of the take's keys, which the exporters bake."""
    kept = scene.frame_start, scene.frame_end, scene.frame_current, scene.frame_subframe
    first, last = member(collection, "Head").animation_data.action.frame_range
    scene.frame_start, scene.frame_end = math.floor(first), math.ceil(last)
    try:
        yield
    finally:
        scene.frame_start, scene.frame_end = kept[:2]
        scene.frame_set(kept[2], subframe=kept[3])
