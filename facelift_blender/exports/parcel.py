# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's collection in a folder of its own, for another Blender to write files from while this one stays at hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import bpy

from ..capture.types import FaceLiftError

_BLEND: Final = "take.blend"
_TOLD: Final = "take.json"


@dataclass(frozen=True)
class Surroundings:
    """What of the scene the exporters ask for: its frame rate (`fps` over `fps_base`) and the metres of a Blender unit."""

    collection: str
    fps: int
    fps_base: float
    unit: float


def pack(collection: bpy.types.Collection, scene: bpy.types.Scene, folder: Path) -> None:
    """Write a collection, all that it uses, and what the scene says of it into a folder. Raises FaceLiftError."""
    told = Surroundings(collection.name, scene.render.fps, scene.render.fps_base, scene.unit_settings.scale_length)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _TOLD).write_text(json.dumps(asdict(told)), encoding="utf-8")
        bpy.data.libraries.write(str(folder / _BLEND), {collection}, path_remap="ABSOLUTE")
    except (OSError, RuntimeError) as error:
        raise FaceLiftError(f"{folder} cannot be written ({error}): make room in Blender's folder for temporary files.") from error


def unpack(folder: Path) -> bpy.types.Collection:
    """Bring a packed collection into the open file, whose scene becomes what it came from. Raises FaceLiftError."""
    try:
        told = Surroundings(**json.loads((folder / _TOLD).read_text(encoding="utf-8")))
        with bpy.data.libraries.load(str(folder / _BLEND), link=False) as (_, here):
            here.collections = [told.collection]
    except (OSError, ValueError, TypeError) as error:
        raise FaceLiftError(f"{folder} has no take to write files from ({error}): export it again.") from error
    scene, collection = bpy.context.scene, here.collections[0]
    scene.collection.children.link(collection)
    scene.render.fps, scene.render.fps_base, scene.unit_settings.scale_length = told.fps, told.fps_base, told.unit
    return collection
