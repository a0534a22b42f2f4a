# SPDX-License-Identifier: GPL-3.0-or-later
"""An errand done by a process beside Blender: it takes none of the window's time, and what crashes or hangs it leaves Blender there."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .apart import python_program
from .errand import Steps, carry_out, read_errand, read_stand
from .footage import probe
from .helper import Helper, step_back, tell
from .take import load_take, save_take
from .track import Progress, never
from .types import FaceLiftError, Take

PATIENCE: Final = 180.0
"""Seconds that a frame may take."""
_TOLD: Final = 0.1
_STOP: Final = "stop"


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
    helper = Helper.start(".capture.beside", str(folder), mode)
    try:
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
    finally:
        helper.end()


def _crash(name: str, status: int, last: Progress | None) -> str:
    return f"What reads {name} crashed{_where(last)} (exit status {status}): it may be damaged there; convert it, or limit the range."


def _hang(name: str, last: Progress | None) -> str:
    return f"What reads {name} hangs{_where(last)}: it may be damaged there, or its disk slow; convert it, or limit the range."


def _where(last: Progress | None) -> str:
    return f" after {last.done} frames" if last is not None and last.station == "landmarks" else ""


# ---------------------------------------------------------------- the other process


def main(folder: str, mode: str = "") -> None:
    """The other process: go on with the errand, say how far it is, and write the takes. `mode` conclude: see nothing more."""
    step_back()
    wish = _Wish()
    threading.Thread(target=wish.listen, daemon=True).start()
    try:
        steps = carry_out(Path(folder), lambda: wish.stop, probe, more=mode != "conclude")
        takes = _told(steps, wish)
        for number, take in enumerate(takes):
            save_take(take, _take_file(Path(folder), number))
        tell({"takes": len(takes)})
    except FaceLiftError as error:
        tell({"error": str(error)})
    except MemoryError:
        tell({"error": "There is too little memory for this footage: close other programs, or limit the range."})
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
            tell({"done": progress.done, "total": progress.total, "station": station, "seconds": progress.seconds})
