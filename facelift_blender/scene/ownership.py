# SPDX-License-Identifier: GPL-3.0-or-later
"""Which datablocks are FaceLift's own, so that a repeated run replaces its own output and touches nothing else.

A take's collection points at what belongs to it by role ('Head', 'Camera', 'landmark nose_base_1', ...). A pointer, not a
name or a mark: a copy that a person makes of one of our objects is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import bpy

MARK: Final = "facelift"
_ACTOR: Final = "facelift_actor"
_SOURCE: Final = "facelift_source"
_MEMBERS: Final = "facelift_members"
_ROOT: Final = "FaceLift"
Data = TypeVar("Data", bound=bpy.types.ID)


@dataclass(frozen=True)
class Home:
    """Where one take's objects live: their collection, what their names begin with, and metres a Blender unit."""

    collection: bpy.types.Collection
    prefix: str
    unit: float

    def member(self, role: str, make: Callable[[], Data]) -> Data:
        """The datablock of a role, made where it is not there yet."""
        found = member(self.collection, role)
        if found is None:
            found = adopt(self.collection, role, make())
        return found

    def object(self, role: str, data: bpy.types.ID | None = None) -> bpy.types.Object:
        """The object of a role with this data, linked into the collection."""
        thing = self.member(role, lambda: bpy.data.objects.new(f"{self.prefix}.{role}", data))
        if data is not None and thing.data is not data:
            thing.data = data
        if thing.name not in self.collection.objects:
            self.collection.objects.link(thing)
        return thing

    def child(self, role: str, parent: bpy.types.Object, data: bpy.types.ID | None = None) -> bpy.types.Object:
        """The object of a role, in its parent's own axes."""
        thing = self.object(role, data)
        thing.parent = parent
        thing.matrix_parent_inverse.identity()
        return thing


def take_collections() -> list[bpy.types.Collection]:
    """The collections that FaceLift built a take into, in the order of their names."""
    return [collection for collection in bpy.data.collections if _MEMBERS in collection]


def find_collection(actor: str, source: bpy.types.MovieClip | str) -> bpy.types.Collection | None:
    """The collection of an actor in a clip (the datablock, or the path where there is none)."""
    return next((c for c in take_collections() if c.get(_ACTOR) == actor and c.get(_SOURCE) == source), None)


def ensure_collection(scene: bpy.types.Scene, name: str, actor: str, source: bpy.types.MovieClip | str) -> bpy.types.Collection:
    """The collection of an actor in a clip, made and linked under the scene's 'FaceLift' where it is not there yet."""
    collection = find_collection(actor, source)
    if collection is None:
        collection = bpy.data.collections.new(name)
        collection[_ACTOR], collection[_SOURCE], collection[_MEMBERS] = actor, source, {}
    if collection not in scene.collection.children_recursive:
        _root(scene).children.link(collection)
    return collection


def _root(scene: bpy.types.Scene) -> bpy.types.Collection:
    root = next((child for child in scene.collection.children_recursive if child.get(MARK) == _ROOT), None)
    if root is None:
        root = bpy.data.collections.new(_ROOT)
        root[MARK] = _ROOT
        scene.collection.children.link(root)
    return root


def member(collection: bpy.types.Collection, role: str) -> bpy.types.ID | None:
    """What a take's collection keeps under a role, or None."""
    return collection[_MEMBERS].get(role)


def adopt(collection: bpy.types.Collection, role: str, data: Data) -> Data:
    """Let a datablock belong to a take's collection under a role."""
    data[MARK] = role
    collection[_MEMBERS][role] = data
    return data
