# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches for the second look: cut from the original pictures where the regressor puts each region, wider than it will see them.

`python -m models.training.second_look_samples open` makes `second_look_patches` from photographs and clips with the labeller's
points, and from the stores of views and the performer's portraits with lifted ones.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.landmarks import Estimate, Regressor, box_of_landmarks
from facelift_blender.capture.second_look import COLUMNS, KINDS, OUTPUTS, REGIONS, facing, placed
from facelift_blender.capture.types import Array, Image

from . import paths
from .heads import Camera, FaceModel
from .iris import IRIS, with_found_iris
from .labeller import Labeller, crop_of_points, mesh_points, settle
from .labels import read_image
from .lift import outward_normals, visibility
from .run_folder import say
from .samples import HELD_OUT_EVERY, OPEN_CLIPS, FaceFinder, background, clip_frames, lifted_views, mean_landmarks, of_set, over
from .store import SIZE, Store, decode

CUT, CONTEXT = 128, 1.6
"""Side of a stored patch in pixels, and in sides of the patch that the network sees."""
CLIP_EVERY, SHUT = 4, 0.17
"""Of a clip every so many frames are labelled; of these every fourth is kept, and each whose lids are closer than this share of an eye."""
NO_EDGE = 0.1
"""How much the labeller's iris is believed where no edge of one was found."""
VIEWS_EVERY = 4
"""Of the textured heads' views so many are passed over for one: they have no lids that shut."""


@dataclass(frozen=True)
class Face:
    """A picture, its landmarks (N, 2) in pixels, and its focal length, known or guessed, in pixels."""

    image: Image
    points: Array
    focal: float


@dataclass(frozen=True)
class Patches:
    """pictures: (P, CUT, CUT, 3) uint8. kind: (P,) index of KINDS. points: (P, OUTPUTS, 2) in sides of the network's patch,
    trust: (P, OUTPUTS), 0 for other kinds' landmarks. lids: (P,) opening over width of an eye, 1 for other kinds.
    """

    pictures: Array
    kind: Array
    points: Array
    trust: Array
    lids: Array

    def save(self, folder: Path) -> None:
        """The table last: it tells that the rest is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        for field in reversed(fields(self)):
            np.save(folder / f"{field.name}.part.npy", getattr(self, field.name))
        for field in fields(self):
            os.replace(folder / f"{field.name}.part.npy", folder / f"{field.name}.npy")

    @classmethod
    def load(cls, folder: Path) -> Patches:
        return cls(**{field.name: np.load(folder / f"{field.name}.npy", mmap_mode="r") for field in fields(cls)})


def patches_of(face: Face, regressor: Regressor) -> Iterator[tuple[Image, int, Array, Array, float]]:
    """A row of Patches for each region that can be seen, placed by the regressor's own estimate, errors and all."""
    estimate = regressor(face.image, [box_of_landmarks(face.points)], face.focal)[0]
    seen = turned_here(estimate)
    for region, patch, towards in zip(REGIONS, placed(estimate), facing(estimate), strict=True):
        columns, inside = COLUMNS[region.kind.name], patch.to_patch(face.points[region.landmarks])
        if towards < 0.1 or np.abs(inside - 0.5).max() > 0.5 * CONTEXT:
            continue
        points, trust = np.zeros((OUTPUTS, 2), np.float32), np.zeros(OUTPUTS, np.float32)
        cut = replace(patch, side=patch.side * CONTEXT).cut(face.image, CUT)
        points[columns], trust[columns] = inside, seen[region.landmarks]
        if region.kind.name == "eye":
            points[columns], trust[columns] = with_iris(cut, inside, trust[columns])
        yield cut, KINDS.index(region.kind), points, trust, opening(inside) if region.kind.name == "eye" else 1.0


def with_iris(cut: Image, eye: Array, trust: Array) -> tuple[Array, Array]:
    """An eye's landmarks (K, 2) in sides of the patch and their trust (K,), the iris by its edge; without one it counts for little."""
    found, sure = with_found_iris(cut, in_cut(eye))
    trust = trust.copy()
    trust[IRIS] *= 1.0 if sure else NO_EDGE
    return (found / CUT - 0.5) * CONTEXT + 0.5, trust


def in_cut(points: Array) -> Array:
    """Sides of the patch to pixels of the stored cut."""
    return ((points - 0.5) / CONTEXT + 0.5) * CUT


def turned_here(estimate: Estimate) -> Array:
    """(N,) 0 to 1: landmarks that the estimate turns to the camera."""
    camera = Camera(1.0, (0.0, 0.0), estimate.rotation, estimate.translation)
    return visibility(estimate.landmarks_3d, outward_normals(estimate.landmarks_3d), [camera])[0]


def opening(eye: Array) -> float:
    """The gap of the lids over the width of the eye, of an eye patch's landmarks (K, 2)."""
    outer, *upper, inner, low_inner, low_outer = (eye[KINDS[0].landmarks.index(k)] for k in range(36, 42))
    gap = np.linalg.norm(np.mean(upper, axis=0) - (low_inner + low_outer) / 2)
    return float(gap / max(np.linalg.norm(outer - inner), 1e-9))


