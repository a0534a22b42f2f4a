# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets: how a clip is to be tracked (kept on the clip) and how it comes into the scene (kept on the scene)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty

from ..scene.ownership import take_collections
from ..scene.timing import Timing

if TYPE_CHECKING:
    from ..capture.track import TrackSettings

_TIMING_LABELS: Final = {Timing.MATCH: "Match Scene to Clip", Timing.FRAMES: "Frame by Frame", Timing.TIME: "Keep Real Time"}
_TIMING_ITEMS: Final = [(timing.name, label, timing.value) for timing, label in _TIMING_LABELS.items()]


class FaceLiftClipSettings(bpy.types.PropertyGroup):
    """How a movie clip is to be tracked."""

    use_range: BoolProperty(name="Limit Range", description="Track only a part of the clip", default=False)
    start: IntProperty(name="Start", description="First frame of the clip to track, counted from 1", default=1, min=1)
    end: IntProperty(name="End", description="Last frame of the clip to track", default=250, min=1)
    every_actor: BoolProperty(name="All Actors", description="Track everyone in the footage, each into a collection", default=False)
    actor: IntProperty(name="Actor", description="Whom to track: 1 is who is seen largest and longest", default=1, min=1)
    lens_known: BoolProperty(name="Lens Known", description="Use the focal length below instead of solving for it", default=False)
    focal_mm: FloatProperty(
        name="Focal Length", description="Of the lens that filmed the clip, in mm", default=35.0, min=1.0, soft_max=300.0
    )
    sensor_width: FloatProperty(
        name="Sensor Width", description="Of the camera that filmed the clip, in mm", default=36.0, min=1.0, soft_max=70.0
    )
    smoothing: FloatProperty(
        name="Smoothing",
        description="How strongly jitter is taken out; no lag at any value",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )


class FaceLiftSceneSettings(bpy.types.PropertyGroup):
    """How takes come into a scene, and which one is looked at."""

    footage: PointerProperty(name="Footage", description="The movie clip to track", type=bpy.types.MovieClip)
    timing: EnumProperty(
        name="Timing", description="How the clip's frames become the scene's", items=_TIMING_ITEMS, default=Timing.MATCH.name
    )
    take: PointerProperty(
        name="Take",
        description="The take that is shown here and exported",
        type=bpy.types.Collection,
        poll=lambda _settings, collection: collection in take_collections(),
    )


CLASSES: Final = (FaceLiftClipSettings, FaceLiftSceneSettings)


def attach() -> None:
    """Put the settings on clips and scenes."""
    bpy.types.MovieClip.facelift = PointerProperty(type=FaceLiftClipSettings)
    bpy.types.Scene.facelift = PointerProperty(type=FaceLiftSceneSettings)


def detach() -> None:
    """Take the settings off again; their values stay in the files."""
    del bpy.types.Scene.facelift
    del bpy.types.MovieClip.facelift


def track_settings(footage: bpy.types.MovieClip) -> TrackSettings:
    """What capture is to do with a clip."""
    from ..capture.solve import SolveSettings
    from ..capture.track import TrackSettings
    from ..scene.camera import read_distortion

    chosen = footage.facelift
    solve = SolveSettings(
        focal_mm=chosen.focal_mm if chosen.lens_known else None,
        sensor_width=chosen.sensor_width,
        smoothing=chosen.smoothing,
        distortion=read_distortion(footage),
    )
    return TrackSettings(
        start=chosen.start if chosen.use_range else 1,
        end=chosen.end if chosen.use_range else None,
        actor=None if chosen.every_actor else chosen.actor,
        fps=footage.fps or None,
        solve=solve,
    )
