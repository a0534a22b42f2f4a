# SPDX-License-Identifier: GPL-3.0-or-later
"""A head of any identity from the CC0 MakeHuman assets: cut at the neck, new eyeballs, 52 ARKit shapes, canonical frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, Head

from .makehuman import Assets, Mesh
from .surface import at, barycentric_grid, nearest_on_surface, on_limit, triangles

INTERPUPILLARY: Final = 0.063
NECK: Final = 5.85
"""Height, in the base mesh's decimetres, at which the neck is cut."""
LASH: Final = np.array([0.25, 0.45, 0.85]) * 5e-3
"""Metres that a lash reaches outwards, up and forwards."""
LID_OVERLAP: Final = 0.5e-3
"""Metres by which a closed upper lid passes the lower one's rim."""

_HELPERS: Final = {
    "helper-upper-teeth": "teeth", "helper-lower-teeth": "teeth", "helper-tongue": "tongue",
}  # fmt: skip
_SIDES: Final = {"Left": 1.0, "Right": -1.0}
_EYES: Final = {"Left": "helper-l-eye", "Right": "helper-r-eye"}
_GAZE: Final = {"In": (0.0, 24.0), "Out": (0.0, -24.0), "Up": (18.0, 0.0), "Down": (-20.0, 0.0)}
"""Degrees (up, towards the nose) that an eyeball turns at weight 1. MakeHuman's eyeballs are larger than life, and turn less for it."""

AVERAGE: Final[Mapping[str, float]] = {
    **{f"macrodetails/{origin}-{sex}-young": 1 / 6 for origin in ("african", "asian", "caucasian") for sex in ("female", "male")},
    **{f"macrodetails/universal-{sex}-young-averagemuscle-averageweight": 1 / 2 for sex in ("female", "male")},
}
"""The young adult midway between the sexes and the three origins."""


@dataclass(frozen=True)
class Sphere:
    """An eyeball: center (3,) and radius, decimetres."""

    center: Array
    radius: float


@dataclass(frozen=True)
class Frame:
    """The way from the base mesh's decimetres to the canonical metres of one identity."""

    origin: Array
    scale: float

    def points(self, vertices: Array) -> Array:
        """(..., 3) canonical metres of positions in decimetres."""
        return (vertices - self.origin) * self.scale

    def offsets(self, deltas: Array) -> Array:
        """(..., 3) metres of offsets in decimetres."""
        return deltas * self.scale


def build_head(assets: Assets, identity: Mapping[str, float] = AVERAGE, neck: float = NECK) -> Head:
    """The head of the identity's targets and their weights; its landmarks are not embedded yet ((0, 3) arrays)."""
    mesh = assets.mesh
    vertices = mesh.vertices + sum(weight * assets.identity(name) for name, weight in identity.items())
    eyes = {side: fit_sphere(vertices[assets.vertex_groups[group]]) for side, group in _EYES.items()}
    frame = canonical_frame(eyes)
    shapes = np.stack([assets.expression(name) for name in arkit.NAMES])
    head = _cut(assets, mesh, vertices, shapes, neck)
    for side, sphere in eyes.items():
        head = _join(head, _eyeball(sphere, side))
    head = replace(head, vertices=frame.points(head.vertices), shapes=frame.offsets(head.shapes))
    return _with_lashes(_with_closing_lids(head))


def canonical_frame(eyes: Mapping[str, Sphere]) -> Frame:
    """Origin midway between the eyeballs, 63 mm between them."""
    left, right = eyes["Left"].center, eyes["Right"].center
    return Frame((left + right) / 2.0, INTERPUPILLARY / float(np.linalg.norm(left - right)))


def fit_sphere(points: Array) -> Sphere:
    """Least-squares sphere through points (K, 3)."""
    system = np.column_stack([2.0 * points, np.ones(len(points))])
    solution = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    center = solution[:3]
    return Sphere(center, float(np.sqrt(solution[3] + center @ center)))


def _cut(assets: Assets, mesh: Mesh, vertices: Array, shapes: Array, neck: float) -> Head:
    """The faces of the head and of its helpers, renumbered, the neck's rim made level; decimetres."""
    body = (mesh.groups == "body") & (mesh.vertices[mesh.faces][..., 1].max(axis=1) > neck)
    vertices = _level_rim(mesh, body, vertices, neck)
    kept = body | np.isin(mesh.groups, list(_HELPERS))
    used, faces = np.unique(mesh.faces[kept], return_inverse=True)
    nothing = np.zeros((0, 3))
    return Head(vertices[used], faces.reshape(-1, 4), mesh.uvs[kept], _parts(assets, mesh)[kept], shapes[:, used],
                nothing.astype(np.int64), nothing)  # fmt: skip


