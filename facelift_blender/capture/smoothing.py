# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion without jitter and without lag: penalised least squares over the whole clip.

For each part of the motion (the head's rotation, its place, each region of the face) the smooth path x of measurements y
minimises  sum w_t |y_t - x_t|^2 + stiffness * sum v_t |x_t-1 - 2 x_t + x_t+1|^2,  which is what a Kalman smoother of a body
with random acceleration returns, solved as one banded system. v_t falls where the part accelerates: there the stiffness is the
noise's variance over the acceleration's (heavy-tailed process noise, found by reweighting). The search begins soft, where every
event shows, and stiffens wherever nothing but noise was there. So a blink or a plosive passes whole while rest is still.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from . import topology
from .head_pose import rotation_matrix, rotation_vector
from .roomy import LONG, rest, roomy
from .types import Array, FaceLiftError

LONGEST_BRIDGE = 0.5
"""Seconds without a measurement that are bridged; longer gaps stay gaps."""

_MISTOLD = 0.5
"""What the pose's noise from frame to frame can be at most, of the variance that is told for it: most of the landmarks' errors stay."""
_ROUNDS, _SETTLED = 10, 0.01
"""How often the stiffness is found anew at most, and the share of it that no longer matters."""
_MOVES, _MOUTHS, _FEW, _ALIKE = 4, 6, 12, 8.0
"""Main moves of a part, and of the mouth, that are smoothed by themselves, frames that tell none, and the most that the variance of such
a move's noise is of what the noise is of the other moves, which the part is not wont to do: landmarks' errors are somewhat alike, a face
that never rests is far more so, and must not pass for noise.
"""
_STRENGTH = 30.0
"""Stiffness at 0.3 of the slider and 25 frames a second: a body at rest passes below 2 Hz."""
_DECADES = 3.0
"""Decades of stiffness from none of the slider to all of it."""
_PATIENCE, _PATIENT_DECADES = 4.0, 1.5
"""Variances of the noise over the acceleration's to which a moving part is stiff at half of the slider; and decades of that from none
of the slider to all of it.
"""
_PATIENCES = {"pose": 2.0, "mouth": 0.25, "eyes": 0.6, "irises": 1.5, "brows": 2.0, "face": 10.0}
"""How much stiffer the parts are than that: lips and lids are the quickest, contour and cheeks the slowest."""
_SOFT = 0.3
"""The stiffness with which the search begins."""
_STRETCH, _OVERLAP = 6000, 250
"""Frames of a long clip that are smoothed together, and on which two such stretches go over into one another."""
_CALM, _CALM_NORMAL = 0.3, -0.524
"""The share of frames that are calm even in a busy clip, and that quantile of the normal distribution."""


@dataclass(frozen=True)
class Smoothing:
    """How much each part is smoothed, 0 raw to 1 very smooth. face: contour, cheeks and nose; mouth: with the chin."""

    pose: float = 0.5
    mouth: float = 0.5
    eyes: float = 0.5
    brows: float = 0.5
    face: float = 0.5

    @staticmethod
    def of(amount: float | Smoothing) -> Smoothing:
        """The same amount for every part, or the amounts as they are. Raises FaceLiftError for one outside 0 to 1."""
        told = amount if isinstance(amount, Smoothing) else Smoothing(*[float(amount)] * 5)
        wrong = next((value for value in asdict(told).values() if not 0.0 <= value <= 1.0), None)
        if wrong is not None:
            raise FaceLiftError(f"A smoothing of {wrong:g} is not possible; give 0 (raw) to 1 (very smooth).")
        return told

    def of_region(self, region: str) -> float:
        """The amount for landmarks of a region of the table."""
        return float(getattr(self, _SLIDERS.get(region, "face")))


_SLIDERS = {"mouth": "mouth", "chin": "mouth", "eyes": "eyes", "irises": "eyes", "brows": "brows", "forehead": "brows"}


def _parts() -> tuple[list[int], ...]:
    """Landmarks by region, eyes, brows and cheeks by side too."""
    parts: dict[tuple[str, str], list[int]] = {}
    for index, landmark in enumerate(topology.TABLE):
        sided = landmark.region in ("eyes", "irises", "brows", "cheeks")
        side = next((side for side in ("right", "left") if sided and f"_{side}" in landmark.name), "")
        parts.setdefault((landmark.region, side), []).append(index)
    return tuple(parts.values())


PARTS = _parts()
"""Landmark indices of the parts of the face that move by themselves."""
_MIDDLE = np.array([0.0, -0.03, 0.015])
"""A canonical point near the landmarks' middle: turning about it moves them least."""
_EXTREMES = (0.01, 4.0)


@dataclass(frozen=True)
class Path:
    """The motion of a head and its face on evenly spaced frames: rotations (T, 3, 3), translations (T, 3), landmarks (T, N, 3)."""

    rotations: Array
    translations: Array
    landmarks: Array

    def rows(self, rows: Array | slice) -> Path:
        """The path on some of its frames."""
        return Path(self.rotations[rows], self.translations[rows], self.landmarks[rows])


@dataclass(frozen=True)
class Certainty:
    """Inverse variances of the measurements: of the rotation (T,) radians, of the ray to the head (T,), of the logarithm of its
    depth (T,), of each landmark (T, N).
    """

    turn: Array
    place: Array
    depth: Array
    landmarks: Array


def smooth_path(path: Path, certainty: Certainty, smoothing: Smoothing, fps: float) -> Path:
    """Smooth a whole performance, part by part; frames in gaps too long to bridge come out NaN."""
    sizes = (part.shape for part in (path.rotations, path.translations, path.landmarks))
    out = Path(*(roomy(*size, fill=np.nan) for size in sizes))
    measured = np.isfinite(path.translations[:, 0])
    for segment in list(segments(measured, np.arange(len(measured)) / fps)):
        done = segment.start
        for rows in stretches(segment):
            _lay(out, rows, _smooth_stretch(path, certainty, rows, smoothing, fps), max(done - rows.start, 0))
            done = rows.stop
            rest()
    return out


def stretches(segment: slice) -> Iterator[slice]:
    """A long segment in stretches that overlap by far more frames than a smooth path looks about itself; a short one as it is."""
    length = segment.stop - segment.start
    if length <= LONG:
        yield segment
        return
    count = math.ceil((length - _OVERLAP) / (_STRETCH - _OVERLAP))
    for start in np.linspace(segment.start, segment.stop - _STRETCH, count).round().astype(int).tolist():
        yield slice(start, start + _STRETCH)


def _smooth_stretch(path: Path, certainty: Certainty, rows: slice, smoothing: Smoothing, fps: float) -> Path:
    rotations = smooth_rotations(path.rotations[rows], smoothing.pose, certainty.turn[rows], fps)
    place = path.translations[rows] + path.rotations[rows] @ _MIDDLE
    translations = _smooth_place(place, smoothing.pose, certainty, rows, fps) - rotations @ _MIDDLE
    landmarks = np.full_like(path.landmarks[rows], np.nan)
    for part in PARTS:
        values = path.landmarks[rows][:, part]
        weights = _limited(np.mean(certainty.landmarks[rows][:, part], axis=1))
        region = topology.TABLE[part[0]].region
        patience = _PATIENCES.get(region, _PATIENCES[_SLIDERS.get(region, "face")]) * _PATIENCE
        moves = _MOUTHS if region == "mouth" else _MOVES
        smooth_part = smooth_moves(values.reshape(len(values), -1), smoothing.of_region(region), weights, fps, patience, moves)
        landmarks[:, part] = smooth_part.reshape(values.shape)
    return Path(rotations, translations, landmarks)


def _lay(out: Path, rows: slice, stretch: Path, shared: int) -> None:
    """Put a stretch in its place; on the first `shared` frames one goes over into the other."""
    if shared:
        before, share = out.rows(slice(rows.start, rows.start + shared)), np.arange(1, shared + 1) / (shared + 1)
        turns = before.rotations + share[:, None, None] * (stretch.rotations[:shared] - before.rotations)
        left, _, right = np.linalg.svd(turns)
        stretch.rotations[:shared] = left @ right
        stretch.translations[:shared] = before.translations + share[:, None] * (stretch.translations[:shared] - before.translations)
        stretch.landmarks[:shared] = before.landmarks + share[:, None, None] * (stretch.landmarks[:shared] - before.landmarks)
    out.rotations[rows], out.translations[rows], out.landmarks[rows] = stretch.rotations, stretch.translations, stretch.landmarks


def _smooth_place(place: Array, smoothing: float, certainty: Certainty, rows: slice, fps: float) -> Array:
    """A point's way (T, 3): where it is seen and how far it is have noise of their own, so each is smoothed by itself.

    Beside or behind the camera that looks, as after a long travel, there is no such depth, and the way is smoothed as it is.
    """
    if np.nanmin(place[:, 2]) < 0.2 * np.nanmax(np.linalg.norm(place, axis=1)):
        return smooth(place, smoothing, _limited(certainty.depth[rows]), fps, patience=_PATIENCES["pose"] * _PATIENCE)
    ray, depth = certainty.place[rows], certainty.depth[rows]
    seen = smooth(place[:, :2] / place[:, 2:], smoothing, _limited(ray), fps, _told(ray), _PATIENCES["pose"] * _PATIENCE)
    away = np.log(np.ascontiguousarray(place[:, 2:]))  # NumPy's logarithm of a column differs with where its result comes to lie
    depth = np.exp(smooth(away, smoothing, _limited(depth), fps, _told(depth), _PATIENCES["pose"] * _PATIENCE))
    return np.concatenate([seen * depth, depth], axis=1)


def _limited(weights: Array) -> Array:
    """Inverse variances over their median, kept within reason; what was never seen, a part muted all along, counts the same throughout."""
    known = weights[np.isfinite(weights)]
    middle = float(np.median(known)) if len(known) else 0.0
    return np.clip(weights / middle, *_EXTREMES) if middle > 0.0 else np.ones_like(weights)


def _told(weights: Array) -> float:
    """The most that the noise's variance can be, from inverse variances: where all is motion, motion cannot be told from noise."""
    return _MISTOLD / max(float(np.nanmedian(weights)), 1e-30)


def segments(measured: Array, times: Array, longest: float = LONGEST_BRIDGE) -> Iterator[slice]:
    """Stretches of frames without a gap longer than `longest` seconds, each from a measured frame to a measured frame."""
    rows = np.flatnonzero(measured)
    if len(rows) == 0:
        return
    breaks = np.flatnonzero((np.diff(times[rows]) > longest + 1e-9) & (np.diff(rows) > 1))
    for first, last in zip(np.r_[0, breaks + 1], np.r_[breaks, len(rows) - 1], strict=True):
        yield slice(int(rows[first]), int(rows[last]) + 1)


def smooth(
    values: Array, smoothing: float, weights: Array | None = None, fps: float = 25.0, told: float = np.inf, patience: float = _PATIENCE
) -> Array:
    """Smooth one part's channels together.

    values: (T, C), evenly spaced in time, of like units and noise; NaN rows are bridged. smoothing: 0 (as it is, gaps
    bridged) to 1. weights: (T,) relative inverse variance of the measurements. told: the most that their variance can be.
    patience: how stiff the part is where it moves.
    """
    measured = np.all(np.isfinite(values), axis=1)
    weights = np.where(measured, 1.0 if weights is None else weights, 0.0)
    filled = np.where(measured[:, None], values, 0.0)
    if smoothing <= 0 or measured.sum() < 6:
        return np.where(measured[:, None], filled, _path(filled, measured * 1e6, np.ones(max(len(values) - 2, 0))))
    weights = weights / np.median(weights[measured])
    firmness = 0.5 - (1.0 - smoothing) ** 2
    strength = _STRENGTH * 10.0 ** (_DECADES * firmness) * (fps / 25.0) ** 4
    noise = min(_noise(values[measured]), told)
    usual = patience * 10.0 ** (_PATIENT_DECADES * (firmness - 0.25)) * noise
    stiffness = np.full(len(values) - 2, min(_SOFT, strength))
    for _ in range(_ROUNDS):
        path = _path(filled, weights, stiffness)
        bend = _widened(np.sum(np.diff(path, 2, axis=0) ** 2, axis=1))
        fitting = strength / (1.0 + strength * bend / usual)
        if np.all(np.abs(fitting - stiffness) <= _SETTLED * stiffness):
            break
        stiffness = fitting
    return path


def smooth_moves(
    values: Array, smoothing: float, weights: Array | None = None, fps: float = 25.0, patience: float = _PATIENCE, moves: int = _MOVES
) -> Array:
    """Smooth the channels of a part (T, C) along what it is wont to do, each of its main moves by itself.

    A blink is one move of many points: along it, it stands far out of the noise that each point has, and so it passes while
    whatever else the points do then stays still. Channels are points (x, y, z), the calmer of which tell how noisy each axis is.
    Arguments as of `smooth`; moves: how many of them.
    """
    measured = np.all(np.isfinite(values), axis=1)
    if smoothing <= 0 or measured.sum() < _FEW:
        return smooth(values, smoothing, weights, fps, patience=patience)
    noise = np.sqrt(np.median(np.diff(values[measured], 4, axis=0) ** 2, axis=0))
    noise = np.quantile(noise.reshape(-1, 3), _CALM, axis=0)
    scale = np.tile(np.maximum(noise, 0.1 * noise.max() + 1e-12), values.shape[1] // 3)
    shown = values[measured] / scale
    middle = shown.mean(axis=0)
    turn = np.linalg.eigh((shown - middle).T @ (shown - middle))[1][:, ::-1]
    main = min(moves, turn.shape[1] - 1)
    *wont, others = np.split((values / scale - middle) @ turn, range(1, main + 1), axis=1)
    told = _ALIKE * _noise(others[measured]) / others.shape[1]
    smoothed = [smooth(move, smoothing, weights, fps, told, patience) for move in wont]
    smoothed.append(smooth(others, smoothing, weights, fps, patience=patience))
    return (np.concatenate(smoothed, axis=1) @ turn.T + middle) * scale


def _noise(values: Array) -> float:
    """Variance of the noise, all channels together, from the calmer frames' fourth differences, which no smooth motion has."""
    fourth = np.diff(values, 4, axis=0) / np.sqrt(70.0)
    power = np.sum(fourth**2, axis=1)
    calm = fourth[power <= np.quantile(power, 0.5)]
    spectrum = calm.T @ calm if calm.shape[1] < calm.shape[0] else calm @ calm.T
    freedom = float(np.trace(spectrum) ** 2 / max(np.sum(spectrum**2), 1e-300))
    return max(float(np.quantile(power, _CALM)) / _chi_square(_CALM_NORMAL, freedom), 1e-18)


def _chi_square(normal: float, freedom: float) -> float:
    """Quantile of chi-square over its mean, at that many normal deviations (Wilson and Hilferty)."""
    share = 2.0 / (9.0 * max(freedom, 1.0))
    return max(1.0 - share + normal * np.sqrt(share), 0.1) ** 3


def _widened(bend: Array) -> Array:
    """The largest of three neighbours: an event frees the frames before and after it too."""
    padded = np.concatenate([bend[:1], bend, bend[-1:]])
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])


