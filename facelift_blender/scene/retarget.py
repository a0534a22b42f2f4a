# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto a character: looked at first (`plan`), then written (`apply`) as keys, NLA strips or drivers.

What is written is a layer of its own: done again it replaces itself, and leaves alone whatever else moves the character.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import bpy
import numpy as np

from ..capture.types import Array, FaceLiftError, Take
from ..rigs import arkit
from ..rigs import mapping as maps
from ..rigs.bones import FaceBones, face_channels, jaw_channels
from ..rigs.mapping import BoneChannel, Channel, Mapping
from ..rigs.matcher import match
from . import axes, characters
from .actions import Curve, Keys, Track, drain
from .bone_motion import bone_tracks
from .build import LONG_GAP, usable_frames
from .drivers import drive, is_ours, undrive
from .layers import laying, laying_strip, remove_layer
from .timing import first_frame, frame_rate

Steps = Generator[None, None, list[bpy.types.Action]]
"""A curve is written a step; what comes out are the actions that hold them."""


class Mode(Enum):
    """What is written on the character."""

    KEYS = "Keys in the character's own action, which keeps all else that it animates"
    STRIPS = "An action of its own on an NLA track"
    DRIVERS = "Drivers that follow the take's face in this file; head and eyes are keyed"


@dataclass(frozen=True)
class RetargetSettings:
    """How a take comes onto a character.

    mapping: a saved mapping, laid over what the names say. head, eyes, bones: whether the head bone, the eye bones, and bones
    that stand for expressions are moved. neck: the neck's share of the head's turn, 0 to 1. start: the scene frame of the
    clip's first frame (None: where the clip stands in the scene). layer: what the layer is called (None: clip and actor).
    override: make a library override of a linked character; else that is an error.
    """

    mode: Mode = Mode.KEYS
    mapping: Mapping | None = None
    head: bool = True
    eyes: bool = True
    bones: bool = True
    neck: float = 0.3
    start: float | None = None
    layer: str | None = None
    override: bool = True


@dataclass(frozen=True)
class Plan:
    """What would be written, before anything is: numbers and names alone, safe to keep across undo.

    keys: shape keys by mesh. frames: (K,) scene frames. blocked: keys that somebody else's drivers hold, which are left alone.
    notes: sentences on what a person should know. unseen: ARKit shapes that the take cannot tell; keys that they alone drive are
    left to the animator.
    """

    rig: str
    armature: str
    keys: dict[str, tuple[str, ...]]
    mapping: Mapping
    bones: FaceBones
    frames: Array
    layer: str
    blocked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """0 to 1, how much of the performance the character can show."""
        return self.mapping.score

    def lines(self) -> list[str]:
        """The preview in words, a line each."""
        channels = self.mapping.written
        said = [
            f"{self.rig}: {len(channels)} channels ({self.mapping.dialect or 'no dialect'}), score {100 * self.score:.0f} %",
            f"frames {self.frames[0]:g} to {self.frames[-1]:g}, layer '{self.layer}'",
        ]
        parts = [f"{part} {name}" for part, name in (("head", self.bones.head), ("eyes", self.bones.eye_left or self.bones.target)) if name]
        said += [", ".join(parts)] if parts else []
        lists = {"unmatched": self.mapping.unmatched, "ambiguous, not driven": self.mapping.ambiguous, "held by drivers": self.blocked,
                 "nothing shows": self.mapping.unreached, "not seen in the take": self.unseen}  # fmt: skip
        return said + [f"{label}: {', '.join(names)}" for label, names in lists.items() if names] + list(self.notes)


def plan(take: Take, rig: bpy.types.Object, scene: bpy.types.Scene, settings: RetargetSettings = RetargetSettings()) -> Plan:
    """What `apply` would do with a take and a character (an armature, a face, or an empty above). Nothing in the file changes.

    Raises FaceLiftError when the take has no frame with a face, or the character has nothing that can be driven.
    """
    source = _contents(rig)
    meshes = characters.face_meshes(source)
    armature = characters.find_armature(source)
    keys = {mesh.name: tuple(characters.shape_keys(mesh)) for mesh in meshes}
    bones = characters.face_bones(armature)
    channels = _with_bones(match(keys, rig.name), bones, settings)
    if settings.mapping is not None:
        channels = maps.merge(channels, settings.mapping)
    if not channels.channels and not (settings.head and bones.head):
        raise FaceLiftError(
            f"{rig.name} has no shape key or bone that FaceLift knows: name keys as ARKit does, load a mapping, or transfer shapes to it."
        )
    seen = usable_frames(take)
    keyed, _ = sample_keys(seen, scene, settings)
    blocked = tuple(sorted({name for mesh in meshes for name in _held(mesh.data.shape_keys)} & {c.target for c in channels.written}))
    return Plan(
        rig.name, armature.name if armature else "", keys, channels, bones, keyed.frames, settings.layer or layer_name(take), blocked,
        tuple(_notes(rig, meshes, bones, settings)), unseen(take),
    )  # fmt: skip


