# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys in bulk: the only place that knows how each Blender keeps the curves of an action.

Blender 4.4 and later keep the curves of many owners in one action, a slot each; before that an action serves one owner.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import bpy
import numpy as np
from numpy.typing import NDArray

from ..capture.types import Array

_CONSTANT: Final = 0
_LINEAR: Final = 1

Result = TypeVar("Result")


@dataclass(frozen=True)
class Keys:
    """The frames (T,) that curves share; where `holds` (T,) is True a value stays until the next key."""

    frames: Array
    holds: NDArray[np.bool_]


@dataclass(frozen=True)
class Curve:
    """One animated number of an owner: its data path and array index, and a value for each key (T,)."""

    path: str
    values: Array
    keys: Keys
    index: int = 0


@dataclass(frozen=True)
class Track:
    """The curves of one owner (an object, a camera, a mesh's shape keys); `name` is what its slot or action is called by."""

    name: str
    owner: bpy.types.ID
    curves: Sequence[Curve]


def vector_curves(path: str, values: Array, keys: Keys) -> list[Curve]:
    """A curve for each column of values (T, D)."""
    return [Curve(path, column, keys, index) for index, column in enumerate(values.T)]


def has_slots() -> bool:
    """Whether one action can carry many owners in this Blender."""
    return bpy.app.version >= (4, 4, 0)


def drain(steps: Generator[None, None, Result]) -> Result:
    """Run steps to their end and return what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def write_tracks(tracks: Iterable[Track], action_for: Callable[[str], bpy.types.Action]) -> None:
    """Replace the curves of each track's owner; `action_for` gives the action of a name, '' being the one that all share."""
    drain(writing(tracks, action_for))


def writing(tracks: Iterable[Track], action_for: Callable[[str], bpy.types.Action]) -> Generator[None, None, None]:
    """`write_tracks` a curve a step."""
    for track in tracks:
        action = action_for("" if has_slots() else track.name)
        animation = track.owner.animation_data or track.owner.animation_data_create()
        if animation.action is not action:
            _spare(animation.action)
            animation.action = action
        yield from _write_curves(_owner_curves(action, animation, track), track.curves)


def read_curve(owner: bpy.types.ID, path: str, index: int = 0) -> bpy.types.FCurve | None:
    """The curve that animates a data path of an owner, or None."""
    animation = owner.animation_data
    if animation is None or animation.action is None:
        return None
    if not has_slots():
        return animation.action.fcurves.find(path, index=index)
    bag = animation.action.layers[0].strips[0].channelbag(animation.action_slot)
    return bag.fcurves.find(path, index=index) if bag else None


def _spare(action: bpy.types.Action | None) -> None:
    """An action that a person put on one of our objects is kept in the file when ours takes its place."""
    if action is not None and action.library is None and "facelift" not in action:
        action.use_fake_user = True


def _owner_curves(action: bpy.types.Action, animation: bpy.types.AnimData, track: Track) -> Any:
    if has_slots() and animation.action_slot is None:
        animation.action_slot = action.slots.new(id_type=track.owner.id_type, name=track.name)
    return curves_of(action, animation.action_slot if has_slots() else None)


def curves_of(action: bpy.types.Action, slot: Any | None) -> Any:
    """The collection of an action's curves: those of a slot, made ready where there are none yet, or where there are no slots all."""
    if not has_slots():
        return action.fcurves
    layer = action.layers[0] if action.layers else action.layers.new("FaceLift")
    strip = layer.strips[0] if layer.strips else layer.strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def _write_curves(target: Any, curves: Sequence[Curve]) -> Iterator[None]:
    """Let an owner have these curves and no others; those that are so already are left alone, a window need not draw them again."""
    there = {(written.data_path, written.array_index): written for written in target}
    wanted = {(curve.path, curve.index) for curve in curves}
    for place in there.keys() - wanted:
        target.remove(there.pop(place))
    for curve in curves:
        written = there.get((curve.path, curve.index))
        if written is not None and len(written.keyframe_points) != len(curve.values):
            target.remove(written)
            written = None
        if _write_keys(written or _new_curve(target, curve), curve):
            yield


def _new_curve(target: Any, curve: Curve) -> bpy.types.FCurve:
    written = target.new(curve.path, index=curve.index)
    written.keyframe_points.add(len(curve.values))
    return written


def _write_keys(written: bpy.types.FCurve, curve: Curve) -> bool:
    """Give a curve its keys; whether it had others."""
    fields = {
        "co": np.stack([curve.keys.frames, curve.values], axis=1).astype(np.float32).ravel(),
        "interpolation": np.where(curve.keys.holds, _CONSTANT, _LINEAR).astype(np.int32),
    }
    changed = False
    for name, values in fields.items():
        had = np.empty_like(values)
        written.keyframe_points.foreach_get(name, had)
        if not np.array_equal(had, values):
            written.keyframe_points.foreach_set(name, values)
            changed = True
    if changed:
        written.update()
    return changed
