# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinhole and what bends it: pixels to rays and back, through the lens models of Blender's MovieClip.

A ray is (x, y) on the plane one focal length's unit in front of the camera: x right, y down. Blender (and its libmv)
counts y upwards and lets the picture's unit be one pixel's width; both are taken care of here and nowhere else.
"""

from __future__ import annotations

from math import hypot

import numpy as np

from .types import Array, Clip, Distortion, FaceLiftError, Lens

MODELS = {"NONE": 0, "POLYNOMIAL": 3, "DIVISION": 2, "NUKE": 2, "BROWN": 6}
"""Blender's lens distortion models and how many coefficients each has."""

FULL_FRAME_DIAGONAL = hypot(36.0, 24.0)
_NEWTON_STEPS = 30
_UP = np.array([1.0, -1.0])


def focal_to_pixels(focal_mm: float, sensor_width: float, width: int) -> float:
    """Focal length in millimetres on a sensor of that width to pixels of a picture `width` pixels wide."""
    if not (focal_mm > 0 and sensor_width > 0 and width > 0):
        raise FaceLiftError(f"A focal length of {focal_mm:g} mm on a {sensor_width:g} mm sensor is not possible; give both above 0.")
    return focal_mm / sensor_width * width


def focal_to_mm(focal: float, sensor_width: float, width: int) -> float:
    """Focal length in pixels to millimetres on a sensor of that width."""
    return focal * sensor_width / width


def metadata_focal(clip: Clip) -> float | None:
    """Pixels of the focal length in the footage's metadata, a 35 mm equivalent by the picture's diagonal; None if it names none."""
    if clip.focal_mm is None or not clip.focal_mm > 0:
        return None
    return clip.focal_mm / FULL_FRAME_DIAGONAL * hypot(clip.width, clip.height / clip.pixel_aspect)


def check_distortion(distortion: Distortion) -> None:
    """Raises FaceLiftError for a model that Blender does not have, or too many coefficients, or some that are not numbers."""
    if distortion.model not in MODELS:
        raise FaceLiftError(f"{distortion.model!r} is not a lens distortion model; use one of {', '.join(MODELS)}.")
    if len(distortion.coefficients) > MODELS[distortion.model] or not np.all(np.isfinite(distortion.coefficients)):
        raise FaceLiftError(f"The {distortion.model} lens distortion takes {MODELS[distortion.model]} finite coefficients.")


def distort(rays: Array, distortion: Distortion, reach: float = 1.0) -> Array:
    """Bend straight rays (..., 2) as the lens does.

    reach: half of the picture's longer side over the focal length, the unit of the NUKE model. NaN where the model folds.
    """
    return _through(rays, distortion, reach, explicit=distortion.model != "NUKE")


def undistort(rays: Array, distortion: Distortion, reach: float = 1.0) -> Array:
    """Straighten bent rays (..., 2): the inverse of `distort`."""
    return _through(rays, distortion, reach, explicit=distortion.model == "NUKE")


def _through(rays: Array, distortion: Distortion, reach: float, explicit: bool) -> Array:
    check_distortion(distortion)
    if not any(distortion.coefficients):
        return np.array(rays, dtype=float)
    unit = (reach if distortion.model == "NUKE" else 1.0) * _UP
    points = np.asarray(rays, dtype=float) / unit
    return (_formula(points, distortion)[0] if explicit else _solve(points, distortion)) * unit


def _formula(points: Array, distortion: Distortion) -> tuple[Array, Array]:
    """The direction in which the model is written, y up: moved points (..., 2) and their Jacobian (..., 2, 2)."""
    coefficients = np.zeros(MODELS[distortion.model])
    coefficients[: len(distortion.coefficients)] = distortion.coefficients
    radial, (p1, p2) = (coefficients[:4], coefficients[4:]) if distortion.model == "BROWN" else (coefficients, (0.0, 0.0))
    square = np.sum(points**2, axis=-1)
    factor = 1.0 + sum(k * square ** (i + 1) for i, k in enumerate(radial))
    slope = sum((i + 1) * k * square**i for i, k in enumerate(radial))
    if distortion.model in ("DIVISION", "NUKE"):
        factor, slope = 1.0 / factor, -slope / factor**2
    x, y = points[..., 0], points[..., 1]
    sideways = [p1 * (square + 2 * x * x) + 2 * p2 * x * y, p2 * (square + 2 * y * y) + 2 * p1 * x * y]
    moved = points * factor[..., None] + np.stack(sideways, axis=-1)
    tangential = np.array([[6 * p1 * x + 2 * p2 * y, 2 * p1 * y + 2 * p2 * x], [2 * p2 * x + 2 * p1 * y, 6 * p2 * y + 2 * p1 * x]])
    jacobian = factor[..., None, None] * np.eye(2) + 2 * slope[..., None, None] * points[..., :, None] * points[..., None, :]
    return moved, jacobian + np.moveaxis(tangential, (0, 1), (-2, -1))


def _solve(target: Array, distortion: Distortion) -> Array:
    """The other direction, by Newton's method; NaN where it finds no point."""
    points = target.copy()
    for _ in range(_NEWTON_STEPS):
        moved, jacobian = _formula(points, distortion)
        error = moved - target
        if not np.nanmax(np.abs(error), initial=0.0) > 1e-14:
            break
        determinant = _determinant(jacobian)
        determinant = np.where(np.abs(determinant) > 1e-9, determinant, np.nan)[..., None]
        across = np.stack([jacobian[..., 1, 1], jacobian[..., 0, 0]], -1) * error
        across -= np.stack([jacobian[..., 0, 1], jacobian[..., 1, 0]], -1) * error[..., ::-1]
        points = points - across / determinant
    moved, jacobian = _formula(points, distortion)
    folded = ~(_determinant(jacobian) > 0) | (np.sum(points * target, axis=-1) < 0)
    lost = folded | ~(np.abs(moved - target).max(axis=-1) < 1e-9)
    points[lost] = np.nan
    return points


def _determinant(matrix: Array) -> Array:
    return matrix[..., 0, 0] * matrix[..., 1, 1] - matrix[..., 0, 1] * matrix[..., 1, 0]


def _reach(lens: Lens, focal: float) -> float:
    return 0.5 * max(lens.width, lens.height / lens.pixel_aspect) / focal


def to_rays(pixels: Array, lens: Lens, usual: float | None = None) -> Array:
    """Pixels of the picture, seen through the lens, (T, ..., 2) to straight rays: what a pinhole would see.

    usual: the clip's median focal length, where the lens is that of a part of the clip.
    """
    focal, scale = _scale(pixels, lens)
    return undistort((pixels - np.array(lens.center)) / scale, lens.distortion, _reach(lens, usual or float(np.median(focal))))


def to_pixels(rays: Array, lens: Lens, usual: float | None = None) -> Array:
    """Straight rays (T, ..., 2) to pixels of the picture as the lens bends it; `usual` as above."""
    focal, scale = _scale(rays, lens)
    return distort(rays, lens.distortion, _reach(lens, usual or float(np.median(focal)))) * scale + np.array(lens.center)


def _scale(points: Array, lens: Lens) -> tuple[Array, Array]:
    focal = lens.focal.reshape((-1,) + (1,) * (points.ndim - 1))
    return focal, np.concatenate([focal, focal * lens.pixel_aspect], axis=-1)
