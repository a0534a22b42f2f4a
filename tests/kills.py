# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers killed at random moments of a real shot, with the extension's own models, and what comes of going on.

    python tests/kills.py CLIP --kills 30 --end 75

Prints a line a kill; ends with an AssertionError at the first that shows half a file, tracks more than a chunk twice, or comes
out otherwise than the unbroken run.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from facelift_blender.farm.crew import Worker
from facelift_blender.farm.result import DONE, Result, result_of
from facelift_blender.farm.shots import Shot

_MEMORY = 8 << 30
_LONGEST = 600.0


@dataclass(frozen=True)
class Death:
    """moment: seconds from the first frame to the kill. heard: frames that it told to be tracked; again: those that the next one
    tracked. visible: files, or arrays of the take, that were in place at the kill.
    """

    moment: float
    heard: int
    visible: int
    again: int


def work(shot: Shot, folder: Path, chunk: int, lifetime: float = _LONGEST) -> tuple[Result | None, int]:
    """Let a worker make the shot; one is killed `lifetime` seconds after its first frame and has no result. With it, frames told."""
    inbox: Queue[tuple[Worker, dict[str, Any] | None]] = Queue()
    options = {"-o": folder, "--memory": _MEMORY, "--chunk": chunk, "--threads": 1}
    end = time.monotonic() + _LONGEST
    worker = Worker.start(["worker", *(str(word) for pair in options.items() for word in pair)], inbox)
    worker.give(shot, None)
    try:
        while (left := end - time.monotonic()) > 0:
            _, told = inbox.get(timeout=left)
            if told is None:
                raise AssertionError("\n".join(worker.lines))
            if "result" in told:
                return result_of(told["result"]), worker.done
            end = time.monotonic() + lifetime if "station" in told and not worker.station else end
            worker.hear(told)
    except Empty:
        pass
    finally:
        worker.end()
    return None, worker.done if worker.station == "landmarks" else 0


def contents(folder: Path) -> dict[str, bytes]:
    """What is in the files of a shot but for how long each step took, which is never the same; the take's array by array."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist() if name != "header.npy"}
        elif path.suffix == ".json":
            found[path.name] = json.dumps({**json.loads(path.read_bytes()), "provenance": {}}).encode()
        else:
            found[path.name] = path.read_bytes()
    return found


def deaths(shot: Shot, folder: Path, kills: int, chunk: int, seed: int = 0) -> Iterator[Death]:
    """Make the shot once unbroken, then `kills` times killed at a random moment and gone on with. Raises AssertionError."""
    moments = random.Random(seed)
    whole, _ = work(shot, folder / "whole", chunk)
    assert whole.status == DONE, whole.sentence
    wanted = contents(folder / "whole" / shot.name)
    done = 0
    while done < kills:
        out, moment = folder / f"killed_{done}", moments.uniform(0.0, whole.seconds)
        result, heard = work(shot, out, chunk, moment)
        if result is None:
            yield _gone_on_with(shot, out, chunk, wanted, Death(moment, heard, 0, 0), whole.frames)
            done += 1
        shutil.rmtree(out, ignore_errors=True)


def _gone_on_with(shot: Shot, out: Path, chunk: int, wanted: dict[str, bytes], death: Death, frames: int) -> Death:
    visible = contents(out / shot.name)
    assert all(wanted[name] == data for name, data in visible.items()), f"half a file is seen after {death}"
    result, _ = work(shot, out, chunk)
    assert result.good, result.sentence
    assert result.tracked <= frames - death.heard + chunk, f"{result.tracked} frames were tracked again after {death}"
    made = contents(out / shot.name)
    otherwise = sorted(name for name in wanted.keys() | made.keys() if wanted.get(name) != made.get(name))
    assert not otherwise, f"{', '.join(otherwise)} came out otherwise after {death}"
    return replace(death, visible=len(visible), again=result.tracked)


def main() -> None:
    """The command line of the trial."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("clip", type=Path)
    options.add_argument("--kills", type=int, default=30)
    options.add_argument("--end", type=int, help="last frame (default: all)")
    options.add_argument("--chunk", type=int, default=12)
    options.add_argument("--seed", type=int, default=0)
    told = options.parse_args()
    shot = Shot("shot", told.clip.resolve(), end=told.end)
    with tempfile.TemporaryDirectory() as folder:
        for number, death in enumerate(deaths(shot, Path(folder), told.kills, told.chunk, told.seed), 1):
            sys.stdout.write(f"{number} {death}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
