# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's corrections as conditions on the solved motion.

What a correction may change is a Gaussian process about the solve: over the face it moves as expressions do and, beside
that, as a smooth field; where several parts of a face are pinned on a frame the head's pose moves too; over time it fades
within the falloff and is nothing on locked frames. Pins are exact observations of it, so that the change is the most
likely one that brings every pinned landmark to its point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from . import camera, expression, topology
from .corrections import Corrections, Pin
from .head_pose import Pose, linearise, pose_from, rotation_matrix, rotation_vector
from .roomy import roomy_copy
from .types import Array, Observations, Take

_EXPRESSION, _FIELD, _ALONE = 0.3, 1.5e-3, 0.4e-3
"""How far a correction may move the face: in expression weights, as a smooth field and a landmark by itself (metres)."""
_REACH, _DEEP = 0.009, 0.4
"""Reach of the smooth field in metres, and how much less it moves in depth than across."""
_TURN, _PLACE, _SIZE = 0.03, 0.004, 0.03
"""The same of the head, once enough parts of the face are pinned: radians, metres, and a share of the distance."""
_SURE, _CLOSE = 0.02, 0.05
"""Pixels to which a pin is taken to be exact, and at which it counts as reached."""
_SINGLE = 0.02
"""The share of a correction that may be its frame's alone: pins that contradict each other from frame to frame need it."""
_ROUNDS, _TOGETHER = 12, 120
"""Rounds of linearisation at most, and pins that are solved for at once."""


def fading(distance: Array, falloff: float) -> Array:
    """1 at distance 0, smoothly down to 0 from the falloff on (Wendland's function: a covariance of compact support)."""
    near = np.clip(np.abs(distance) / max(falloff, 1e-9), 0.0, 1.0)
    return (1.0 - near) ** 4 * (4.0 * near + 1.0)


def window(frames: Array, about: Iterable[tuple[int, int]], falloff: float) -> Array:
    """(T,) how much frames (T,) lie within stretches (first, last): 1 inside, fading to 0 over the falloff."""
    share = np.zeros(len(frames))
    for first, last in set(about):
        share = np.maximum(share, fading(np.maximum(np.maximum(first - frames, frames - last), 0), falloff))
    return share


def spans(corrections: Corrections) -> dict[object, tuple[int, int]]:
    """What each correction is about: the first and last frame by the correction itself."""
    spans: dict[object, tuple[int, int]] = {pin: (pin.frame, pin.frame) for pin in corrections.pins}
    spans |= {mute: (mute.start, mute.end) for mute in corrections.mutes}
    return spans | {frame: (frame, frame) for frame in corrections.locked}


def told(raw: Observations, corrections: Corrections, pinned: bool = True) -> Observations:
    """What was seen, and what a person says of it: muted regions without any certainty, pinned landmarks at their points."""
    if not corrections:
        return raw
    pixels, covariances = roomy_copy(raw.landmarks_2d), roomy_copy(raw.covariances)
    for mute in corrections.mutes:
        rows = np.flatnonzero((raw.frames >= mute.start) & (raw.frames <= mute.end))
        covariances[np.ix_(rows, topology.region_indices(mute.region))] = np.inf
    places = {int(frame): row for row, frame in enumerate(raw.frames)}
    for pin in corrections.pins if pinned else ():
        pixels[places[pin.frame], pin.landmark] = pin.point
        covariances[places[pin.frame], pin.landmark] = _SURE**2 * np.eye(2)
    return replace(raw, landmarks_2d=pixels, covariances=covariances)


@dataclass(frozen=True)
class _Pinned:
    """The pins of one stretch: rows (P,) of the take, landmarks (P,), goals (P, 2) straight pixels from the centre; freedom (P,) of
    the head's pose on their frames, 0 to 1.
    """

    rows: Array
    landmarks: Array
    goals: Array
    freedom: Array


