# SPDX-License-Identifier: GPL-3.0-or-later
"""Head, neck, eyes and face bones as pose curves: turns and shifts in the head's canonical axes brought to each bone's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
import numpy as np

from ..capture.types import Array
from ..rigs import arkit
from ..rigs.bones import EYE_SIDEWAYS, EYE_UPWARDS, FaceBones, bone_of
from ..rigs.mapping import BoneChannel
from . import axes
from .actions import Curve, Keys, vector_curves
from .characters import face_frame


@dataclass
class Motion:
    """What one bone does: rotation vectors (K, 3) and shifts (K, 3), canonical axes, radians and millimetres of the face."""

    count: int
    turn: Array = field(init=False)
    shift: Array = field(init=False)

    def __post_init__(self) -> None:
        self.turn, self.shift = np.zeros((self.count, 3)), np.zeros((self.count, 3))


def bone_tracks(
    armature: bpy.types.Object, bones: FaceBones, channels: Sequence[BoneChannel], weights: Array, turns: Array, keys: Keys,
    neck: float, eyes: bool,
) -> list[Curve]:  # fmt: skip
    """Pose curves of an armature.

    weights: (K, 52). turns: (K, 3, 3) of the head, canonical. neck: its share of the turn. eyes: whether eye bones look.
    """
    motions: dict[str, Motion] = {}

    def motion(name: str) -> Motion:
        return motions.setdefault(name, Motion(len(weights)))

    if bones.head:
        share = neck if bones.neck else 0.0
        vectors = rotation_vectors(turns)
        motion(bones.head).turn += (1.0 - share) * vectors
        if share:
            motion(bones.neck).turn += share * vectors
    for channel in channels:
        value = channel.evaluate(weights)[:, None]
        motion(bone_of(channel.target)).turn += value * np.radians(channel.turn)
        motion(bone_of(channel.target)).shift += value * np.array(channel.move)
    if eyes:
        _look(armature, bones, weights, motion)
    frame, unit = face_frame(armature, bones)
    curves: list[Curve] = []
    for name, moved in motions.items():
        if name in armature.pose.bones:
            curves += _bone_curves(armature.pose.bones[name], moved, frame, unit, keys)
    return curves


def gaze(weights: Array) -> tuple[Array, Array]:
    """Yaw to the subject's left and pitch upwards (K,) each, in degrees, of the left and of the right eye: two (K, 2)."""

    def look(name: str) -> Array:
        return weights[:, arkit.INDEX[f"eyeLook{name}"]]

    left = np.stack([EYE_SIDEWAYS * (look("OutLeft") - look("InLeft")), EYE_UPWARDS * (look("UpLeft") - look("DownLeft"))], axis=1)
    right = np.stack([EYE_SIDEWAYS * (look("InRight") - look("OutRight")), EYE_UPWARDS * (look("UpRight") - look("DownRight"))], axis=1)
    return left, right


def _look(armature: bpy.types.Object, bones: FaceBones, weights: Array, motion: object) -> None:
    left, right = gaze(weights)
    if bones.target:
        frame, unit = face_frame(armature, bones)
        distance = _target_distance(armature, bones, frame) / unit
        both = np.tan(np.radians(0.5 * (left + right))) * distance
        motion(bones.target).shift[:, :2] += both
        return
    for name, angles in ((bones.eye_left, left), (bones.eye_right, right)):
        if name:
            motion(name).turn += np.radians(np.stack([-angles[:, 1], angles[:, 0], np.zeros(len(angles))], axis=1))


def _target_distance(armature: bpy.types.Object, bones: FaceBones, frame: Array) -> float:
    """How far before the face, in armature units, the bone lies that the eyes look at."""
    rest = armature.data.bones
    center = next((np.array(rest[name].head_local) for name in ("master_eye.L", "eye_master.L") if name in rest), None)
    if center is None:
        return 0.0
    return float(abs((np.array(rest[bones.target].head_local) - center) @ frame[:, 2]))


def _bone_curves(bone: bpy.types.PoseBone, moved: Motion, frame: Array, unit: float, keys: Keys) -> list[Curve]:
    """A bone's rotation in its own mode, and its location where it may move."""
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]'
    rest = np.array(bone.bone.matrix_local.to_3x3())
    to_bone = rest.T @ frame
    curves = []
    if np.abs(moved.turn).max() > 1e-6:
        turns = to_bone @ axes.rotation_matrices(moved.turn) @ to_bone.T
        curves += _rotation_curves(bone, path, turns, keys)
    if np.abs(moved.shift).max() > 1e-6 and not bone.bone.use_connect:
        local = to_bone if bone.bone.use_local_location else frame
        curves += vector_curves(f"{path}.location", unit * moved.shift @ local.T, keys)
    return curves


def _rotation_curves(bone: bpy.types.PoseBone, path: str, turns: Array, keys: Keys) -> list[Curve]:
    quaternions = axes.quaternions(turns)
    if bone.rotation_mode == "QUATERNION":
        return vector_curves(f"{path}.rotation_quaternion", quaternions, keys)
    if bone.rotation_mode == "AXIS_ANGLE":
        angle = 2.0 * np.arccos(np.clip(quaternions[:, :1], -1.0, 1.0))
        about = quaternions[:, 1:] / np.maximum(np.linalg.norm(quaternions[:, 1:], axis=1, keepdims=True), 1e-9)
        return vector_curves(f"{path}.rotation_axis_angle", np.concatenate([angle, about], axis=1), keys)
    return vector_curves(f"{path}.rotation_euler", _eulers(turns, bone.rotation_mode), keys)


def _eulers(turns: Array, order: str) -> Array:
    """(K, 3) angles in Blender's order of axes, each on the side of the one before."""
    from mathutils import Euler, Matrix

    angles, before = [], Euler((0.0, 0.0, 0.0), order)
    for turn in turns:
        before = Matrix(turn.tolist()).to_euler(order, before)
        angles.append(tuple(before))
    return np.array(angles)


def rotation_vectors(turns: Array) -> Array:
    """(K, 3) radians of rotation matrices (K, 3, 3)."""
    quaternions = axes.quaternions(turns)
    sine = np.linalg.norm(quaternions[:, 1:], axis=1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternions[:, :1])
    angle = np.where(angle > np.pi, angle - 2.0 * np.pi, angle)
    return quaternions[:, 1:] / np.maximum(sine, 1e-12) * angle