def photographed_faces(name: str, labeller: Labeller) -> Iterator[Face]:
    """The set's photographs, as large as they are, with the labeller's points; those it is not sure of are refused."""
    finder = FaceFinder()
    for k, file in enumerate(of_set(name)):
        image = read_image(file)
        box = finder(image) if k % HELD_OUT_EVERY else None
        if box is None:
            continue
        labels = labeller(image, box)
        if labels.score >= 0.8 and np.sqrt(np.trace(labels.covariances, axis1=1, axis2=2).mean()) < 0.04 * labels.size:
            yield Face(image, labels.points, 1.2 * max(image.shape[:2]))


def filmed_faces(clips: Sequence[str], labeller: Labeller) -> Iterator[Face]:
    """Frames of clips with the labeller's points: a few of all, and every blink."""
    for clip in clips:
        crop = None
        for k, image in enumerate(clip_frames([clip], CLIP_EVERY)):
            box = None if crop else FaceFinder()(image)
            crop = settle(image, box) if box else crop
            if crop is None:
                continue
            labels = labeller.label(image, crop)
            crop = crop_of_points(mesh_points(image, [crop])[0][0, :, :2]) if labels.score >= 0.8 else None
            eyes = [labels.points[region.landmarks] for region in REGIONS[:2]]
            if labels.score >= 0.8 and (k % 4 == 0 or min(map(opening, eyes)) < SHUT):
                yield Face(image, labels.points, 1.2 * max(image.shape[:2]))


def viewed_faces(folder: Path, every: int) -> Iterator[Face]:
    """Every so many views of a store, with the lifted landmarks as the known camera sees them."""
    pictures, table = Store(folder).open()
    for index in range(0, len(table["ends"]) - 1, every):
        rotation, translation, landmarks = (table[column][index].astype(float) for column in ("rotation", "translation", "landmarks"))
        camera = Camera(float(table["focal"][index]), (SIZE / 2, SIZE / 2), rotation, translation)
        yield Face(decode(pictures, table["ends"], index), camera.project(landmarks), camera.focal)


def portrayed_faces(folder: Path, labeller: Labeller, photographs: Sequence[Image]) -> Iterator[Face]:
    """The performer's portraits, of any size (models/performer/portraits.py), with their lifted landmarks."""
    random, start = np.random.default_rng(5), mean_landmarks(FaceModel())
    for file in sorted(folder.glob("[0-9]*.npz")):
        known = np.load(file)
        for k, truth in enumerate(known["landmarks"]):
            cut_out = [
                cv2.imread(str(folder / f"{file.stem}_{k}_{view}.png"), cv2.IMREAD_UNCHANGED) for view in range(len(known["focal"][k]))
            ]
            size = cut_out[0].shape[:2]
            pictures = [over(picture, cv2.resize(background(random, photographs), size)) for picture in cut_out]
            rows = zip(known["focal"][k], known["rotation"][k], known["translation"][k], strict=True)
            cameras = [Camera(float(focal), (size[1] / 2, size[0] / 2), *pose) for focal, *pose in rows]
            for picture, row in lifted_views(pictures, cameras, truth[:68], labeller, start):
                camera = Camera(row["focal"], (size[1] / 2, size[0] / 2), row["rotation"], row["translation"])
                yield Face(picture, camera.project(row["landmarks"]), camera.focal)


def collected(faces: Iterator[Face], regressor: Regressor) -> Patches:
    """The patches of all faces."""
    columns = zip(*(row for face in faces for row in patches_of(face, regressor)), strict=True)
    return Patches(*(np.stack(column) for column in columns))


PARTS = ("photographs", "clips", "views", "views_portraits_b", "portraits_near")


def make(name: str, part: str) -> None:
    """One part of the patches of a set, in a folder of its own."""
    labeller, regressor, folder = Labeller(name), Regressor(threads=1), paths.RUNS / name
    if part == "photographs":
        faces = photographed_faces(name, labeller)
    elif part == "clips":
        faces = filmed_faces(OPEN_CLIPS, labeller)
    elif part == "portraits_near":
        behind = [read_image(file) for k, file in enumerate(of_set(name)) if k % HELD_OUT_EVERY][::16]
        faces = portrayed_faces(paths.RUNS / part, labeller, behind)
    else:
        faces = viewed_faces(folder / part, VIEWS_EVERY if part == "views" else 1)
    patches = collected(faces, regressor)
    patches.save(folder / "second_look_patches" / part)
    say(f"{part}: {np.bincount(patches.kind).tolist()} of {[kind.name for kind in KINDS]}, {int((patches.lids < SHUT).sum())} of shut eyes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    for part in arguments.parts:
        make(arguments.name, part)


if __name__ == "__main__":
    main()
