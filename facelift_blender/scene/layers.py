# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves laid into somebody else's animation: each layer knows its own keys, and replaces those alone.

An action remembers, for each owner and each layer, which curves the layer wrote and over which frames. Writing a layer again
takes its old keys out first; keys outside, curves that it does not drive, and other layers stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final

import bpy
import numpy as np

from ..capture.types import Array
from .actions import Curve, Track, curves_of, drain, has_slots
from .ownership import MARK

_LAYERS: Final = "facelift_layers"
_NUMBERS: Final = {"co": (2, np.float32), "handle_left": (2, np.float32), "handle_right": (2, np.float32)}
_KINDS: Final = {
    "interpolation": (1, np.int32), "easing": (1, np.int32), "handle_left_type": (1, np.int32), "handle_right_type": (1, np.int32),
}  # fmt: skip
_FIELDS: Final = {**_KINDS, **_NUMBERS}
_CONSTANT, _LINEAR, _VECTOR = 0, 1, 2
_NEAR: Final = 1e-3
"""Frames within which two keys are at the same place."""


def write_layer(track: Track, layer: str, fallback: str) -> bpy.types.Action:
    """Lay a track's curves into its owner's action, or into a new one called `fallback` where it has none, and return the action.

    An action of a library is copied first, since it cannot be written.
    """
    return drain(laying(track, layer, fallback))


def laying(track: Track, layer: str, fallback: str) -> Generator[None, None, bpy.types.Action]:
    """`write_layer` a curve a step; closed before its end, the layer is what was laid until then."""
    action = _own_action(track, fallback)
    curves = _curves_for(track.owner, action)
    key, laid = _owner_key(track.owner), []
    _remove(curves, _memory(action).get(key, {}).get(layer))
    try:
        for curve in track.curves:
            _lay(curves, curve)
            laid.append(curve)
            yield
    finally:
        if laid:
            _remember(action, key, layer, laid)
    return action


def remove_layer(owner: bpy.types.ID, layer: str) -> None:
    """Take a layer's keys out of its owner's action again; nothing happens where there are none."""
    animation = owner.animation_data
    action = animation.action if animation else None
    if action is None or action.library is not None:
        return
    key = _owner_key(owner)
    memory = _memory(action)
    if layer in memory.get(key, {}):
        _remove(_curves_for(owner, action), memory[key].pop(layer))
        action[_LAYERS] = json.dumps(memory)


def layers_of(owner: bpy.types.ID) -> tuple[str, ...]:
    """The names of the layers that were laid into an owner's action."""
    animation = owner.animation_data
    return tuple(_memory(animation.action).get(_owner_key(owner), {})) if animation and animation.action else ()


def laying_strip(track: Track, layer: str, name: str) -> Generator[None, None, bpy.types.Action]:
    """Put a track's curves into an action of their own on an NLA track called after the layer; what lay there before goes.

    A curve a step; closed before its end, the strip has what was laid until then.
    """
    animation = track.owner.animation_data or track.owner.animation_data_create()
    lane = next((lane for lane in animation.nla_tracks if lane.name == layer), None)
    if lane is None:
        lane = animation.nla_tracks.new()
        lane.name = layer
    action = next((strip.action for strip in lane.strips if strip.action and strip.action.library is None), None)
    action = action or bpy.data.actions.new(name)
    action[MARK] = layer
    for strip in list(lane.strips):
        lane.strips.remove(strip)
    slot = _fresh_slot(action, track) if has_slots() else None
    curves = curves_of(action, slot)
    curves.clear()
    try:
        for curve in track.curves:
            _lay(curves, curve)
            yield
    finally:
        _add_strip(lane, layer, action, slot, _span(track.curves))
    return action


def _add_strip(lane: bpy.types.NlaTrack, name: str, action: bpy.types.Action, slot: Any | None, span: tuple[float, float]) -> None:
    first, last = span
    strip = lane.strips.new(name, int(np.floor(first)), action)
    if slot is not None:
        strip.action_slot = slot
    strip.use_sync_length = False
    strip.action_frame_start, strip.action_frame_end = first, max(last, first + 1.0)
    strip.frame_start, strip.frame_end = first, max(last, first + 1.0)
    strip.extrapolation, strip.blend_type = "NOTHING", "REPLACE"


def _fresh_slot(action: bpy.types.Action, track: Track) -> Any:
    suited = next((slot for slot in action.slots if slot.target_id_type == track.owner.id_type), None)
    return suited or action.slots.new(id_type=track.owner.id_type, name=track.name)


