# SPDX-License-Identifier: GPL-3.0-or-later
"""Head pose of many frames at once, as a scaled perspective that stays well conditioned for any focal length.

With x = R X the turned landmark, a frame's picture of it is u = (anchor + scale * x[:2]) / (1 + scale * x[2] / focal):
`anchor` (pixels from the picture's centre) is where the canonical origin is seen, `scale` (pixels a metre) how large.
The focal length enters as its inverse alone, so that a flat view (1 / focal = 0) is no special case. The metric
translation is scale^-1 * (anchor, focal).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Array

_STUDENT = 4.0
_CHUNK = 64
_LONGEST_TURN = 0.5


@dataclass(frozen=True)
class Pose:
    """Poses of T frames: rotations (T, 3, 3) canonical to camera; anchors (T, 2) pixels; scales (T,) pixels a metre."""

    rotations: Array
    anchors: Array
    scales: Array

    def __getitem__(self, rows: slice | Array) -> Pose:
        return Pose(self.rotations[rows], self.anchors[rows], self.scales[rows])

    def translations(self, focal: float | Array) -> Array:
        """(T, 3) metres under a focal length in pixels, one for all or (T,)."""
        depth = np.broadcast_to(focal, self.scales.shape)[:, None]
        return np.concatenate([self.anchors, depth], axis=1) / self.scales[:, None]

    def moved(self, step: Array) -> Pose:
        """The pose after a step (T, 6): a small turn about the camera's axes, the anchor, the logarithm of the scale."""
        length = np.maximum(np.linalg.norm(step[:, :3], axis=1, keepdims=True), 1e-12)
        turn = rotation_matrix(step[:, :3] * np.minimum(1.0, _LONGEST_TURN / length))
        return Pose(turn @ self.rotations, self.anchors + step[:, 3:5], self.scales * np.exp(np.clip(step[:, 5], -1.0, 1.0)))


def pose_from(rotations: Array, translations: Array, focal: float | Array) -> Pose:
    """The pose of metric rotations (T, 3, 3) and translations (T, 3) under a focal length in pixels, one for all or (T,)."""
    scales = focal / translations[:, 2]
    return Pose(rotations, scales[:, None] * translations[:, :2], scales)


def rotation_matrix(vectors: Array) -> Array:
    """Rotation vectors (..., 3), radians, to matrices (..., 3, 3)."""
    angle = np.linalg.norm(vectors, axis=-1)[..., None, None]
    cross = cross_matrix(vectors)
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)


def rotation_vector(matrices: Array) -> Array:
    """Matrices (..., 3, 3) to rotation vectors (..., 3), the short way round; good up to half a turn."""
    twice = matrices - np.swapaxes(matrices, -1, -2)
    skew = np.stack([twice[..., 2, 1], twice[..., 0, 2], twice[..., 1, 0]], axis=-1)
    sine = 0.5 * np.linalg.norm(skew, axis=-1)
    angle = np.arctan2(sine, 0.5 * (np.trace(matrices, axis1=-2, axis2=-1) - 1.0))
    return skew * (0.5 / np.sinc(np.minimum(angle, np.pi - 1e-6) / np.pi))[..., None]


def cross_matrix(vectors: Array) -> Array:
    """(..., 3) to the matrices (..., 3, 3) of the cross product."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    zero = np.zeros_like(x)
    return np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)


def reproject(points: Array, pose: Pose, inverse_focal: float | Array) -> Array:
    """Canonical points (T, N, 3) to pixels from the picture's centre (T, N, 2); the focal length is one for all, or (T,)."""
    return _picture(points, pose, inverse_focal)[0]


def _picture(points: Array, pose: Pose, inverse_focal: float | Array) -> tuple[Array, Array, Array]:
    turned = points @ np.swapaxes(pose.rotations, 1, 2)
    depth = 1.0 + (inverse_focal * pose.scales)[:, None] * turned[..., 2]
    depth = np.maximum(depth, 0.05)[..., None]
    return (pose.anchors[:, None] + pose.scales[:, None, None] * turned[..., :2]) / depth, turned, depth


def linearise(points: Array, pose: Pose, inverse_focal: float | Array) -> tuple[Array, Array, Array, Array]:
    """The picture and its slopes.

    Returns pixels (T, N, 2), and the Jacobians by the pose's step (T, N, 2, 6), by the canonical points (T, N, 2, 3) and
    by the inverse focal length (T, N, 2).
    """
    pixels, turned, depth = _picture(points, pose, inverse_focal)
    inverse_focal = np.broadcast_to(inverse_focal, pose.scales.shape)[:, None, None]
    unit = pose.scales[:, None, None] / depth
    x, y, z = np.moveaxis(turned, -1, 0)
    by_turned = np.zeros((*pixels.shape, 3))
    by_turned[..., 0, 0] = by_turned[..., 1, 1] = unit[..., 0]
    by_turned[..., 2] = -inverse_focal * unit * pixels
    by_pose = np.zeros((*pixels.shape, 6))
    by_pose[..., 0] = by_turned[..., 2] * y[..., None] - by_turned[..., 1] * z[..., None]
    by_pose[..., 1] = by_turned[..., 0] * z[..., None] - by_turned[..., 2] * x[..., None]
    by_pose[..., 2] = by_turned[..., 1] * x[..., None] - by_turned[..., 0] * y[..., None]
    by_pose[..., 0, 3] = by_pose[..., 1, 4] = 1.0 / depth[..., 0]
    by_pose[..., 5] = unit * turned[..., :2] - inverse_focal * unit * z[..., None] * pixels
    return pixels, by_pose, by_turned @ pose.rotations[:, None], -unit * z[..., None] * pixels