def apply(
    take: Take, rig: bpy.types.Object, scene: bpy.types.Scene, plan: Plan, settings: RetargetSettings = RetargetSettings()
) -> list[bpy.types.Action]:
    """Write a plan and return the actions that hold it, faces first (none for drivers alone).

    Keys and bones that the mapping mutes lose what this layer had written on them. Raises FaceLiftError when the character is
    linked and cannot be overridden, or, for drivers, when the take was not built in this file.
    """
    return drain(apply_steps(take, rig, scene, plan, settings))


def apply_steps(
    take: Take, rig: bpy.types.Object, scene: bpy.types.Scene, plan: Plan, settings: RetargetSettings = RetargetSettings()
) -> Steps:
    """`apply` a curve a step, so that a window can answer between them; closed before its end, what was written is kept."""
    if characters.is_linked(rig) and not settings.override:
        raise FaceLiftError(f"{rig.name} is linked: make a library override of it, or allow FaceLift to.")
    rig = characters.make_editable(rig, scene)
    seen = usable_frames(take)
    keys, rows = sample_keys(seen, scene, settings)
    weights = rows @ seen.weights
    actions = []
    for mesh in characters.face_meshes(rig):
        actions += yield from _write_face(mesh, take, weights, keys, plan, settings)
    armature = characters.find_armature(rig)
    if armature is not None:
        shown = replace(plan.bones, head=plan.bones.head if settings.head else "")
        curves = bone_tracks(armature, shown, _bone_channels(plan), weights, _turns(seen, rows), keys, settings.neck, settings.eyes)
        actions += yield from _write(Track(armature.name, armature, curves), plan, settings)
    return list(dict.fromkeys(actions))


def retarget(
    take: Take, rig: bpy.types.Object, scene: bpy.types.Scene, settings: RetargetSettings = RetargetSettings()
) -> list[bpy.types.Action]:
    """Plan and apply in one."""
    return apply(take, rig, scene, plan(take, rig, scene, settings), settings)


def clear(rig: bpy.types.Object, layer: str) -> None:
    """Take a layer off a character again: its keys, its NLA track, and our drivers."""
    owners = [mesh.data.shape_keys for mesh in characters.face_meshes(rig)]
    armature = characters.find_armature(rig)
    for owner in [*owners, *([armature] if armature else [])]:
        remove_layer(owner, layer)
        undrive(owner)
        animation = owner.animation_data
        for lane in [lane for lane in animation.nla_tracks if lane.name == layer] if animation else ():
            animation.nla_tracks.remove(lane)


def unseen(take: Take) -> tuple[str, ...]:
    """ARKit shapes that landmarks cannot tell of this actor."""
    return tuple(name for name, shown in zip(arkit.NAMES, take.observable, strict=True) if not shown)


def layer_name(take: Take) -> str:
    """What the layer of a take is called unless a person says otherwise."""
    return f"FaceLift {Path(take.clip.path).stem[:24]} {take.actor}"


def _contents(rig: bpy.types.Object) -> bpy.types.Object:
    """The character itself; for an empty that shows a linked collection, the armature or face in it."""
    if rig.instance_type != "COLLECTION" or rig.instance_collection is None:
        return rig
    things = list(rig.instance_collection.all_objects)
    found = next((thing for thing in things if thing.type == "ARMATURE"), None)
    return found or next((thing for thing in things if thing.type == "MESH" and thing.data.shape_keys), rig)


def _with_bones(found: Mapping, bones: FaceBones, settings: RetargetSettings) -> Mapping:
    """The mapping with the channels of a face rig; a plain jaw bone counts where no key opens the mouth."""
    if not settings.bones:
        return found
    extra = face_channels(bones)
    if not extra and bones.jaw and "jawOpen" in found.unreached:
        extra = jaw_channels(bones.jaw)
    reached = {name for channel in found.channels for name, _ in channel.shares}
    extra = tuple(channel for channel in extra if not {name for name, _ in channel.shares} <= reached)
    dialect = " + ".join(filter(None, (found.dialect, bones.face_rig if extra else "")))
    return replace(found, dialect=dialect, channels=(*found.channels, *extra))


def _bone_channels(plan: Plan) -> list[BoneChannel]:
    return [channel for channel in _seen_channels(plan) if isinstance(channel, BoneChannel)]


def _seen_channels(plan: Plan) -> list[Channel]:
    """The channels that something seen drives, in part at least."""
    return [channel for channel in plan.mapping.written if not {name for name, _ in channel.shares} <= set(plan.unseen)]