def _own_action(track: Track, fallback: str) -> bpy.types.Action:
    """The action that the owner has and that may be written, or a new one."""
    animation = track.owner.animation_data or track.owner.animation_data_create()
    if animation.action is None:
        animation.action = bpy.data.actions.new(fallback)
        animation.action[MARK] = fallback
    elif animation.action.library is not None or animation.action.override_library is not None:
        slot = animation.action_slot.identifier if has_slots() and animation.action_slot else ""
        animation.action = animation.action.copy()
        if slot:
            animation.action_slot = animation.action.slots[slot]
    if has_slots() and animation.action_slot is None:
        animation.action_slot = animation.action.slots.new(id_type=track.owner.id_type, name=track.name)
    return animation.action


def _curves_for(owner: bpy.types.ID, action: bpy.types.Action) -> Any:
    return curves_of(action, owner.animation_data.action_slot if has_slots() else None)


def _owner_key(owner: bpy.types.ID) -> str:
    slot = owner.animation_data.action_slot if has_slots() else None
    return str(slot.handle) if slot else ""


def _memory(action: bpy.types.Action) -> dict[str, dict[str, Any]]:
    return json.loads(action.get(_LAYERS, "{}"))


def _remember(action: bpy.types.Action, key: str, layer: str, curves: Sequence[Curve]) -> None:
    memory = _memory(action)
    first, last = _span(curves)
    memory.setdefault(key, {})[layer] = {"start": first, "end": last, "curves": [[curve.path, curve.index] for curve in curves]}
    action[_LAYERS] = json.dumps(memory)


def _span(curves: Sequence[Curve]) -> tuple[float, float]:
    """First and last frame of all the curves."""
    firsts, lasts = zip(*((curve.keys.frames[0], curve.keys.frames[-1]) for curve in curves), strict=True)
    return float(min(firsts)), float(max(lasts))


def _remove(curves: Any, record: dict[str, Any] | None) -> None:
    """Take a layer's keys out; a curve that is left without any goes."""
    for path, index in record["curves"] if record else ():
        curve = curves.find(path, index=index)
        if curve is None:
            continue
        kept = _keys_outside(curve, record["start"], record["end"])
        if len(kept["co"]):
            _write_keys(curve, kept)
        else:
            curves.remove(curve)


def _lay(curves: Any, curve: Curve) -> None:
    """Write a curve's keys, and keep what lies before and after them."""
    written = curves.find(curve.path, index=curve.index)
    ours = _linear_keys(curve)
    if written is None:
        _write_keys(curves.new(curve.path, index=curve.index), ours)
        return
    kept = _keys_outside(written, float(curve.keys.frames[0]), float(curve.keys.frames[-1]))
    order = np.argsort(np.concatenate([kept["co"][:, 0], ours["co"][:, 0]]), kind="stable")
    _write_keys(written, {name: np.concatenate([kept[name], ours[name]])[order] for name in _FIELDS})


def _linear_keys(curve: Curve) -> dict[str, Array]:
    points = np.stack([curve.keys.frames, curve.values], axis=1).astype(np.float32)
    count = len(points)
    kinds = {name: np.zeros((count, 1), np.int32) for name in _KINDS}
    kinds["interpolation"] = np.where(curve.keys.holds, _CONSTANT, _LINEAR).astype(np.int32)[:, None]
    kinds["handle_left_type"][:] = kinds["handle_right_type"][:] = _VECTOR
    return {**kinds, "co": points, "handle_left": points, "handle_right": points}


def _keys_outside(curve: bpy.types.FCurve, first: float, last: float) -> dict[str, Array]:
    """The keys of a curve before and after a span, field by field: (K, 1 or 2) each."""
    points, found = curve.keyframe_points, {}
    for name, (width, kind) in _FIELDS.items():
        values = np.zeros(len(points) * width, kind)
        points.foreach_get(name, values)
        found[name] = values.reshape(-1, width)
    frames = found["co"][:, 0]
    outside = (frames < first - _NEAR) | (frames > last + _NEAR)
    return {name: values[outside] for name, values in found.items()}


def _write_keys(curve: bpy.types.FCurve, keys: dict[str, Array]) -> None:
    points = curve.keyframe_points
    points.clear()
    points.add(len(keys["co"]))
    for name in _FIELDS:
        points.foreach_set(name, np.ascontiguousarray(keys[name]).ravel())
    curve.update()


def drop_empty(actions: Iterable[bpy.types.Action]) -> None:
    """Remove those of our own actions that nothing uses any more."""
    for action in actions:
        if MARK in action and action.users == 0:
            bpy.data.actions.remove(action)
