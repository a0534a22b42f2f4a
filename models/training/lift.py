# SPDX-License-Identifier: GPL-3.0-or-later
"""Lifting: one canonical 3D landmark set of an identity, from the labeller's 2D points over its known cameras.

L3D* = argmin sum_i sum_n m_in rho(|| pi(l_n; c_i) - l2D_in ||_Sigma)   [FaceLift, preprocessing 2]

with rho Huber's and the masks m by the outward normals of the landmarks so far, found again twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facelift_blender.capture.types import Array

from .heads import Camera

HUBER = 1.5
HEAD_CENTRE = np.array([0.0, -0.03, -0.07])
"""Canonical, metres: outward normals are first taken from here."""


@dataclass(frozen=True)
class Lifted:
    """landmarks: (N, 3) canonical metres; seen: (N,) views that count; residual: (N,) weighted RMS in face sizes."""

    landmarks: Array
    seen: Array
    residual: Array


def outward_normals(landmarks: Array) -> Array:
    """(N, 3): away from an ellipsoid's centre, flattened as a head is."""
    away = (landmarks - HEAD_CENTRE) / np.array([0.075, 0.11, 0.1]) ** 2
    return away / np.linalg.norm(away, axis=1, keepdims=True)


def visibility(landmarks: Array, normals: Array, cameras: Sequence[Camera], edge: float = 0.12, soft: float = 0.08) -> Array:
    """(V, N) 0 to 1: how squarely each camera sees each landmark."""
    eyes = np.stack([-camera.rotation.T @ camera.translation for camera in cameras])
    towards = eyes[:, None] - landmarks[None]
    towards /= np.linalg.norm(towards, axis=2, keepdims=True)
    return 1.0 / (1.0 + np.exp(-(np.einsum("vni,ni->vn", towards, normals) - edge) / soft))


def lift(cameras: Sequence[Camera], points: Array, sigmas: Array, trust: Array, sizes: Array, start: Array, rounds: int = 3) -> Lifted:
    """Triangulate points (V, N, 2) in pixels, noise sigmas (V, N), trust (V,) per view; sizes (V,) of the face in pixels.

    start: (N, 3) the mean face. Each round finds the masks again and takes six Gauss-Newton steps, vectorised over landmarks.
    """
    landmarks = start.copy()
    for _ in range(rounds):
        mask = visibility(landmarks, outward_normals(landmarks), cameras) * trust[:, None]
        mask[mask < 0.05] = 0.0
        for _ in range(6):
            landmarks = landmarks + _step(cameras, points, sigmas, mask, landmarks, start)
    miss = np.stack([camera.project(landmarks) for camera in cameras]) - points
    relative = np.linalg.norm(miss, axis=2) / sizes[:, None]
    residual = np.sqrt((mask * relative**2).sum(axis=0) / np.maximum(mask.sum(axis=0), 1e-9))
    return Lifted(landmarks, mask.sum(axis=0), residual)


def _step(cameras: Sequence[Camera], points: Array, sigmas: Array, mask: Array, landmarks: Array, start: Array) -> Array:
    """One Gauss-Newton step of every landmark (N, 3), with a weak pull (3 cm) towards the start so that none is undetermined."""
    normal = np.broadcast_to(np.eye(3) / 0.03**2, (len(landmarks), 3, 3)).copy()
    gradient = (start - landmarks) / 0.03**2
    for camera, seen_points, sigma, weight in zip(cameras, points, sigmas, mask, strict=True):
        seen = landmarks @ camera.rotation.T + camera.translation
        plane = np.zeros((len(landmarks), 2, 3))
        plane[:, 0, 0] = plane[:, 1, 1] = camera.focal / seen[:, 2]
        plane[:, :, 2] = -camera.focal * seen[:, :2] / seen[:, 2:] ** 2
        slope = plane @ camera.rotation
        error = seen_points - camera.project(landmarks)
        length = np.linalg.norm(error, axis=1) / sigma
        pull = weight * np.minimum(1.0, HUBER / np.maximum(length, 1e-9)) / sigma**2
        normal += np.einsum("n,nij,nik->njk", pull, slope, slope)
        gradient += np.einsum("n,nij,ni->nj", pull, slope, error)
    return np.linalg.solve(normal, gradient[..., None])[..., 0]
