# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed 2D labeller in the hand-labelled definition [FaceLift, preprocessing 1].

A face mesh net of 478 points, run on several crops, and the map from its points to the landmark table (label_map.py). The
research labeller learns that map from photographs with hand-labelled iBUG points. The open one has studio portraits, all of
them frontal and neutral; once heads can be textured by it, it learns a second time, with renders near the front whose 68
vertices are the face model's own: they say what the portraits do not, except about the lids, which textures do not close.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from facelift_blender.capture.types import Array, Image

from . import paths
from .heads import Camera
from .label_map import LabelMap, fit_affine, fit_label_map, roll_of
from .labels import HandLabelled, labelled68, labelled189
from .measures import by_eyes
from .store import SIZE, Store, decode

CROP = 256
MARGIN = 1.5
"""Side of the crop over the longer side of the points' box."""


@dataclass(frozen=True)
class Labels:
    """points: (150, 2) pixels; covariances: (150, 2, 2) pixels squared; score: 0 to 1; size: side of the face's box."""

    points: Array
    covariances: Array
    score: float
    size: float


@dataclass(frozen=True)
class Crop:
    """A square cut out of a picture: centre in pixels, side in pixels, roll in radians, mirrored or not."""

    x: float
    y: float
    side: float
    roll: float = 0.0
    mirrored: bool = False

    def matrix(self, size: int) -> Array:
        """(2, 3): picture to crop."""
        scale, c, s = size / self.side, np.cos(self.roll), np.sin(self.roll)
        turn = scale * np.array([[c, s], [-s, c]])
        if self.mirrored:
            turn = np.diag([-1.0, 1.0]) @ turn
        return np.hstack([turn, (np.full(2, size / 2) - turn @ [self.x, self.y])[:, None]])

    def cut(self, image: Image, size: int) -> Image:
        flags = cv2.INTER_AREA if self.side > 2 * size else cv2.INTER_LINEAR
        return cv2.warpAffine(image, self.matrix(size), (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def back(self, points: Array, size: int) -> Array:
        """(..., 2) crop to picture."""
        matrix = self.matrix(size)
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T


def crop_of_points(points: Array, margin: float = MARGIN) -> Crop:
    """The crop about mesh points (478, 2), its roll that of the eyes."""
    roll = roll_of(points)
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    level = points @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    x, y = turn.T @ ((low + high) / 2)
    return Crop(float(x), float(y), float(max(high - low)) * margin, roll)


@cache
def _teacher() -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("FACELIFT_THREADS", "2"))
    return onnxruntime.InferenceSession(str(paths.DATA / "teacher" / "face_landmarks_detector.onnx"), options)


def mesh_points(image: Image, crops: Sequence[Crop]) -> tuple[Array, Array]:
    """(C, 478, 3) in pixels of the picture (z in the same unit) and (C,) scores for every crop of one picture."""
    batch = np.stack([crop.cut(image, CROP) for crop in crops]).astype(np.float32) / 255.0
    points, score, _ = _teacher().run(None, {"input_12": batch})
    points = points.reshape(-1, 478, 3).astype(float)
    out = np.empty_like(points)
    for k, crop in enumerate(crops):
        out[k, :, :2] = crop.back(points[k, :, :2], CROP)
        out[k, :, 2] = points[k, :, 2] * crop.side / CROP
        if crop.mirrored:
            out[k] = out[k, _mesh_mirror()]
    return out, 1.0 / (1.0 + np.exp(-score.reshape(-1)))


@cache
def _mesh_mirror() -> Array:
    """(478,) the twin of each vertex, found by mirroring the mean of many faces and matching the nearest."""
    return np.load(paths.RUNS / "labeller" / "mesh_mirror.npy")


def find_mesh_mirror(faces: Array) -> Array:
    """(F, 478, 3) level faces -> (478,) index of each vertex's mirror twin, an involution."""
    from scipy.optimize import linear_sum_assignment

    mean = np.mean([(face - face.mean(axis=0)) / face.std() for face in faces], axis=0)
    distance = np.linalg.norm((mean * [-1, 1, 1])[:, None] - mean[None], axis=2)
    twin = linear_sum_assignment(distance + distance.T)[1]
    return np.where(twin[twin] == np.arange(478), twin, np.arange(478))


def settle(image: Image, box: tuple[float, float, float, float], passes: int = 2) -> Crop:
    """The crop that the net's own points ask for, started from a face box (x, y, w, h)."""
    x, y, w, h = box
    crop = Crop(x + w / 2, y + h / 2, max(w, h) * MARGIN)
    for _ in range(passes):
        crop = crop_of_points(mesh_points(image, [crop])[0][0, :, :2])
    return crop


class Labeller:
    """Picture and face box to the table's 2D points with covariances. `name` is `open` or `research`: whose labels it learnt."""

    def __init__(self, name: str = "open") -> None:
        self.map = LabelMap.load(paths.RUNS / "labeller" / f"{name}.npz")

    def __call__(self, image: Image, box: tuple[float, float, float, float], passes: int = 2) -> Labels:
        return self.label(image, settle(image, box, passes))

    def label(self, image: Image, crop: Crop) -> Labels:
        """Three crops (one mirrored, one wider) averaged; their spread gives the covariance, above a floor of 0.5 % of the face."""
        crops = [crop, Crop(crop.x, crop.y, crop.side, crop.roll, True), Crop(crop.x, crop.y, crop.side * 1.15, crop.roll + 0.05)]
        meshes, scores = mesh_points(image, crops)
        points = np.stack([self.map(mesh) for mesh in meshes[:, :, :2]])
        size = crop.side / MARGIN
        spread = points - points.mean(axis=0)
        covariances = np.einsum("cni,cnj->nij", spread, spread) / (len(crops) - 1) + np.eye(2) * (0.005 * size) ** 2
        return Labels(points.mean(axis=0), covariances, float(scores.min()), size)


def box_of_points(points: Array) -> tuple[float, float, float, float]:
    """(x, y, w, h) of points (K, 2)."""
    (x, y), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x), float(y), float(x1 - x), float(y1 - y)


