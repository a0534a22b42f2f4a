# SPDX-License-Identifier: GPL-3.0-or-later
"""Small characters for the tests: meshes with the keys and armatures with the bones that a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from blender import bpy

from facelift_blender.rigs import arkit

BONES = {
    "Hips": (0, 0, 1.0), "Neck": (0, 0, 1.5), "Head": (0, 0, 1.6), "LeftEye": (0.0315, -0.08, 1.68), "RightEye": (-0.0315, -0.08, 1.68),
    "Jaw": (0, -0.02, 1.63),
}  # fmt: skip
PARENTS = {"Neck": "Hips", "Head": "Neck", "LeftEye": "Head", "RightEye": "Head", "Jaw": "Head"}


def make_mesh(name: str, keys: Sequence[str] = arkit.NAMES, armature: bpy.types.Object | None = None) -> bpy.types.Object:
    """Three vertices, each key lifting the first by a metre."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    for key in ("Basis", *keys) if keys else ():
        thing.shape_key_add(name=key, from_mix=False).value = 0.0  # Blender 5 begins with 1
    for key in keys:
        mesh.shape_keys.key_blocks[key].data[0].co = (0, 0, 1)
    if armature is not None:
        thing.modifiers.new("Armature", "ARMATURE").object = armature
    return thing


def make_armature(name: str = "Ada", bones: Mapping[str, Sequence[float]] = BONES) -> bpy.types.Object:
    """Bones a tenth of a metre long that point up, at these places."""
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, place in bones.items():
        made = armature.data.edit_bones.new(bone)
        made.head, made.tail = place, (place[0], place[1], place[2] + 0.1)
        if PARENTS.get(bone, "") in armature.data.edit_bones:
            made.parent = armature.data.edit_bones[PARENTS[bone]]
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def value_at(mesh: bpy.types.Object, key: str, frame: float) -> float:
    """A key's value on a frame, as the scene evaluates it."""
    bpy.context.scene.frame_set(int(frame), subframe=frame - int(frame))
    found = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return found.data.shape_keys.key_blocks[key].value if found.data.shape_keys else mesh.data.shape_keys.key_blocks[key].value
