# SPDX-License-Identifier: GPL-3.0-or-later
"""What the whole clip shares: one focal length and one face, estimated together with the poses of chosen frames.

Unknown are, of the clip, the inverse focal length and what the regressor's idea of this face lacks (a smooth field over the
face, as a Gaussian process); of each key frame its pose and small corrections of its expression. The frames' unknowns are
eliminated (Schur complement), the landmarks' errors are heavy-tailed, the slopes analytic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .head_pose import Pose, cross_matrix, linearise, rotation_vector, solve_blocks, student_weight, whiten
from .topology import MIRROR
from .types import Array

_STEPS, _ENOUGH, _ROUNDS = 4, 0.02, 2
_KEYS, _LANDMARKS = 36, 76
"""Frames and landmarks that tell nearly as much as all of them together: errors are alike nearby, in time and on the face."""
_SHAPE_MODES, _SLIDE_MODES = 32, 3
_REACHES, _STRAY, _DEPTH_DOUBT = ((0.045, 0.7), (0.02, 0.3)), np.array([0.0015, 0.0015, 0.0025]), 0.08
"""The face's unknown field: its reaches in metres and the share of each, its size by axis, and the doubt about the depth's scale."""
_WHOLE = 2
"""The field's last columns: that depth, and the perspective."""
_NEAR_DOUBT = 0.8
"""How much stronger or weaker the perspective in the regressor's idea of the face may be, in 1 / metres of distance."""
_SLIDE = 0.1
"""How much larger than that field, a radian of turning, the regressor's landmarks slide over the face, before the clip is asked."""
_CLUSTERS = 12
_OPEN = 2.0
"""Doubt about the inverse focal length, in units of itself, that leaves the say to the motion."""
_NEAR_TAILS = 2.5
"""How seldom the perspective that is told otherwise is far off: half of one more than Student's degrees of freedom."""
_TOLD = 0.6
"""The share of the prior's doubt below which the motion is said to have told the focal length."""
_MODEL, _TURN = 2.0, 0.15
"""Factor of the variance for what the model leaves out, and the turning (RMS, radians) below which that grows steeply: a
face that hardly turns shows its perspective in the regressor's idea of its shape alone, which knows the assumed focal length."""
_ALIKE, _ALIKE_REACH = 0.6, 0.02
_MISTOLD = (0.2, 3.0)
"""How much smaller or larger than told the errors may turn out; the doubts, likewise."""
_LEFTOVER = 0.0007
"""Metres that a landmark may differ from the regressor's by itself."""


@dataclass(frozen=True)
class Prior:
    """Belief about the focal length before the motion is looked at: pixels, standard deviation of its logarithm, and whose.

    feigned: how far the perspective in the landmarks may be made up, in units of this focal length's. near: the perspective as
    something else than their motion tells it, and its doubt, in the same units.
    """

    focal: float
    doubt: float
    source: str
    feigned: float = 0.0
    near: tuple[float, float] | None = None


@dataclass(frozen=True)
class Focal:
    """Focal length in pixels with its 90 % interval, and where it comes from."""

    value: float
    interval: tuple[float, float]
    source: str


@dataclass(frozen=True)
class ClipEstimate:
    """focal; offset (N, 3): what the actor's face has beyond the regressor's shapes, in their scale; warnings for the user."""

    focal: Focal
    offset: Array
    warnings: tuple[str, ...]