def _path(values: Array, weights: Array, stiffness: Array) -> Array:
    """The minimiser for given weights (T,) and stiffness (T - 2,): a pentadiagonal system with a column a channel."""
    from scipy.linalg.lapack import dpbsv

    if len(values) < 3:
        return values.copy() if np.all(weights > 0) else np.repeat(values[weights > 0][:1], len(values), axis=0)
    bands = _bands(weights + 1e-9, stiffness)
    _, path, broken = dpbsv(bands, values * (weights + 1e-9)[:, None], lower=1)
    if broken:
        raise np.linalg.LinAlgError("a path's system is not positive definite")
    return path


def _bands(weights: Array, stiffness: Array) -> Array:
    """Lower bands (3, T) of diag(weights) + D' diag(stiffness) D with D the second difference."""
    count = len(weights)
    bands = np.zeros((3, count))
    bands[0] = weights
    bands[0, :-2] += stiffness
    bands[0, 1:-1] += 4.0 * stiffness
    bands[0, 2:] += stiffness
    bands[1, :-2] -= 2.0 * stiffness
    bands[1, 1:-1] -= 2.0 * stiffness
    bands[2, :-2] = stiffness
    return bands


def smooth_rotations(rotations: Array, smoothing: float, certainty: Array | None = None, fps: float = 25.0) -> Array:
    """Smooth rotations (T, 3, 3) on their manifold; NaN rows are bridged. certainty: (T,) inverse variance, 1 / radians squared.

    The path is rolled out into the plane space of its own increments, smoothed there and rolled back, so that no chart is
    favoured and a head may turn as far as it likes.
    """
    measured = np.all(np.isfinite(rotations), axis=(1, 2))
    weights, told = (None, np.inf) if certainty is None else (_limited(certainty), _told(certainty))
    rows = np.where(measured, np.arange(len(rotations)), np.argmax(measured))
    guess = rotations[np.maximum.accumulate(rows)]
    for _ in range(2):
        turned = np.swapaxes(guess, 1, 2)
        rolled = np.zeros((len(rotations), 3))
        np.cumsum(rotation_vector(turned[:-1] @ guess[1:]), axis=0, out=rolled[1:])
        path = smooth(rolled + rotation_vector(turned @ rotations), smoothing, weights, fps, told, _PATIENCES["pose"] * _PATIENCE)
        guess = guess @ rotation_matrix(path - rolled)
    return guess


