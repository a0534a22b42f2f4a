# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking beside Blender: a thread does the work, the window asks how far it is."""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..capture.track import Progress, TrackSettings
    from ..capture.types import Take


class TrackingJob:
    """One clip that is being tracked; touches no Blender data."""

    def __init__(self, path: str, settings: TrackSettings) -> None:
        self.progress: Progress | None = None
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "facelift")
        self._future: Future[list[Take]] = self._pool.submit(self._run, path, settings)
        self._pool.shutdown(wait=False)

    def _run(self, path: str, settings: TrackSettings) -> list[Take]:
        from ..capture.track import track_steps

        return self._drain(track_steps(path, settings, self._stop.is_set))

    def _drain(self, steps: Generator[Progress, None, list[Take]]) -> list[Take]:
        while True:
            try:
                self.progress = next(steps)
            except StopIteration as finished:
                return finished.value

    @property
    def done(self) -> bool:
        """Whether `result` can be asked for."""
        return self._future.done()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    @property
    def factor(self) -> float:
        """How much is done, 0 to 1."""
        return self.progress.done / max(self.progress.total, 1) if self.progress else 0.0

    def station(self) -> str:
        """What is being done, and how far it is."""
        if self.stopping:
            return "Stopping"
        step = self.progress
        return f"{step.station.capitalize()} {step.done}/{step.total}" if step else "Starting"

    def pace(self) -> str:
        """How fast it goes and how long it will take, or what comes of stopping."""
        if self.stopping:
            return "What is done is kept"
        step = self.progress
        return f"{step.frames_per_second:.0f} frames/s, {step.eta:.0f} s left" if step else ""

    def stop(self) -> None:
        """Ask it to finish with what it has."""
        self._stop.set()

    def result(self) -> list[Take]:
        """The takes, once done. Raises what the work raised."""
        return self._future.result()


_running: list[TrackingJob] = []


def start(path: str, settings: TrackSettings) -> TrackingJob:
    """Begin to track a clip."""
    job = TrackingJob(path, settings)
    _running.append(job)
    return job


def finish(job: TrackingJob) -> None:
    """Forget a job that has ended."""
    if job in _running:
        _running.remove(job)


def current() -> TrackingJob | None:
    """The job that runs now, or None."""
    return _running[-1] if _running else None


def stop_running() -> None:
    """Stop whatever runs; the thread ends with its present frame."""
    while _running:
        _running.pop().stop()
