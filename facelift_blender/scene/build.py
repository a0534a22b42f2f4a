# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take into the scene: camera, head, landmarks and face in one collection, one action for all of it.

Running it again for the same actor of the same clip fills the same objects anew; nothing else in the file is touched.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import bpy
import numpy as np

from ..capture.types import Array, FaceLiftError, Take
from ..rigs.head import Head, load_head
from . import axes
from .actions import Keys, Track, drain, writing
from .camera import build_camera, camera_tracks
from .face_mesh import build_face, face_tracks
from .fit import fit_head
from .head import build_head, build_landmarks, head_track, landmark_tracks
from .ownership import Home, ensure_collection, member
from .timing import Timing, match_scene, scene_frames, show_frame

LONG_GAP: Final = 0.5
"""Seconds without a face over which nothing is interpolated: the last value holds, and the face is hidden."""

_BY_FRAME: Final = (
    "frames", "times", "valid", "camera_poses", "rotations", "translations", "landmarks", "covariances", "confidence", "weights",
    "residuals",
)  # fmt: skip
"""The fields of a Take that have a row a frame."""


@dataclass(frozen=True)
class BuildSettings:
    """How a take comes into a scene. `take_path` is where the take lies on disk, for the operators that read it again."""

    timing: Timing = Timing.MATCH
    take_path: str = ""


@dataclass(frozen=True)
class Prepared:
    """A take's numbers as the scene wants them, made by `prepare` on any thread.

    seen: the frames that can be keyed. vertices: (V, 3) and offsets: (52, V, 3) of the head bent to the actor, canonical metres,
    or None where the face in the scene has them already.
    """

    take: Take
    seen: Take
    head: Head
    vertices: Array | None
    offsets: Array | None


def prepare(take: Take, head: Head | None = None) -> Prepared:
    """All the reckoning of a build. Raises FaceLiftError when the take has no frame with a face."""
    head, seen = head or load_head(), usable_frames(take)
    return Prepared(take, seen, head, *fit_head(head, take.neutral))


def build_take(
    take: Take,
    scene: bpy.types.Scene,
    footage: bpy.types.MovieClip | None = None,
    settings: BuildSettings = BuildSettings(),
    head: Head | None = None,
) -> bpy.types.Collection:
    """Build or rebuild a take's objects and keys in a scene and return their collection.

    `footage` is the clip that was tracked; without one the plate is loaded from the take's path where that exists.
    Raises FaceLiftError when the take has no frame with a face.
    """
    return drain(build_steps(prepare(take, head), scene, footage, settings))


def build_steps(
    prepared: Prepared, scene: bpy.types.Scene, footage: bpy.types.MovieClip | None = None, settings: BuildSettings = BuildSettings()
) -> Generator[None, None, bpy.types.Collection]:
    """`build_take` in steps of some milliseconds each, so that a window can answer between them."""
    take, seen = prepared.take, prepared.seen
    footage = footage or load_footage(take)
    if settings.timing is Timing.MATCH:
        match_scene(scene, take.clip, footage, axes.pixel_height(take.lens))
    frames = scene_frames(seen, scene, footage, settings.timing)
    keys = Keys(frames, np.diff(seen.times, append=seen.times[-1]) > LONG_GAP)
    home = _ensure_home(take, scene, footage)
    tracks = yield from _build_objects(home, prepared, scene, footage, keys)
    yield from _write_action(home, tracks)
    member(home.collection, "Head")["take"] = settings.take_path
    yield
    show_frame(scene, int(np.clip(scene.frame_current, np.floor(frames[0]), np.ceil(frames[-1]))))
    return home.collection


def usable_frames(take: Take) -> Take:
    """The take's frames that can be keyed: valid, and finite in every number that becomes a key."""
    keyed = (take.camera_poses, take.rotations, take.translations, take.landmarks, take.weights)
    usable = take.valid & np.isfinite(take.lens.focal)
    for values in keyed:
        usable &= np.isfinite(values).reshape(len(take), -1).all(axis=1)
    if not usable.any():
        raise FaceLiftError(f"{take.actor} in {Path(take.clip.path).name} has no frame with a face; choose another actor or range.")
    return select_frames(take, usable)


def select_frames(take: Take, rows: np.ndarray) -> Take:
    """The take with only some of its frames, its raw observations left whole."""
    lens = replace(take.lens, focal=take.lens.focal[rows])
    return replace(take, lens=lens, **{name: getattr(take, name)[rows] for name in _BY_FRAME})


def load_footage(take: Take) -> bpy.types.MovieClip | None:
    """The take's clip as a datablock, the one that is open already or a new one; None where the file is gone."""
    return bpy.data.movieclips.load(take.clip.path, check_existing=True) if Path(take.clip.path).is_file() else None


def _ensure_home(take: Take, scene: bpy.types.Scene, footage: bpy.types.MovieClip | None) -> Home:
    clip = Path(take.clip.path).stem.encode()[:24].decode(errors="ignore")
    collection = ensure_collection(scene, f"{clip} . {take.actor}", take.actor, footage or take.clip.path)
    return Home(collection, f"{clip}.{take.actor}", scene.unit_settings.scale_length)


def _build_objects(
    home: Home, prepared: Prepared, scene: bpy.types.Scene, footage: bpy.types.MovieClip | None, keys: Keys
) -> Generator[None, None, list[Track]]:
    take = prepared.seen
    camera = build_camera(home, take, footage, scene)
    head = build_head(home, take)
    yield
    empties = yield from build_landmarks(home, head, take.neutral)
    face = yield from build_face(home, head, prepared.head, prepared.vertices, prepared.offsets)
    if scene.camera is None:
        scene.camera = camera
    return [
        *camera_tracks(camera, take, keys, home.unit),
        head_track(head, take, keys, home.unit),
        *landmark_tracks(empties, take, keys, home.unit),
        *face_tracks(face, take, keys),
    ]


def _write_action(home: Home, tracks: Sequence[Track]) -> Generator[None, None, None]:
    """Key all tracks in the take's own action, or in one action each where a Blender has no slots."""

    def action_for(name: str) -> bpy.types.Action:
        full = ".".join(filter(None, ("FaceLift", home.prefix, name)))
        return home.member(f"Action {name}".strip(), lambda: bpy.data.actions.new(full))

    yield from writing(tracks, action_for)
