# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a take lies in the scene's time.

Blender shows picture n of a movie clip (the first is 1) at scene frame clip.frame_start - clip.frame_offset + n - 1,
whatever the frame rates of both.
"""

from __future__ import annotations

from enum import Enum
from fractions import Fraction

import bpy
import numpy as np

from ..capture.types import Array, Clip, Take


class Timing(Enum):
    """How the take's frames become the scene's."""

    MATCH = "The scene takes the clip's frame rate, frame range and resolution"
    FRAMES = "One scene frame a clip frame, so that the plate stays in step; the scene keeps its frame rate"
    TIME = "Real time is kept at the scene's frame rate, with keys between frames where the rates differ"


def frame_rate(scene: bpy.types.Scene) -> float:
    """Frames a second of a scene."""
    return scene.render.fps / scene.render.fps_base


def first_frame(footage: bpy.types.MovieClip | None) -> int:
    """The scene frame that shows the first picture of a clip."""
    return footage.frame_start - footage.frame_offset if footage else 1


def scene_frames(take: Take, scene: bpy.types.Scene, footage: bpy.types.MovieClip | None, timing: Timing) -> Array:
    """The scene frame of each frame of the take: (T,), whole numbers unless real time is kept at another rate."""
    start, clip = first_frame(footage), take.clip
    if timing is not Timing.TIME:
        return start + take.frames.astype(float) - 1.0
    frames = start + take.times * frame_rate(scene)
    whole = np.round(frames)
    return np.where(np.abs(frames - whole) < 1e-3, whole, frames) if clip.fps > 0 else frames


def match_scene(scene: bpy.types.Scene, clip: Clip, footage: bpy.types.MovieClip | None, pixel_height: float) -> None:
    """Give the scene the clip's frame rate, frame range and resolution; `pixel_height` is a pixel's height over its width."""
    render = scene.render
    render.fps, render.fps_base = rate_parts(clip.fps)
    render.resolution_x, render.resolution_y, render.resolution_percentage = clip.width, clip.height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = (1.0, pixel_height) if pixel_height >= 1.0 else (1.0 / pixel_height, 1.0)
    scene.frame_start = first_frame(footage)
    scene.frame_end = scene.frame_start + max(clip.frame_count, 1) - 1


def rate_parts(fps: float) -> tuple[int, float]:
    """A frame rate as Blender keeps it: whole frames and their base, (24, 1.001) for 23.976."""
    nominal = max(round(fps), 1)
    ntsc = Fraction(nominal * 1000, 1001)
    if abs(fps - float(ntsc)) < 2e-3:
        return nominal, 1.001
    return nominal, (1.0 if abs(fps - nominal) < 1e-4 else nominal / fps)


def show_frame(scene: bpy.types.Scene, frame: int) -> None:
    """Go to a frame at once, in the Movie Clip Editors too, which follow the property and not `frame_set`; it costs another look at
    the whole scene, so the frame that is shown already is only looked at anew.
    """
    moves = scene.frame_current != frame
    scene.frame_set(frame)
    if moves:
        scene.frame_current = frame
