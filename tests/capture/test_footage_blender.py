# SPDX-License-Identifier: GPL-3.0-or-later
"""What `read_frames` gives against what Blender's MovieClip shows: every frame of every kind of clip, rendered by the compositor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from blender import bpy, empty_file  # noqa: F401
from coded_clips import KINDS, picture, write_clip

from facelift_blender.capture.footage import probe, read_frames
from facelift_blender.capture.types import Clip, Image


def shown_by_blender(clip: Clip, folder: Path) -> tuple[Any, list[Image]]:
    """The MovieClip of the footage, and its frames as Blender renders them."""
    movie = bpy.data.movieclips.load(clip.path)
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.resolution_x, scene.render.resolution_y = movie.size
    scene.render.resolution_percentage = 100
    scene.render.filepath = str(folder / "shown.png")
    _composite(scene, movie)
    images = []
    for frame in range(1, clip.frame_count + 1):
        scene.frame_set(frame)
        bpy.ops.render.render(write_still=True)
        images.append(cv2.imread(scene.render.filepath)[:, :, ::-1])
    return movie, images


def _composite(scene: Any, movie: Any) -> None:
    """Let the clip alone be the render, in Blender 4 and 5."""
    if hasattr(scene, "compositing_node_group"):
        tree = bpy.data.node_groups.new("Plate", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        scene.compositing_node_group = tree
        result = tree.nodes.new("NodeGroupOutput")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
        result = tree.nodes.new("CompositorNodeComposite")
    plate = tree.nodes.new("CompositorNodeMovieClip")
    plate.clip = movie
    tree.links.new(plate.outputs["Image"], result.inputs[0])


def _shown_wrongly(name: str) -> bool:
    """Before 4.4 Blender does not turn clips upright, and loses its place in transport streams."""
    return bpy.app.version < (4, 4) and ("turned" in name or name.endswith(".ts"))


@pytest.mark.parametrize("name", [name for name in KINDS if not _shown_wrongly(name)])
def test_every_frame_is_what_blender_shows(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clip = probe(write_clip(tmp_path / name, **KINDS[name]))
    movie, shown = shown_by_blender(clip, tmp_path)
    assert (clip.width, clip.height) == tuple(movie.size)
    assert clip.frame_count == movie.frame_duration
    assert clip.fps == pytest.approx(movie.fps, abs=1e-5)
    read = list(read_frames(clip))
    assert [frame for frame, _ in read] == list(range(1, clip.frame_count + 1))
    unlike = [np.abs(image.astype(int) - other).mean() for (_, image), other in zip(read, shown, strict=True)]
    assert max(unlike) < 2.5


def test_a_sequence_with_gaps_is_what_blender_shows(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Blender counts up to the first gap, but shows the files after it where they belong; its own picture of a gap is empty."""
    for number in (5, 6, 7, 10, 11):
        cv2.imwrite(str(tmp_path / f"shot_{number:04d}.png"), picture(number)[:, :, ::-1])
    clip = probe(tmp_path / "shot_0005.png")
    movie, shown = shown_by_blender(clip, tmp_path)
    assert (movie.frame_duration, clip.frame_count, clip.missing) == (3, 7, (4, 5))
    for frame, image in read_frames(clip):
        assert np.abs(image.astype(int) - shown[frame - 1]).mean() < 1


@pytest.mark.parametrize(
    ("kind", "depth", "ending"),
    [
        ("PNG", "8", ".png"),
        ("PNG", "16", ".png"),
        ("JPEG", "8", ".jpg"),
        ("OPEN_EXR", "16", ".exr"),
        ("OPEN_EXR", "32", ".exr"),
        ("TIFF", "16", ".tif"),
    ],
)
def test_pictures_of_any_kind_are_what_blender_shows(
    kind: str, depth: str, ending: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "source.png"), picture(37)[:, :, ::-1])
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = kind
    scene.render.image_settings.color_depth = depth
    path = tmp_path / f"plate_0001{ending}"
    bpy.data.images.load(str(tmp_path / "source.png")).save_render(str(path), scene=scene)
    clip = probe(path)
    _, (shown,) = shown_by_blender(clip, tmp_path)
    (_, image), *_ = read_frames(clip)
    assert np.abs(image.astype(int) - shown).mean() < 1