@dataclass(frozen=True)
class Example:
    """A labelled face as the mesh net sees it. mesh: (478, 2), points: (68, 2), both pixels; trust: (68,)."""

    mesh: Array
    points: Array
    trust: Array


def photographed(faces: Sequence[HandLabelled]) -> Iterator[Example]:
    """Hand-labelled photographs, seen through two crops and their mirror images."""
    for face in faces:
        image = face.image()
        crop = settle(image, box_of_points(face.points))
        meshes = mesh_points(image, [crop, Crop(crop.x, crop.y, crop.side, crop.roll, True)])[0]
        yield Example(meshes[:, :, :2].mean(axis=0), face.points, np.ones(68))


def rendered(views: Path, most: int = 800, widest: float = 25.0, trust: float = 0.4) -> Iterator[Example]:
    """Renders of a store within `widest` degrees of the front, with the face model's own 68 vertices; the eyes do not count."""
    pictures, table = Store(views).open()
    yaws = np.abs(np.degrees(np.arctan2(table["rotation"][:, 0, 2], -table["rotation"][:, 2, 2])))
    weights = np.full(68, trust)
    weights[36:48] = 0.0
    chosen = np.flatnonzero(yaws < widest)
    for index in chosen[:: max(1, len(chosen) // most)]:
        image = decode(pictures, table["ends"], index)
        camera = Camera(
            float(table["focal"][index]), (SIZE / 2, SIZE / 2), *(table[k][index].astype(float) for k in ("rotation", "translation"))
        )
        points = camera.project(table["truth68"][index].astype(float))
        meshes, scores = mesh_points(image, [settle(image, box_of_points(points), 1)])
        if scores[0] > 0.8:
            yield Example(meshes[0, :, :2], points, weights)


def fit(name: str, examples: Sequence[Example], folder: Path | None = None) -> LabelMap:
    """Fit the map twice: the second time without the tenth of the examples that the first one fits worst."""
    folder = folder or paths.RUNS / "labeller"
    folder.mkdir(parents=True, exist_ok=True)
    meshes, targets, trust = (np.stack([getattr(example, part) for example in examples]) for part in ("mesh", "points", "trust"))
    mirror = folder / "mesh_mirror.npy"
    affine = fit_affine(meshes, targets)
    errors = np.array([by_eyes(affine @ mesh, target).mean() for mesh, target in zip(meshes, targets, strict=True)])
    kept = errors <= np.quantile(errors, 0.9)
    label_map = fit_label_map(meshes[kept], targets[kept], trust[kept], np.load(mirror))
    label_map.save(folder / f"{name}.npz")
    return label_map


def learn_mesh_mirror(faces: Sequence[HandLabelled], folder: Path) -> None:
    """Find each vertex's twin by portraits, which are level and look ahead; the mirrored crops need it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [mesh_points(face.image(), [settle(face.image(), box_of_points(face.points))])[0][0] for face in faces]
    np.save(folder / "mesh_mirror.npy", find_mesh_mirror(np.stack(found)))


def main() -> None:
    """Fit both labellers and print their error on the held-out photographs."""
    training, held_out = labelled68()
    portraits = labelled189()
    if not (paths.RUNS / "labeller" / "mesh_mirror.npy").exists():
        learn_mesh_mirror(portraits, paths.RUNS / "labeller")
    examples = list(photographed(portraits))
    views = paths.RUNS / "open" / "views"
    fit("open", [*examples, *(rendered(views) if (views / "table.npz").exists() else ())])
    fit("research", [*photographed(training), *examples])
    for name in ("open", "research"):
        labeller = Labeller(name)
        errors = np.array([by_eyes(labeller(face.image(), box_of_points(face.points)).points, face.points) for face in held_out])
        for source in ("helen", "afw"):
            of_source = errors[[face.source == source for face in held_out]]
            inner, contour = of_source[:, 17:].mean(), of_source[:, :17].mean()
            print(f"{name:9} {source:6} full {of_source.mean():.2%} inner {inner:.2%} contour {contour:.2%}")


if __name__ == "__main__":
    main()
