# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys that follow the take's own face in the file, by expressions that Blender computes without running Python."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import bpy

from ..capture.types import FaceLiftError, Take
from ..rigs.mapping import Channel
from .ownership import find_collection, member, take_collections

_VARIABLE = "facelift"


def drive(keys: bpy.types.Key, channels: Sequence[Channel], take: Take) -> None:
    """Give each channel's key a driver on the take's face. Raises FaceLiftError when the take was not built in this file."""
    source = take_face(take)
    for channel in channels:
        block = keys.key_blocks[channel.target]
        block.slider_max, block.slider_min = max(block.slider_max, channel.high), min(block.slider_min, channel.low)
        curve = block.driver_add("value")
        _level(curve)
        driver = curve.driver
        driver.type = "SCRIPTED"
        for index, (name, _) in enumerate(channel.shares):
            variable = driver.variables.new()
            variable.name, variable.type = f"{_VARIABLE}{index}", "SINGLE_PROP"
            variable.targets[0].id_type, variable.targets[0].id = "KEY", source
            variable.targets[0].data_path = f'key_blocks["{name}"].value'
        driver.expression = expression(channel)


def expression(channel: Channel) -> str:
    """What a channel computes, in the words of Blender's simple expressions."""
    value = " + ".join(f"{share:.6g} * {_VARIABLE}{index}" for index, (_, share) in enumerate(channel.shares)) or "0"
    if channel.curve:
        level = channel.curve[0][1]
        steps = [
            f"{(end_out - out) / (end - start):.6g} * clamp({value} - {start:.6g}, 0, {end - start:.6g})"
            for (start, out), (end, end_out) in pairwise(channel.curve)
        ]
        value = " + ".join([f"{level:.6g}", *steps])
    return f"clamp({channel.gain:.6g} * ({value}) + {channel.offset:.6g}, {channel.low:.6g}, {channel.high:.6g})"


def undrive(owner: bpy.types.ID) -> None:
    """Take our drivers off an owner; others stay."""
    animation = owner.animation_data
    for curve in [curve for curve in animation.drivers if is_ours(curve)] if animation else ():
        animation.drivers.remove(curve)


def is_ours(curve: bpy.types.FCurve) -> bool:
    """Whether FaceLift made a driver."""
    return any(variable.name.startswith(_VARIABLE) for variable in curve.driver.variables)


def take_face(take: Take) -> bpy.types.Key:
    """The keys of the face that the take was built with in this file. Raises FaceLiftError when there is none."""
    clips = [clip for clip in bpy.data.movieclips if bpy.path.abspath(clip.filepath) == take.clip.path]
    collection = next((found for source in (*clips, take.clip.path) if (found := find_collection(take.actor, source))), None)
    if collection is None:
        same = [c for c in take_collections() if c.get("facelift_actor") == take.actor]
        collection = same[0] if len(same) == 1 else None
    mesh = member(collection, "Face mesh") if collection else None
    if mesh is None or mesh.shape_keys is None:
        raise FaceLiftError(f"Drivers need the face of {take.actor} in this file: build the take first, or transfer it as keys.")
    return mesh.shape_keys


def _level(curve: bpy.types.FCurve) -> None:
    """No modifier and no key between the expression and the value."""
    for modifier in list(curve.modifiers):
        curve.modifiers.remove(modifier)
    curve.keyframe_points.clear()
