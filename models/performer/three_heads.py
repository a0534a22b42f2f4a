# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.performer.three_heads TAKE.npz -o DIR`: a take onto three heads that are not alike, side by side with its plate.

A cartoon with VRM's names, a gaunt man with Daz's, and a boy without any shape, to whom they are carried from ten points.
Needs Blender as a module. `--truth` shows the true weights of a rendered performance instead of the tracked ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from facelift_blender.capture import topology
from facelift_blender.capture.take import load_take
from facelift_blender.capture.types import Array, FaceLiftError, Take
from facelift_blender.rigs import arkit
from facelift_blender.rigs.dialects import DAZ_8_1, VRM_1, expand
from facelift_blender.rigs.head import PARTS, Head, load_head
from facelift_blender.rigs.transfer import PICKS

from .truth import load_truth

SIZE: Final = 360
_COLORS: Final = {
    "lips": (0.42, 0.16, 0.15), "mouth": (0.12, 0.03, 0.03), "sclera": (0.9, 0.9, 0.88), "iris": (0.1, 0.2, 0.3),
    "pupil": (0.0, 0.0, 0.0), "teeth": (0.85, 0.83, 0.75), "tongue": (0.5, 0.18, 0.17), "lashes": (0.03, 0.02, 0.02),
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A head to retarget to: its form, its keys' offsets by name (none: they are carried to it), and the colour of its skin."""

    name: str
    form: Callable[[Array], Array]
    keys: Mapping[str, Array]
    skin: tuple[float, float, float]


def cartoon(points: Array) -> Array:
    """Large eyes, small jaw, round skull."""
    x, y, z = points.T
    eyes = np.exp(-(((np.abs(x) - 0.0315) / 0.017) ** 2) - (y / 0.024) ** 2)
    chin = np.clip((-y - 0.03) / 0.08, 0.0, 1.0)
    large = 1.0 + 0.32 * eyes
    middle = np.sign(x) * 0.0315
    return np.stack([(middle + (x - middle) * large) * (1.0 - 0.25 * chin), y * large * (1 - 0.12 * chin), z - 0.01 * chin], axis=1)


def gaunt(points: Array) -> Array:
    """Long and narrow, with a nose."""
    x, y, z = points.T
    nose = 0.009 * np.exp(-((x / 0.012) ** 2) - ((y + 0.028) / 0.018) ** 2)
    return np.stack([0.88 * x, 1.12 * y, z + nose], axis=1)


def boy(points: Array) -> Array:
    """Wide cheeks, short face, snub nose."""
    x, y, z = points.T
    cheeks = 1.0 + 0.12 * np.exp(-(((y + 0.045) / 0.03) ** 2))
    nose = -0.006 * np.exp(-((x / 0.012) ** 2) - ((y + 0.03) / 0.016) ** 2)
    return np.stack([1.06 * x * cheeks, 0.9 * y, z + nose], axis=1)


def named(head: Head, names: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, Array]:
    """Offsets of keys that are sums of ARKit shapes, as poses: the largest share whole, and without what the sum takes away."""
    keys = {}
    for name, shares in names.items():
        whole = max(share for _, share in shares)
        parts = (share / whole * head.shapes[arkit.INDEX[shape]] for shape, share in shares if share > 0)
        keys[name] = sum(parts, np.zeros_like(head.vertices))
    return keys


def models(head: Head) -> list[Model]:
    """The three."""
    vrm = {name: shares for name, (shares, _) in expand(VRM_1).items()}
    daz = {f"Genesis8_1__facs_bs_{name[0].upper()}{name[1:]}_div2": shares for name, (shares, _) in expand(DAZ_8_1).items()}
    return [
        Model("cartoon, VRM", cartoon, named(head, vrm), (0.9, 0.66, 0.55)),
        Model("gaunt, Daz", gaunt, named(head, daz), (0.55, 0.36, 0.27)),
        Model("boy, carried", boy, {}, (0.75, 0.5, 0.38)),
    ]  # fmt: skip


# ---------------------------------------------------------------- in Blender


def build(model: Model, head: Head) -> Any:
    """The character: an armature with neck and head, and a mesh on it. Its armature."""
    import bpy

    from facelift_blender.scene import axes
    from facelift_blender.scene.transfer import transfer_to

    rest = model.form(head.vertices)
    mesh = bpy.data.meshes.new(model.name)
    mesh.from_pydata(axes.head_points(rest), [], head.faces.tolist())
    for part in PARTS:
        material = bpy.data.materials.new(part)
        material.diffuse_color = (*_COLORS.get(part, model.skin), 1.0)
        mesh.materials.append(material)
    mesh.polygons.foreach_set("material_index", head.parts.astype(np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(head.faces), bool))
    thing = bpy.data.objects.new(f"{model.name} face", mesh)
    bpy.context.scene.collection.objects.link(thing)
    if model.keys:
        _add_keys(thing, model, head, axes.head_points)
    else:
        transfer_to(thing, {name: axes.head_points(model.form(head.landmarks[[topology.NAMES.index(name)]]))[0] for name in PICKS})
    return _armature(model.name, thing)


def _add_keys(thing: Any, model: Model, head: Head, turn: Callable[[Array], Array]) -> None:
    thing.shape_key_add(name="Basis", from_mix=False)
    for name, offsets in model.keys.items():
        moved = turn(model.form(head.vertices + offsets))
        block = thing.shape_key_add(name=name, from_mix=False)
        block.data.foreach_set("co", moved.astype(np.float32).ravel())
        block.value = 0.0


def _armature(name: str, thing: Any) -> Any:
    import bpy

    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for bone, low, high in (("Neck", -0.2, -0.09), ("Head", -0.09, 0.1)):
        made = armature.data.edit_bones.new(bone)
        made.head, made.tail = (0, 0.06, low), (0, 0.06, high)
    armature.data.edit_bones["Head"].parent = armature.data.edit_bones["Neck"]
    bpy.ops.object.mode_set(mode="OBJECT")
    thing.parent = armature
    thing.modifiers.new("Armature", "ARMATURE").object = armature
    heights = np.array([vertex.co.z for vertex in thing.data.vertices])
    share = np.clip((heights + 0.16) / 0.06, 0.0, 1.0)
    for bone, weights in (("Head", share), ("Neck", 1.0 - share)):
        group = thing.vertex_groups.new(name=bone)
        for index in np.flatnonzero(weights > 0):
            group.add([int(index)], float(weights[index]), "REPLACE")
    return armature


def shoot(take: Take, model: Model, frames: Sequence[int], folder: Path) -> list[Path]:
    """Pictures of a model at frames of the take."""
    import bpy

    from facelift_blender.scene.retarget import retarget
    from facelift_blender.scene.timing import rate_parts

    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = rate_parts(take.clip.fps)
    rig = build(model, load_head())
    retarget(take, rig, scene)
    _stage(scene)
    paths = []
    for frame in frames:
        scene.frame_set(frame)
        scene.render.filepath = str(folder / f"{model.name.split(',')[0]}_{frame}.png")
        bpy.ops.render.render(write_still=True)
        paths.append(Path(scene.render.filepath))
    return paths


def _stage(scene: Any) -> None:
    import bpy

    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    camera.location, camera.rotation_euler, camera.data.lens = (0.0, -0.9, -0.025), (np.pi / 2, 0.0, 0.0), 95.0
    scene.camera = camera
    render = scene.render
    render.engine, render.resolution_x, render.resolution_y = "BLENDER_WORKBENCH", SIZE, SIZE
    shading = scene.display.shading
    shading.light, shading.color_type, shading.show_cavity = "STUDIO", "MATERIAL", True
    shading.background_type, shading.background_color = "VIEWPORT", (0.2, 0.2, 0.22)
    scene.view_settings.view_transform = "Standard"


# ---------------------------------------------------------------- sheet


def sheet(take: Take, clip: Path, shots: Sequence[Sequence[Path]], frames: Sequence[int], path: Path) -> None:
    """The plate on top, a row a model below, a column a frame."""
    import cv2

    from facelift_blender.capture.footage import probe, read_frames

    wanted = {frame: image for frame, image in read_frames(probe(clip)) if frame in frames}
    rows = [[_face(wanted[frame], take, frame) for frame in frames]]
    rows += [[cv2.cvtColor(cv2.imread(str(shot)), cv2.COLOR_BGR2RGB) for shot in row] for row in shots]
    picture = np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def _face(image: Array, take: Take, frame: int) -> Array:
    import cv2

    points = take.raw.landmarks_2d[int(np.argmin(np.abs(take.frames - frame)))]
    low, high = points.min(axis=0), points.max(axis=0)
    half, (x, y) = 0.95 * float(max(high - low)), (low + high) / 2
    matrix = np.array([[SIZE / (2 * half), 0, SIZE / 2 - x * SIZE / (2 * half)], [0, SIZE / (2 * half), SIZE / 2 - y * SIZE / (2 * half)]])
    return cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_AREA)


