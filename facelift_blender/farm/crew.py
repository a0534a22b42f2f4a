# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers in processes of their own, so that a crash, a hang or a hunger for memory ends one shot and not the night."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

from ..capture.limits import resident
from .shots import Shot, to_json
from .worker import MARK

SCRIPT = Path(__file__).resolve().parent.parent / "batch.py"
KEPT_LINES = 200
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")
_SLOW_STATION = 10
"""Solve and files say nothing for long: they may take this many times the patience, and as many seconds as the shot has frames."""


def command(arguments: Sequence[str]) -> list[str]:
    """The command line that runs batch.py as this process does: in this Blender, or in this Python."""
    module = sys.modules.get("bpy")
    if module is not None and module.app.binary_path:
        return [module.app.binary_path, "-b", "-P", str(SCRIPT), "--", *arguments]
    return [sys.executable, str(SCRIPT), "--", *arguments]


def environment() -> dict[str, str]:
    """That of this process, with linear algebra on one thread: on more, its sums come out in another order, and not always in the same.

    glibc returns what is large as soon as it is freed, and keeps no pool for each of many threads: so a worker needs as much for
    its last shot as for its first.
    """
    own = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(1 << 20), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    return {**os.environ, **dict.fromkeys(_THREADS, "1"), **own}


@dataclass(eq=False)
class Worker:
    """A process and what it is at. Everything that it says comes into `inbox` as (worker, words); None once it has ended."""

    process: subprocess.Popen[str]
    inbox: Queue[tuple[Worker, dict[str, Any] | None]]
    ready: bool = False
    shot: Shot | None = None
    heard: float = field(default_factory=time.monotonic)
    started: float = 0.0
    done: int = 0
    total: int = 0
    station: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    @staticmethod
    def start(arguments: Sequence[str], inbox: Queue[tuple[Worker, dict[str, Any] | None]]) -> Worker:
        process = subprocess.Popen(
            command(arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
            errors="replace", env=environment(), start_new_session=os.name == "posix",
        )  # fmt: skip
        worker = Worker(process, inbox)
        threading.Thread(target=worker._listen, daemon=True).start()
        return worker

    def _listen(self) -> None:
        for line in self.process.stdout:
            if line.startswith(MARK):
                with suppress(ValueError):  # a decoder may talk in between
                    self.inbox.put((self, json.loads(line.removeprefix(MARK))))
            elif line.strip():
                self.lines.append(line.rstrip())
        self.process.wait()
        self.inbox.put((self, None))

    def give(self, shot: Shot, part: int | None) -> None:
        """Let it begin with a shot. One that ends at this moment tells so through the inbox."""
        self.shot, self.heard, self.started, self.station = shot, time.monotonic(), time.monotonic(), ""
        self.done = self.total = 0
        self.lines.clear()
        try:
            self.process.stdin.write(json.dumps({"shot": to_json(shot), "part": part}) + "\n")
            self.process.stdin.flush()
        except OSError:
            self.end()

    def hear(self, told: dict[str, Any]) -> None:
        """Take note of what it says of its progress."""
        self.heard = time.monotonic()
        self.ready = self.ready or bool(told.get("ready"))
        self.done, self.total = told.get("done", self.done), told.get("total", self.total)
        self.station = told.get("station", self.station)

    def fault(self, memory: int, patience: float) -> str | None:
        """Why it must be ended, as a sentence."""
        held = resident(self.process.pid) or 0
        if held > memory:
            return f"The shot needs more than {memory / 2**30:.1f} GB of memory; allow more with --memory, or use fewer workers."
        slow = self.station in ("solve", "files")
        if time.monotonic() - self.heard > (patience * _SLOW_STATION + self.done if slow else patience):
            where = f" at frame {self.done + 1}" if self.station == "landmarks" else ""
            return (
                f"Nothing happened for {patience:.0f} s{where}: the footage hangs what reads it; convert it, or allow more with --patience."
            )
        return None

    def obituary(self) -> str:
        """How it ended by itself, as a sentence."""
        code = self.process.poll()
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        return f"The process crashed at this shot ({how}); damaged footage, or too little memory; the log has its last words."

    def end(self) -> None:
        """Kill it with all that it started."""
        try:
            if os.name == "posix":
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        except (ProcessLookupError, PermissionError):
            pass
        self.process.wait()

    def dismiss(self) -> None:
        """Let it end by itself, as it has nothing to do."""
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.end()
