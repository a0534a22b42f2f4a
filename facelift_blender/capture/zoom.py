# SPDX-License-Identifier: GPL-3.0-or-later
"""A lens that zooms: the focal length of every frame.

A zoom and a walk towards the head change its size alike; its perspective tells the two apart, little by little. So the
logarithm of the focal length is the smooth curve that explains each frame's perspective, and the head's size with a
distance that changes as slowly as people move: banded least squares over the whole clip.
"""

from __future__ import annotations

import numpy as np

from . import head_pose
from .types import Array

_WALK = 0.1
"""How much of its distance a head comes nearer in a second, one standard deviation."""
_TWIST = 0.3
"""How much the zoom's speed (of the logarithm, in a second) changes in a second."""
_ALIKE = 40.0
"""How much less the frames' perspectives tell together than if their errors were independent over face and time."""


def perspectives(pixels: Array, white: Array, points: Array, modes: Array, fit: head_pose.Fit, focal: Array) -> tuple[Array, Array]:
    """What each frame's perspective says of the logarithm of its focal length: values (T,) beside the one assumed, information (T,)."""
    shape = points + np.einsum("ndk,tk->tnd", modes, fit.coefficients)
    model, by_pose, by_point, by_inverse = head_pose.linearise(shape, fit.pose, 1.0 / focal)
    residuals = head_pose.whiten(white, (pixels - model)[..., None])
    weight = np.sqrt(head_pose.student_weight(residuals[..., 0]))[..., None, None]
    by_zoom = -by_inverse[..., None] / focal[:, None, None, None]
    slopes = head_pose.whiten(white, np.concatenate([by_pose, by_point @ modes, by_zoom], axis=-1)) * weight
    slopes = slopes.reshape(len(pixels), 2 * points.shape[1], -1)
    normal = np.swapaxes(slopes, 1, 2) @ slopes
    normal += np.diag(np.r_[np.full(6, 1e-9), np.ones(modes.shape[2]), 0.0]) + 1e-9 * np.eye(normal.shape[1])
    side = np.einsum("trd,tr->td", slopes, (residuals * weight).reshape(len(pixels), -1))
    side[:, 6:-1] -= fit.coefficients
    tied = head_pose.solve_blocks(normal[:, :-1, :-1], np.stack([normal[:, :-1, -1], side[:, :-1]], axis=-1))
    information = normal[:, -1, -1] - np.einsum("td,td->t", normal[:, -1, :-1], tied[..., 0])
    pull = side[:, -1] - np.einsum("td,td->t", normal[:, -1, :-1], tied[..., 1])
    return pull / np.maximum(information, 1e-9), information / _ALIKE


def zoom_curve(told: Array, information: Array, scales: Array, seconds: Array) -> Array:
    """Logarithm (T,) of the focal length beside the one assumed.

    told (T,) with their information (T,); scales (T,): how large the head is seen; seconds (T,): when, rising.
    """
    from scipy.linalg import solveh_banded

    count = len(told)
    if count < 3:
        return np.full(count, float(information @ told) / max(float(information.sum()), 1e-12))
    step = np.diff(seconds)
    walk = 1.0 / (_WALK**2 * step * np.maximum(step, 1 / 30) * 8.0)
    growth = np.diff(np.log(scales))
    middle = 0.5 * (step[1:] + step[:-1])
    bands = np.zeros((3, count))
    bands[0] = information + 1e-9
    bands[0, :-1] += walk
    bands[0, 1:] += walk
    bands[1, :-1] -= walk
    first, last = 1.0 / step[:-1], 1.0 / step[1:]
    twist = 1.0 / (_TWIST**2 * middle)
    rows = np.stack([first, -(first + last), last])
    for one in range(3):
        for other in range(one, 3):
            bands[other - one, one : count - 2 + one] += twist * rows[one] * rows[other]
    side = information * told
    side[:-1] -= walk * growth
    side[1:] += walk * growth
    return solveh_banded(bands, side, lower=True)
