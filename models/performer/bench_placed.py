# SPDX-License-Identifier: GPL-3.0-or-later
"""The head as a matchmover judges it: the true geometry, placed once in the solved head's frame, and then seen through the whole shot.

`compare` lays the solved face on the true one by their points in space, where errors of the face's depth turn it; here the true
head stands where it fits the picture best over the whole clip. What it is still turned, and slips on the plate, is the pose's own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facelift_blender.capture import camera
from facelift_blender.capture.head_pose import linearise, move, pose_from, rotation_matrix, rotation_vector, similarity
from facelift_blender.capture.types import Array, Take

from .truth import Truth

_STEPS = 8


def placed_figures(take: Take, truth: Truth) -> dict[str, float]:
    """placed rotation: degrees RMS; slip: of the true, moving landmarks under the solved poses, RMS, % of the face's width."""
    rows = np.flatnonzero(take.valid & take.raw.found & (take.frames >= 1) & (take.frames <= len(truth)))
    frames = take.frames[rows] - 1
    faces, seen, focal = truth.landmarks[frames], truth.visible[frames], take.lens.focal[rows]
    straight = replace(take.lens, focal=focal)
    pixels = camera.to_rays(truth.pixels[frames], straight, float(np.median(focal))) * focal[:, None, None]
    scales, turns, shifts = similarity(faces.mean(axis=0)[None], take.landmarks[rows].mean(axis=0), np.ones(faces.shape[1]))
    motion = scales[0], turns[0], shifts[0]
    for _ in range(_STEPS):
        motion, errors = _step(motion, faces, take, rows, pixels, seen)
    turned = take.rotations[rows] @ motion[1]
    apart = np.degrees(rotation_vector(np.swapaxes(truth.rotations[frames], 1, 2) @ turned))
    width = float(np.median(np.ptp(truth.pixels[frames, :, 0], axis=1)))
    slip = 100 * float(np.sqrt(np.mean(np.sum(errors**2, axis=-1)[seen]))) / width
    return {"placed rotation": float(np.sqrt(np.mean(np.sum(apart**2, axis=1)))), "slip": slip}


def _step(
    motion: tuple[float, Array, Array], faces: Array, take: Take, rows: Array, pixels: Array, seen: Array
) -> tuple[tuple[float, Array, Array], Array]:
    """One step of the placement, true canonical to solved, and the errors (F, N, 2) in pixels before it."""
    scale, turn, shift = motion
    points = move(faces, (np.array([scale]), turn[None], shift[None]))
    pose = pose_from(take.rotations[rows], take.translations[rows], take.lens.focal[rows])
    model, _, by_point, _ = linearise(points, pose, 1.0 / take.lens.focal[rows])
    errors = pixels - model
    x, y, z = np.moveaxis(points, -1, 0)
    nought = np.zeros_like(x)
    about = np.stack([np.stack(axis, axis=-1) for axis in ((nought, -z, y), (z, nought, -x), (-y, x, nought))], axis=-1)
    moves = np.concatenate([about, np.broadcast_to(np.eye(3), about.shape), points[..., None]], axis=-1)
    slopes = (by_point @ moves)[seen].reshape(-1, 7)
    by_turn, by_shift, by_size = np.split(np.linalg.lstsq(slopes, errors[seen].ravel(), rcond=None)[0], [3, 6])
    small, grown = rotation_matrix(by_turn), 1.0 + float(by_size[0])
    return (scale * grown, small @ turn, grown * (small @ shift) + by_shift), errors