def whitener(covariances: Array) -> Array:
    """(..., 2, 2) covariances to W with W' W their inverse; zero where a covariance is not finite and positive."""
    a, b, c = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
    with np.errstate(invalid="ignore"):
        determinant = a * c - b * b
    good = np.isfinite(determinant) & (determinant > 0) & (a > 0)
    root = np.sqrt(np.where(good, a, 1.0))
    height = np.sqrt(np.where(good, determinant, 1.0)) / root
    white = np.zeros(covariances.shape)
    white[..., 0, 0] = np.where(good, 1.0 / root, 0.0)
    white[..., 1, 1] = np.where(good, 1.0 / height, 0.0)
    white[..., 1, 0] = np.where(good, -b / np.where(good, a, 1.0) / height, 0.0)
    return white


def student_weight(residuals: Array) -> Array:
    """Weight (T, N) that a heavy-tailed error gives whitened residuals (T, N, 2): 1.5 for none, falling with their square."""
    return (_STUDENT + 2.0) / (_STUDENT + np.sum(residuals**2, axis=-1))


def align(shapes: Array) -> tuple[Array, Array, Array, tuple[Array, Array, Array]]:
    """Take out of canonical shapes what is rigid: each is turned, moved and scaled onto their common mean.

    Landmarks that move much over the clip count little. Returns the aligned shapes (T, N, 3), their mean (N, 3), each
    landmark's spread (N,), and the motion (scales (T,), rotations (T, 3, 3), shifts (T, 3)) that was put on each shape.
    """
    motion = similarity(shapes, *common(shapes))
    aligned = move(shapes, motion)
    return aligned, *_middle(aligned), motion


def common(shapes: Array, rounds: int = 3) -> tuple[Array, Array]:
    """What shapes (T, N, 3) are to be laid on: their mean (N, 3) without what is rigid in them, and how much each landmark counts (N,)."""
    mean, spread = np.median(shapes, axis=0), np.full(shapes.shape[1], 1e-3)
    for _ in range(rounds):
        mean, spread = _middle(move(shapes, similarity(shapes, mean, 1.0 / (spread**2 + 5e-4**2))))
    return mean, 1.0 / (spread**2 + 5e-4**2)


def _middle(aligned: Array) -> tuple[Array, Array]:
    mean = np.median(aligned, axis=0)
    return mean, np.sqrt(np.mean(np.sum((aligned - mean) ** 2, axis=-1), axis=0))