def estimate_clip(
    pixels: Array,
    white: Array,
    shapes: Array,
    modes: Array,
    pose: Pose,
    prior: Prior,
    turn: float,
    telling: NDArray[np.bool_] | None = None,
) -> ClipEstimate:
    """Focal length and face of a clip, from its key frames.

    pixels (T, N, 2) from the picture's centre, straight; white (T, N, 2, 2) whitens their errors; shapes (T, N, 3) canonical,
    aligned; modes (N, 3, K) of expression whose coefficients have unit variance; pose: where to start; turn: of the whole clip.
    telling: (N,) landmarks that are asked for the focal length, else all; the face comes from all.
    """
    whole = _Problem.of(pixels, white, shapes, modes, pose)
    rows = far_apart(np.median(whole.points, axis=0))
    few = whole.on(rows)
    state, focal = _start(few, pose), Focal(prior.focal, (prior.focal, prior.focal), prior.source)
    if prior.doubt > 0:
        asked = replace(prior, doubt=_OPEN)
        problem = few if telling is None else replace(few, white=np.where(telling[rows, None, None], few.white, 0.0))
        for _ in range(_ROUNDS):
            state = _adjust(problem, state, asked, _STEPS // 2)
            scales = _Scales.found(problem, state, asked)
            problem, few, whole, state = (part.scaled(scales) for part in (problem, few, whole, state))
        state = _adjust(problem, state, asked, _STEPS)
        focal = _settled(state, prior, turn)
    known = Prior(focal.value, 0.0, focal.source)
    last = _adjust(few, replace(state, strength=1.0), known, _STEPS // 2)
    offset = whole.field @ last.field[: whole.field.shape[2]] + _leftovers(whole, last, known)
    return ClipEstimate(focal, offset, _warnings(focal))


def far_apart(mean: Array, count: int = _LANDMARKS) -> NDArray[np.int64]:
    """Rows of landmarks (N, 3) that stand far from one another, each with its twin, in order."""
    twin = np.array(MIRROR)
    apart = np.linalg.norm(mean[:, None] - mean, axis=-1)
    rows = [int(np.argmax(np.linalg.norm(mean - mean.mean(axis=0), axis=1)))]
    rows.append(int(twin[rows[0]]))
    while len(rows) < min(count, len(mean)):
        farness = apart[:, rows].min(axis=1)
        row = int(np.argmax(np.round(farness + farness[twin], 9)))
        rows += {row, int(twin[row])}
    return np.array(sorted(set(rows)))


def key_frames(pose: Pose, trusted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows (K,) of frames that together show the head from the most different sides, distances and places, in order.

    trusted: (T,) frames of which most landmarks are seen.
    """
    count = len(pose.scales)
    wanted = min(count, _KEYS)
    middle = pose.rotations[count // 2]
    place = pose.anchors / np.median(pose.scales)
    sides = np.concatenate([rotation_vector(middle.T @ pose.rotations) / 0.15, np.log(pose.scales)[:, None] / 0.1, place / 0.2], axis=1)
    farness = np.where(trusted, np.inf, -1.0)
    rows = [int(np.argmin(np.sum((sides - np.median(sides, axis=0)) ** 2, axis=1) - trusted * 1e9))]
    while len(rows) < wanted:
        farness = np.minimum(farness, np.sum((sides - sides[rows[-1]]) ** 2, axis=1))
        farness[rows[-1]] = -1.0
        if farness.max() < 0:
            break
        rows.append(int(np.argmax(farness)))
    return np.array(sorted(rows))


def face_field(mean: Array, modes: int = _SHAPE_MODES) -> Array:
    """What a face may differ from the regressor's, (N, 3, 3 modes + 2) with coefficients of unit variance.

    Smooth displacements by axis, the scale of the whole depth, and the perspective of a wrong focal length, without what a
    pose could do. They leave the size that the face has from the front: a size that could grow would shrink the errors of
    the shapes on the picture, and so it would.
    """
    apart = np.sum((mean[:, None] - mean[None]) ** 2, axis=-1)
    alike = sum(share * np.exp(-0.5 * apart / reach**2) for reach, share in _REACHES)
    values, vectors = np.linalg.eigh(alike)
    smooth = vectors[:, -modes:] * np.sqrt(np.maximum(values[-modes:], 0.0))
    axes = [smooth[:, None, :] * (np.eye(3)[axis] * _STRAY[axis])[None, :, None] for axis in range(3)]
    middle = mean - mean.mean(axis=0)
    depth = middle[:, 2:] * np.array([0.0, 0.0, _DEPTH_DOUBT])
    near = middle[:, 2:] * middle * np.array([1.0, 1.0, 0.0]) * _NEAR_DOUBT
    basis = np.concatenate([*axes, depth[..., None], near[..., None]], axis=2).reshape(mean.size, -1)
    shifts = np.broadcast_to(np.eye(3), (len(mean), 3, 3))
    rigid = np.concatenate([shifts, -cross_matrix(middle)], axis=2).reshape(mean.size, 6)
    basis = (basis - rigid @ np.linalg.lstsq(rigid, basis, rcond=None)[0]).reshape(*mean.shape, -1)
    front = middle[:, :2] / np.sum(middle[:, :2] ** 2)
    return basis - middle[..., None] * np.einsum("nd,ndp->p", front, basis[:, :2])


def uncorrelated(mean: Array) -> Array:
    """(N, N) that makes errors of a face's landmarks independent of one another: more than half of them is alike nearby."""
    apart = np.sum((mean[:, None] - mean[None]) ** 2, axis=-1)
    alike = _ALIKE * np.exp(-0.5 * apart / _ALIKE_REACH**2) + (1.0 - _ALIKE) * np.eye(len(mean))
    return np.linalg.inv(np.linalg.cholesky(alike))


@dataclass(frozen=True)
class _Problem:
    """Key frames' pixels, whiteners and points; modes (N, 3, K) a frame; field (N, 3, P) and slide (N, 3, Q), the clip's.

    The slide grows as the face turns, sides (T, 2): a regressor's landmarks slide over the face with the view. A wrong
    focal length looks much like it, and so the doubt about the one is part of the doubt about the other.
    """

    pixels: Array
    white: Array
    points: Array
    modes: Array
    field: Array
    slide: Array
    sides: Array
    apart: Array

    @staticmethod
    def of(pixels: Array, white: Array, points: Array, modes: Array, pose: Pose) -> _Problem:
        """The problem of key frames whose faces are turned about as `pose` says."""
        mean, sides = np.median(points, axis=0), pose.rotations[:, :2, 2]
        field, slide = face_field(mean), _SLIDE * face_field(mean, _SLIDE_MODES)
        return _Problem(pixels, white, points, modes, field, slide, sides - sides.mean(axis=0), uncorrelated(mean))

    @property
    def size(self) -> int:
        """Unknowns of the field and of the slides sideways and up."""
        return self.field.shape[2] + 2 * self.slide.shape[2]

    def shapes(self, state: _State) -> Array:
        """(T, N, 3) canonical points as the state has them."""
        still, sideways, up = np.split(state.field, [self.field.shape[2], -self.slide.shape[2]])
        slid = np.tensordot(self.sides, np.stack([self.slide @ sideways, self.slide @ up]), axes=1)
        return self.points + self.field @ still + slid + np.tensordot(state.coefficients, self.modes, axes=([1], [2]))

    def on(self, rows: NDArray[np.int64]) -> _Problem:
        """The problem of some of the landmarks."""
        apart = uncorrelated(np.median(self.points, axis=0)[rows])
        parts = {name: getattr(self, name)[:, rows] for name in ("pixels", "white", "points")}
        return replace(self, **parts, **{name: getattr(self, name)[rows] for name in ("modes", "field", "slide")}, apart=apart)

    def scaled(self, scales: _Scales) -> _Problem:
        """The problem with errors and doubts so much larger than they were told to be."""
        field, slide = self.field * scales.field[: self.field.shape[2]], self.slide * scales.field[-self.slide.shape[2] :]
        return replace(self, white=self.white / scales.errors, modes=self.modes * scales.modes, field=field, slide=slide)

    def by_field(self, by_point: Array) -> Array:
        """Slopes (T, N, 2, size) by the field and the slides, from those by the points (T, N, 2, 3)."""
        both = np.concatenate([self.field, self.slide], axis=2).astype(np.float32)
        rows = by_point.astype(np.float32).transpose(1, 0, 2, 3).reshape(len(both), -1, 3) @ both
        slopes = rows.reshape(len(both), len(by_point), 2, -1).transpose(1, 0, 2, 3)
        slide, sides = slopes[..., self.field.shape[2] :], self.sides.astype(np.float32)[:, None, None, :, None]
        return np.concatenate([slopes[..., : self.field.shape[2]], sides[..., 0, :] * slide, sides[..., 1, :] * slide], axis=-1)


@dataclass(frozen=True)
class _State:
    """strength: inverse focal length in units of the prior's; its variance as the errors' own scatter over the clip shows it.

    unsure: variances (K,) and (P,) that coefficients and field are left with.
    """

    pose: Pose
    coefficients: Array
    field: Array
    strength: float = 1.0
    variance: float = np.inf
    unsure: tuple[Array, Array] = (np.zeros(0), np.zeros(0))

    def scaled(self, scales: _Scales) -> _State:
        """The same state in units of other doubts."""
        return replace(self, coefficients=self.coefficients / scales.modes, field=self.field / scales.field)


@dataclass(frozen=True)
class _Scales:
    """How much larger than told something turns out in a clip: the errors, the doubts about each mode (K,) and of the field (P,)."""

    errors: float
    modes: Array
    field: Array

    @staticmethod
    def found(problem: _Problem, state: _State, prior: Prior) -> _Scales:
        """From what is left over, and from how large the unknowns come out with what remains unsure of them."""
        model = linearise(problem.shapes(state), state.pose, state.strength / prior.focal)[0]
        residuals = whiten(problem.white, (problem.pixels - model)[..., None])[..., 0]
        weight = student_weight(residuals)[..., None]
        counted = max(float(np.sum(problem.white[..., 0, 0] > 0)) * 2.0, 1.0)
        power = float(np.sum((problem.apart @ (residuals * np.sqrt(weight))) ** 2)) / counted
        modes, field = (np.mean(state.coefficients**2, axis=0) + state.unsure[0]), state.field**2 + state.unsure[1]
        still, slide = problem.field.shape[2], problem.slide.shape[2]
        smooth = np.r_[np.ones(still - _WHOLE), np.zeros(_WHOLE)], np.tile(np.r_[np.ones(slide - _WHOLE), np.zeros(_WHOLE)], 2)
        parts = np.split(field, [still])
        usual = [np.full(len(part), part @ mask / max(mask.sum(), 1.0)) for part, mask in zip(parts, smooth, strict=True)]
        usual[0][still - _WHOLE :] = 1.0
        told = (np.clip(np.sqrt(part), *_MISTOLD) for part in (power, modes, np.concatenate(usual)))
        return _Scales(*told)


@dataclass(frozen=True)
class _Normal:
    """Normal equations: blocks (T, F, F) of the frames, their ties (T, F, S) to the shared unknowns and their right sides
    (T, F); the block (S, S) of the shared unknowns, and what each frame puts on its right side (T, S).
    """

    frame: Array
    tie: Array
    frame_side: Array
    shared: Array
    shared_side: Array


def _start(problem: _Problem, pose: Pose) -> _State:
    return _State(pose, np.zeros((len(pose.scales), problem.modes.shape[2])), np.zeros(problem.size))


def _adjust(problem: _Problem, state: _State, prior: Prior, steps: int) -> _State:
    """Gauss-Newton on all unknowns at once."""
    precision = np.concatenate([[1.0 / max(prior.doubt, 1e-6) ** 2], np.ones(problem.size)])
    for _ in range(steps):
        normal = _normal(problem, state, prior)
        tied = solve_blocks(normal.frame, np.concatenate([normal.tie, normal.frame_side[..., None]], axis=2))
        flat = normal.tie.reshape(-1, normal.tie.shape[2])
        reduced = normal.shared + np.diag(precision) - flat.T @ tied[..., :-1].reshape(flat.shape)
        scores = normal.shared_side - np.einsum("tfs,tf->ts", normal.tie, tied[..., -1])
        pull = precision * np.concatenate([[state.strength - 1.0], state.field])
        step = np.linalg.solve(reduced, scores.sum(axis=0) - pull)
        own = tied[..., -1] - tied[..., :-1] @ step
        strength = float(np.clip(state.strength + np.clip(step[0], -0.5, 0.5), 0.02, 20.0))
        state = _State(state.pose.moved(own[:, :6]), state.coefficients + own[:, 6:], state.field + step[1:], strength)
        if np.abs(step / np.sqrt(1.0 / np.diag(reduced))).max() < _ENOUGH:
            break
    inverse = np.linalg.inv(reduced)
    own = solve_blocks(normal.frame, np.broadcast_to(np.eye(normal.frame.shape[1]), normal.frame.shape))
    unsure = np.mean(np.einsum("tff->tf", own), axis=0)[6:], np.diag(inverse)[1:]
    return replace(state, variance=_variance(inverse, scores), unsure=unsure)


def _normal(problem: _Problem, state: _State, prior: Prior) -> _Normal:
    """The slopes are multiplied in single precision: they say where to step, and the errors at the end of it are exact."""
    inverse = state.strength / prior.focal
    model, by_pose, by_point, by_inverse = linearise(problem.shapes(state), state.pose, inverse)
    residuals = whiten(problem.white, (problem.pixels - model)[..., None])
    weight = np.sqrt(student_weight(residuals[..., 0]))[..., None, None]
    count = len(residuals)

    def white(slopes: Array) -> Array:
        return whiten(problem.white, slopes) * weight

    apart = problem.apart.astype(np.float32)

    def rows(*slopes: Array) -> Array:
        told = np.concatenate(slopes, axis=-1, dtype=np.float32, casting="same_kind").reshape(count, len(apart), -1)
        return (apart @ told).reshape(count, 2 * len(apart), -1)

    by_point = white(by_point)
    own = rows(white(by_pose), by_point @ problem.modes)
    shared = rows(white(by_inverse[..., None] / prior.focal), problem.by_field(by_point))
    errors = rows(residuals * weight)
    own_precision = np.concatenate([np.zeros(6), np.ones(problem.modes.shape[2])])
    frame = _products(own, own)
    frame += np.eye(len(own_precision)) * (own_precision + 1e-6 * np.einsum("tii->ti", frame) + 1e-9)[:, None]
    side = _products(own, errors)[..., 0]
    side[:, 6:] -= state.coefficients
    flat = shared.reshape(-1, shared.shape[2])
    return _Normal(frame, _products(own, shared), side, (flat.T @ flat).astype(float), _products(shared, errors)[..., 0])


def _products(left: Array, right: Array) -> Array:
    """left' @ right a frame, in pieces too small for the library to start its threads."""
    pieces = -(-left.shape[1] * left.shape[2] * right.shape[2] // 200_000)
    left, right = (np.array_split(block, pieces, axis=1) for block in (left, right))
    return sum((np.swapaxes(one, 1, 2) @ other for one, other in zip(left, right, strict=True)), np.float64(0.0))


def _variance(inverse: Array, scores: Array) -> float:
    """Of the strength: what the errors' formula says, and what their scatter from stretch to stretch of the clip says beside it."""
    stretches = np.array_split(scores, min(_CLUSTERS, len(scores)))
    together = np.array([stretch.sum(axis=0) for stretch in stretches])
    scatter = inverse @ (together.T @ together) @ inverse
    return float(inverse[0, 0] + scatter[0, 0])


def turning(pose: Pose) -> float:
    """How far the face turns out of its mean direction, RMS, radians; a roll about the line of sight does not count."""
    return float(np.sqrt(np.sum(np.var(pose.rotations[:, :2, 2], axis=0))))


def _settled(state: _State, prior: Prior, turn: float) -> Focal:
    """Motion and prior together, on a grid of focal lengths: the middle of the belief and its 90 % interval."""
    logarithm = np.linspace(-2.5, 2.5, 2001)
    variance = state.variance * (_MODEL + (_TURN / max(turn, 1e-3)) ** 4) + prior.feigned**2
    score = -0.5 * (np.exp(-logarithm) - state.strength) ** 2 / variance - 0.5 * (logarithm / prior.doubt) ** 2
    if prior.near is not None:
        strength, doubt = prior.near
        score -= _NEAR_TAILS * np.log1p((np.exp(-logarithm) - strength) ** 2 / (2.0 * _NEAR_TAILS * doubt**2))
    share = np.exp(score - score.max())
    share /= share.sum()
    low, middle, high = np.interp([0.05, 0.5, 0.95], np.cumsum(share), logarithm)
    mean = float(share @ logarithm)
    doubt = float(np.sqrt(share @ (logarithm - mean) ** 2))
    told = doubt < _TOLD * prior.doubt and prior.source == "prior"
    value, interval = prior.focal * np.exp(middle), (float(prior.focal * np.exp(low)), float(prior.focal * np.exp(high)))
    return Focal(float(value), interval, "solved" if told else prior.source)


def _leftovers(problem: _Problem, state: _State, known: Prior) -> Array:
    """(N, 3): what each landmark's own errors, the same in all key frames, still ask for beyond the smooth field."""
    model, _, by_point, _ = linearise(problem.shapes(state), state.pose, 1.0 / known.focal)
    residuals = whiten(problem.white, (problem.pixels - model)[..., None])
    weight = np.sqrt(student_weight(residuals[..., 0]))[..., None, None]
    slopes = whiten(problem.white, by_point) * weight
    normal = np.einsum("tnij,tnik->njk", slopes, slopes) + np.eye(3) / _LEFTOVER**2
    return np.linalg.solve(normal, np.einsum("tnij,tnik->njk", slopes, residuals * weight))[..., 0]


def _warnings(focal: Focal) -> tuple[str, ...]:
    if focal.source != "prior":
        return ()
    low, high = (round(100 * (edge / focal.value - 1.0)) for edge in focal.interval)
    alike = "a longer lens and a head further away look alike. Give the lens if you know it."
    return (f"The head's motion does not tell the focal length ({low:+d} to {high:+d} %): {alike}",)
