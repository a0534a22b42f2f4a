# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking that was stopped, so that it can go on. It lives as long as Blender runs; the takes that it led to are kept anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...capture.track import TrackSettings
    from ...capture.tracker import Tracker


@dataclass(frozen=True)
class Pause:
    """A tracker that stands between two frames, and what it was told to do."""

    settings: TrackSettings
    tracker: Tracker

    @property
    def last_frame(self) -> int:
        """The last clip frame that was done."""
        return self.tracker.frame

    @property
    def end(self) -> int:
        """The last clip frame that is to be done."""
        return self.tracker.clip.frame_count if self.settings.end is None else self.settings.end


_pauses: dict[str, Pause] = {}


def pause_of(path: str) -> Pause | None:
    """Where tracking of a footage file was stopped, or None."""
    return _pauses.get(path)


def remember(path: str, settings: TrackSettings, tracker: Tracker) -> None:
    """Keep a tracker if there is something left for it to do."""
    pause = Pause(settings, tracker)
    if tracker.read and pause.last_frame < pause.end:
        _pauses[path] = pause
    else:
        forget(path)


def forget(path: str) -> None:
    """Nothing to resume any more."""
    _pauses.pop(path, None)


def forget_all() -> None:
    """Let all of it go."""
    _pauses.clear()
