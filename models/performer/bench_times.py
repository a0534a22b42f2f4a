# SPDX-License-Identifier: GPL-3.0-or-later
"""What the solve takes for clips of 100 to 10,000 frames."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np

from facelift_blender.capture.solve import resmooth, solve
from facelift_blender.capture.types import Clip, Observations

from .bench_measure import true_observations
from .truth import load_truth

COUNTS: Final = (100, 300, 1000, 3000, 10_000)


@dataclass(frozen=True)
class Times:
    """solve, again: milliseconds of one processor a frame, to solve and to smooth again. peak: megabytes at most; held: the take's own."""

    frames: int
    solve: float
    again: float
    peak: float
    held: float


def times(counts: tuple[int, ...] = COUNTS) -> list[Times]:
    """Of solves of so many frames; short ones are timed several times, and the quickest counts."""
    solve(*long_observations(30))
    return [_times(count) for count in counts]


def _times(count: int) -> Times:
    raw, clip = long_observations(count)
    spent = []
    for _ in range(max(1, 1000 // count)):
        started = process_time()
        take = solve(raw, clip)
        solved = process_time()
        resmooth(take, 0.4)
        spent.append((solved - started, process_time() - solved))
    first, again = (1e3 * value / count for value in np.min(spent, axis=0))
    del take
    tracemalloc.start()
    take = solve(raw, clip)
    held, peak = (size / 1e6 for size in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    del take
    return Times(count, float(first), float(again), peak, held)


def table(found: list[Times]) -> str:
    """Times and memory by length."""
    lines = [f"{'frames':>8}{'ms/frame':>10}{'again':>8}{'MB':>8}{'take':>8}{'beyond':>8}"]
    lines += [f"{row.frames:8}{row.solve:10.2f}{row.again:8.2f}{row.peak:8.0f}{row.held:8.0f}{row.peak - row.held:8.0f}" for row in found]
    return "\n".join(lines) + "\n"


def long_observations(count: int) -> tuple[Observations, Clip]:
    """The demo's truth with noise, played to and fro for as many frames."""
    truth = load_truth(Path(__file__).with_name("demo_truth.json.gz"))
    raw = true_observations(truth, 0)
    rows = np.arange(count) % (2 * len(truth))
    rows = np.minimum(rows, 2 * len(truth) - 1 - rows)
    names = ("found", "landmarks_2d", "covariances", "landmarks_3d", "rotations", "translations", "scores")
    long = replace(raw, frames=np.arange(1, count + 1), **{name: getattr(raw, name)[rows] for name in names})
    return long, Clip("demo", truth.shot.width, truth.shot.height, truth.shot.fps, count)