def apply_pins(take: Take, corrections: Corrections) -> Take:
    """The take with every pinned landmark at its point; frames beyond the falloff, and locked ones, are left bit by bit."""
    locked = np.flatnonzero(np.isin(take.frames, corrections.locked))
    state = take
    stretches = [_pinned(take, pins) for pins in _stretches(corrections, set(take.frames[locked].tolist()))]
    for _ in range(_ROUNDS):
        missed = [stretch for stretch in stretches if _miss(state, stretch) > _CLOSE]
        if not missed:
            break
        for stretch in missed:
            state = _pulled(state, stretch, locked, corrections.falloff)
    return state


def _stretches(corrections: Corrections, locked: set[int]) -> list[Sequence[Pin]]:
    """Pins in order of time, a place a frame and landmark (the last one told), those of locked frames left out, not too many at once."""
    told = {(pin.frame, pin.landmark): pin for pin in corrections.pins if pin.frame not in locked}
    pins = [told[key] for key in sorted(told)]
    return [pins[start : start + _TOGETHER] for start in range(0, len(pins), _TOGETHER)]


def _pinned(take: Take, pins: Sequence[Pin]) -> _Pinned:
    rows = np.searchsorted(take.frames, [pin.frame for pin in pins])
    focal = take.lens.focal[rows]
    points = np.array([pin.point for pin in pins])[:, None]
    goals = camera.to_rays(points, replace(take.lens, focal=focal))[:, 0] * focal[:, None]
    regions: dict[int, set[str]] = {}
    for pin in pins:
        regions.setdefault(pin.frame, set()).add(topology.TABLE[pin.landmark].region)
    freedom = np.array([min(len(regions[pin.frame]) - 1, 3) / 3.0 for pin in pins])
    return _Pinned(rows, np.array([pin.landmark for pin in pins]), goals, freedom)


def _pose(take: Take, rows: Array) -> Pose:
    return pose_from(take.rotations[rows], take.translations[rows], take.lens.focal[rows])


def _seen(take: Take, pinned: _Pinned) -> tuple[Array, Array, Array, Pose]:
    """What the take shows of the pins: pixels (P, 2), slopes by the pose (P, 2, 6) and by the point (P, 2, 3); the poses."""
    pose = _pose(take, pinned.rows)
    points = take.landmarks[pinned.rows, pinned.landmarks][:, None]
    pixels, by_pose, by_point, _ = linearise(points, pose, 1.0 / take.lens.focal[pinned.rows])
    return pixels[:, 0], by_pose[:, 0], by_point[:, 0], pose


def _miss(take: Take, pinned: _Pinned) -> float:
    return float(np.abs(pinned.goals - _seen(take, pinned)[0]).max(initial=0.0))


def _pulled(take: Take, pinned: _Pinned, locked: Array, falloff: float) -> Take:
    """One round of linearisation: the most likely change that brings the pins where they should be."""
    pixels, by_pose, by_point, pose = _seen(take, pinned)
    spread = _pose_spread(pose) * pinned.freedom[:, None]
    freedom = by_pose * spread[:, None]
    face = _freedom(take.neutral).reshape(len(take.neutral), 3, -1)
    shape = by_point @ face[pinned.landmarks]
    over_time = _over_time(take.frames, pinned.rows, locked, falloff)
    alike = over_time[pinned.rows][:, :, None, None] * np.einsum("pic,qjc->pqij", shape, shape)
    alike += over_time[pinned.rows][:, :, None, None] * np.einsum("pic,qjc->pqij", freedom, freedom)
    matrix = alike.transpose(0, 2, 1, 3).reshape(2 * len(pixels), -1)
    pull = np.linalg.solve(matrix + _SURE**2 * np.eye(len(matrix)), (pinned.goals - pixels).ravel()).reshape(-1, 2)
    rows = np.flatnonzero(over_time.any(axis=1))
    share = over_time[rows]
    moves = (share @ np.einsum("pic,pi->pc", shape, pull)) @ face.reshape(-1, face.shape[2]).T
    step = share @ np.einsum("pic,pi->pc", freedom, pull)
    free = np.interp(take.frames[rows], take.frames[pinned.rows], pinned.freedom)
    return _moved(take, rows, moves.reshape(len(rows), -1, 3), step * _pose_spread(_pose(take, rows)) * free[:, None])


def _pose_spread(pose: Pose) -> Array:
    """(T, 6) how far a pose may move."""
    place = np.repeat(_PLACE * pose.scales[:, None], 2, axis=1)
    return np.concatenate([np.full((len(place), 3), _TURN), place, np.full((len(place), 1), _SIZE)], axis=1)


def _over_time(frames: Array, rows: Array, locked: Array, falloff: float) -> Array:
    """(T, P) how a change on a frame goes along with one on a pin's: none beyond the falloff, and none on locked frames."""
    at = frames[rows]
    near = window(frames, ((frame, frame) for frame in at.tolist()), falloff)
    apart = frames[:, None] - at
    share = (1.0 - _SINGLE) * fading(apart, falloff) + _SINGLE * (apart == 0)
    still = locked[near[locked] > 0] if len(locked) else locked
    if len(still):
        held = fading(frames[:, None] - frames[still], falloff)
        share = share - held @ np.linalg.solve(held[still] + 1e-9 * np.eye(len(still)), fading(frames[still][:, None] - at, falloff))
        share[still] = 0.0
        share *= near[:, None] ** 0.25
    return share


@lru_cache(maxsize=1)
def _expressions() -> Array:
    basis = expression.head_basis()
    return _EXPRESSION * basis.shapes.reshape(len(basis.shapes), -1).T


def _freedom(neutral: Array) -> Array:
    """(3 N, C) a root of the face's covariance: expressions, a smooth field, and each landmark for itself."""
    apart = np.sum((neutral[:, None] - neutral) ** 2, axis=-1)
    field = _FIELD**2 * np.exp(-0.5 * apart / _REACH**2) + _ALONE**2 * np.eye(len(neutral))
    root = np.linalg.cholesky(field)
    axes = [np.kron(root, scale * np.eye(3)[:, [axis]]) for axis, scale in enumerate((1.0, 1.0, _DEEP))]
    return np.concatenate([_expressions(), *axes], axis=1)


def _moved(take: Take, rows: Array, moves: Array, step: Array) -> Take:
    """The take with the face moved (R, N, 3) metres and the pose stepped (R, 6) on some rows."""
    pose = _pose(take, rows)
    landmarks, rotations, translations = take.landmarks.copy(), take.rotations.copy(), take.translations.copy()
    landmarks[rows] += moves
    if np.any(step):
        pose = pose.moved(step)
        rotations[rows], translations[rows] = pose.rotations, pose.translations(take.lens.focal[rows])
    return replace(take, landmarks=landmarks, rotations=rotations, translations=translations)


def blended(take: Take, other: Take, share: Array) -> Take:
    """Motion from one take to another of the same frames by a share (T,): 0 is the one bit by bit, 1 the other."""
    parts = {name: getattr(take, name).copy() for name in ("rotations", "translations", "landmarks", "valid")}
    taken = (share >= 1) | (share >= 0.5) & (take.valid != other.valid)
    for name, values in parts.items():
        values[taken] = getattr(other, name)[taken]
    mixed = np.flatnonzero((share > 0) & ~taken & take.valid & other.valid)
    weight = share[mixed]
    turn = rotation_vector(np.swapaxes(take.rotations[mixed], 1, 2) @ other.rotations[mixed])
    parts["rotations"][mixed] = take.rotations[mixed] @ rotation_matrix(weight[:, None] * turn)
    for name, lift in (("translations", (slice(None), None)), ("landmarks", (slice(None), None, None))):
        one, two = getattr(take, name)[mixed], getattr(other, name)[mixed]
        parts[name][mixed] = one + weight[lift] * (two - one)
    return replace(take, **parts)


def corrected(take: Take, base: Take, corrections: Corrections) -> Take:
    """The motion of `base`, which has no pins, with the corrections in it; locked frames stay as they are in `take`."""
    locked = np.isin(take.frames, corrections.locked)
    held = window(take.frames, ((frame, frame) for frame in corrections.locked), corrections.falloff)
    held[locked] = 1.0
    return apply_pins(blended(base, take, held), corrections)
