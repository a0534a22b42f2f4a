# SPDX-License-Identifier: GPL-3.0-or-later
"""How a take comes onto a character, kept on the character; the mapping as an editable list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

if TYPE_CHECKING:
    from ...rigs.mapping import Mapping
    from ...scene.retarget import RetargetSettings

MODES: Final = [
    ("KEYS", "Keys", "Keys in the character's own action, which keeps all else that it animates"),
    ("STRIPS", "NLA Strip", "An action of its own on an NLA track"),
    ("DRIVERS", "Drivers", "Drivers that follow the take's face in this file; head and eyes are keyed"),
]


class FaceLiftChannel(bpy.types.PropertyGroup):
    """One shape key or bone of a character and what drives it."""

    target: StringProperty(name="Target", description="Shape key or bone of the character")
    source: StringProperty(name="Source", description="ARKit shapes that drive it")
    score: FloatProperty(name="Match", description="How sure the match is", min=0.0, max=1.0, subtype="FACTOR")
    gain: FloatProperty(name="Gain", description="How strongly the performance is passed on", default=1.0, soft_min=0.0, soft_max=3.0)
    offset: FloatProperty(name="Offset", description="Added to every frame", default=0.0, soft_min=-1.0, soft_max=1.0)
    write: BoolProperty(name="Write", description="Write this channel", default=True)


class FaceLiftRigSettings(bpy.types.PropertyGroup):
    """How a take comes onto this character."""

    mode: EnumProperty(name="Write", description="What is written on the character", items=MODES, default="KEYS")
    head: BoolProperty(name="Head", description="Move the head bone", default=True)
    eyes: BoolProperty(name="Eyes", description="Move the eye bones", default=True)
    bones: BoolProperty(name="Face Bones", description="Move bones that stand for expressions", default=True)
    neck: FloatProperty(name="Neck", description="The neck's share of the head's turn", default=0.3, min=0.0, max=1.0, subtype="FACTOR")
    mapping: StringProperty(name="Mapping", description="The mapping as it was matched or loaded, as JSON")
    channels: CollectionProperty(type=FaceLiftChannel)
    channel_index: IntProperty(name="Channel", description="The chosen channel", default=0)
    notes: StringProperty(name="Notes", description="What a person should know of the match")


CLASSES: Final = (FaceLiftChannel, FaceLiftRigSettings)


def attach() -> None:
    """Put the settings on objects, and the choice of a character on scenes."""
    bpy.types.Object.facelift = PointerProperty(type=FaceLiftRigSettings)
    bpy.types.Scene.facelift_rig = PointerProperty(
        name="Character",
        description="Armature or face to bring the take onto",
        type=bpy.types.Object,
        poll=lambda _scene, thing: thing.type in {"ARMATURE", "MESH", "EMPTY"} and "facelift" not in thing,
    )


def detach() -> None:
    """Take them off again."""
    del bpy.types.Scene.facelift_rig
    del bpy.types.Object.facelift


def show_mapping(rig: bpy.types.Object, mapping: Mapping, notes: list[str]) -> None:
    """List a mapping on its character."""
    from ...rigs.mapping import describe

    chosen = rig.facelift
    chosen.mapping, chosen.notes = json.dumps(describe(mapping)), "\n".join(notes)
    chosen.channels.clear()
    for channel in sorted(mapping.channels, key=lambda channel: channel.score):
        item = chosen.channels.add()
        item.name = item.target = channel.target
        item.source = " + ".join(name if share == 1.0 else f"{share:.2g} {name}" for name, share in channel.shares)
        item.score, item.gain, item.offset, item.write = channel.score, channel.gain, channel.offset, not channel.mute


def edited_mapping(rig: bpy.types.Object) -> Mapping | None:
    """The listed mapping with what a person changed, or None where nothing was matched yet. Raises FaceLiftError."""
    from ...rigs.mapping import parse

    chosen = rig.facelift
    if not chosen.mapping:
        return None
    mapping = parse(json.loads(chosen.mapping))
    for item in chosen.channels:
        mapping = mapping.edit(item.target, gain=round(item.gain, 5), offset=round(item.offset, 5), mute=not item.write)
    return mapping


def retarget_settings(rig: bpy.types.Object) -> RetargetSettings:
    """What `scene.retarget` is to do. Raises FaceLiftError."""
    from ...scene.retarget import Mode, RetargetSettings

    chosen = rig.facelift
    return RetargetSettings(
        mode=Mode[chosen.mode], mapping=edited_mapping(rig), head=chosen.head, eyes=chosen.eyes, bones=chosen.bones, neck=chosen.neck
    )
