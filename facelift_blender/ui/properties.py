# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets: how a clip is to be tracked (kept on the clip), how a take is adjusted and corrected (on its collection),
and what is looked at (on the scene).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.app.translations import pgettext_iface as tr
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty, PointerProperty

from ..capture.topology import NAMES, REGIONS
from ..capture.types import FaceLiftError
from ..rigs.picks import PICKS
from ..scene.ownership import take_collections
from ..scene.timing import Timing
from . import sync

if TYPE_CHECKING:
    from ..capture.track import TrackSettings

_TIMING_LABELS: Final = {Timing.MATCH: "Match Scene to Clip", Timing.FRAMES: "Frame by Frame", Timing.TIME: "Keep Real Time"}
_TIMING_ITEMS: Final = [(timing.name, label, timing.value) for timing, label in _TIMING_LABELS.items()]
REGION_ITEMS: Final = [(region.upper(), region.capitalize(), f"The landmarks of the {region}") for region in REGIONS]
QUALITIES: Final = [
    ("DRAFT", "Draft", "Look at every second frame and bridge between: twice as fast, quick motion is lost"),
    ("STANDARD", "Standard", "Look at every frame"),
    ("FINE", "Fine", "Look at every frame and at its mirror picture: calmer, half as fast"),
]
MOVES: Final = [
    ("HEAD", "Head Only", "The camera stands still, as on a tripod: all motion is the head's"),
    (
        "CAMERA",
        "Head and Solved Camera",
        "The camera moves as Blender's own tracker has solved it for this clip; the head's motion is what is left",
    ),
    ("STILL", "Camera Only", "The head is held where it was on its first frame, and the camera moves about it"),
]
SCALES: Final = [
    ("PUPILS", "By Pupils", "The distance between the actor's pupils tells how large all is"),
    ("MEASURED", "By Measure", "A distance between two points of the face, measured on the actor, tells how large all is"),
]
_POINTS: Final = [(name.upper(), label, f"{label}; right and left are the actor's own") for name, label in PICKS.items()]


class FaceLiftClipSettings(bpy.types.PropertyGroup):
    """How a movie clip is to be tracked."""

    use_range: BoolProperty(name="Limit Range", description="Track only a part of the clip", default=False)
    start: IntProperty(name="Start", description="First frame of the clip to track, counted from 1", default=1, min=1)
    end: IntProperty(name="End", description="Last frame of the clip to track", default=250, min=1)
    every_actor: BoolProperty(name="All Actors", description="Track everyone in the footage, each into a collection", default=False)
    actor: IntProperty(name="Actor", description="Whom to track: 1 is who is seen largest and longest", default=1, min=1)
    quality: EnumProperty(name="Quality", description="How closely the footage is looked at", items=QUALITIES, default="STANDARD")
    lens_known: BoolProperty(name="Lens Known", description="Use the focal length below instead of solving for it", default=False)
    focal_mm: FloatProperty(
        name="Focal Length", description="Of the lens that filmed the clip, in mm", default=35.0, min=1.0, soft_max=300.0
    )
    sensor_width: FloatProperty(
        name="Sensor Width", description="Of the camera that filmed the clip, in mm", default=36.0, min=1.0, soft_max=70.0
    )
    zoom: BoolProperty(
        name="Zoom",
        description="The lens zooms during the clip: solve a focal length for every frame; one that is known holds for their mean",
        default=False,
    )
    moves: EnumProperty(name="Who Moves", description="Whose motion the picture shows", items=MOVES, default="HEAD")
    scale: EnumProperty(name="Scale", description="What tells how large the face is", items=SCALES, default="PUPILS")
    interpupillary: FloatProperty(
        name="Pupils (mm)",
        description="Between the actor's pupils, in mm; 63 is usual",
        default=63.0,
        min=20.0,
        max=200.0,
        soft_min=50.0,
        soft_max=75.0,
    )
    measured_from: EnumProperty(name="From", description="One end of the measured distance", items=_POINTS, default="EYE_RIGHT_1")
    measured_to: EnumProperty(name="To", description="The other end of the measured distance", items=_POINTS, default="EYE_LEFT_4")
    measured_mm: FloatProperty(
        name="Apart (mm)",
        description="Between the two points with the face at rest, in mm",
        default=90.0,
        min=1.0,
        max=1000.0,
        soft_max=250.0,
    )
    smoothing: FloatProperty(
        name="Smoothing",
        description="How strongly jitter is taken out; no lag at any value",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )


class FaceLiftPin(bpy.types.PropertyGroup):
    """A landmark that a person put in place."""

    frame: IntProperty(name="Frame", description="Frame of the clip", min=1)
    landmark: IntProperty(name="Landmark", description="Row of the landmark table", min=0)
    point: FloatVectorProperty(name="Point", description="Place on the plate in pixels, y down", size=2, precision=2)


class FaceLiftMute(bpy.types.PropertyGroup):
    """A stretch over which a region is not believed."""

    region: EnumProperty(name="Region", description="Part of the face that is hidden", items=REGION_ITEMS, default="MOUTH")
    start: IntProperty(name="Start", description="First frame of the clip on which it is hidden", default=1, min=1)
    end: IntProperty(name="End", description="Last frame of the clip on which it is hidden", default=1, min=1)


class FaceLiftLock(bpy.types.PropertyGroup):
    """A frame that no correction changes."""

    frame: IntProperty(name="Frame", description="Frame of the clip", min=1)


def _smoothing(name: str, part: str) -> object:
    return FloatProperty(
        name=name,
        description=f"How strongly jitter is taken out of {part}; acts at once, without tracking again",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=sync.wanted_changed,
    )


class FaceLiftTakeSettings(bpy.types.PropertyGroup):
    """How a take is adjusted and corrected."""

    pose: _smoothing("Head", "the head's motion")
    mouth: _smoothing("Mouth", "mouth and chin")
    eyes: _smoothing("Eyes", "lids and gaze")
    brows: _smoothing("Brows", "brows and forehead")
    face: _smoothing("Face", "contour, cheeks and nose")
    use_rest: BoolProperty(
        name="Own Frame at Rest",
        description="Count the expression from the face of one frame instead of the solved one",
        default=False,
        update=sync.wanted_changed,
    )
    rest: IntProperty(
        name="Frame",
        description="Frame of the clip on which the face is at rest: eyes open, mouth shut, nothing raised",
        default=1,
        min=1,
        update=sync.wanted_changed,
    )
    interpupillary: FloatProperty(
        name="Pupils (mm)",
        description="Between the actor's pupils, in mm: it sets the scale of head and distance; 63 is usual",
        default=63.0,
        min=20.0,
        max=200.0,
        soft_min=50.0,
        soft_max=75.0,
        update=sync.wanted_changed,
    )
    before: BoolProperty(
        name="Before", description="Show the take without its corrections, to compare", default=False, update=sync.wanted_changed
    )
    falloff: FloatProperty(
        name="Falloff", description="Frames on both sides over which a correction fades out", default=8.0, min=0.0, soft_max=48.0
    )
    pins: CollectionProperty(type=FaceLiftPin)
    pin_index: IntProperty(name="Correction", description="The chosen correction", default=0)
    mutes: CollectionProperty(type=FaceLiftMute)
    mute_index: IntProperty(name="Muted Stretch", description="The chosen stretch", default=0)
    locks: CollectionProperty(type=FaceLiftLock)


def _index_of_take(scene: bpy.types.PropertyGroup) -> int:
    return next((index for index, collection in enumerate(bpy.data.collections) if collection == scene.take), -1)


def _choose_take(scene: bpy.types.PropertyGroup, index: int) -> None:
    chosen = bpy.data.collections[index]
    if chosen in take_collections():
        scene.take = chosen