def similarity(shapes: Array, target: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Scales (T,), rotations (T, 3, 3) and shifts (T, 3) that bring shapes (T, N, 3) closest to a target (N, 3)."""
    share = weights / weights.sum()
    middle, goal = share @ shapes, share @ target
    left, right = shapes - middle[:, None], target - goal
    u, singular, vt = np.linalg.svd(np.swapaxes(left * share[:, None], 1, 2) @ right)
    sign = np.sign(np.linalg.det(u @ vt))
    u[..., 2] *= sign[:, None]
    singular[..., 2] *= sign
    scales = singular.sum(axis=1) / np.maximum(np.sum(share[:, None] * left**2, axis=(1, 2)), 1e-12)
    rotations = np.swapaxes(u @ vt, 1, 2)
    return scales, rotations, goal - scales[:, None] * np.einsum("tij,tj->ti", rotations, middle)


def move(shapes: Array, motion: tuple[Array, Array, Array]) -> Array:
    """Shapes (T, N, 3) after scales, rotations and shifts."""
    scales, rotations, shifts = motion
    return scales[:, None, None] * (shapes @ np.swapaxes(rotations, 1, 2)) + shifts[:, None]


@dataclass(frozen=True)
class Fit:
    """What `fit_poses` found: the pose, coefficients (T, K) of the modes, pose covariances (T, 6, 6), whitened residuals (T, N, 2)."""

    pose: Pose
    coefficients: Array
    covariances: Array
    residuals: Array


def fit_poses(pixels: Array, white: Array, points: Array, modes: Array, pose: Pose, inverse_focal: float | Array, steps: int = 4) -> Fit:
    """Robust pose a frame, together with what the modes change of the points.

    pixels (T, N, 2) from the picture's centre; white (T, N, 2, 2) from `whitener`; points (T, N, 3) canonical;
    modes (N, 3, K) whose coefficients have unit variance; pose: where to start. Frames are independent of one another.
    """
    parts = [slice(start, start + _CHUNK) for start in range(0, len(pixels), _CHUNK)]
    inverse = np.broadcast_to(inverse_focal, len(pixels))
    fits = [_fit_chunk(pixels[part], white[part], points[part], modes, pose[part], inverse[part], steps) for part in parts]
    joined = Pose(*(np.concatenate([getattr(fit.pose, name) for fit in fits]) for name in ("rotations", "anchors", "scales")))
    return Fit(joined, *(np.concatenate([getattr(fit, name) for fit in fits]) for name in ("coefficients", "covariances", "residuals")))


def _fit_chunk(pixels: Array, white: Array, points: Array, modes: Array, pose: Pose, inverse_focal: Array, steps: int) -> Fit:
    count, flat = len(modes), modes.reshape(3 * len(modes), modes.shape[2])
    coefficients = np.zeros((len(pixels), modes.shape[2]))
    prior = np.concatenate([np.full(6, 1e-9), np.ones(modes.shape[2])])
    for _ in range(steps):
        shape = points + (coefficients @ flat.T).reshape(-1, count, 3)
        model, by_pose, by_point, _ = linearise(shape, pose, inverse_focal)
        residuals = whiten(white, (pixels - model)[..., None])[..., 0]
        weight = np.sqrt(student_weight(residuals))[..., None]
        slopes = np.concatenate([by_pose, by_point @ modes], axis=-1)
        slopes = (whiten(white, slopes) * weight[..., None]).reshape(len(pixels), 2 * count, -1)
        normal = np.swapaxes(slopes, 1, 2) @ slopes
        gradient = np.einsum("trd,tr->td", slopes, (residuals * weight).reshape(len(pixels), -1))
        gradient[:, 6:] -= coefficients
        normal += np.eye(len(prior)) * (prior + 1e-6 * np.einsum("tii->ti", normal))[:, None]
        step = solve_blocks(normal, gradient[..., None])[..., 0]
        pose, coefficients = pose.moved(step[:, :6]), coefficients + step[:, 6:]
    covariances = solve_blocks(normal, np.broadcast_to(np.eye(len(prior), 6), (len(normal), len(prior), 6)))[:, :6]
    return Fit(pose, coefficients, covariances, residuals)


def solve_blocks(matrices: Array, sides: Array) -> Array:
    """Solve many small symmetric positive systems (T, D, D) x = sides (T, D, M) by elimination, all frames in step.

    A linear algebra library starts its threads anew for each small system, which costs far more than the arithmetic.
    """
    table = np.concatenate([matrices, sides], axis=2)
    size = matrices.shape[1]
    for pivot in range(size):
        row = table[:, pivot, pivot:] / table[:, pivot, pivot, None]
        table[:, :, pivot:] -= table[:, :, pivot, None] * row[:, None]
        table[:, pivot, pivot:] = row
    return table[:, :, size:]


def strays(pixels: Array, white: Array, points: Array, pose: Pose, inverse_focal: float | Array, doubt: Array) -> Array:
    """How far (T, N, 3) each point most likely lies from where it was thought to be, given where it is seen.

    doubt: (N,) standard deviation of the points, metres. A robust weight keeps outliers from tearing the face.
    """
    inverse = np.broadcast_to(inverse_focal, len(pixels))
    parts = (slice(start, start + _CHUNK) for start in range(0, len(pixels), _CHUNK))
    return np.concatenate([_strays(pixels[part], white[part], points[part], pose[part], inverse[part], doubt) for part in parts])


def _strays(pixels: Array, white: Array, points: Array, pose: Pose, inverse_focal: Array, doubt: Array) -> Array:
    model, _, by_point, _ = linearise(points, pose, inverse_focal)
    residuals = whiten(white, (pixels - model)[..., None])
    slopes = whiten(white, by_point) * doubt[:, None, None]
    inner = slopes @ np.swapaxes(slopes, 2, 3) + np.eye(2)
    solved = solve_blocks(inner.reshape(-1, 2, 2), residuals.reshape(-1, 2, 1)).reshape(residuals.shape)
    surprise = np.sum(residuals * solved, axis=(2, 3))
    weight = np.minimum(1.0, (_STUDENT + 2.0) / (_STUDENT + surprise))
    return doubt[:, None] * weight[..., None] * (np.swapaxes(slopes, 2, 3) @ solved)[..., 0]


def whiten(white: Array, slopes: Array) -> Array:
    """W @ slopes for lower triangular W (T, N, 2, 2) and slopes (T, N, 2, D)."""
    first = white[..., 0, 0, None] * slopes[..., 0, :]
    second = white[..., 1, 0, None] * slopes[..., 0, :] + white[..., 1, 1, None] * slopes[..., 1, :]
    return np.stack([first, second], axis=-2)
