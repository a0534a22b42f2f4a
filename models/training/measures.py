# SPDX-License-Identifier: GPL-3.0-or-later
"""What the method is measured by, as functions of arrays: M pictures, N landmarks, V vertices of a mesh."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from facelift_blender.capture.types import Array, Image

PARTS: Mapping[str, slice] = {
    "full": slice(0, 68), "inner": slice(17, 68), "contour": slice(0, 17), "brows": slice(17, 27), "nose": slice(27, 36),
    "eyes": slice(36, 48), "mouth": slice(48, 68),
}  # fmt: skip
"""The 68 hand-labelled landmarks, as tables group them."""


def by_eyes(points: Array, truth: Array) -> Array:
    """(68,) distance of points (N >= 68, 2) over that of the outer eye corners."""
    return np.linalg.norm(points[:68] - truth, axis=1) / np.linalg.norm(truth[36] - truth[45])


def by_box(points: Array, truth: Array) -> Array:
    """(68,) distance over the root of the area of the box about the truth."""
    return np.linalg.norm(points[:68] - truth, axis=1) / np.sqrt(np.prod(np.ptp(truth, axis=0)))


def skin_tone(image: Image, points: Array) -> float:
    """Individual typology angle of the cheeks in degrees: over 41 light, 10 to 41 middling, less dark [Chardon et al. 1991].

    image: (H, W, 3) RGB; points: (68, 2) hand-labelled. The median colour of a disc on either cheek as photographed: a dim light darkens
    it. NaN for grey photographs.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    radius = max(2, round(0.07 * float(np.linalg.norm(points[36] - points[45]))))
    for around in ((41, 31, 48, 3), (46, 35, 54, 13)):
        x, y = points[list(around)].mean(axis=0).round().astype(int)
        cv2.circle(mask, (int(x), int(y)), radius, 255, -1)
    colour = np.median(image[mask > 0], axis=0) if mask.any() else np.full(3, 128.0)
    light, _, yellow = cv2.cvtColor((colour[None, None] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0, 0]
    return float(np.degrees(np.arctan2(light - 50.0, yellow))) if yellow > 2.0 else float("nan")


def localisation_consistency(points: Array, meshes: Array) -> Array:
    """NMLC (N,): min over vertices k of the mean over pictures of z_m |l_mn - v_mk| [FaceLift, evaluation].

    points: (M, N, 2) projected landmarks. meshes: (M, V, 2) projected vertices, the same K of them on every face. z_m is one over
    the root of the area of the mesh's box. A landmark that stays on one place of the face costs nothing, wherever that place is.
    """
    scale = 1.0 / np.sqrt(np.prod(np.ptp(meshes, axis=1), axis=1))
    best = np.empty(points.shape[1])
    for n in range(points.shape[1]):
        near = np.argsort(np.median(np.linalg.norm(meshes - points[:, n, None], axis=2), axis=0))[:150]
        distance = np.linalg.norm(meshes[:, near] - points[:, n, None], axis=2)
        best[n] = (distance * scale[:, None]).mean(axis=0).min()
    return best


def rigid(moving: Array, fixed: Array) -> tuple[Array, Array]:
    """The rotation (3, 3) and translation (3,) that lay points (N, 3) best onto others [Kabsch]."""
    a, b = moving.mean(axis=0), fixed.mean(axis=0)
    u, _, vt = np.linalg.svd((fixed - b).T @ (moving - a))
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return turn, b - turn @ a


def canonical_error(landmarks: Array, truth: Array) -> float:
    """Mean distance of landmarks (N, 3) from the truth after rigid alignment, in their unit."""
    turn, offset = rigid(landmarks, truth)
    return float(np.linalg.norm(landmarks @ turn.T + offset - truth, axis=1).mean())


def geodesic_degrees(rotation: Array, truth: Array) -> float:
    """Angle between two rotations (3, 3)."""
    return float(np.degrees(np.arccos(np.clip((np.trace(rotation.T @ truth) - 1) / 2, -1, 1))))


def sigmas(errors: Array, covariances: Array) -> Array:
    """(...,) length of errors (..., 2) in standard deviations of their covariances (..., 2, 2)."""
    return np.sqrt(np.maximum(np.einsum("...i,...i->...", errors, np.linalg.solve(covariances, errors[..., None])[..., 0]), 0.0))


def within(lengths: Array) -> tuple[float, float, float]:
    """Fractions of lengths in standard deviations within 1, 2 and 3: 0.52, 0.86 and 0.97 for the Laplacian of the loss."""
    return tuple(float((lengths < k).mean()) for k in (1, 2, 3))  # type: ignore[return-value]


def unrest(points: Array, size: float) -> float:
    """RMS second difference of points (T, N, 2 or 3) over `size`: what a still face's landmarks do in their own frame."""
    return float(np.sqrt((np.diff(points, n=2, axis=0) ** 2).sum(axis=2).mean()) / size)


def aligned(points: Array, anchor: Array) -> Array:
    """Points (T, N, 2) with each frame's similarity to the first undone, found on the landmarks `anchor`."""
    centre = points[:, anchor].mean(axis=1, keepdims=True)
    offset = (points - centre) @ [1, 1j]
    turn = (offset[:1, anchor].conj() * offset[:, anchor]).sum(axis=1) / (np.abs(offset[:1, anchor]) ** 2).sum(axis=1)
    level = offset / turn[:, None]
    return np.stack([level.real, level.imag], axis=2)
