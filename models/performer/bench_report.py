# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's table and plots."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Final

import numpy as np

from facelift_blender.capture.solve import resmooth, solve
from facelift_blender.capture.types import Clip, Observations

from .bench_cases import CASES
from .bench_measure import true_observations
from .truth import load_truth

Figures = dict[str, dict[str, dict[str, float]]]

COLUMNS: Final = (
    ("focal length", "focal %", 7, 1), ("interval", "+-90", 6, 0), ("focal interval holds it", "in", 4, 0),
    ("given: head rotation", "turn", 6, 2), ("given: depth, given the focal", "depth", 7, 2), ("inner face", "face", 6, 2),
    ("on the plate", "plate", 7, 2), ("jitter on the plate", "jitter", 8, 2), ("raw jitter", "raw", 7, 2),
    ("blink amplitude", "blink", 7, 2), ("blink timing", "late", 6, 2), ("jaw amplitude", "jaw", 6, 2), ("jaw timing", "late", 6, 2),
    ("ms", "ms", 7, 1), ("pnp: head rotation", "| pnp turn", 11, 2), ("pnp: depth, its own focal", "depth", 7, 1),
    ("pnp: inner face", "face", 6, 2), ("pnp: on the plate", "plate", 7, 2), ("mesh pnp: head rotation", "| mesh turn", 12, 2),
    ("mesh pnp: depth, its own focal", "depth", 7, 1), ("mesh pnp: on the plate", "plate", 7, 2),
    ("mesh pnp: jitter on the plate", "jitter", 8, 2),
)  # fmt: skip
"""Figure, heading, width and decimals of each column: % of the focal length, degrees, % of the distance, mm, % of the face's width."""


def tables(figures: Figures) -> str:
    """A table a road, with medians, and what the bars of the solve ask for."""
    return "\n".join(_table(road, rows) for road, rows in figures.items() if rows)


def _table(road: str, rows: dict[str, dict[str, float]]) -> str:
    lines = [f"{road:14}" + "".join(f"{heading:>{width}}" for _, heading, width, _ in COLUMNS)]
    lines += [f"{name:14}" + _line(row) for name, row in rows.items()]
    lines += [f"{'median':14}" + _line({name: _median(rows, name) for name, *_ in COLUMNS}), *_bars(rows)]
    return "\n".join(lines) + "\n"


def _line(row: dict[str, float]) -> str:
    values = ((row.get(name, np.nan), width, places) for name, _, width, places in COLUMNS)
    return "".join(f"{'':>{width}}" if np.isnan(value) else f"{value:{width}.{places}f}" for value, width, places in values)


def _median(rows: dict[str, dict[str, float]], name: str) -> float:
    values = np.array([row.get(name, np.nan) for row in rows.values()])
    return float(np.nanmedian(np.abs(values))) if np.isfinite(values).any() else np.nan


def _bars(rows: dict[str, dict[str, float]]) -> list[str]:
    near = [case.name for case in CASES if case.turning and case.distance <= 1.0 and case.name in rows]
    focal = np.median([abs(rows[name]["focal length"]) for name in near]) if near else np.nan
    inside = np.mean([row["focal interval holds it"] for row in rows.values()])
    return [
        f"focal error where the head turns within 1 m: median {focal:.1f} % of {len(near)}; 90 % interval holds the truth in {inside:.0%}"
    ]


def times(counts: tuple[int, ...] = (100, 300, 1000, 3000, 10_000)) -> str:
    """Milliseconds of one processor a frame to solve, and to smooth again; memory that a solve takes, what its take holds, and the rest."""
    lines = [f"{'frames':>8}{'ms/frame':>10}{'again':>8}{'MB':>8}{'take':>8}{'beyond':>8}"]
    solve(*long_observations(30))
    for count in counts:
        raw, clip = long_observations(count)
        started = process_time()
        take = solve(raw, clip)
        solved = process_time()
        resmooth(take, 0.4)
        again = process_time() - solved
        del take
        tracemalloc.start()
        take = solve(raw, clip)
        held, peak = (size / 1e6 for size in tracemalloc.get_traced_memory())
        tracemalloc.stop()
        spent = f"{1e3 * (solved - started) / count:10.2f}{1e3 * again / count:8.2f}"
        lines.append(f"{count:8}{spent}{peak:8.0f}{held:8.0f}{peak - held:8.0f}")
        del take
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


def plot(figures: Figures, folder: Path) -> None:
    """focal.png: error and interval by clip; pose.png: the solve beside a pose a frame with a fixed lens."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    for road, rows in figures.items():
        if not rows:
            continue
        figure, axes = plt.subplots(2, 2, figsize=(13, 8), constrained_layout=True)
        place = np.arange(len(rows))
        times_true = 1.0 + np.array([row["focal length"] for row in rows.values()]) / 100
        wide = np.sqrt(1.0 + np.array([row["interval"] for row in rows.values()]) / 100)
        axes[0, 0].errorbar(place, times_true, times_true * [1.0 - 1.0 / wide, wide - 1.0], fmt="o", capsize=3)
        axes[0, 0].axhline(1, color="black", linewidth=0.8)
        axes[0, 0].set(title=f"{road}: focal length over the true one, with the 90 % interval", yscale="log", ylim=(0.3, 4))
        parts = (("head rotation", "head rotation, degrees RMS"), ("on the plate", "on the plate, % of the face's width"))
        for panel, (name, title) in zip((axes[0, 1], axes[1, 0]), parts, strict=True):
            for shift, (source, label) in enumerate(
                (("given: ", "solve"), ("pnp: ", "PnP, 50 mm"), ("mesh pnp: ", "478-net and PnP, 50 mm"))
            ):
                values = [row.get(source + name, np.nan) for row in rows.values()]
                panel.bar(place + 0.27 * (shift - 1), values, 0.27, label=label)
            panel.set(title=title)
            panel.legend()
        for name in ("blink amplitude", "jaw amplitude"):
            axes[1, 1].plot(place, [row[name] for row in rows.values()], "o", label=name)
        axes[1, 1].axhline(0.95, color="black", linewidth=0.8)
        axes[1, 1].set(title="share of the amplitude that is kept", ylim=(0, 1.3))
        axes[1, 1].legend()
        for panel in axes.flat:
            panel.set_xticks(place, list(rows), rotation=90, fontsize=7)
        figure.savefig(folder / f"{road}.png", dpi=90)
        plt.close(figure)