def telling_frames(take: Take, count: int = 6) -> list[int]:
    """Frames that show most: those whose weights lie farthest from the ones already chosen."""
    rows = np.flatnonzero(take.valid & np.isfinite(take.weights).all(axis=1))
    weights = take.weights[rows]
    chosen = [int(np.argmin(weights.sum(axis=1)))]
    while len(chosen) < min(count, len(rows)):
        apart = np.min(np.linalg.norm(weights[:, None] - weights[chosen], axis=2), axis=1)
        chosen.append(int(np.argmax(apart)))
    return sorted(int(take.frames[rows[index]]) for index in chosen)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.performer.three_heads", description=__doc__)
    parser.add_argument("take", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clip", type=Path, default=Path(__file__).parent / "demo.mp4", help="the plate (default: the bundled clip)")
    parser.add_argument("--truth", type=Path, help="a performance's truth, whose weights are shown instead")
    parser.add_argument("--frames", type=int, nargs="*", help="clip frames (default: six that differ most)")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        take = load_take(options.take)
        if options.truth:
            take = replace(take, weights=load_truth(options.truth).weights[take.frames - 1])
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    frames = options.frames or telling_frames(take)
    options.output.mkdir(parents=True, exist_ok=True)
    shots = [shoot(take, model, frames, options.output) for model in models(load_head())]
    sheet(take, options.clip, shots, frames, options.output / "three_heads.png")
    sys.stdout.write(f"{options.output / 'three_heads.png'}: frames {', '.join(map(str, frames))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
