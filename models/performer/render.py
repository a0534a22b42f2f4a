# SPDX-License-Identifier: GPL-3.0-or-later
"""Filming a performance with Cycles: the head's neighbourhood frame by frame over a background that is rendered once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
import cv2
import mathutils
import numpy as np

from facelift_blender.capture.types import Array, Image

from . import looks
from .actor import Actor
from .character import Color
from .performance import Performance, Shot

_MARGIN: Final = 14
"""Pixels round what moves."""


@dataclass(frozen=True)
class Light:
    """Where the key light stands (degrees to the viewer's right and up), how large it is and how strong; all drawn from a seed."""

    azimuth: float
    elevation: float
    size: float
    power: float
    fill: float
    warmth: float


def draw_light(seed: int) -> Light:
    """The lighting of a seed: from soft and frontal to harder and from the side."""
    generator = np.random.default_rng([seed, 3])
    return Light(
        azimuth=float(generator.uniform(20.0, 55.0) * generator.choice([-1, 1])),
        elevation=float(generator.uniform(15.0, 50.0)),
        size=float(generator.uniform(0.3, 1.2)),
        power=float(generator.uniform(14.0, 22.0)),
        fill=float(generator.uniform(0.25, 0.6)),
        warmth=float(generator.uniform(-0.12, 0.12)),
    )


@dataclass(frozen=True)
class Box:
    """Pixels of a picture: columns left to right, rows top to bottom, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int


class Studio:
    """A Blender scene with one actor in it, posed and rendered frame by frame."""

    def __init__(self, actor: Actor, shot: Shot, light: Light, samples: int = 2, cut_out: bool = False) -> None:
        """`cut_out`: with nothing behind the actor, pictures are transparent there."""
        self.actor, self.shot = actor, shot
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self.scene = bpy.context.scene
        _settings(self.scene, shot, samples)
        self.body = _mesh_object("Body", actor)
        self.hair = _strands_object("Hair", actor.rest_hair, actor.hair.radius, looks.hair_material(actor.character.hair))
        self.brows = _strands_object("Brows", actor.rest_brows, actor.brows.radius, looks.hair_material(actor.character.hair))
        self.camera = _camera(self.scene, shot)
        _lights(self.scene, light)
        self.scene.render.film_transparent = cut_out
        if not cut_out:
            looks.backdrop(self.scene, light.warmth)

    def pose(self, performance: Performance, index: int) -> None:
        """Bring actor and camera to a frame of the performance."""
        weights, rotation, translation = (field[index] for field in (performance.weights, performance.rotations, performance.translations))
        cage = self.actor.posed(weights, rotation, translation)
        self.body.data.vertices.foreach_set("co", cage.astype(np.float32).ravel())
        self.body.data.update()
        _move_strands(self.brows, self.actor.posed_brows(cage, rotation))
        self.hair.matrix_world = _matrix(rotation, translation)
        rotation, translation = performance.camera_rotations[index], performance.camera_translations[index]
        turned = rotation.T @ np.diag([1.0, -1.0, -1.0])
        self.camera.matrix_world = _matrix(turned, -rotation.T @ translation)

    def picture(self, path: Path, box: Box | None = None) -> Image:
        """Render, whole or one box of the picture, by way of a PNG at `path`: (H, W, 3) RGB."""
        render = self.scene.render
        render.use_border = render.use_crop_to_border = box is not None
        if box is not None:
            render.border_min_x, render.border_max_x = box.left / self.shot.width, box.right / self.shot.width
            render.border_min_y, render.border_max_y = 1.0 - box.bottom / self.shot.height, 1.0 - box.top / self.shot.height
        self.write(path)
        return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)

    def write(self, path: Path) -> None:
        """Render into a PNG."""
        self.scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)


def film(actor: Actor, performance: Performance, light: Light, folder: Path, samples: int = 2) -> Iterator[Image]:
    """The frames (H, W, 3) of a performance, in order. Those that `folder` has already are read from it."""
    folder.mkdir(parents=True, exist_ok=True)
    studio: Studio | None = None
    still = performance.shot.handheld == 0.0
    background: Image | None = None
    for index in range(len(performance)):
        path = folder / f"{index + 1:04d}.png"
        if not path.exists():
            studio = studio or Studio(actor, performance.shot, light, samples)
            if still and background is None:
                background = _background(studio, performance, folder)
            studio.pose(performance, index)
            image = _over_background(studio, performance, index, background, folder) if still else studio.picture(folder / "part.png")
            _write(path, image)
        yield cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def _background(studio: Studio, performance: Performance, folder: Path) -> Image:
    studio.pose(performance, 0)
    return studio.picture(folder / "background.png")


def _over_background(studio: Studio, performance: Performance, index: int, background: Image, folder: Path) -> Image:
    box = moved_box(studio.actor, performance, index)
    image = background.copy()
    image[box.top : box.bottom, box.left : box.right] = studio.picture(folder / "part.png", box)
    return feathered(image, background, box)


def feathered(image: Image, background: Image, box: Box, width: int = _MARGIN) -> Image:
    """The image inside the box, the background outside, one running into the other over `width` pixels within the box.

    No edge is laid where the box reaches the picture's own.
    """
    rows, columns = (_ramp(low, high, size, width) for low, high, size in
                     ((box.top, box.bottom, image.shape[0]), (box.left, box.right, image.shape[1])))  # fmt: skip
    share = np.minimum(rows[:, None], columns[None])[..., None]
    return np.rint(background + share * (image.astype(np.float64) - background)).astype(np.uint8)


def _ramp(low: int, high: int, size: int, width: int) -> Array:
    """(size,) 0 outside low to high, 1 inside, rising over `width`; flat at the ends of the picture."""
    place = np.arange(size) + 0.5
    into = np.where(low > 0, place - low, np.inf)
    left = np.where(high < size, high - place, np.inf)
    return np.clip(np.minimum(into, left) / width, 0.0, 1.0)


def moved_box(actor: Actor, performance: Performance, index: int, margin: int = _MARGIN) -> Box:
    """What differs from the first frame's picture: the head with its hair, there and here, and the neck."""
    shot = performance.shot
    pixels = []
    for frame in (0, index):
        cage = actor.posed(performance.weights[frame], performance.rotations[frame], performance.translations[frame])
        hair = actor.rest_hair.reshape(-1, 3)[::7] @ performance.rotations[frame].T + performance.translations[frame]
        points = np.concatenate([cage[actor.head_share > 0.0], hair])
        seen = (points @ performance.camera_rotations[frame].T + performance.camera_translations[frame]) @ shot.intrinsics.T
        pixels.append(seen[:, :2] / seen[:, 2:])
    low, high = np.concatenate(pixels).min(axis=0) - margin, np.concatenate(pixels).max(axis=0) + margin
    left, top = np.clip(np.floor(low / 2) * 2, 0, None).astype(int)
    right, bottom = np.minimum(np.ceil(high / 2) * 2, [shot.width, shot.height]).astype(int)
    return Box(int(left), int(top), int(right), int(bottom))


def _write(path: Path, image: Image) -> None:
    part = path.with_suffix(".part.png")
    cv2.imwrite(str(part), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    part.replace(path)


def _settings(scene: bpy.types.Scene, shot: Shot, samples: int) -> None:
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = shot.width, shot.height
    scene.render.use_persistent_data = True
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.compression = 0
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.denoising_prefilter, scene.cycles.denoising_quality = "NONE", "FAST"
    scene.cycles.use_light_tree = False
    scene.cycles.max_bounces = 1
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.render.threads_mode, scene.render.threads = "FIXED", 4
    scene.cycles.debug_bvh_type = "DYNAMIC_BVH"
    scene.cycles_curves.shape = "RIBBONS"
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"


def _mesh_object(name: str, actor: Actor) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    body = actor.body
    mesh.from_pydata(body.vertices.tolist(), [], body.faces.tolist())
    for material in looks.body_materials(actor.character):
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", body.parts.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(body.faces), dtype=bool))
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", body.uvs.astype(np.float32).ravel())
    mesh.attributes.new("rest", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", actor.average.vertices.astype(np.float32).ravel())
    for mask, values in actor.masks.items():
        mesh.attributes.new(mask, "FLOAT", "POINT").data.foreach_set("value", values.astype(np.float32))
    mesh.update()
    item = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(item)
    item.modifiers.new("Smooth", "SUBSURF").render_levels = 1
    return item


def _strands_object(name: str, strands: Array, radius: float, material: bpy.types.Material) -> bpy.types.Object:
    count, points, _ = strands.shape
    curves = bpy.data.hair_curves.new(name)
    curves.add_curves([points] * count)
    taper = np.broadcast_to(radius * np.linspace(1.0, 0.35, points), (count, points))
    width = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
    width.data.foreach_set("value", taper.astype(np.float32).ravel())
    curves.materials.append(material)
    item = bpy.data.objects.new(name, curves)
    bpy.context.scene.collection.objects.link(item)
    _move_strands(item, strands)
    return item


def _move_strands(item: bpy.types.Object, strands: Array) -> None:
    item.data.attributes["position"].data.foreach_set("vector", strands.astype(np.float32).ravel())
    item.data.update_tag()


def _camera(scene: bpy.types.Scene, shot: Shot) -> bpy.types.Object:
    lens = bpy.data.cameras.new("Camera")
    lens.lens, lens.sensor_width, lens.sensor_fit = shot.lens, shot.sensor, "HORIZONTAL"
    lens.clip_start = 0.01
    item = bpy.data.objects.new("Camera", lens)
    scene.collection.objects.link(item)
    scene.camera = item
    return item


def _lights(scene: bpy.types.Scene, light: Light) -> None:
    warm = (1.0 + light.warmth, 1.0, 1.0 - light.warmth)
    _area(scene, "Key", light.azimuth, light.elevation, light.size, light.power, warm)
    _area(scene, "Rim", light.azimuth + 165.0, 35.0, 0.5, 0.5 * light.power, (1.0, 1.0, 1.0))
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.9, 0.95, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = light.fill
    scene.world = world


def _area(scene: bpy.types.Scene, name: str, azimuth: float, elevation: float, size: float, power: float, color: Color) -> None:
    lamp = bpy.data.lights.new(name, "AREA")
    lamp.energy, lamp.size, lamp.color = power, size, color
    a, e = np.radians([azimuth, elevation])
    way = mathutils.Vector((np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)))
    item = bpy.data.objects.new(name, lamp)
    item.matrix_world = mathutils.Matrix.Translation(1.3 * way) @ way.to_track_quat("Z", "Y").to_matrix().to_4x4()
    scene.collection.objects.link(item)


def _matrix(rotation: Array, translation: Array) -> mathutils.Matrix:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return mathutils.Matrix(matrix.tolist())