class OneEuro:
    """A causal filter for previews: little lag when fast, little jitter when slow (Casiez et al. 2012)."""

    def __init__(self, cutoff: float = 1.5, speed: float = 3.0, derivative_cutoff: float = 1.0) -> None:
        self._cutoff, self._speed, self._derivative_cutoff = cutoff, speed, derivative_cutoff
        self._value: Array | None = None
        self._slope: Array | float = 0.0

    def __call__(self, value: Array, seconds: float) -> Array:
        """The filtered value of this frame, `seconds` after the last; speed and cutoffs in hertz."""
        if self._value is None or seconds <= 0:
            self._value = np.array(value, dtype=float)
            return self._value
        slope = (value - self._value) / seconds
        self._slope = self._slope + _share(self._derivative_cutoff, seconds) * (slope - self._slope)
        share = _share(self._cutoff + self._speed * np.abs(self._slope), seconds)
        self._value = self._value + share * (value - self._value)
        return self._value

    def rebase(self, shift: Array) -> None:
        """Count values from elsewhere: what was `value` is `value + shift` from now on."""
        if self._value is not None:
            self._value = self._value + shift


def _share(cutoff: Array | float, seconds: float) -> Array | float:
    turn = 2.0 * np.pi * cutoff * seconds
    return turn / (turn + 1.0)
