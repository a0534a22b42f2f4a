# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's shapes for a mesh that has none, from a few points that a person picked on it."""

from __future__ import annotations

from collections.abc import Generator, Mapping

import bpy
import numpy as np

from ..capture.types import Array, FaceLiftError
from ..rigs import arkit
from ..rigs.head import Head, load_head
from ..rigs.transfer import Surface, Transferred, transfer_shapes
from .actions import drain

_MADE = "facelift_transferred"
_STILL = 1e-3
"""Share of the largest move of a shape under which a vertex is left where it is."""


def transfer_to(target: bpy.types.Object, picks: Mapping[str, Array], head: Head | None = None, replace: bool = False) -> Transferred:
    """Give a mesh the 52 ARKit shape keys. Takes some ten seconds for ten thousand vertices.

    picks: points on the mesh in its own coordinates by landmark name (`rigs.transfer.PICKS` says which to ask for). Keys that
    an earlier transfer made are made anew; others of these names only where `replace` is set.
    Raises FaceLiftError for a linked mesh, one with such keys of its own, or picks that are not a face.
    """
    require_room(target, replace)
    carried = transfer_shapes(head or load_head(), read_surface(target), picks)
    drain(writing_shapes(target, carried))
    return carried


def writing_shapes(target: bpy.types.Object, carried: Transferred) -> Generator[None, None, None]:
    """Write the shapes as keys, one a step."""
    mesh = target.data
    if mesh.shape_keys is None:
        target.shape_key_add(name="Basis", from_mix=False)
    keys = mesh.shape_keys
    rest = _places(keys.reference_key.data)
    keys[_MADE] = True
    for name, shape in zip(arkit.NAMES, carried.shapes, strict=True):
        block = keys.key_blocks.get(name) or target.shape_key_add(name=name, from_mix=False)
        sizes = np.linalg.norm(shape, axis=1, keepdims=True)
        block.data.foreach_set("co", (rest + np.where(sizes > _STILL * sizes.max(), shape, 0.0)).astype(np.float32).ravel())
        block.value = 0.0
        yield
    mesh.update()


def read_surface(target: bpy.types.Object) -> Surface:
    """A mesh at rest, without its modifiers, as triangles, in its own coordinates."""
    mesh = target.data
    source = mesh.shape_keys.reference_key.data if mesh.shape_keys else mesh.vertices
    mesh.calc_loop_triangles()
    triangles = np.zeros(3 * len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("vertices", triangles)
    return Surface(_places(source), triangles.reshape(-1, 3).astype(np.int64))


def _places(source: bpy.types.bpy_prop_collection) -> Array:
    places = np.zeros(3 * len(source), np.float32)
    source.foreach_get("co", places)
    return places.reshape(-1, 3).astype(np.float64)


def require_room(target: bpy.types.Object, replace: bool) -> None:
    """Raises FaceLiftError where a mesh cannot be given shapes, or has such of its own that are not to be replaced."""
    if target.type != "MESH" or not len(target.data.polygons):
        raise FaceLiftError(f"{target.name} is no mesh with faces; choose the character's head.")
    if target.data.library is not None or target.data.override_library is not None:
        raise FaceLiftError(f"{target.name} is linked: make it local, since shapes cannot be added to a linked mesh.")
    keys = target.data.shape_keys
    theirs = [name for name in arkit.NAMES if keys and name in keys.key_blocks]
    if theirs and not replace and _MADE not in keys:
        raise FaceLiftError(f"{target.name} has a shape key {theirs[0]!r} of its own already: retarget to it, or allow it to be replaced.")
