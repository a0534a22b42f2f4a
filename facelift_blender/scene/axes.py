# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenCV's axes to Blender's: the only place that knows both.

Capture's world has OpenCV's axes (x right, y down, z into the scene); Blender's is x right, y into the scene, z up, so
that a camera with the identity pose stands at the origin, upright, and looks along +Y. A Blender camera looks along its
own -Z with +Y up. A head faces -Y with +Z up, as Blender's characters do.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..capture.types import Array, Lens, Take

WORLD: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""OpenCV's world to Blender's."""
CAMERA: Final = np.diag([1.0, -1.0, -1.0])
"""A Blender camera's own axes to OpenCV's camera."""
HEAD: Final = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Canonical axes (y up, z out of the face) to a Blender head's own (z up, faces -Y)."""


def _homogeneous(rotation: Array, translation: Array | None = None) -> Array:
    matrix = np.zeros((*rotation.shape[:-2], 4, 4))
    matrix[..., :3, :3] = rotation
    matrix[..., 3, 3] = 1.0
    if translation is not None:
        matrix[..., :3, 3] = translation
    return matrix


def camera_matrices(take: Take) -> Array:
    """Blender's world matrices of the camera: (T, 4, 4), metres."""
    return _homogeneous(WORLD) @ take.camera_poses @ _homogeneous(CAMERA)


def camera_poses(matrices: Array) -> Array:
    """The other way: world from camera in OpenCV's axes (T, 4, 4), from Blender's world matrices of a camera."""
    return _homogeneous(WORLD.T) @ matrices @ _homogeneous(CAMERA)


def head_matrices(take: Take) -> Array:
    """Blender's world matrices of the head: (T, 4, 4), metres."""
    return _homogeneous(WORLD) @ take.camera_poses @ _homogeneous(take.rotations, take.translations) @ _homogeneous(HEAD.T)


def head_points(canonical: Array) -> Array:
    """Canonical points or shifts (..., 3) in the head's own Blender axes, metres."""
    return canonical @ HEAD.T


def quaternions(rotations: Array) -> Array:
    """Rotation matrices (T, 3, 3) to unit quaternions w x y z: (T, 4), each on the side of the one before.

    The quaternion is the eigenvector of the largest eigenvalue of a symmetric matrix, which holds for every angle.
    """
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = np.moveaxis(rotations, 0, -1)
    rows = [
        [xx + yy + zz, zy - yz, xz - zx, yx - xy],
        [zy - yz, xx - yy - zz, xy + yx, xz + zx],
        [xz - zx, xy + yx, yy - xx - zz, yz + zy],
        [yx - xy, xz + zx, yz + zy, zz - xx - yy],
    ]
    found = np.linalg.eigh(np.moveaxis(np.array(rows), -1, 0))[1][..., -1]
    found *= np.where(found[:1, :1] < 0.0, -1.0, 1.0)
    turns = np.where(np.sum(found[1:] * found[:-1], axis=1) < 0.0, -1.0, 1.0)
    return found * np.cumprod(np.concatenate([[1.0], turns]))[:, None]


def rotation_matrices(vectors: Array) -> Array:
    """Rotation vectors (T, 3) in radians to rotation matrices (T, 3, 3)."""
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    cross = np.moveaxis(np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]), -1, 0)
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2.0 * np.pi)) ** 2 * (cross @ cross)


def focal_mm(lens: Lens) -> Array:
    """Focal lengths (T,) in millimetres on a sensor of `lens.sensor_width`."""
    return lens.focal * lens.sensor_width / lens.width


def lens_shift(lens: Lens) -> tuple[float, float]:
    """Blender's camera shift, in widths of a horizontally fitted sensor, that puts the principal point where the lens has it."""
    (focal_x, _, center_x), (_, focal_y, center_y), _ = lens.matrix(0)
    return 0.5 - center_x / lens.width, (center_y - lens.height / 2) * focal_x / focal_y / lens.width


def pixel_height(lens: Lens) -> float:
    """Height of a pixel over its width: Blender's render.pixel_aspect_y for a pixel_aspect_x of 1."""
    matrix = lens.matrix(0)
    return float(matrix[0, 0] / matrix[1, 1])