def sample_keys(seen: Take, scene: bpy.types.Scene, settings: RetargetSettings) -> tuple[Keys, Array]:
    """Keys on scene frames, and the (K, T) matrix that takes the take's rows to them.

    At the clip's own rate a frame is a frame. At another one, the take is sampled on the scene's whole frames in real time;
    over gaps without a face the last value holds.
    """
    start = settings.start if settings.start is not None else float(first_frame(_footage(seen)))
    holds = np.diff(seen.times, append=seen.times[-1]) > LONG_GAP
    rate = frame_rate(scene)
    if abs(rate - seen.clip.fps) < 1e-3 * rate:
        return Keys(start + seen.frames - 1.0, holds), np.eye(len(seen))
    places = start + seen.times * rate
    frames = np.arange(np.ceil(places[0] - 1e-3), np.floor(places[-1] + 1e-3) + 1.0)
    if not len(frames):
        return Keys(np.round(places[:1]), holds[:1]), np.eye(len(seen))[:1]
    before = np.clip(np.searchsorted(places, frames + 1e-9, side="right") - 1, 0, len(places) - 1)
    after = np.minimum(before + 1, len(places) - 1)
    share = np.clip((frames - places[before]) / np.maximum(places[after] - places[before], 1e-9), 0.0, 1.0) * (after > before)
    share = np.where(holds[before], 0.0, share)
    rows = np.zeros((len(frames), len(seen)))
    index = np.arange(len(frames))
    rows[index, before] += 1.0 - share
    rows[index, after] += share
    return Keys(frames, np.zeros(len(frames), bool)), rows


def _footage(take: Take) -> bpy.types.MovieClip | None:
    """The take's clip where it is open in this file."""
    return next((clip for clip in bpy.data.movieclips if Path(bpy.path.abspath(clip.filepath)) == Path(take.clip.path)), None)


def _turns(seen: Take, rows: Array) -> Array:
    """(K, 3, 3) the head's turn away from facing the camera, in canonical axes, at the keys."""
    turns = axes.HEAD.T @ axes.head_matrices(seen)[:, :3, :3] @ axes.HEAD
    left, _, right = np.linalg.svd(np.tensordot(rows, turns, axes=1))
    return left @ right


def _held(keys: bpy.types.Key) -> list[str]:
    """Names of the keys whose value somebody else's driver sets."""
    drivers = keys.animation_data.drivers if keys.animation_data else ()
    paths = {driver.data_path for driver in drivers if not is_ours(driver)}
    return [block.name for block in keys.key_blocks if value_path(block.name) in paths]


def value_path(name: str) -> str:
    """The data path of a shape key's value, from its Key datablock."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def _notes(rig: bpy.types.Object, meshes: Sequence[bpy.types.Object], bones: FaceBones, settings: RetargetSettings) -> Iterable[str]:
    if characters.is_linked(rig):
        yield "It is linked: a library override will be made." if settings.override else "It is linked and must be overridden first."
    if settings.head and not bones.head:
        yield "No head bone was found: the head's turn is not shown."
    if any(not mesh.data.shape_keys.use_relative for mesh in meshes):
        yield "A mesh has absolute shape keys, which weights cannot drive: make them relative."


def _write_face(mesh: bpy.types.Object, take: Take, weights: Array, keys: Keys, plan: Plan, settings: RetargetSettings) -> Steps:
    owner = mesh.data.shape_keys
    names = set(characters.shape_keys(mesh)) - set(_held(owner))
    channels = [channel for channel in _seen_channels(plan) if channel.target in names and not isinstance(channel, BoneChannel)]
    undrive(owner)
    if settings.mode is Mode.DRIVERS:
        remove_layer(owner, plan.layer)
        drive(owner, channels, take)
        return []
    curves = []
    for channel in channels:
        values = channel.evaluate(weights)
        _widen(owner.key_blocks[channel.target], values)
        curves.append(Curve(value_path(channel.target), values, keys))
    return (yield from _write(Track(mesh.name, owner, curves), plan, settings))


def _widen(block: bpy.types.ShapeKey, values: Array) -> None:
    """Let a key's slider reach all values, which Blender would cut off."""
    if values.max() > block.slider_max:
        block.slider_max = float(np.ceil(values.max()))
    if values.min() < block.slider_min:
        block.slider_min = float(np.floor(values.min()))


def _write(track: Track, plan: Plan, settings: RetargetSettings) -> Steps:
    """Write a track as the settings say; an empty one takes away what the layer had there."""
    if not track.curves:
        remove_layer(track.owner, plan.layer)
        return []
    name = f"{plan.layer}.{track.name}"
    if settings.mode is Mode.STRIPS:
        remove_layer(track.owner, plan.layer)
        return [(yield from laying_strip(track, plan.layer, name))]
    return [(yield from laying(track, plan.layer, name))]
