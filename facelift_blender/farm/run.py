# SPDX-License-Identifier: GPL-3.0-or-later
"""A night's work: all shots of a list, on some workers, each by itself, with a report at the end."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, Queue
from typing import Any

from ..capture.limits import cores, memory_share
from ..capture.types import FaceLiftError
from .crew import Worker
from .report import write_report
from .result import BUSY, WAITING, Result, result_of, work_folder
from .shot import Making
from .shots import Shot
from .worker import failed

RETRY_SECONDS = 3.0
TOLD_SECONDS = 5.0
REPORT_SECONDS = 60.0
START_SECONDS = 300.0


@dataclass(frozen=True)
class Crew:
    """workers: processes. memory: bytes that each may take. patience: seconds without a frame after which a shot is given up."""

    workers: int
    memory: int
    patience: float = 120.0

    @staticmethod
    def of(workers: int | None, memory_gb: float | None, shots: int, patience: float) -> Crew:
        """As many workers as there are processors, if nothing else is said, and the machine's memory shared among them."""
        count = max(1, min(workers or cores(), shots))
        return Crew(count, int(memory_gb * 2**30) if memory_gb else memory_share(count), patience)

    @property
    def threads(self) -> int:
        return max(1, cores() // self.workers)


@dataclass
class Night:
    """The state of a run. `results` by shot, `say` prints a line, `whole`: the report is kept up to date."""

    shots: Sequence[Shot]
    making: Making
    crew: Crew
    say: Callable[[str], None]
    results: dict[str, Result] = field(default_factory=dict)
    waiting: deque[Shot] = field(default_factory=deque)
    later: list[tuple[float, Shot]] = field(default_factory=list)
    team: list[Worker] = field(default_factory=list)
    inbox: Queue[tuple[Worker, dict[str, Any] | None]] = field(default_factory=Queue)
    started: float = field(default_factory=time.monotonic)
    frames: int = 0

    def run(self) -> list[Result]:
        """Work until every shot has its result."""
        self.waiting.extend(self.shots)
        told = reported = time.monotonic()
        try:
            while len(self.results) < len(self.shots):
                self._employ()
                self._listen()
                self._watch()
                now = time.monotonic()
                if now - told > TOLD_SECONDS:
                    told = now
                    self.say(self.summary())
                if now - reported > REPORT_SECONDS and not self.making.part:
                    reported = now
                    write_report(self.rows(), self.making.folder)
        finally:
            self._send_home()
        return self.rows()

    def rows(self) -> list[Result]:
        """A result for each shot in the list's order."""
        return [self.results.get(shot.name) or Result(shot.name, str(shot.clip), WAITING) for shot in self.shots]

    def summary(self) -> str:
        """How far it is and how long it will take, by the shots done and the parts of those at work."""
        done, total = len(self.results), len(self.shots)
        part = sum(worker.done / worker.total for worker in self.team if worker.shot and worker.total)
        spent, bad = time.monotonic() - self.started, sum(not result.good for result in self.results.values())
        left = f"{_clock(spent * (total - done - part) / (done + part))} left" if done + part else "no estimate yet"
        return f"{done}/{total} shots, {bad} failed, {self.frames / spent:.1f} frames/s, {left}"

    def _employ(self) -> None:
        """Give every idle worker a shot; as many workers as there are shots to be done."""
        now = time.monotonic()
        ripe = [shot for when, shot in self.later if when <= now]
        self.later = [(when, shot) for when, shot in self.later if when > now]
        self.waiting.extend(ripe)
        busy = sum(worker.shot is not None for worker in self.team)
        while len(self.team) < min(self.crew.workers, busy + len(self.waiting)):
            self.team.append(Worker.start(self._arguments(), self.inbox))
        for worker in self.team:
            if worker.ready and worker.shot is None and self.waiting:
                worker.give(self.waiting.popleft(), self.making.part)

    def _arguments(self) -> list[str]:
        making = self.making
        options = {"--memory": self.crew.memory, "--chunk": making.chunk, "--threads": self.crew.threads}
        return ["worker", "-o", str(making.folder), *(text for pair in options.items() for text in map(str, pair))]

    def _listen(self) -> None:
        with suppress(Empty):
            worker, told = self.inbox.get(timeout=0.2)
            if told is None:
                self._bury(worker)
            elif "result" in told:
                self._take(worker, result_of(told["result"]))
                if told["ending"]:
                    self._dismiss(worker)
            else:
                worker.hear(told)

    def _take(self, worker: Worker, result: Result) -> None:
        shot, worker.shot = worker.shot, None
        if shot is None:
            return
        if result.status == BUSY:
            self.later.append((time.monotonic() + RETRY_SECONDS, shot))
            return
        self._settle(shot, worker, result)

    def _settle(self, shot: Shot, worker: Worker, result: Result) -> None:
        self.results[shot.name] = result
        self.frames += result.tracked
        if not result.good:
            self._keep_log(shot, worker)
        words = result.sentence or (f"{result.residual:.2f} px" if result.residual is not None else "")
        self.say(f"{shot.name}: {result.status}{': ' if words else ''}{words}")

    def _keep_log(self, shot: Shot, worker: Worker) -> None:
        folder = work_folder(self.making.folder, shot)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "log.txt").write_text("\n".join(worker.lines) + "\n", encoding="utf-8")

    def _watch(self) -> None:
        for worker in list(self.team):
            patience = self.crew.patience if worker.ready else START_SECONDS
            fault = worker.fault(self.crew.memory, patience) if worker.shot or not worker.ready else None
            if fault is not None:
                worker.end()
                self._lose(worker, fault)

    def _bury(self, worker: Worker) -> None:
        """A worker has ended by itself."""
        if worker in self.team:
            self._lose(worker, worker.obituary())

    def _lose(self, worker: Worker, sentence: str) -> None:
        self.team.remove(worker)
        if not worker.ready:
            last = next((line for line in reversed(worker.lines) if line), sentence)
            raise FaceLiftError(f"No worker can be started: {last}")
        if worker.shot is not None:
            shot = worker.shot
            self._settle(shot, worker, replace(failed(shot, self.making, sentence), tracked=worker.done))

    def _dismiss(self, worker: Worker) -> None:
        self.team.remove(worker)
        worker.dismiss()

    def _send_home(self) -> None:
        for worker in self.team:
            if worker.shot is None and worker.ready:
                worker.dismiss()
            else:
                worker.end()


def run_night(shots: Sequence[Shot], making: Making, crew: Crew, say: Callable[[str], None]) -> list[Result]:
    """A result for each shot. A farm's request to end counts as an interruption from the keyboard."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    return Night(shots, making, crew, say).run()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
