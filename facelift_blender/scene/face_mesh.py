# SPDX-License-Identifier: GPL-3.0-or-later
"""The actor's face as a mesh with the 52 ARKit shape keys, so that something moves at once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final

import bpy
import numpy as np

from ..capture.types import Array, Take
from ..rigs import arkit
from ..rigs.head import PARTS, Head
from . import axes
from .actions import Curve, Keys, Track
from .head import presence_curve
from .ownership import MARK, Home, member

_LOOKS: Final = {
    "skin": ((0.60, 0.38, 0.29), 0.55),
    "lips": ((0.48, 0.20, 0.18), 0.40),
    "mouth": ((0.22, 0.05, 0.05), 0.60),
    "sclera": ((0.85, 0.83, 0.80), 0.15),
    "iris": ((0.12, 0.20, 0.26), 0.15),
    "pupil": ((0.005, 0.005, 0.005), 0.10),
    "teeth": ((0.80, 0.76, 0.66), 0.25),
    "tongue": ((0.52, 0.18, 0.17), 0.45),
    "lashes": ((0.02, 0.015, 0.01), 0.80),
}
"""Base colour and roughness of each part."""


def build_face(
    home: Home, parent: bpy.types.Object, head: Head, vertices: Array | None, offsets: Array | None
) -> Generator[None, None, bpy.types.Object]:
    """The head at `vertices` (V, 3) with a shape key for each of the ARKit `offsets` (52, V, 3), canonical metres, under the Head empty.

    In steps. Without vertices the face in the scene keeps its shape; one that was deleted gets the head's own.
    """
    lost = member(home.collection, "Face mesh") is None
    if vertices is not None or lost:
        vertices = head.vertices if vertices is None else vertices
        offsets = head.shapes if offsets is None else offsets
        placed = axes.head_points(vertices) / home.unit
        mesh = home.member("Face mesh", lambda: _new_mesh(f"{home.prefix}.Face", head, placed))
        yield
        face = home.child("Face", parent, mesh)
        yield from _write_shapes(face, placed, axes.head_points(offsets) / home.unit)
        return face
    return home.child("Face", parent, member(home.collection, "Face mesh"))


def add_head(scene: bpy.types.Scene, head: Head) -> bpy.types.Object:
    """The head as it ships, with its 52 shape keys, as an object of the person's own: a character to try things on."""
    vertices = axes.head_points(head.vertices) / scene.unit_settings.scale_length
    thing = bpy.data.objects.new("Demo Head", _new_mesh("Demo Head", head, vertices))
    scene.collection.objects.link(thing)
    for _ in _write_shapes(thing, vertices, axes.head_points(head.shapes) / scene.unit_settings.scale_length):
        pass
    return thing


def _new_mesh(name: str, head: Head, vertices: Array) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(vertices, [], head.faces)
    mesh.uv_layers.new(name="UVMap").data.foreach_set("uv", head.uvs.astype(np.float32).ravel())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(head.faces), bool))
    for part in PARTS:
        mesh.materials.append(_material(part))
    mesh.polygons.foreach_set("material_index", head.parts.astype(np.int32))
    mesh.update()
    return mesh


def _material(part: str) -> bpy.types.Material:
    found = next((material for material in bpy.data.materials if material.get(MARK) == part and material.library is None), None)
    return found or _new_material(part)


def _new_material(part: str) -> bpy.types.Material:
    color, roughness = (*_LOOKS[part][0], 1.0), _LOOKS[part][1]
    material = bpy.data.materials.new(f"FaceLift.{part}")
    material[MARK] = part
    material.diffuse_color, material.roughness = color, roughness
    if material.node_tree is None:
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = color
    shader.inputs["Roughness"].default_value = roughness
    return material


def _write_shapes(face: bpy.types.Object, vertices: Array, offsets: Array) -> Generator[None, None, None]:
    if face.data.shape_keys is None:
        for name in ("Basis", *arkit.NAMES):
            face.shape_key_add(name=name, from_mix=False).value = 0.0  # Blender 5 begins with 1
            yield
    face.data.vertices.foreach_set("co", vertices.astype(np.float32).ravel())
    blocks = face.data.shape_keys.key_blocks
    blocks["Basis"].data.foreach_set("co", vertices.astype(np.float32).ravel())
    for name, offset in zip(arkit.NAMES, offsets, strict=True):
        blocks[name].data.foreach_set("co", (vertices + offset).astype(np.float32).ravel())
        yield
    face.data.update()


def face_tracks(face: bpy.types.Object, take: Take, keys: Keys) -> list[Track]:
    """Key the 52 weights; where the face is away for long it is hidden."""
    curves = [Curve(f'key_blocks["{name}"].value', take.weights[:, index], keys) for index, name in enumerate(arkit.NAMES)]
    tracks = [Track("Expression", face.data.shape_keys, curves)]
    face.hide_viewport = face.hide_render = False
    if keys.holds.any():
        tracks.append(Track("Face", face, [presence_curve(path, keys, present=0.0) for path in ("hide_viewport", "hide_render")]))
    return tracks
