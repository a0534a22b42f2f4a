# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmarks as Blender's own tracking markers, and back: what a person moves there is a correction.

The markers of an actor are tracks of a tracking object of their own, so that they never mix with a person's camera tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..capture import topology
from ..capture.corrections import Pin
from ..capture.take import project
from ..capture.types import Array, Take

MOVED = 0.1
"""Pixels from which a marker is one that somebody moved; Blender keeps its place in single precision."""


@dataclass(frozen=True)
class Sheet:
    """Where a take's landmarks are on the plate. frames: (F,) clip frames with a face; places: (F, N, 2) as Blender counts them,
    0 to 1 from the bottom left. size: width and height of the picture.
    """

    frames: Array
    places: Array
    size: Array

    @staticmethod
    def of(take: Take) -> Sheet:
        pixels, size = project(take), np.array([take.clip.width, take.clip.height], float)
        shown = take.valid & np.isfinite(pixels).all(axis=(1, 2))
        return Sheet(take.frames[shown], _flipped(pixels[shown] / size), size)


def _flipped(places: Array) -> Array:
    return places * [1.0, -1.0] + [0.0, 1.0]


def tracks_of(footage: bpy.types.MovieClip, actor: str) -> dict[int, bpy.types.MovieTrackingTrack]:
    """The actor's tracks by row of the landmark table."""
    owner = footage.tracking.objects.get(_name(actor))
    known = {name: row for row, name in enumerate(topology.NAMES)}
    return {known[track.name]: track for track in owner.tracks if track.name in known} if owner else {}


def _name(actor: str) -> str:
    return f"FaceLift {actor}"


def show(footage: bpy.types.MovieClip, actor: str, sheet: Sheet, landmarks: Iterable[int], pins: Iterable[Pin] = ()) -> Iterator[None]:
    """Make a track for each of the landmarks, and the tracking object the active one; a track a step. Those there are stay."""
    objects = footage.tracking.objects
    owner = objects.get(_name(actor)) or objects.new(_name(actor))
    objects.active = owner
    there, pinned = tracks_of(footage, actor), list(pins)
    for landmark in landmarks:
        if landmark not in there:
            _write(_new_track(owner, topology.NAMES[landmark], footage, sheet), footage, sheet, landmark, pinned)
            yield


def _new_track(owner: bpy.types.MovieTrackingObject, name: str, footage: bpy.types.MovieClip, sheet: Sheet) -> bpy.types.MovieTrackingTrack:
    with _small_patterns(footage.tracking.settings):
        track = owner.tracks.new(name=name, frame=max(1, int(sheet.frames[0]) - footage.frame_offset))
    _reach(track, footage, sheet)
    return track


@contextmanager
def _small_patterns(settings: bpy.types.MovieTrackingSettings) -> Iterator[None]:
    """New markers are drawn small, so that those of a mouth can be told apart."""
    before = settings.default_pattern_size, settings.default_search_size
    settings.default_pattern_size, settings.default_search_size = 7, 21
    yield
    settings.default_pattern_size, settings.default_search_size = before


def _reach(track: bpy.types.MovieTrackingTrack, footage: bpy.types.MovieClip, sheet: Sheet) -> None:
    """Give a track a marker on each frame with a face, and a disabled one behind each stretch of them.

    Frames that an offset moves before the clip's first have no place in Blender.
    """
    ends = sheet.frames[np.diff(sheet.frames, append=sheet.frames[-1] + 2) > 1] + 1
    missing = np.setdiff1d(np.concatenate([sheet.frames, ends]), _marker_frames(track, footage)) - footage.frame_offset
    for number in missing[missing > 0].tolist():
        track.markers.insert_frame(number)
    shown = np.isin(_marker_frames(track, footage), sheet.frames)
    for marker, is_shown in zip(track.markers, shown.tolist(), strict=True):
        marker.mute = not is_shown


def rewrite(footage: bpy.types.MovieClip, actor: str, sheet: Sheet, pins: Iterable[Pin] = ()) -> Iterator[None]:
    """Put the actor's markers where the take has its landmarks now, and the pinned ones where they were put; a track a step."""
    pinned = list(pins)
    for landmark, track in tracks_of(footage, actor).items():
        _reach(track, footage, sheet)
        _write(track, footage, sheet, landmark, pinned)
        yield


def _marker_frames(track: bpy.types.MovieTrackingTrack, footage: bpy.types.MovieClip) -> Array:
    frames = np.empty(len(track.markers), np.int32)
    track.markers.foreach_get("frame", frames)
    return frames + footage.frame_offset


def _write(track: bpy.types.MovieTrackingTrack, footage: bpy.types.MovieClip, sheet: Sheet, landmark: int, pins: Iterable[Pin]) -> None:
    frames = _marker_frames(track, footage)
    places = np.empty((len(frames), 2), np.float32)
    track.markers.foreach_get("co", places.ravel())
    rows = np.clip(np.searchsorted(sheet.frames, frames, side="right") - 1, 0, len(sheet.frames) - 1)
    places[:] = sheet.places[rows, landmark]
    for pin in pins:
        if pin.landmark == landmark:
            places[frames == pin.frame] = _flipped(np.array(pin.point) / sheet.size)
    track.markers.foreach_set("co", places.ravel())


def moved(footage: bpy.types.MovieClip, actor: str, sheet: Sheet) -> list[Pin]:
    """The markers that are not where the take they were made from has its landmarks."""
    pins: list[Pin] = []
    for landmark, track in tracks_of(footage, actor).items():
        frames = _marker_frames(track, footage)
        places = np.empty((len(frames), 2), np.float32)
        track.markers.foreach_get("co", places.ravel())
        both, ours, theirs = np.intersect1d(sheet.frames, frames, return_indices=True)
        shift = (places[theirs] - sheet.places[ours, landmark]) * sheet.size
        for row in np.flatnonzero(np.hypot(*shift.T) > MOVED):
            point = _flipped(places[theirs[row]].astype(float)) * sheet.size
            pins.append(Pin(int(both[row]), landmark, (float(point[0]), float(point[1]))))
    return pins


def hide(footage: bpy.types.MovieClip, actor: str) -> None:
    """Take the actor's markers away."""
    owner = footage.tracking.objects.get(_name(actor))
    if owner is not None:
        footage.tracking.objects.remove(owner)
