# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lens models against Blender's: its compositor bends a picture whose colours are its coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")
if bpy.app.version >= (5, 0, 0):
    pytest.skip("the compositor of Blender 5 is another", allow_module_level=True)

from facelift_blender.capture import camera
from facelift_blender.capture.types import Distortion, Lens

WIDTH, HEIGHT = 320, 180
FOCAL = 30.0 / 36.0 * WIDTH
NAMES = {
    "POLYNOMIAL": ("k1", "k2", "k3"), "DIVISION": ("division_k1", "division_k2"), "NUKE": ("nuke_k1", "nuke_k2"),
    "BROWN": ("brown_k1", "brown_k2", "brown_k3", "brown_k4", "brown_p1", "brown_p2"),
}  # fmt: skip


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ramp") / "ramp.exr"
    image = bpy.data.images.new("ramp", WIDTH, HEIGHT, float_buffer=True)
    image.colorspace_settings.name = "Non-Color"
    pixels = np.ones((HEIGHT, WIDTH, 4), np.float32)
    pixels[..., 0] = (np.arange(WIDTH) + 0.5)[None]
    pixels[..., 1] = (HEIGHT - np.arange(HEIGHT) - 0.5)[:, None]
    image.pixels.foreach_set(pixels.ravel())
    image.filepath_raw, image.file_format = str(path), "OPEN_EXR"
    image.save()
    return path


def bent_by_blender(ramp: Path, distortion: Distortion, kind: str) -> np.ndarray:
    """(H', W', 2): where in the picture, x right and y down, each pixel of the compositor's result was taken from."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene, clip = bpy.context.scene, bpy.data.movieclips.load(str(ramp))
    clip.colorspace_settings.name = "Non-Color"
    tracking = clip.tracking.camera
    tracking.sensor_width, tracking.focal_length, tracking.distortion_model = 36.0, 30.0, distortion.model
    for name, value in zip(NAMES[distortion.model], distortion.coefficients, strict=True):
        setattr(tracking, name, value)
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.resolution_x, scene.render.resolution_y, scene.use_nodes = 16, 16, True
    tree = scene.node_tree
    tree.nodes.clear()
    source, bend, out = (tree.nodes.new("CompositorNode" + name) for name in ("MovieClip", "MovieDistortion", "OutputFile"))
    source.clip = bend.clip = clip
    bend.distortion_type, out.base_path, out.format.file_format, out.format.color_depth = kind, str(ramp.parent), "OPEN_EXR", "32"
    out.format.color_management = "OVERRIDE"
    out.format.linear_colorspace_settings.name = "Non-Color"
    tree.links.new(source.outputs[0], bend.inputs[0])
    tree.links.new(bend.outputs[0], out.inputs[0])
    tree.links.new(bend.outputs[0], tree.nodes.new("CompositorNodeComposite").inputs[0])
    scene.render.engine = "CYCLES"
    bpy.ops.render.render()
    written = next(ramp.parent.glob("Image*.exr"))
    image = bpy.data.images.load(str(written))
    image.colorspace_settings.name = "Non-Color"
    pixels = np.array(image.pixels[:], np.float32).reshape(image.size[1], image.size[0], 4)
    written.unlink()
    return pixels[::-1, :, :2].astype(float)


@pytest.mark.parametrize("kind", ["UNDISTORT", "DISTORT"])
@pytest.mark.parametrize(
    "distortion",
    [
        Distortion("POLYNOMIAL", (-0.2, 0.05, 0.01)), Distortion("DIVISION", (0.1, 0.02)), Distortion("NUKE", (0.04, 0.01)),
        Distortion("BROWN", (0.1, -0.03, 0.01, 0.0, 0.01, -0.006)),
    ],
)  # fmt: skip
def test_blender_bends_as_we_do(ramp: Path, distortion: Distortion, kind: str) -> None:
    """To 0.2 px where Blender moves pixels by several; the result's canvas grows by a few pixels to either side, which is taken out."""
    source = bent_by_blender(ramp, distortion, kind)
    height, width = source.shape[:2]
    x, y = np.meshgrid(np.arange(30, width - 30, 15), np.arange(25, height - 25, 15))
    points = np.stack([x - (width - WIDTH) / 2 + 0.5, y - (height - HEIGHT) / 2 + 0.5], axis=-1).reshape(1, -1, 2)
    bent = Lens(WIDTH, HEIGHT, np.array([FOCAL]), (FOCAL, FOCAL), (WIDTH / 2, HEIGHT / 2), distortion=distortion)
    straight = Lens(WIDTH, HEIGHT, np.array([FOCAL]), (FOCAL, FOCAL), (WIDTH / 2, HEIGHT / 2))
    lenses = (straight, bent) if kind == "UNDISTORT" else (bent, straight)
    theirs = source[y, x].reshape(-1, 2)
    inside = np.all(theirs > 1, axis=1)
    assert inside.sum() > 30
    assert np.abs(points[0] - theirs)[inside].max() > 1.5
    shift = np.zeros(2)
    for _ in range(3):
        ours = camera.to_pixels(camera.to_rays(points - shift, lenses[0]), lenses[1])[0]
        shift = shift + np.median((ours - theirs)[inside], axis=0)
    assert np.abs(ours - theirs)[inside].max() < 0.2
