# SPDX-License-Identifier: GPL-3.0-or-later
"""The neutral head that ships with the add-on: CC0 geometry, the 52 ARKit shapes, and where the landmarks lie on it.

Cut from the MakeHuman base mesh by `models/performer/head.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from ..capture.types import Array, FaceLiftError

FOLDER: Final = Path(__file__).parent.parent / "assets" / "head"
PARTS: Final = ("skin", "lips", "mouth", "sclera", "iris", "pupil", "teeth", "tongue", "lashes")
_FILES: Final = ("vertices", "faces", "uvs", "parts", "shapes", "landmark_vertices", "landmark_weights")


@dataclass(frozen=True)
class Head:
    """A head at rest and what its 52 shapes add, canonical frame, metres, 63 mm between the eyeballs.

    vertices: (V, 3). faces: (F, 4) vertex indices, counter-clockwise seen from outside. uvs: (F, 4, 2), one a corner.
    parts: (F,) index into `PARTS`. shapes: (52, V, 3) in the order of `arkit.NAMES`, what weight 1 adds.
    landmark_vertices: (N, 3) and landmark_weights: (N, 3): barycentric place of the topology's landmarks on the surface.
    """

    vertices: Array
    faces: np.ndarray
    uvs: Array
    parts: np.ndarray
    shapes: Array
    landmark_vertices: np.ndarray
    landmark_weights: Array

    @cached_property
    def landmarks(self) -> Array:
        """(N, 3) the landmarks of the face at rest."""
        return self.on_surface(self.vertices)

    @cached_property
    def landmark_shapes(self) -> Array:
        """(52, N, 3) what each shape adds to the landmarks."""
        return self.on_surface(self.shapes)

    def with_landmarks(self, vertices: np.ndarray, weights: Array) -> Head:
        """The head with other places for its landmarks: `landmark_vertices` (N, 3), `landmark_weights` (N, 3)."""
        return replace(self, landmark_vertices=vertices, landmark_weights=weights)

    def on_surface(self, vertices: Array) -> Array:
        """Landmarks (..., N, 3) of vertex positions, or of offsets, (..., V, 3)."""
        return np.einsum("...nkc,nk->...nc", vertices[..., self.landmark_vertices, :], self.landmark_weights)

    def pose(self, weights: Array) -> Array:
        """Vertices (..., V, 3) of the expressions weights (..., 52)."""
        return self.vertices + np.tensordot(weights, self.shapes, axes=1)


def load_head(folder: Path = FOLDER) -> Head:
    """The head of the add-on, or another in the same files. Raises FaceLiftError when a file is missing."""
    try:
        arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _FILES}
    except (OSError, ValueError) as error:
        raise FaceLiftError(f"The head in {folder} cannot be read ({error}): install the add-on again.") from error
    return Head(**{name: _widened(array) for name, array in arrays.items()})


def save_head(head: Head, folder: Path) -> None:
    """Write the head as one small .npy a field: shapes in half precision, positions in single."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"vertices": np.float32, "faces": np.int32, "uvs": np.float16, "parts": np.uint8, "shapes": np.float16}
    kinds |= {"landmark_vertices": np.int32, "landmark_weights": np.float32}
    for name in _FILES:
        np.save(folder / f"{name}.npy", getattr(head, name).astype(kinds[name]), allow_pickle=False)


def _widened(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if array.dtype.kind == "f" else array.astype(np.int64)