class FaceLiftSceneSettings(bpy.types.PropertyGroup):
    """How takes come into a scene, and what is looked at."""

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
    take_index: IntProperty(name="Actor", description="The take that is shown here and exported", get=_index_of_take, set=_choose_take)
    show_overlay: BoolProperty(name="Overlay", description="Draw the take over the plate in the Movie Clip Editor", default=True)
    show_points: BoolProperty(name="Points", description="Landmarks, from red (not to be trusted) to green", default=True)
    show_contours: BoolProperty(name="Contours", description="Lines along brows, eyes, nose, lips and jaw", default=True)
    show_head: BoolProperty(name="Head", description="The solved head as a wire mesh", default=True)
    show_confidence: BoolProperty(
        name="Confidence in 3D View",
        description="Colour the landmarks' empties from red (not to be trusted) to green, each region on each frame",
        default=True,
    )
    show_gaze: BoolProperty(name="Gaze", description="Where the eyes look", default=True)
    region: EnumProperty(name="Region", description="Part of the face to correct or to mute", items=REGION_ITEMS, default="MOUTH")


CLASSES: Final = (FaceLiftClipSettings, FaceLiftPin, FaceLiftMute, FaceLiftLock, FaceLiftTakeSettings, FaceLiftSceneSettings)


def attach() -> None:
    """Put the settings on clips, takes and scenes."""
    bpy.types.MovieClip.facelift = PointerProperty(type=FaceLiftClipSettings)
    bpy.types.Collection.facelift = PointerProperty(type=FaceLiftTakeSettings)
    bpy.types.Scene.facelift = PointerProperty(type=FaceLiftSceneSettings)


def detach() -> None:
    """Take the settings off again; their values stay in the files."""
    del bpy.types.Scene.facelift
    del bpy.types.Collection.facelift
    del bpy.types.MovieClip.facelift


def track_settings(footage: bpy.types.MovieClip, unit: float = 1.0) -> Callable[[], TrackSettings]:
    """What capture is to do with a clip, to be made by whoever tracks: the modules that it takes are slow to load.

    unit: metres of a Blender unit. Raises FaceLiftError where the clip's camera is said to be solved and is not.
    """
    from ..scene.camera import read_distortion, read_solved_camera

    chosen = footage.facelift
    solving = {
        "focal_mm": chosen.focal_mm if chosen.lens_known else None,
        "sensor_width": chosen.sensor_width,
        "smoothing": round(chosen.smoothing, 4),
        "distortion": read_distortion(footage),
        "zoom": chosen.zoom,
        "still_head": chosen.moves == "STILL",
        "camera_poses": read_solved_camera(footage, unit) if chosen.moves == "CAMERA" else None,
        **_scale(chosen),
    }
    tracking = {
        "start": chosen.start if chosen.use_range else 1,
        "end": chosen.end if chosen.use_range else None,
        "actor": None if chosen.every_actor else chosen.actor,
        "fps": footage.fps or None,
        "every": 2 if chosen.quality == "DRAFT" else 1,
        "mirrored": chosen.quality == "FINE",
    }
    return lambda: _made(tracking, solving)


def _scale(chosen: FaceLiftClipSettings) -> dict[str, Any]:
    """What tells the scale, in metres. Raises FaceLiftError for a distance from a point to itself."""
    if chosen.scale == "PUPILS":
        return {"interpupillary": round(chosen.interpupillary * 1e-3, 7)}
    if chosen.measured_from == chosen.measured_to:
        raise FaceLiftError(tr("A measured distance takes two different points of the face; choose another one."))
    one, other = sorted(NAMES.index(name.lower()) for name in (chosen.measured_from, chosen.measured_to))
    return {"measured": (one, other, round(chosen.measured_mm * 1e-3, 7))}


def _made(tracking: dict[str, Any], solving: dict[str, Any]) -> TrackSettings:
    from ..capture.solve import SolveSettings
    from ..capture.track import TrackSettings

    return TrackSettings(**tracking, solve=SolveSettings(**solving))
