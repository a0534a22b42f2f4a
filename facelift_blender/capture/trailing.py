# SPDX-License-Identifier: GPL-3.0-or-later
"""Second looks, taken by a thread of their own while the tracker goes on to the next frame.

Crops follow the first look alone, so what the tracker does next never waits for them, and what comes out does not depend on
which of the two is faster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from .actors import Actor
from .types import Image

if TYPE_CHECKING:
    from .landmarks import Estimate

Look = Callable[[Image, "Sequence[Estimate]"], "list[Estimate]"]

_BEHIND = 2
"""Frames that may wait for their second look, or be in it."""


class Trailing:
    """Puts what a second look makes of the actors' estimates in their place, some frames behind the tracker."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._pool = ThreadPoolExecutor(1, "second look")
        self._pending: deque[tuple[int, list[Actor], Future[list[Estimate]]]] = deque()

    def follow(self, frame: int, image: Image, actors: list[Actor]) -> None:
        """Look again at the actors' faces on a frame; waits while too many frames are behind."""
        self.settle(_BEHIND - 1)
        estimates = [actor.estimates[frame] for actor in actors]
        self._pending.append((frame, actors, self._pool.submit(self._look, image, estimates)))

    def settle(self, left: int = 0) -> None:
        """Wait until no more than `left` frames are without their second look. Raises what a look raised."""
        while len(self._pending) > left:
            frame, actors, looked = self._pending.popleft()
            for actor, estimate in zip(actors, looked.result(), strict=True):
                actor.estimates[frame] = estimate
