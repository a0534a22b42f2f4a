# SPDX-License-Identifier: GPL-3.0-or-later
"""The take over the plate in the Movie Clip Editor and its confidence in the 3D View, drawn by the graphics card."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import bpy
import numpy as np

from ..capture.types import Array
from ..scene.head import landmarks_now
from ..scene.ownership import member, take_collections
from ..scene.sight import Sight, Viewer
from ..scene.storage import locate, read_take
from ..scene.timing import first_frame
from .filling import ask
from .finding import takes_of
from .working import redraw

SURE: Final = np.array([0.30, 1.0, 0.45, 1.0])
UNSURE: Final = np.array([1.0, 0.25, 0.20, 1.0])
_CONTOUR: Final = (1.0, 1.0, 1.0, 0.75)
_WIRE: Final = (0.16, 0.60, 0.90, 0.30)
_GAZE: Final = (1.0, 0.80, 0.20, 0.95)
_CORNERS: Final = 8

_handles: list[Any] = []
_viewers: dict[str, Future[Viewer]] = {}
_pool: Final = ThreadPoolExecutor(1, "facelift-overlay")


def attach() -> None:
    """Draw from now on."""
    if not bpy.app.background:
        for space, draw in ((bpy.types.SpaceClipEditor, _draw), (bpy.types.SpaceView3D, _draw_confidence)):
            _handles.append((space, space.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL")))


def detach() -> None:
    """Draw no more."""
    while _handles:
        space, handle = _handles.pop()
        space.draw_handler_remove(handle, "WINDOW")
    _viewers.clear()


def viewer_of(collection: bpy.types.Collection) -> Viewer | None:
    """What looks at a collection's take, or None until a thread has made it ready."""
    path = locate(collection) if member(collection, "Head") else None
    if path is None:
        return None
    key = str(path)
    if key not in _viewers:
        others = [future.result() for future in _viewers.values() if future.done() and future.exception() is None]
        while len(_viewers) > 3:
            _viewers.pop(next(iter(_viewers)))
        _viewers[key] = _pool.submit(_make_viewer, path, bpy.app.tempdir, others)
        bpy.app.timers.register(lambda: _look_for(key), first_interval=0.1)
    future = _viewers[key]
    return future.result() if future.done() and future.exception() is None else None


def _make_viewer(path: Path, scratch: str, others: list[Viewer]) -> Viewer:
    """A viewer of the take in a file; where it is the face of another one's take, with that one's head."""
    from .reckoning import take_face

    viewer = Viewer(read_take(path))
    mesh = next((other.mesh for other in others if np.array_equal(other.take.neutral, viewer.take.neutral)), None)
    if mesh is None:
        face = take_face(Path(ask(".ui.reckoning:bend", {"take": str(path), "scratch": scratch}, lambda: False)["face"]))
        mesh = face.vertices, face.offsets
    viewer.wear(mesh)
    return viewer


def _look_for(key: str) -> float | None:
    """Draw again once a viewer is ready."""
    future = _viewers.get(key)
    if future is not None and not future.done():
        return 0.1
    redraw()
    return None


def _draw() -> None:
    context = bpy.context
    space, chosen = context.space_data, context.scene.facelift
    if not chosen.show_overlay or space.clip is None or space.view != "CLIP":
        return
    for collection in takes_of(space.clip):
        viewer = None if collection.hide_viewport else viewer_of(collection)
        sight = viewer.look(space.clip_user.frame_current - first_frame(space.clip) + 1) if viewer else None
        if sight is not None:
            _draw_sight(sight, chosen, _to_region(context.region, viewer.take.clip.width, viewer.take.clip.height))


def _draw_confidence() -> None:
    """In the 3D View, a disc on the empty of each landmark, coloured by how far its region is to be trusted on this frame."""
    import gpu

    context = bpy.context
    if not context.scene.facelift.show_confidence or not context.space_data.overlay.show_overlays:
        return
    gpu.state.blend_set("ALPHA")
    for collection in take_collections():
        places, confidence = landmarks_now(collection)
        points = in_region(places, np.array(context.region_data.perspective_matrix), context.region.width, context.region.height)
        if len(points):
            _draw_points(points, confidence, dot_radius(points))
    gpu.state.blend_set("NONE")


