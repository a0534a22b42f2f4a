# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking that was stopped, or that ended with Blender, so that it can go on: a folder in the cache for each footage file."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from ...capture.types import FaceLiftError
from ...farm.lock import BusyError, Lock, holding
from ..preferences import cache_folder

_FOLDER, _STAND, _LOCK = "stopped", "stand.json", "lock"
_KEPT: Final = 12
"""Footage files of which it is kept what was seen; the oldest go."""


@dataclass(frozen=True)
class Pause:
    """last_frame: of the clip, the last that was done; end: the last that is to be done."""

    last_frame: int
    end: int


def folder_of(path: str) -> Path:
    """Where it is kept what was seen of a footage file."""
    return cache_folder() / _FOLDER / hashlib.sha256(path.encode()).hexdigest()[:24]


def pause_of(path: str) -> Pause | None:
    """Where tracking of a footage file was stopped, or None."""
    return _pause_in(folder_of(path))


def _pause_in(folder: Path) -> Pause | None:
    stand = folder / _STAND
    try:
        return _pause(stand, stand.stat().st_mtime_ns)
    except OSError:
        return None


@lru_cache(maxsize=16)
def _pause(stand: Path, _changed: int) -> Pause | None:
    try:
        told = json.loads(stand.read_text(encoding="utf-8"))
        pause = Pause(int(told["frame"]), int(told["end"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    return pause if 0 < pause.last_frame < pause.end else None


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[Lock]:
    """While footage is tracked, no other Blender tracks the same file. Raises FaceLiftError when one does."""
    try:
        with holding(folder / _LOCK) as lock:
            yield lock
    except BusyError as error:
        raise FaceLiftError(f"Another Blender is tracking {name} at this moment: wait for it.") from error


def settle(folder: Path) -> None:
    """After a run: what has nothing left to do goes, and so do the oldest of what was stopped."""
    if _pause_in(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
    stands = sorted(folder.parent.glob(f"*/{_STAND}"), key=lambda stand: stand.stat().st_mtime, reverse=True)
    for stand in stands[_KEPT:]:
        shutil.rmtree(stand.parent, ignore_errors=True)
