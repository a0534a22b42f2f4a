# SPDX-License-Identifier: GPL-3.0-or-later
"""Posed photographs for the adversarial stage: the frames store, each face's pose as the shipped regressor tells it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from facelift_blender.capture.landmarks import Regressor, box_of_landmarks
from facelift_blender.capture.types import Array

from .generator import Cameras, pixel_places, window
from .store import SIZE, Store, decode
from .view_set import shrink

_ACROSS = np.diag([-1.0, 1.0, 1.0])
GREY = 0.0
"""In pictures of -1..1, what lies outside the window through which the adversary looks."""


@dataclass(frozen=True)
class Posed:
    """S photographs: pictures (S, P, P, 3) uint8, rotation (S, 3, 3), translation (S, 3), focal (S,) in picture sides."""

    pictures: Array
    rotation: Array
    translation: Array
    focal: Array

    def cameras(self, rows: Array, mirrored: Array | None = None) -> Cameras:
        """Of rows (B,); of their mirror images where `mirrored` (B,) is true."""
        rotation, translation = self.rotation[rows], self.translation[rows]
        if mirrored is not None:
            rotation = np.where(mirrored[:, None, None], _ACROSS @ rotation @ _ACROSS, rotation)
            translation = np.where(mirrored[:, None], translation * [-1, 1, 1], translation)
        return Cameras(*(torch.from_numpy(x.astype(np.float32)) for x in (rotation, translation, self.focal[rows])))

    def draw(self, count: int, size: int, random: np.random.Generator) -> tuple[Tensor, Cameras]:
        """`count` photographs (B, 3, size, size) in -1..1, mirrored or not, seen through the window, and their cameras."""
        rows, mirrored = random.integers(len(self.pictures), size=count), random.random(count) < 0.5
        pictures = np.where(mirrored[:, None, None, None], self.pictures[rows][:, :, ::-1], self.pictures[rows])
        cameras = self.cameras(rows, mirrored)
        colour = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
        return through_window(resized(colour, size), cameras), cameras

    def save(self, path: Path) -> None:
        """As .npz, whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez(part, pictures=self.pictures, rotation=self.rotation, translation=self.translation, focal=self.focal)
        os.replace(part, path)


def through_window(pictures: Tensor, cameras: Cameras) -> Tensor:
    """Pictures (B, 3, S, S) in -1..1 with grey around the head: where it is known from the camera alone."""
    size = pictures.shape[-1]
    share = window(cameras.rays(pixel_places(size))).view(-1, 1, size, size)
    return GREY + share * (pictures - GREY)


def resized(pictures: Tensor, size: int) -> Tensor:
    """(B, 3, size, size), averaged where it is smaller."""
    return pictures if pictures.shape[-1] == size else functional.interpolate(pictures, (size, size), mode="bilinear", antialias=True)


def posed(folders: Sequence[Path], size: int) -> Posed:
    """The photographs of frames stores, posed once and kept beside the first."""
    kept = folders[0] / f"posed_{size}.npz"
    if not kept.exists():
        pose_photographs(folders, size, Regressor(threads=1)).save(kept)
    return Posed(**np.load(kept))


def pose_photographs(folders: Sequence[Path], size: int, regressor: Regressor, least: float = 0.5) -> Posed:
    """Ask the regressor, twice as the tracker does; a face it is not sure of is left out."""
    rows = []
    for folder in folders:
        data, table = Store(folder).open()
        for index, points in enumerate(table["points"].astype(float)):
            picture, focal = decode(data, table["ends"], index), float(table["focal"][index])
            first = regressor(picture, [box_of_landmarks(points)], focal)[0]
            found = regressor(picture, [box_of_landmarks(first.landmarks_2d)], focal)[0]
            if found.score > least:
                rows.append((shrink(picture, size), found.rotation, found.translation, focal / SIZE))
    return Posed(*(np.stack(column) for column in zip(*rows, strict=True)))
