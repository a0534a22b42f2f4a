# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor's estimates by clip frame: those of late in memory, those that were written to disk read again when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .landmarks import Estimate


@dataclass(frozen=True)
class Kept:
    """Estimates that lie elsewhere: frames, (M,) rising, and how to read the one of a frame."""

    frames: NDArray[np.int64]
    read: Callable[[int], Estimate]

    def __contains__(self, frame: int) -> bool:
        place = int(np.searchsorted(self.frames, frame))
        return place < len(self.frames) and int(self.frames[place]) == frame


class Estimates(MutableMapping[int, "Estimate"]):
    """Estimates by clip frame. What is put in stays in memory and rules over what is kept elsewhere."""

    def __init__(self, recent: Mapping[int, Estimate] = {}, kept: Sequence[Kept] = ()) -> None:
        self.recent, self.kept = dict(recent), tuple(kept)

    def __getitem__(self, frame: int) -> Estimate:
        if frame in self.recent:
            return self.recent[frame]
        holder = next((part for part in self.kept if frame in part), None)
        if holder is None:
            raise KeyError(frame)
        return holder.read(frame)

    def __contains__(self, frame: object) -> bool:
        return frame in self.recent or any(frame in part for part in self.kept)

    def __setitem__(self, frame: int, estimate: Estimate) -> None:
        self.recent[frame] = estimate

    def __delitem__(self, frame: int) -> None:
        """Forget a recent one; what is kept elsewhere cannot be taken away."""
        del self.recent[frame]

    def __iter__(self) -> Iterator[int]:
        return iter(self.recent) if not self.kept else map(int, self.frames)

    def __len__(self) -> int:
        return len(self.recent) if not self.kept else len(self.frames)

    @property
    def frames(self) -> NDArray[np.int64]:
        """(M,) all frames, rising."""
        recent = np.array(sorted(self.recent), np.int64)
        return reduce(np.union1d, (part.frames for part in self.kept), recent)

    def copy(self) -> Estimates:
        """The same estimates, to which others can be added apart."""
        return Estimates(self.recent, self.kept)

    def since(self, start: int) -> Estimates:
        """Those of the frames from `start` on."""
        recent = {frame: estimate for frame, estimate in self.recent.items() if frame >= start}
        later = [Kept(part.frames[part.frames >= start], part.read) for part in self.kept]
        return Estimates(recent, [part for part in later if len(part.frames)])

    def joined(self, later: Estimates) -> Estimates:
        """These and others, which rule where both have one."""
        return Estimates({**self.recent, **later.recent}, (*later.kept, *self.kept))
