# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import bpy
import numpy as np
import pytest
from characters import make_mesh, value_at

from facelift_blender.capture import topology
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, load_head
from facelift_blender.rigs.transfer import PICKS
from facelift_blender.scene import axes
from facelift_blender.scene.retarget import retarget
from facelift_blender.scene.transfer import transfer_to


def _bald() -> tuple[bpy.types.Object, dict[str, np.ndarray]]:
    """The shipped head without any key, half its size, and the points that a person would pick."""
    head = load_head()
    kept = np.isin(head.parts, [PARTS.index(part) for part in ("skin", "lips", "mouth")])
    used, faces = np.unique(head.faces[kept], return_inverse=True)
    mesh = bpy.data.meshes.new("bald")
    mesh.from_pydata(0.5 * axes.head_points(head.vertices[used]), [], faces.reshape(-1, 4).tolist())
    thing = bpy.data.objects.new("bald", mesh)
    bpy.context.scene.collection.objects.link(thing)
    return thing, {name: 0.5 * axes.head_points(head.landmarks[topology.NAMES.index(name)]) for name in PICKS}


def test_a_bald_mesh_gets_the_shapes_and_can_be_driven(synthetic_take: Take) -> None:
    bpy.context.scene.render.fps = 24
    bald, picks = _bald()
    carried = transfer_to(bald, picks)
    assert carried.fit < 0.5
    keys = bald.data.shape_keys.key_blocks
    assert [block.name for block in keys] == ["Basis", *arkit.NAMES]
    chin = np.argmin([vertex.co.z if abs(vertex.co.x) < 0.01 and vertex.co.y < -0.005 else 9 for vertex in bald.data.vertices])
    drop = keys["jawOpen"].data[chin].co.z - keys["Basis"].data[chin].co.z
    assert -0.02 < drop < -0.002
    retarget(synthetic_take, bald, bpy.context.scene)
    assert value_at(bald, "jawOpen", 6) == pytest.approx(synthetic_take.weights[5, arkit.INDEX["jawOpen"]], abs=1e-6)
    transfer_to(bald, picks)
    assert len(bald.data.shape_keys.key_blocks) == 53, "again makes them anew"


def test_keys_of_its_own_are_kept() -> None:
    face = make_mesh("face", ["jawOpen"])
    with pytest.raises(FaceLiftError, match="'jawOpen' of its own"):
        transfer_to(face, {})


def test_what_is_no_head_is_told() -> None:
    empty = bpy.data.objects.new("empty", None)
    with pytest.raises(FaceLiftError, match="no mesh with faces"):
        transfer_to(empty, {})