def _level_rim(mesh: Mesh, kept: np.ndarray, vertices: Array, neck: float) -> Array:
    """Slide the kept vertices that lie below the cut up to it: along an edge, or where there is none along a diagonal."""
    edges = np.concatenate([np.stack([mesh.faces[kept], np.roll(mesh.faces[kept], turn, axis=1)], axis=-1).reshape(-1, 2)
                            for turn in (2, 1, 3)])  # fmt: skip
    heights = mesh.vertices[:, 1]
    low, high = edges[(heights[edges[:, 0]] <= neck) & (heights[edges[:, 1]] > neck)].T
    share = ((neck - heights[high]) / (heights[low] - heights[high]))[:, None]
    vertices = vertices.copy()
    vertices[low] = vertices[high] + share * (vertices[low] - vertices[high])
    return vertices


def _parts(assets: Assets, mesh: Mesh) -> np.ndarray:
    """(F,) the part of each face of the base mesh: helpers by their group, the body's by the painted masks."""
    parts = np.zeros(len(mesh.faces), dtype=np.int64)
    body = mesh.groups == "body"
    for part, mask in (("lips", "lips"), ("mouth", "inside-mouth")):
        values = assets.mask(mask, mesh.faces[body], mesh.uvs[body])
        inside = values[mesh.faces[body]].mean(axis=1) > 0.5
        parts[np.flatnonzero(body)[inside]] = PARTS.index(part)
    for helper, part in _HELPERS.items():
        parts[mesh.groups == helper] = PARTS.index(part)
    return parts


