# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixed 2D labeller in the hand-labelled definition [FaceLift, preprocessing 1].

A face mesh net of 478 points, run on several crops, and a map from its points to the landmark table: `mesh:k` rows are
its vertices, each `ibug:k` row is an affine combination of the vertices around it. The weights of a combination sum to
one and serve x and y alike, so the map turns, scales and opens its mouth with the face; they are ridge-fitted to hand
labels, towards the one vertex that lies nearest.
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

from facelift_blender.capture.topology import COUNT, TABLE
from facelift_blender.capture.types import Array, Image

from . import paths
from .labels import HandLabelled, labelled68, labelled189

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
    across = points[[263, 362]].mean(axis=0) - points[[33, 133]].mean(axis=0)
    roll = float(np.arctan2(across[1], across[0]))
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


# The vertex nearest to each iBUG point: where the ridge pulls to.
_NEAREST = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 64, 97, 2, 326, 294,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 81, 13, 311, 308, 402, 14, 178,
)  # fmt: skip

_LIPS = {
    "upper": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    "lower": (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
}
_LIDS = {
    "right_upper": (33, 246, 161, 160, 159, 158, 157, 173, 133), "right_lower": (33, 7, 163, 144, 145, 153, 154, 155, 133),
    "left_upper": (263, 466, 388, 387, 386, 385, 384, 398, 362), "left_lower": (263, 249, 390, 373, 374, 380, 381, 382, 362),
}  # fmt: skip


def _support(index: int, mean: Array, count: int) -> Array:
    """Vertices that may speak for iBUG point `index`: its own lip or lid, else the `count` nearest to its vertex."""
    lips = dict.fromkeys((49, 50, 51, 52, 53, 61, 62, 63), "upper") | dict.fromkeys((55, 56, 57, 58, 59, 65, 66, 67), "lower")
    lids = {37: "right_upper", 38: "right_upper", 40: "right_lower", 41: "right_lower"}
    lids |= {43: "left_upper", 44: "left_upper", 46: "left_lower", 47: "left_lower"}
    distance = np.linalg.norm(mean - mean[_NEAREST[index]], axis=1)
    pool = np.array(_LIPS[lips[index]] if index in lips else _LIDS[lids[index]] if index in lids else range(468))
    return pool[np.argsort(distance[pool])[:count]]


def fit_map(meshes: Array, targets: Array, ridge: float = 0.02, count: int = 14) -> Array:
    """Affine combinations (68, 478) from mesh points (F, 478, 2) to hand labels (F, 68, 2), both in pixels.

    Each face is scaled to its own size first, so that every face counts alike.
    """
    scale = 1.0 / meshes.std(axis=(1, 2))[:, None, None]
    meshes, targets = meshes * scale, targets * scale
    mean = np.mean(meshes - meshes.mean(axis=1, keepdims=True), axis=0)
    weights = np.zeros((68, 478))
    for k in range(68):
        near = _NEAREST[k]
        support = np.array([vertex for vertex in _support(k, mean, count + 1) if vertex != near])
        rows = (meshes[:, support] - meshes[:, [near]]).transpose(0, 2, 1).reshape(-1, len(support))
        wanted = (targets[:, k] - meshes[:, near]).reshape(-1)
        damping = ridge * len(wanted) * float((rows**2).mean())
        solution = np.linalg.solve(rows.T @ rows + damping * np.eye(len(support)), rows.T @ wanted)
        weights[k, support] = solution
        weights[k, near] = 1.0 - solution.sum()
    return weights


def table_map(ibug: Array) -> Array:
    """(150, 478): the fitted 68 rows, then one vertex for each `mesh:` row."""
    rows = np.zeros((COUNT, 478))
    rows[:68] = ibug
    for k, landmark in enumerate(TABLE[68:], start=68):
        rows[k, int(landmark.definition.split(":")[1])] = 1.0
    return rows


class Labeller:
    """Picture and face box to the table's 2D points with covariances. `name` is `open` or `research`: whose labels it learnt."""

    def __init__(self, name: str = "open") -> None:
        self.map: Array = np.load(paths.RUNS / "labeller" / f"{name}.npy")

    def __call__(self, image: Image, box: tuple[float, float, float, float], passes: int = 2) -> Labels:
        return self.label(image, settle(image, box, passes))

    def label(self, image: Image, crop: Crop) -> Labels:
        """Three crops (one mirrored, one wider) averaged; their spread gives the covariance, above a floor of 0.5 % of the face."""
        crops = [crop, Crop(crop.x, crop.y, crop.side, crop.roll, True), Crop(crop.x, crop.y, crop.side * 1.15, crop.roll + 0.05)]
        meshes, scores = mesh_points(image, crops)
        points = self.map @ meshes[:, :, :2]
        size = crop.side / MARGIN
        spread = points - points.mean(axis=0)
        covariances = np.einsum("cni,cnj->nij", spread, spread) / (len(crops) - 1) + np.eye(2) * (0.005 * size) ** 2
        return Labels(points.mean(axis=0), covariances, float(scores.min()), size)


def box_of_points(points: Array) -> tuple[float, float, float, float]:
    """(x, y, w, h) of points (K, 2)."""
    (x, y), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x), float(y), float(x1 - x), float(y1 - y)


def settled_meshes(faces: Sequence[HandLabelled]) -> Iterator[tuple[HandLabelled, Crop, Array]]:
    """Each face with its settled crop and mesh points (478, 3)."""
    for face in faces:
        image = face.image()
        crop = settle(image, box_of_points(face.points))
        yield face, crop, mesh_points(image, [crop])[0][0]


def normalised_error(points: Array, truth: Array) -> Array:
    """(68,) distance over the distance of the outer eye corners."""
    return np.linalg.norm(points[:68] - truth, axis=1) / np.linalg.norm(truth[36] - truth[45])


def fit(name: str, faces: Sequence[HandLabelled], folder: Path | None = None) -> Array:
    """Fit the map to hand-labelled faces, twice: the second time without the tenth that the first one fits worst."""
    folder = folder or paths.RUNS / "labeller"
    folder.mkdir(parents=True, exist_ok=True)
    found = list(settled_meshes(faces))
    meshes = np.stack([mesh for _, _, mesh in found])
    targets = np.stack([face.points for face, _, _ in found])
    if not (folder / "mesh_mirror.npy").exists():
        np.save(folder / "mesh_mirror.npy", find_mesh_mirror(meshes))
    meshes = meshes[:, :, :2]
    weights = fit_map(meshes, targets)
    errors = np.array([normalised_error(weights @ mesh, target).mean() for mesh, target in zip(meshes, targets, strict=True)])
    kept = errors <= np.quantile(errors, 0.9)
    weights = table_map(fit_map(meshes[kept], targets[kept]))
    np.save(folder / f"{name}.npy", weights)
    return weights


def main() -> None:
    """Fit both labellers and print their error on the held-out photographs."""
    training, held_out = labelled68()
    for name, faces in (("open", labelled189()), ("research", [*training, *labelled189()])):
        fit(name, faces)
        labeller = Labeller(name)
        errors = np.array([normalised_error(labeller(face.image(), box_of_points(face.points)).points, face.points) for face in held_out])
        for source in ("helen", "afw"):
            of_source = errors[[face.source == source for face in held_out]]
            inner, contour = of_source[:, 17:].mean(), of_source[:, :17].mean()
            print(f"{name:9} {source:6} full {of_source.mean():.2%} inner {inner:.2%} contour {contour:.2%}")


if __name__ == "__main__":
    main()
