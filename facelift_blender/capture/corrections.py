# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person corrects in a take: values only; `refine` puts them into the solve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pin:
    """A landmark is here: clip frame (the first is 1), row of the landmark table, pixels of the picture, y down."""

    frame: int
    landmark: int
    point: tuple[float, float]


@dataclass(frozen=True)
class Mute:
    """Nothing that is seen of a region (of `topology.REGIONS`) counts on the clip frames `start` to `end`, both included."""

    region: str
    start: int
    end: int


@dataclass(frozen=True)
class Corrections:
    """locked: clip frames whose pose and shape stay as they are. falloff: frames over which a correction fades into the solve."""

    pins: tuple[Pin, ...] = ()
    mutes: tuple[Mute, ...] = ()
    locked: tuple[int, ...] = ()
    falloff: float = 8.0

    def __bool__(self) -> bool:
        return bool(self.pins or self.mutes or self.locked)