def _with_closing_lids(head: Head) -> Head:
    """The head with blinks that bring the rims of the lids together, where the targets push the upper one far past the lower."""
    shapes = head.shapes.copy()
    for side, sign in _SIDES.items():
        index = arkit.INDEX[f"eyeBlink{side}"]
        lids = _lids(head, side)
        share = np.clip((lids.upper[:, 1] - lids.lower[:, 1] + LID_OVERLAP) / -lids.blink[:, 1], 0.3, 1.1)
        share = np.convolve(np.pad(share, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
        shapes[index] *= np.interp(sign * head.vertices[:, 0], sign * lids.upper[:, 0], share)[:, None]
    return replace(head, shapes=shapes)


@dataclass(frozen=True)
class Lids:
    """The rims of one eye's lids from the nose outwards: points (K, 3) of each, and what the blink adds to the upper one."""

    upper: Array
    lower: Array
    blink: Array


def _lids(head: Head, side: str) -> Lids:
    """The lowest place of what the blink moves, and the highest of what it leaves, column by column of the eye."""
    sign = _SIDES[side]
    smooth = on_limit(head)
    skin = triangles(head.faces[head.parts == PARTS.index("skin")])
    middle = smooth.vertices[skin].mean(axis=1)
    near = skin[(np.abs(sign * middle[:, 0] - 0.0315) < 0.018) & (np.abs(middle[:, 1]) < 0.011) & (middle[:, 2] > 5e-3)]
    points, blink = (np.einsum("gk,tkc->tgc", barycentric_grid(8), field[near]).reshape(-1, 3)
                     for field in (smooth.vertices, smooth.shapes[arkit.INDEX[f"eyeBlink{side}"]]))  # fmt: skip
    falls = blink[:, 1] < -2e-3
    upper, lower = [], []
    for column in sign * np.linspace(19e-3, 44.5e-3, 18):
        close = np.abs(points[:, 0] - column) < 0.7e-3
        above, below = np.flatnonzero(close & falls), np.flatnonzero(close & ~falls & (points[:, 1] < 0.0))
        if not len(above) or not len(below):  # an eye narrower than the columns
            continue
        upper.append(above[np.argmin(points[above, 1])])
        lower.append(below[np.argmax(points[below, 1])])
    return Lids(points[upper], points[lower], blink[upper])


def _with_lashes(head: Head) -> Head:
    """The head with a fringe on each upper lid, which rides on it."""
    smooth = on_limit(head)
    skin = triangles(head.faces[head.parts == PARTS.index("skin")])
    for side, sign in _SIDES.items():
        root = _lids(head, side).upper[4:]
        reach = np.sin(np.linspace(0.15, 0.9, len(root)) * np.pi)[:, None] * LASH * [sign, 1.0, 1.0]
        rows = np.concatenate([root, root + 0.6 * reach * [1.0, 0.5, 1.2], root + reach])
        k = np.arange(len(root) - 1)
        strip = np.column_stack([k, k + 1, k + 1 + len(root), k + len(root)])[:, :: int(sign)]
        faces = np.concatenate([strip, strip + len(root)])
        shapes = np.tile(at(smooth.shapes, *nearest_on_surface(root, smooth.vertices, skin)), (1, 3, 1))
        parts = np.full(len(faces), PARTS.index("lashes"))
        head = _join(head, replace(head, vertices=rows, faces=faces, uvs=np.zeros((len(faces), 4, 2)), parts=parts, shapes=shapes))
    return head


_RING: Final = 32
_PUPIL, _IRIS, _CORNEA = 8.5, 22.0, 27.0
"""Degrees from the axis of the eyeball at which pupil, iris and the cornea's bulge end."""


def _eyeball(sphere: Sphere, side: str) -> Head:
    """A quad sphere of rings about the axis of gaze with its four gaze shapes; decimetres."""
    angles = np.radians([_PUPIL, 15.0, _IRIS, 30.0, 45.0, 62.0, 80.0, 100.0, 125.0, 150.0])
    around = np.arange(_RING) * 2.0 * np.pi / _RING
    bulge = 1.0 + 0.03 * np.clip(1.0 - np.degrees(angles) / _CORNEA, 0.0, None)
    rings = np.stack([np.sin(angles)[:, None] * np.cos(around), np.sin(angles)[:, None] * np.sin(around),
                      np.repeat(np.cos(angles)[:, None], _RING, axis=1)], axis=-1)  # fmt: skip
    local = (rings * bulge[:, None, None] * sphere.radius).reshape(-1, 3)
    faces, parts = _eyeball_faces(len(angles))
    uvs = 0.5 + 0.5 * local[faces][..., :2] / sphere.radius
    nothing = np.zeros((0, 3))
    return Head(local + sphere.center, faces, uvs, parts, _gaze_shapes(local, side), nothing.astype(np.int64), nothing)


def _eyeball_faces(rings: int) -> tuple[np.ndarray, np.ndarray]:
    """Quads (F, 4) between the rings, with ladders of quads as caps, and the part of each."""
    k = np.arange(_RING)
    following = (k + 1) % _RING
    bands = [np.column_stack([r * _RING + k, (r + 1) * _RING + k, (r + 1) * _RING + following, r * _RING + following])
             for r in range(rings - 1)]  # fmt: skip
    step = np.arange(_RING // 2 - 1)
    cap = np.column_stack([step, step + 1, _RING - 2 - step, _RING - 1 - step])
    back = cap[:, ::-1] + (rings - 1) * _RING
    names = ["pupil"] * len(cap) + ["iris"] * (2 * _RING) + ["sclera"] * ((rings - 3) * _RING + len(back))
    return np.concatenate([cap, *bands, back]), np.array([PARTS.index(name) for name in names])


def _gaze_shapes(local: Array, side: str) -> Array:
    """(52, K, 3): turning the eyeball is exact at weight 1 and straight-lined between."""
    shapes = np.zeros((len(arkit.NAMES), len(local), 3))
    inwards = -1.0 if side == "Left" else 1.0
    for look, (up, nose) in _GAZE.items():
        shapes[arkit.INDEX[f"eyeLook{look}{side}"]] = local @ (_turn(up, inwards * nose) - np.eye(3)).T
    return shapes


def _turn(up: float, right: float) -> Array:
    """Rotation (3, 3) of the axis +z by degrees up and to the viewer's right."""
    pitch, yaw = np.radians(-up), np.radians(right)
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    return about_y @ about_x


def _join(head: Head, other: Head) -> Head:
    return replace(
        head,
        vertices=np.concatenate([head.vertices, other.vertices]),
        faces=np.concatenate([head.faces, other.faces + len(head.vertices)]),
        uvs=np.concatenate([head.uvs, other.uvs]),
        parts=np.concatenate([head.parts, other.parts]),
        shapes=np.concatenate([head.shapes, other.shapes], axis=1),
    )
