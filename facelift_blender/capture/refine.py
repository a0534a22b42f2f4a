# SPDX-License-Identifier: GPL-3.0-or-later
"""A take corrected by a person, and where it most wants correcting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import topology
from .corrections import Corrections
from .pins import apply_pins, blended, corrected, spans, window
from .solve import describe_motion, resolve
from .take import check_corrections
from .types import Array, FaceLiftError, Take

_APART = 6
"""Frames that two of the worst frames lie apart at least: one bad moment is told once."""
_BRIDGED = 3.0
"""How bad, in median residuals, a frame without a face of its own is."""


def refine(take: Take, corrections: Corrections) -> Take:
    """The take with these corrections instead of those it has.

    Every pinned landmark reaches its point within 0.5 px; muted regions are bridged from what is around them in time; locked
    frames stay bit by bit, and so does every frame further than the falloff from all that is changed.
    Raises FaceLiftError for a correction of a frame without a face, or one that cannot be.
    """
    _check(take, corrections)
    added = _reach(take, replace(corrections, locked=()), take.corrections)
    removed = _reach(take, take.corrections, corrections)
    share = np.where(removed > 0, 1.0, added)
    share[np.isin(take.frames, corrections.locked)] = 0.0
    fresh = bool(take.corrections.pins or take.corrections.mutes or corrections.mutes)
    base = resolve(take, corrections) if fresh else take
    goal = corrected(take, base, corrections)
    moved = np.flatnonzero(share > 0)
    if not len(moved):
        return replace(take, corrections=corrections)
    pins = tuple(pin for pin in corrections.pins if pin.frame in set(take.frames[moved].tolist()))
    mixed = apply_pins(blended(take, goal, share), replace(corrections, pins=pins, falloff=0.0))
    return describe_motion(replace(mixed, corrections=corrections), moved)


def _reach(take: Take, corrections: Corrections, others: Corrections) -> Array:
    """(T,) how much each frame lies within reach of what the one corrects and the others do not."""
    about, known = spans(corrections), spans(others) if corrections.falloff == others.falloff else {}
    return window(take.frames, (about[key] for key in about.keys() - known.keys()), corrections.falloff)


def _check(take: Take, corrections: Corrections) -> None:
    check_corrections(corrections, take.landmarks.shape[1])
    faces = set(take.frames[take.valid].tolist())
    wide, high = take.lens.width, take.lens.height
    for pin in corrections.pins:
        if pin.frame not in faces:
            raise FaceLiftError(f"Frame {pin.frame} has no face of {take.actor} to correct; remove the correction or track that frame.")
        if not (-wide <= pin.point[0] <= 2 * wide and -high <= pin.point[1] <= 2 * high):
            name = topology.NAMES[pin.landmark]
            raise FaceLiftError(f"The correction of {name} on frame {pin.frame} lies far outside of the picture; remove it.")


def worst_frames(take: Take, count: int = 10) -> list[int]:
    """Clip frames where the take is least sure or fits the picture worst, the worst first; locked frames are not told."""
    sure = np.nanmean(take.confidence, axis=1)
    usual = max(float(np.nanmedian(take.residuals[take.valid])) if take.valid.any() else 1.0, 1e-9)
    misfit = np.nan_to_num(take.residuals / usual, nan=_BRIDGED)
    badness = misfit + (1.0 - sure) / max(1.0 - float(np.median(sure)), 0.05)
    badness[~take.valid | np.isin(take.frames, take.corrections.locked)] = -np.inf
    worst: list[int] = []
    while len(worst) < count and np.isfinite(badness).any():
        row = int(np.argmax(badness))
        worst.append(int(take.frames[row]))
        badness[np.abs(take.frames - take.frames[row]) < _APART] = -np.inf
    return worst


def take_confidence(take: Take) -> Array:
    """(T, R) mean confidence by frame and region of `topology.REGIONS`, 0 to 1."""
    return np.stack([take.confidence[:, list(topology.region_indices(region))].mean(axis=1) for region in topology.REGIONS], axis=1)
