# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that makes shot after shot: one line of JSON in for each, lines with a mark out for what becomes of it."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, replace
from typing import IO, Any

from ..capture.limits import limit_memory, resident
from ..capture.track import Progress
from ..capture.types import FaceLiftError
from .lock import BusyError
from .result import BUSY, FAILED, Result, read_result, write_result
from .shot import Making, make_shot
from .shots import Shot, from_json

MARK = "@facelift "
TOLD_SECONDS = 0.5


def serve(lines: Iterable[str], out: IO[str], making: Making, memory: int) -> None:
    """Make the shots that come in until there are no more. Whoever gave them may be gone: then the next word ends this."""
    limit_memory(memory)
    start = resident() or 0
    say(out, {"ready": True})
    for line in lines:
        told = json.loads(line)
        shot = from_json(told["shot"])
        started = time.monotonic()
        result = attempt(shot, replace(making, part=told.get("part")), Teller(out))
        held = resident() or 0
        grown = held - start > memory // 2
        say(out, {"result": asdict(replace(result, memory=held, seconds=time.monotonic() - started)), "ending": grown})
        if grown:
            return


def say(out: IO[str], told: dict[str, Any]) -> None:
    out.write("\n" + MARK + json.dumps(told) + "\n")  # Blender may be in the middle of a line
    out.flush()


class Teller:
    """Tells of the progress, about twice a second and at each new station."""

    def __init__(self, out: IO[str]) -> None:
        self.out, self.told, self.station = out, 0.0, ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.station != self.station or now - self.told >= TOLD_SECONDS:
            self.told, self.station = now, progress.station
            say(self.out, {"done": progress.done, "total": progress.total, "station": progress.station})


def attempt(shot: Shot, making: Making, report: Teller) -> Result:
    """What became of the shot, with the sentence that says why if it failed."""
    try:
        return make_shot(shot, making, report)
    except BusyError as error:
        return Result(shot.name, str(shot.clip), BUSY, str(error))
    except FaceLiftError as error:
        return failed(shot, making, str(error))
    except MemoryError:
        return failed(shot, making, "The shot needs more memory than a worker may take; allow more with --memory, or use fewer workers.")
    except Exception as error:  # noqa: BLE001 - whatever it is, the other shots go on; the traceback goes to the shot's log
        traceback.print_exc()
        return failed(shot, making, f"Something unforeseen went wrong ({type(error).__name__}: {error}); the shot's log has the details.")


def failed(shot: Shot, making: Making, sentence: str) -> Result:
    """The failure, written beside what is known of the files from before, which stay."""
    before = read_result(making.folder, shot) or Result(shot.name, str(shot.clip), FAILED)
    result = replace(before, status=FAILED, sentence=" ".join(sentence.split())[:600], tracked=0)
    with suppress(FaceLiftError):  # the disk may be full; the one who gave the shot hears of it all the same
        write_result(result, making.folder, shot)
    return result
