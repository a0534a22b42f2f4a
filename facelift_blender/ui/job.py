# SPDX-License-Identifier: GPL-3.0-or-later
"""Work beside Blender: a thread does it, the window asks how far it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from bpy.app.translations import pgettext_iface as tr

if TYPE_CHECKING:
    from ..capture.track import Progress

Work = Callable[["Job"], Any]
"""What the thread does; it is given its job, to tell progress and to hear of a stop, and touches no Blender data."""


class Job:
    """One piece of work that is being done. `progress`: of the work itself, `title`: what it is called before that, `left`: whether
    nobody waits for it any more.
    """

    def __init__(self, work: Work, title: str = "") -> None:
        self.progress: Progress | None = None
        self.title = title
        self.left = False
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, "facelift")
        self._future: Future[Any] = self._pool.submit(work, self)
        self._pool.shutdown(wait=False)

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
            return tr("Stopping")
        step = self.progress
        return f"{tr(step.station.capitalize())} {step.done}/{step.total}" if step else self.title or tr("Starting")

    def pace(self) -> str:
        """How fast it goes and how long it will take, or what comes of stopping."""
        if self.stopping:
            return tr("What is done is kept")
        step = self.progress
        return tr("{:.0f} frames/s, {:.0f} s left").format(step.frames_per_second, step.eta) if step else ""

    def stop(self) -> None:
        """Ask it to finish with what it has."""
        self._stop.set()

    def leave(self) -> None:
        """Nobody waits for what comes of it: let it keep what it has, and end."""
        self.left = True
        self.stop()

    def result(self) -> Any:
        """What came of it, once done. Raises what the work raised."""
        return self._future.result()


_running: list[Job] = []


def start(work: Work, title: str = "") -> Job:
    """Begin to work."""
    job = Job(work, title)
    _running.append(job)
    return job


def finish(job: Job) -> None:
    """Forget a job that has ended."""
    if job in _running:
        _running.remove(job)


def current() -> Job | None:
    """The job that runs now, or None."""
    return _running[-1] if _running else None


def stop_running() -> None:
    """Leave whatever runs; the thread ends with its present frame."""
    while _running:
        _running.pop().leave()
