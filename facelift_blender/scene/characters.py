# SPDX-License-Identifier: GPL-3.0-or-later
"""A character in the file: which meshes, keys and bones are its face, and how linked ones come to be editable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import bpy
import numpy as np

from ..capture.types import Array, FaceLiftError
from ..rigs.bones import FaceBones, find_bones
from . import axes

BETWEEN_EYES = 63.0
"""Millimetres that the moves of bone channels are meant for."""


def face_meshes(rig: bpy.types.Object) -> list[bpy.types.Object]:
    """The meshes with shape keys that belong to a character named by its armature, one of its meshes, or an empty above them.

    Meshes that share one set of keys are listed once, the named one first.
    """
    armature = find_armature(rig)
    family = {rig, *rig.children_recursive}
    if armature is not None:
        family |= {armature, *armature.children_recursive, *_deformed_by(armature)}
    meshes = [thing for thing in family if thing.type == "MESH" and thing.data.shape_keys is not None]
    meshes.sort(key=lambda thing: (thing is not rig, thing.name))
    return list({thing.data.shape_keys: thing for thing in reversed(meshes)}.values())[::-1]


def find_armature(rig: bpy.types.Object) -> bpy.types.Object | None:
    """The armature of a character: itself, what deforms it, what it hangs on, or the only one below it."""
    if rig.type == "ARMATURE":
        return rig
    for modifier in rig.modifiers:
        if modifier.type == "ARMATURE" and modifier.object is not None:
            return modifier.object
    above = next((parent for parent in _parents(rig) if parent.type == "ARMATURE"), None)
    below = [thing for thing in rig.children_recursive if thing.type == "ARMATURE"]
    return above or (below[0] if len(below) == 1 else None)


def _parents(thing: bpy.types.Object) -> Iterator[bpy.types.Object]:
    while thing.parent is not None:
        thing = thing.parent
        yield thing


def _deformed_by(armature: bpy.types.Object) -> Iterator[bpy.types.Object]:
    for thing in bpy.data.objects:
        if thing.type == "MESH" and any(modifier.type == "ARMATURE" and modifier.object == armature for modifier in thing.modifiers):
            yield thing


def shape_keys(mesh: bpy.types.Object) -> list[str]:
    """The names of a mesh's keys but the one that all others are measured from."""
    keys = mesh.data.shape_keys
    return [block.name for block in keys.key_blocks if block != keys.reference_key]


def face_bones(armature: bpy.types.Object | None) -> FaceBones:
    """The bones of a character's face by their part; none without an armature."""
    return find_bones([bone.name for bone in armature.data.bones]) if armature else FaceBones()


def face_frame(armature: bpy.types.Object, bones: FaceBones) -> tuple[Array, float]:
    """Canonical axes of the head in the armature's own ((3, 3), a column each) and armature units a millimetre of the face.

    Sideways is from the right eye to the left one; without eye bones the character is taken to face -Y, as Blender's do.
    """
    world = np.array(armature.matrix_world.to_3x3())
    size = float(np.cbrt(abs(np.linalg.det(world)))) or 1.0
    turn = world / size
    frame = turn.T @ axes.HEAD
    unit = 1e-3 / bpy.context.scene.unit_settings.scale_length / size
    eyes = [armature.data.bones.get(name) for name in (bones.eye_right, bones.eye_left)]
    if None not in eyes:
        across = np.array(eyes[1].head_local) - np.array(eyes[0].head_local)
        distance = float(np.linalg.norm(across))
        if distance > 1e-6:
            frame, unit = _upright(across / distance, frame[:, 1]), distance / BETWEEN_EYES
    return frame, unit


def _upright(left: Array, up: Array) -> Array:
    """The right-handed axes whose first is `left` and whose second is as near to `up` as can be."""
    out = np.cross(left, up)
    length = np.linalg.norm(out)
    out = out / length if length > 1e-6 else np.cross(left, np.roll(left, 1))
    return np.stack([left, np.cross(out, left), out], axis=1)


# ---------------------------------------------------------------- linked characters


def is_linked(rig: bpy.types.Object) -> bool:
    """Whether a character's keys cannot be animated because they belong to another file."""
    if rig.instance_type == "COLLECTION" and rig.instance_collection is not None:
        return True
    return rig.library is not None or any(mesh.data.shape_keys.library is not None for mesh in face_meshes(rig))


def make_editable(rig: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Object:
    """The character itself, or its library override, made where it is linked and has none yet.

    `rig` may be the empty that shows a linked collection; the override's armature or face then is what comes back.
    Raises FaceLiftError when Blender cannot override it.
    """
    if not is_linked(rig):
        return rig
    found = _override(rig, scene) if rig.library is not None or rig.instance_collection is not None else rig
    for mesh in face_meshes(found) if found else ():
        if mesh.data.library is not None:
            mesh.data = mesh.data.override_create(remap_local_usages=False) or mesh.data
    if found is None or is_linked(found):
        raise FaceLiftError(f"{rig.name} is linked and could not be overridden: make a library override of it first.")
    return found


def _override(rig: bpy.types.Object, scene: bpy.types.Scene) -> bpy.types.Object | None:
    """The override of a linked character, whole: of the collection that it lies in where it lies in one."""
    if (done := _existing_override(rig)) is not None:
        return done
    shown = rig.instance_collection
    home = shown or next((home for home in rig.users_collection if home.library is not None), None)
    if home is None:
        return rig.override_hierarchy_create(scene, scene.view_layers[0], do_fully_editable=True)
    made = home.override_hierarchy_create(scene, scene.view_layers[0], reference=rig if shown else None, do_fully_editable=True)
    things = list(made.all_objects) if made else []
    same = (thing for thing in things if thing.override_library and thing.override_library.reference == rig)
    armature = (thing for thing in things if thing.type == "ARMATURE")
    face = (thing for thing in things if thing.type == "MESH" and thing.data.shape_keys)
    return next(itertools.chain(same, armature, face), None)


def _existing_override(rig: bpy.types.Object) -> bpy.types.Object | None:
    return next((thing for thing in bpy.data.objects if thing.override_library and thing.override_library.reference == rig), None)
