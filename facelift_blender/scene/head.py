# SPDX-License-Identifier: GPL-3.0-or-later
"""The head's pose on an empty, and under it an empty a landmark that carries expression alone."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any, Final

import bpy
import numpy as np

from ..capture import topology
from ..capture.refine import take_confidence
from ..capture.types import Array, Take
from . import axes
from .actions import Curve, Keys, Track, vector_curves
from .ownership import Home

_REGION_SIZES: Final = {"contour": 2.0, "forehead": 2.0, "cheeks": 2.0}
"""Display radius in millimetres where it is not 1."""


def build_head(home: Home, take: Take) -> bpy.types.Object:
    """The Head empty: its pose is the head's, and its custom properties say how sure the take is."""
    head = home.object("Head")
    head.rotation_mode = "QUATERNION"
    head.empty_display_type, head.empty_display_size = "ARROWS", 0.1 / home.unit
    for key, value in describe(take).items():
        head[key] = value
    return head


def describe(take: Take) -> dict[str, Any]:
    """What a take says of itself, as custom properties: lengths in mm, residuals in pixels."""
    to_mm = take.lens.sensor_width / take.lens.width
    low, high = take.lens.focal_interval
    return {
        "actor": take.actor,
        "frames": len(take),
        "clip_fps": take.clip.fps,
        "focal_mm": float(np.median(take.lens.focal)) * to_mm,
        "focal_low_mm": float(low) * to_mm,
        "focal_high_mm": float(high) * to_mm,
        "focal_source": take.lens.focal_source,
        "median_residual_px": float(np.nanmedian(take.residuals)),
        "provenance": json.dumps(dict(take.provenance), default=str),
    }


def head_track(head: bpy.types.Object, take: Take, keys: Keys, unit: float) -> Track:
    """Key the pose, the confidence of all landmarks and of each region's, the residual in pixels, and whether the face is tracked."""
    matrices = axes.head_matrices(take)
    curves = vector_curves("location", matrices[:, :3, 3] / unit, keys)
    curves += vector_curves("rotation_quaternion", axes.quaternions(matrices[:, :3, :3]), keys)
    regions = zip((f"confidence_{region}" for region in topology.REGIONS), take_confidence(take).T, strict=True)
    for name, values in (("confidence", take.confidence.mean(axis=1)), *regions, ("residual_px", take.residuals)):
        head[name] = 0.0
        curves.append(Curve(f'["{name}"]', np.nan_to_num(values), keys))
    head["tracked"] = 1.0
    return Track("Head", head, [*curves, presence_curve('["tracked"]', keys)])


def presence_curve(path: str, keys: Keys, present: float = 1.0) -> Curve:
    """A curve that steps away from `present` (1 or 0) inside each long gap and back where the face returns."""
    gone = keys.frames[keys.holds] + 1.0
    back = keys.frames[1:][keys.holds[:-1]]
    frames = np.concatenate([keys.frames[:1], np.stack([gone, back], axis=1).ravel()])
    values = np.where(np.arange(len(frames)) % 2 == 0, present, 1.0 - present)
    return Curve(path, values, Keys(frames, np.ones(len(frames), bool)))


def build_landmarks(home: Home, head: bpy.types.Object, neutral: Array) -> Generator[None, None, list[bpy.types.Object]]:
    """One empty a landmark, a child of the head, at the actor's neutral (N, 3). In steps."""
    empties = []
    for row, place in zip(topology.TABLE, axes.head_points(neutral) / home.unit, strict=True):
        empty = home.child(row.name, head)
        empty.location = place
        empty.empty_display_type, empty.empty_display_size = "SPHERE", 0.001 * _REGION_SIZES.get(row.region, 1.0) / home.unit
        empty.show_in_front = True
        empties.append(empty)
        yield
    return empties


def landmark_tracks(empties: list[bpy.types.Object], take: Take, keys: Keys, unit: float) -> list[Track]:
    """Key the landmarks in the head's axes, the head's motion removed."""
    places = axes.head_points(take.landmarks) / unit
    named = zip(topology.NAMES, empties, range(len(empties)), strict=True)
    return [Track(name, empty, vector_curves("location", places[:, index], keys)) for name, empty, index in named]


def landmarks_now(collection: bpy.types.Collection) -> tuple[Array, Array]:
    """Where the landmarks' empties are on the scene's present frame, (M, 3) in the world, and the confidence (M,) of their regions."""
    members = collection["facelift_members"]
    head = members.get("Head")
    found = [(members[row.name], row.region) for row in topology.TABLE if row.name in members] if head else []
    shown = [
        (empty.matrix_world.translation, head.get(f"confidence_{region}", 1.0)) for empty, region in found if empty and empty.visible_get()
    ]
    return np.array([place for place, _ in shown]).reshape(-1, 3), np.array([confidence for _, confidence in shown])
