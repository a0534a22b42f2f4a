# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that filmed the take, with the plate behind what it sees."""

from __future__ import annotations

from typing import Final

import bpy
import numpy as np

from ..capture.types import Array, Distortion, FaceLiftError, Lens, Take
from . import axes
from .actions import Curve, Keys, Track, vector_curves
from .ownership import Home

_COEFFICIENTS: Final = {
    "POLYNOMIAL": ("k1", "k2", "k3"),
    "DIVISION": ("division_k1", "division_k2"),
    "NUKE": ("nuke_k1", "nuke_k2"),
    "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
}
"""Blender's names of each lens model's coefficients, in the order of `Distortion.coefficients`."""


def read_distortion(footage: bpy.types.MovieClip) -> Distortion:
    """The lens distortion that a person set on a clip; NONE where every coefficient is zero."""
    camera = footage.tracking.camera
    coefficients = tuple(getattr(camera, name) for name in _COEFFICIENTS[camera.distortion_model])
    return Distortion(camera.distortion_model, coefficients) if any(coefficients) else Distortion()


def write_distortion(footage: bpy.types.MovieClip, distortion: Distortion) -> None:
    """Give a clip the lens distortion that the take was solved with; NONE leaves the clip as it is."""
    if distortion.model == "NONE" or distortion == read_distortion(footage):
        return
    camera = footage.tracking.camera
    camera.distortion_model = distortion.model
    for name, value in zip(_COEFFICIENTS[distortion.model], distortion.coefficients, strict=False):
        setattr(camera, name, value)


def read_solved_camera(footage: bpy.types.MovieClip, unit: float = 1.0) -> Array:
    """World from camera, OpenCV's axes and metres, on every frame of a clip whose camera motion Blender's tracker has solved.

    unit: metres of a Blender unit. Frames that the tracker left out take the pose of the nearest before. (F, 4, 4).
    Raises FaceLiftError where there is no solved motion.
    """
    solved = footage.tracking.objects[0].reconstruction.cameras if footage.tracking.objects else ()
    if not len(solved):
        raise FaceLiftError(
            f"The camera motion of {footage.name} is not solved; solve it in the Clip Editor, or let the camera stand still."
        )
    frames = np.array([camera.frame for camera in solved])
    matrices = np.array([np.array(camera.matrix) for camera in solved])
    matrices[:, :3, 3] *= unit
    rows = np.clip(np.searchsorted(frames, np.arange(1, footage.frame_duration + 1), side="right") - 1, 0, None)
    return axes.camera_poses(matrices[rows])


def build_camera(home: Home, take: Take, footage: bpy.types.MovieClip | None, scene: bpy.types.Scene) -> bpy.types.Object:
    """The camera object of a take: lens, shift and plate set, its place still to be keyed."""
    data = home.member("Camera data", lambda: bpy.data.cameras.new(f"{home.prefix}.Camera"))
    camera = home.object("Camera", data)
    camera.rotation_mode = "QUATERNION"
    _set_lens(data, take.lens, home.unit)
    if footage is not None:
        write_distortion(footage, take.lens.distortion)
        _show_plate(data, footage, take.lens, scene)
    return camera


def _set_lens(data: bpy.types.Camera, lens: Lens, unit: float) -> None:
    data.sensor_fit, data.sensor_width = "HORIZONTAL", lens.sensor_width
    data.lens = float(np.median(axes.focal_mm(lens)))
    data.shift_x, data.shift_y = axes.lens_shift(lens)
    data.clip_start, data.clip_end = 0.01 / unit, 100.0 / unit


def _show_plate(data: bpy.types.Camera, footage: bpy.types.MovieClip, lens: Lens, scene: bpy.types.Scene) -> None:
    plate = next((image for image in data.background_images if image.clip == footage), None) or data.background_images.new()
    plate.source, plate.clip = "MOVIE_CLIP", footage
    plate.alpha, plate.display_depth = 1.0, "BACK"
    plate.frame_method = "CROP" if _aspect(scene) > lens.width / (lens.height * axes.pixel_height(lens)) + 1e-6 else "FIT"
    plate.clip_user.use_render_undistorted = lens.distortion.model != "NONE"
    data.show_background_images = True


def _aspect(scene: bpy.types.Scene) -> float:
    render = scene.render
    return render.resolution_x * render.pixel_aspect_x / (render.resolution_y * render.pixel_aspect_y)


def camera_tracks(camera: bpy.types.Object, take: Take, keys: Keys, unit: float) -> list[Track]:
    """Key the camera where it moves and the lens where it zooms; what stands still is set and not keyed."""
    matrices = axes.camera_matrices(take)
    places, turns = matrices[:, :3, 3] / unit, axes.quaternions(matrices[:, :3, :3])
    camera.location, camera.rotation_quaternion = places[0], turns[0]
    tracks = []
    if np.ptp(matrices, axis=0).max() > 1e-9:
        tracks.append(Track("Camera", camera, vector_curves("location", places, keys) + vector_curves("rotation_quaternion", turns, keys)))
    lengths = axes.focal_mm(take.lens)
    if np.ptp(lengths) > 1e-6 * lengths.max():
        tracks.append(Track("Lens", camera.data, [Curve("lens", lengths, keys)]))
    return tracks
