# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take of any length costs: memory and time of all that comes after tracking.

    python tests/farm/two_hours.py 15000 180000

A synthetic performance, played to and fro with other noise each time, goes from kept estimates through observations, solve, take
and CSV, for each length in a process of its own, which stands as a farm's worker does. Prints the seconds and the largest memory of
each step.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from synthetic import Performance, make_observations

from facelift_blender.capture.actors import Actor
from facelift_blender.capture.estimates import Estimates, Kept
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.limits import keep_freed, resident
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import load_take, save_take
from facelift_blender.capture.types import Clip, Observations
from facelift_blender.exports.livelink import write_livelink
from facelift_blender.farm.crew import environment

PLAYED = Performance(frames=1000)


def actor_of(frames: int) -> Actor:
    """An actor with that many estimates, each made when it is asked for."""
    raw = make_observations(PLAYED)
    still = make_observations(Performance(frames=PLAYED.frames, noise=0.0, canonical_noise=0.0))

    def read(frame: int) -> Estimate:
        row = abs(frame % (2 * PLAYED.frames - 2) - PLAYED.frames + 1)
        other = frame * 7919 % PLAYED.frames
        seen = {
            name: getattr(still, name)[row] + getattr(raw, name)[other] - getattr(still, name)[other]
            for name in ("landmarks_2d", "landmarks_3d")
        }
        return Estimate(**seen, covariances=raw.covariances[row], rotation=raw.rotations[row], translation=raw.translations[row], score=0.9)

    return Actor((0.0, 0.0, 1.0, 1.0), Estimates(kept=[Kept(np.arange(1, frames + 1), read)]))


class Peak:
    """Runs a step and tells how long it took and the most memory that this process held meanwhile, looked at 50 times a second."""

    def __init__(self) -> None:
        self.most = 0.0

    def __call__(self, step: str, work: Callable[[], Any]) -> Any:
        done, held = threading.Event(), [0]

        def look() -> None:
            while not done.wait(0.02):
                held.append(resident() or 0)

        watcher = threading.Thread(target=look)
        watcher.start()
        clock, spent = time.perf_counter(), time.process_time()
        result = work()
        told = f"{step:<13}{time.perf_counter() - clock:9.1f} s {time.process_time() - spent:9.1f} s of processor"
        done.set()
        watcher.join()
        self.most = max(self.most, max(held) / 2**20)
        sys.stdout.write(f"  {told} {max(held) / 2**20:9.0f} MB\n")
        sys.stdout.flush()
        return result


def cost(frames: int) -> float:
    """The most memory, MB, that a take of that many frames needs on its way."""
    keep_freed()  # as tracking does
    peak, clip = Peak(), Clip("two_hours.mp4", PLAYED.width, PLAYED.height, PLAYED.fps, frames)
    raw: Observations = peak("observations", lambda: actor_of(frames).observations(PLAYED.assumed))
    take = peak("solve", partial(solve, raw, clip))
    del raw
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.take.npz"
        peak("take", partial(save_take, take, path))
        del take
        again = peak("take read", lambda: load_take(path))
        peak("csv", lambda: write_livelink(again, path.with_suffix(".csv")))
    return peak.most


def main() -> None:
    """The command line: each length in a process of its own."""
    lengths = [int(word) for word in sys.argv[1:]]
    if len(lengths) == 1:
        sys.stdout.write(f"{lengths[0]} frames, at most {cost(lengths[0]):.0f} MB\n")
        return
    for length in lengths:
        subprocess.run([sys.executable, __file__, str(length)], env=environment(), check=True)


if __name__ == "__main__":
    main()
