# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest

from facelift_blender.capture.types import Take
from facelift_blender.scene.timing import Timing, first_frame, frame_rate, match_scene, rate_parts, scene_frames


@pytest.fixture
def footage(tmp_path: Path) -> bpy.types.MovieClip:
    """Twenty frames, each of a grey that tells its number."""
    path = tmp_path / "code.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 24, (64, 48))
    for index in range(20):
        writer.write(np.full((48, 64, 3), 10 + 12 * index, np.uint8))
    writer.release()
    return bpy.data.movieclips.load(str(path))


def _shown_picture(footage: bpy.types.MovieClip, frame: int, path: Path) -> int:
    """The number of the picture that Blender's own compositor shows of a clip at a scene frame."""
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = 64, 48
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 1, False
    scene.view_settings.view_transform = "Standard"
    scene.use_nodes = True
    nodes, links = scene.node_tree.nodes, scene.node_tree.links
    nodes.clear()
    source, target = nodes.new("CompositorNodeMovieClip"), nodes.new("CompositorNodeComposite")
    source.clip = footage
    links.new(source.outputs["Image"], target.inputs["Image"])
    scene.frame_set(frame)
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return round((cv2.imread(str(path)).mean() - 10) / 12) + 1


@pytest.mark.skipif(bpy.app.version >= (5, 0, 0), reason="the compositor's tree has another home from 5.0 on")
@pytest.mark.parametrize(("start", "offset"), [(1, 0), (11, 0), (1, 3), (101, -2), (50, 4)])
def test_blender_shows_the_picture_of_the_takes_frame(
    footage: bpy.types.MovieClip, synthetic_take: Take, tmp_path: Path, start: int, offset: int
) -> None:
    footage.frame_start, footage.frame_offset = start, offset
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    frames = scene_frames(synthetic_take, scene, footage, Timing.FRAMES)
    assert synthetic_take.frames[6] == 7
    assert _shown_picture(footage, int(frames[6]), tmp_path / "shown.png") == 7


@pytest.mark.parametrize(
    ("fps", "parts"),
    [
        (24.0, (24, 1.0)), (25.0, (25, 1.0)), (60.0, (60, 1.0)), (24000 / 1001, (24, 1.001)), (23.976, (24, 1.001)),
        (29.97, (30, 1.001)), (59.94, (60, 1.001)),
    ],
)  # fmt: skip
def test_rates_are_whole_frames_over_a_base(fps: float, parts: tuple[int, float]) -> None:
    assert rate_parts(fps) == pytest.approx(parts)


@pytest.mark.parametrize("fps", [7.5, 12.34, 0.8, 240.0])
def test_odd_rates_are_kept(fps: float) -> None:
    whole, base = rate_parts(fps)
    assert whole / base == pytest.approx(fps)


def test_the_scene_takes_the_clips_rate_range_and_size(synthetic_take: Take) -> None:
    scene = bpy.context.scene
    match_scene(scene, replace(synthetic_take.clip, fps=24000 / 1001), None, 1.5)
    assert frame_rate(scene) == pytest.approx(23.976, abs=1e-3)
    assert (scene.frame_start, scene.frame_end) == (1, 48)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (1280, 720)
    assert scene.render.pixel_aspect_y / scene.render.pixel_aspect_x == pytest.approx(1.5)


def test_a_flat_pixel_never_asks_for_less_than_blender_allows(synthetic_take: Take) -> None:
    match_scene(bpy.context.scene, synthetic_take.clip, None, 0.7)
    assert bpy.context.scene.render.pixel_aspect_x == pytest.approx(1.0 / 0.7)


def test_real_time_is_kept_between_frames(synthetic_take: Take, footage: bpy.types.MovieClip) -> None:
    scene, footage.frame_start = bpy.context.scene, 101
    scene.render.fps, scene.render.fps_base = 60, 1.0
    frames = scene_frames(synthetic_take, scene, footage, Timing.TIME)
    assert frames == pytest.approx(first_frame(footage) + synthetic_take.times * 60.0)
    assert frames[1] == pytest.approx(103.5)


def test_equal_rates_give_whole_frames(synthetic_take: Take) -> None:
    bpy.context.scene.render.fps = 24
    frames = scene_frames(synthetic_take, bpy.context.scene, None, Timing.TIME)
    assert np.array_equal(frames, synthetic_take.frames)
