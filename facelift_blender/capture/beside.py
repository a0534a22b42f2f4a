# SPDX-License-Identifier: GPL-3.0-or-later
"""An errand done by a process beside Blender: it takes none of the window's time, and what crashes or hangs it leaves Blender there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from .apart import python_program
from .errand import Steps, carry_out, read_errand, read_stand
from .footage import probe
from .take import load_take, save_take
from .track import Progress, never
from .types import FaceLiftError, Take

PATIENCE: Final = 180.0
"""Seconds that a frame may take."""
_LEAVING: Final = 10.0
"""Seconds that a process may take to end once nobody waits for it."""
_LOOK, _TOLD = 0.05, 0.1
_STOP: Final = "stop\n"
_NICENESS: Final = 3
_MARK: Final = "facelift "
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")
_PACKAGE: Final = Path(__file__).resolve().parent.parent
_CODE: Final = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2] + '.capture.beside').main(*sys.argv[3:])"
)


@dataclass
class Verdict:
    """How a process ended: with so many takes, with a sentence of FaceLift's, or with a fault of which it could say nothing."""

    takes: int = 0
    error: str = ""
    fault: str = ""


def carry_out_beside(folder: Path, should_stop: Callable[[], bool] = never, patience: float = PATIENCE) -> Steps:
    """As `errand.carry_out`, from a process of its own. One that crashes or hangs is left where it stands: the takes are of what was
    seen till then, and say so. Closed early, it leaves what was seen to whoever goes on. Raises FaceLiftError.
    """
    if python_program() is None:
        return (yield from carry_out(folder, should_stop))
    verdict = yield from _attempt(folder, should_stop, patience, "")
    fault = verdict.fault
    if fault:
        if read_stand(folder) is None:
            raise FaceLiftError(fault)
        verdict = yield from _attempt(folder, never, patience, "conclude")
    if verdict.error or verdict.fault:
        raise FaceLiftError(verdict.error or verdict.fault)
    return [_warned(load_take(path), fault) for path in (_take_file(folder, number) for number in range(verdict.takes))]


def _warned(take: Take, fault: str) -> Take:
    warnings = [*take.provenance.get("warnings", ()), *filter(None, [fault])]
    return replace(take, provenance={**take.provenance, "warnings": warnings})


def _take_file(folder: Path, number: int) -> Path:
    return folder / f"actor-{number + 1}.take.npz"


def _attempt(folder: Path, should_stop: Callable[[], bool], patience: float, mode: str) -> Generator[Progress, None, Verdict]:
    name, last, heard, asked = Path(read_errand(folder).path).name, None, time.monotonic(), False
    with _process(folder, mode) as helper:
        while True:
            told = helper.hear()
            if told == {}:
                return Verdict(fault=_crash(name, helper.process.wait(), last))
            if told is None:
                slow = last is None or last.station == "landmarks"
                if slow and time.monotonic() - heard > patience:
                    return Verdict(fault=_hang(name, last))
            elif "station" in told:
                heard, last = time.monotonic(), Progress(**told)
                yield last
            else:
                return Verdict(**told)
            if not asked and should_stop():
                asked = True
                helper.say(_STOP)


def _crash(name: str, status: int, last: Progress | None) -> str:
    return f"What reads {name} crashed{_where(last)} (exit status {status}): it may be damaged there; convert it, or limit the range."


def _hang(name: str, last: Progress | None) -> str:
    return f"What reads {name} hangs{_where(last)}: it may be damaged there, or its disk slow; convert it, or limit the range."


def _where(last: Progress | None) -> str:
    return f" after {last.done} frames" if last is not None and last.station == "landmarks" else ""


@dataclass
class _Helper:
    """The process and what it said. None is silence, {} its end."""

    process: subprocess.Popen[str]
    inbox: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)

    def listen(self) -> None:
        for line in self.process.stdout:
            if line.startswith(_MARK):
                with suppress(ValueError):  # a decoder may talk in between
                    self.inbox.put(json.loads(line.removeprefix(_MARK)))
        self.inbox.put({})

    def hear(self) -> dict[str, Any] | None:
        with suppress(Empty):
            return self.inbox.get(timeout=_LOOK)
        return None

    def say(self, word: str) -> None:
        with suppress(OSError):
            self.process.stdin.write(word)
            self.process.stdin.flush()


@contextmanager
def _process(folder: Path, mode: str) -> Iterator[_Helper]:
    """A process at an errand; once the block is left it ends, at the latest by force."""
    command = [python_program(), "-s", "-c", _CODE, str(_PACKAGE.parent), _PACKAGE.name, str(folder), mode]
    one = dict.fromkeys(_THREADS, "1")
    environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True, encoding="utf-8",
        errors="replace", creationflags=flags,
    )  # fmt: skip
    helper = _Helper(process)
    listener = threading.Thread(target=helper.listen, daemon=True)
    listener.start()
    try:
        yield helper
    finally:
        with suppress(OSError):
            process.stdin.close()  # by which it knows that nobody waits for it any more
        try:
            process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        listener.join(1.0)
        process.stdout.close()


# ---------------------------------------------------------------- the other process


def main(folder: str, mode: str = "") -> None:
    """The other process: go on with the errand, say how far it is, and write the takes. `mode` conclude: see nothing more."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)  # the window comes first
    wish = _Wish()
    threading.Thread(target=wish.listen, daemon=True).start()
    try:
        steps = carry_out(Path(folder), lambda: wish.stop, probe, more=mode != "conclude")
        takes = _told(steps, wish)
        for number, take in enumerate(takes):
            save_take(take, _take_file(Path(folder), number))
        _say({"takes": len(takes)})
    except FaceLiftError as error:
        _say({"error": str(error)})
    except MemoryError:
        _say({"error": "There is too little memory for this footage: close other programs, or limit the range."})
    os._exit(0)  # a damaged clip's decoder is not asked to clean up


@dataclass
class _Wish:
    """What the first process wants: a stop, with what is done concluded, or nothing more at all."""

    stop: bool = False
    left: bool = False

    def listen(self) -> None:
        for _ in sys.stdin:
            self.stop = True
        self.stop = self.left = True


def _told(steps: Steps, wish: _Wish) -> list[Take]:
    """Drain the steps and tell of them now and then; nobody there to hear ends the process once what was seen is kept."""
    said, station = 0.0, ""
    while True:
        try:
            progress = next(steps)
        except StopIteration as finished:
            return finished.value
        if wish.left and progress.station != "landmarks":
            os._exit(0)
        now = time.monotonic()
        if now - said > _TOLD or progress.station != station:
            said, station = now, progress.station
            _say({"done": progress.done, "total": progress.total, "station": station, "seconds": progress.seconds})


def _say(told: dict[str, Any]) -> None:
    try:
        sys.stdout.write(f"\n{_MARK}{json.dumps(told)}\n")
        sys.stdout.flush()
    except OSError:
        os._exit(0)
