# SPDX-License-Identifier: GPL-3.0-or-later
"""Where errors on the plate come from: from what a landmark is taken to mean, from the face, or from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facelift_blender.capture.head_pose import linearise, pose_from
from facelift_blender.capture.types import Array

from .truth import Truth

_DOUBT = 0.003
"""Metres by which a landmark's place on the face may differ, so that depth that no view shows is left alone."""


@dataclass(frozen=True)
class OnPlate:
    """errors: (F, N, 2) pixels; slopes: (F, N, 2, 3) pixels a metre of the canonical landmarks; seen: (F, N); face: its width, pixels."""

    errors: Array
    slopes: Array
    seen: NDArray[np.bool_]
    face: float

    @staticmethod
    def of(pixels: Array, frames: NDArray[np.int64], truth: Truth) -> OnPlate:
        """Of landmarks (F, N, 2) on clip frames (F,) of the truth."""
        rows, focal = frames - 1, float(truth.intrinsics[0, 0])
        pose = pose_from(truth.rotations[rows], truth.translations[rows], focal)
        slopes = linearise(truth.landmarks[rows], pose, 1.0 / focal)[2]
        width = float(np.median(np.ptp(truth.pixels[rows, :, 0], axis=1)))
        return OnPlate(pixels - truth.pixels[rows], slopes, truth.visible[rows], width)

    @property
    def offset(self) -> Array:
        """(N, 3) metres, canonical: the one displacement of each landmark that explains most of its errors in the clip."""
        slopes = np.where(self.seen[..., None, None], self.slopes, 0.0)
        pixel = 0.01 * self.face
        normal = np.einsum("fnij,fnik->njk", slopes, slopes) / pixel**2 + np.eye(3) / _DOUBT**2
        side = np.einsum("fnij,fni->nj", slopes, np.where(self.seen[..., None], self.errors, 0.0)) / pixel**2
        return np.linalg.solve(normal, side[..., None])[..., 0]

    def off(self, offset: Array | float = 0.0) -> float:
        """RMS in % of the face's width, with landmarks displaced (N, 3) taken for what is meant."""
        left = self.errors - np.einsum("fnij,nj->fni", self.slopes, np.broadcast_to(offset, self.slopes.shape[1::2]))
        return 100 * float(np.sqrt(np.mean(np.sum(left**2, axis=-1)[self.seen]))) / self.face


def parted(plates: Sequence[OnPlate]) -> list[dict[str, float]]:
    """Of each clip: its error without the mean offset of the other clips (what the landmarks are taken to mean), and without its own."""
    offsets = np.stack([plate.offset for plate in plates])
    total, others = offsets.sum(axis=0), max(len(plates) - 1, 1)
    return [
        {"plate without the definition": plate.off((total - own) / others), "plate without its own": plate.off(own)}
        for plate, own in zip(plates, offsets, strict=True)
    ]