def in_region(places: Array, matrix: Array, width: int, height: int) -> Array:
    """World places (N, 3) as pixels of a region (N, 2); NaN behind the viewer. matrix: (4, 4) from world to clip space."""
    seen = np.concatenate([places, np.ones((len(places), 1))], axis=1) @ matrix.T
    depth = np.where(seen[:, 3:] > 1e-6, seen[:, 3:], np.nan)
    return (0.5 + 0.5 * seen[:, :2] / depth) * [width, height]


def _to_region(region: bpy.types.Region, width: int, height: int) -> Any:
    """A function from pixels of the picture (..., 2), y down, to pixels of the region, y up."""
    low = np.array(region.view2d.view_to_region(0.0, 0.0, clip=False), float)
    high = np.array(region.view2d.view_to_region(1.0, 1.0, clip=False), float)
    return lambda pixels: low + (pixels / [width, height] * [1.0, -1.0] + [0.0, 1.0]) * (high - low)


def _draw_sight(sight: Sight, chosen: bpy.types.PropertyGroup, place: Any) -> None:
    import gpu

    gpu.state.blend_set("ALPHA")
    if chosen.show_head:
        _draw_lines(place(sight.wire), _WIRE, 1.0)
    if chosen.show_contours:
        _draw_lines(place(sight.contours), _CONTOUR, 1.5)
    if chosen.show_gaze:
        _draw_lines(place(sight.gaze), _GAZE, 2.5)
    if chosen.show_points:
        points = place(sight.points)
        _draw_points(points, sight.confidence, dot_radius(points))
    gpu.state.blend_set("NONE")


def _draw_lines(lines: Array, color: tuple[float, ...], width: float) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    if not len(lines):
        return
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    positions = np.zeros((2 * len(lines), 3), np.float32)
    positions[:, :2] = lines.reshape(-1, 2)
    batch = batch_for_shader(shader, "LINES", {"pos": positions})
    shader.uniform_float("viewportSize", gpu.state.viewport_get()[2:])
    shader.uniform_float("lineWidth", width * bpy.context.preferences.system.ui_scale)
    shader.uniform_float("color", color)
    batch.draw(shader)


def dot_radius(points: Array) -> float:
    """Pixels of a dot for landmarks (N, 2) in the region: small on a small face, so that they stay apart."""
    height = float(np.ptp(points[np.isfinite(points).all(axis=1), 1])) if np.isfinite(points).any() else 0.0
    return min(max(0.009 * height, 1.0), 4.0)


def _draw_points(points: Array, confidence: Array, radius: float) -> None:
    """A disc each, made of triangles: a point's size is not told the same way in every Blender."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    shown = np.isfinite(points).all(axis=1)
    positions, colors = discs(points[shown], np.nan_to_num(confidence[shown]), radius)
    shader = gpu.shader.from_builtin("FLAT_COLOR")
    batch_for_shader(shader, "TRIS", {"pos": positions, "color": colors}).draw(shader)


def discs(points: Array, confidence: Array, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Corners (M, 3) and colours (M, 4) of triangles that make a disc at each point (N, 2)."""
    angles = np.linspace(0.0, 2.0 * np.pi, _CORNERS + 1)
    rim = radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    fan = np.stack([np.zeros((_CORNERS, 2)), rim[:-1], rim[1:]], axis=1).reshape(-1, 2)
    positions = np.zeros((len(points) * len(fan), 3), np.float32)
    positions[:, :2] = (points[:, None] + fan).reshape(-1, 2)
    colors = UNSURE + confidence[:, None] * (SURE - UNSURE)
    return positions, np.repeat(colors, len(fan), axis=0).astype(np.float32)
