# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks to bones, for face rigs without shape keys: points that move on the character as the landmarks do on the actor.

Each face bone gets the landmark that lies nearest to it, or the one that a person names, as an empty under the head bone; the
bone follows it by Copy Location, or points at it by Damped Track where its place is held by its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ..capture import topology
from ..capture.types import Array, FaceLiftError, Take
from . import characters
from .actions import Keys, Track, vector_curves
from .build import usable_frames
from .layers import write_layer
from .retarget import RetargetSettings, layer_name, sample_keys

CONSTRAINT = "FaceLift"
_MARK = "facelift_follower"
_REACH = 0.3
"""Distances between the eyes within which a bone finds its landmark."""


@dataclass(frozen=True)
class Follow:
    """A bone, the landmark that it follows, and whether it copies the place (else it points there)."""

    bone: str
    landmark: str
    location: bool = True


def suggest(armature: bpy.types.Object, take: Take, bones: Sequence[str]) -> list[Follow]:
    """Which landmark each of the bones would follow; bones with none near are left out. Nothing in the file changes.

    Raises FaceLiftError when the armature has no eye bones, by which the face is laid on it.
    """
    places = _lay(armature, take.neutral)
    reach = _REACH * _between_eyes(armature)
    found = []
    for name in bones:
        rest = armature.data.bones[name]
        tip = np.array(rest.tail_local if rest.use_connect else rest.head_local)
        distance = np.linalg.norm(places - tip, axis=1)
        nearest = int(np.argmin(distance))
        if distance[nearest] < reach:
            found.append(Follow(name, topology.NAMES[nearest], not rest.use_connect))
    return found


def follow(
    take: Take, armature: bpy.types.Object, scene: bpy.types.Scene, pairs: Sequence[Follow], settings: RetargetSettings | None = None
) -> list[bpy.types.Object]:
    """Make bones follow landmarks and return the empties, one a bone, keyed and under the head bone.

    The empties rest where the bones do, so that nothing moves while the actor's face is at rest. Doing it again replaces them.
    Raises FaceLiftError for bones or landmarks that are not there, or an armature without eye bones.
    """
    settings = settings or RetargetSettings()
    _check(armature, pairs)
    unfollow(armature)
    seen = usable_frames(take)
    keys, rows = sample_keys(seen, scene, settings)
    scale, turn, _ = _onto(armature, seen.neutral)
    moves = scale * (np.tensordot(rows, seen.landmarks - seen.neutral, axes=1)) @ turn.T
    head = characters.face_bones(armature).head
    return [_follower(armature, head, pair, moves, keys, settings.layer or layer_name(take)) for pair in pairs]


def unfollow(armature: bpy.types.Object) -> None:
    """Take all of it off again: constraints and empties."""
    for bone in armature.pose.bones:
        for constraint in [found for found in bone.constraints if found.name == CONSTRAINT]:
            bone.constraints.remove(constraint)
    for empty in [thing for thing in bpy.data.objects if thing.get(_MARK) == armature]:
        bpy.data.objects.remove(empty)


def _follower(armature: bpy.types.Object, head: str, pair: Follow, moves: Array, keys: Keys, layer: str) -> bpy.types.Object:
    rest = armature.data.bones[pair.bone]
    place = np.array(rest.head_local if pair.location else rest.tail_local)
    empty = bpy.data.objects.new(f"{armature.name}.{pair.bone}.{pair.landmark}", None)
    empty[_MARK] = armature
    empty.empty_display_type, empty.empty_display_size = "SPHERE", 0.02 * _between_eyes(armature)
    armature.users_collection[0].objects.link(empty)
    empty.parent, frame = armature, np.eye(4)
    if head:
        empty.parent_type, empty.parent_bone = "BONE", head
        bone = armature.data.bones[head]
        frame = np.array(bone.matrix_local) @ _shift((0.0, bone.length, 0.0))
    local = np.linalg.inv(frame)
    points = (place + moves[:, topology.NAMES.index(pair.landmark)]) @ local[:3, :3].T + local[:3, 3]
    write_layer(Track(empty.name, empty, vector_curves("location", points, keys)), layer, f"{layer}.{empty.name}")
    constraint = armature.pose.bones[pair.bone].constraints.new("COPY_LOCATION" if pair.location else "DAMPED_TRACK")
    constraint.name, constraint.target = CONSTRAINT, empty
    return empty


def _check(armature: bpy.types.Object, pairs: Sequence[Follow]) -> None:
    for pair in pairs:
        if pair.bone not in armature.pose.bones:
            raise FaceLiftError(f"{armature.name} has no bone {pair.bone!r}.")
        if pair.landmark not in topology.NAMES:
            raise FaceLiftError(f"There is no landmark {pair.landmark!r}.")


def _between_eyes(armature: bpy.types.Object) -> float:
    left, right = _eyes(armature)
    return float(np.linalg.norm(left - right))


def _eyes(armature: bpy.types.Object) -> tuple[Array, Array]:
    bones = characters.face_bones(armature)
    if not (bones.eye_left and bones.eye_right):
        raise FaceLiftError(f"{armature.name} has no eye bones by which the face could be laid on it; name them as its tool does.")
    left, right = (np.array(armature.data.bones[name].head_local) for name in (bones.eye_left, bones.eye_right))
    return left, right


def _onto(armature: bpy.types.Object, neutral: Array) -> tuple[float, Array, Array]:
    """Size, turn and shift that lay canonical points on the armature, by its eyes and its upright."""
    left, right = _eyes(armature)
    frame, _ = characters.face_frame(armature, characters.face_bones(armature))
    irises = neutral[list(topology.IRIS_CENTERS)]
    scale = float(np.linalg.norm(left - right) / np.linalg.norm(irises[1] - irises[0]))
    return scale, frame, 0.5 * (left + right)


def _lay(armature: bpy.types.Object, neutral: Array) -> Array:
    """(N, 3) the landmarks at rest in the armature's own coordinates."""
    scale, turn, shift = _onto(armature, neutral)
    return scale * neutral @ turn.T + shift


def _shift(by: Sequence[float]) -> Array:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix
