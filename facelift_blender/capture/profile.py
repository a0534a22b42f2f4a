# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor's own face at rest and own extremes, told once and used again on every clip."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..rigs import arkit
from ..rigs.json_file import read_bounded, write_whole
from . import topology
from .expression import read_weights
from .head_pose import move, similarity
from .types import Array, FaceLiftError, Take

VERSION: Final = 1
LARGEST_FILE: Final = 200_000
"""Bytes that a profile's file may have; ours have ten thousand."""
SMALLEST_GAIN, LARGEST_GAIN = 0.5, 4.0
_LEAST: Final = 0.1
"""Weight that an extreme must show at least to count as one."""
_FIRM: Final = topology.region_indices("nose", "eyes", "forehead")
"""Landmarks by which one face at rest is laid on another: those that an open mouth does not move."""
_HEADER: Final = "FaceLift actor"


@dataclass(frozen=True)
class Profile:
    """neutral: (N, 3) canonical, metres, the actor at rest. gains: (52,) what makes the actor's own extreme a weight of 1."""

    actor: str
    neutral: Array
    gains: Array


def calibrate(take: Take, rest: Sequence[int] = (), extremes: Mapping[str, int] | None = None) -> Profile:
    """The profile of a take's actor.

    rest: clip frames on which the face is at rest (none: as the solve found it). extremes: the clip frame on which the actor
    does the most of a shape, by ARKit name; its twin on the other side follows unless it is named too.
    Raises FaceLiftError for frames without a face, unknown shapes, and extremes that do not show.
    """
    neutral = take.landmarks[[_row(take, frame) for frame in rest]].mean(axis=0) if rest else take.neutral
    gains, weights = np.ones(52), read_weights(take.landmarks, neutral)
    named = {_index(name): _row(take, frame) for name, frame in (extremes or {}).items()}
    for index, row in named.items():
        reached = weights[row, index]
        if not reached > _LEAST:
            raise FaceLiftError(f"Frame {take.frames[row]} does not show {arkit.NAMES[index]}: go to the frame where it is strongest.")
        gain = float(np.clip(1.0 / reached, SMALLEST_GAIN, LARGEST_GAIN))
        gains[[index, *({arkit.MIRROR[index]} - named.keys())]] = gain
    return Profile(take.actor, neutral, gains)


def with_profile(take: Take, profile: Profile) -> Take:
    """A take of the same actor with expressions counted from the profile's face at rest, in the actor's own range.

    The profile's face is laid on the take's by size, turn and shift, since each take has a canonical frame of its own.
    """
    trust = np.isin(np.arange(topology.COUNT), _FIRM).astype(float)
    neutral = move(profile.neutral[None], similarity(profile.neutral[None], take.neutral, trust))[0]
    weights = np.clip(read_weights(take.landmarks, neutral) * profile.gains, 0.0, 1.0)
    return replace(take, neutral=neutral, weights=weights)


def save_profile(profile: Profile, path: Path) -> None:
    """Write a profile as JSON, put in place whole. Raises FaceLiftError when it cannot be written."""
    gains = {name: round(float(gain), 6) for name, gain in zip(arkit.NAMES, profile.gains, strict=True) if gain != 1.0}
    content = {"format": _HEADER, "version": VERSION, "actor": profile.actor, "landmarks": topology.COUNT,
               "neutral": np.round(profile.neutral, 7).tolist(), "gains": gains}  # fmt: skip
    write_whole(json.dumps(content), path)


def load_profile(path: Path) -> Profile:
    """Read a profile from a file that may come from anybody. Raises FaceLiftError for all that is not a sound one."""
    content = read_bounded(path, LARGEST_FILE, "profile", "an actor's profile")
    profile = _parse(content)
    if profile is None:
        raise FaceLiftError(f"{path} is not a profile of an actor, or one of another version of FaceLift.")
    return profile


def _parse(content: Any) -> Profile | None:
    """The profile in JSON-like data, None where it is not one."""
    if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (_HEADER, VERSION):
        return None
    actor, rows, told = (content.get(name) for name in ("actor", "neutral", "gains"))
    if not isinstance(actor, str) or len(actor) > 200 or not isinstance(rows, list) or len(rows) != topology.COUNT:
        return None
    if not all(isinstance(row, list) and len(row) == 3 and all(_sound(value, 1.0) for value in row) for row in rows):
        return None
    if not isinstance(told, dict) or not told.keys() <= arkit.INDEX.keys() or not all(_sound(gain, LARGEST_GAIN) for gain in told.values()):
        return None
    gains = np.ones(52)
    for name, gain in told.items():
        gains[arkit.INDEX[name]] = max(gain, SMALLEST_GAIN)
    return Profile(actor, np.array(rows, float), gains)


def _sound(value: Any, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= most


def _index(name: str) -> int:
    if name not in arkit.INDEX:
        raise FaceLiftError(f"{name!r} is no ARKit shape.")
    return arkit.INDEX[name]


def _row(take: Take, frame: int) -> int:
    rows = np.flatnonzero((take.frames == frame) & take.valid)
    if not len(rows):
        raise FaceLiftError(f"Frame {frame} has no face of {take.actor}; go to a frame that has.")
    return int(rows[0])
