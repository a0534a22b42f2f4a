# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's plots (they need matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .bench_report import NAMES, Figures, Rows

if TYPE_CHECKING:
    from .bench_times import Times

_SOURCES = (("given: ", "solve"), ("pnp: ", "PnP, 50 mm"), ("mesh pnp: ", "478-net and PnP, 50 mm"))


def plot(figures: Figures, folder: Path, times: Sequence[Times] = ()) -> None:
    """alone.png, pixels.png: focal length, pose, plate and amplitudes by clip; times.png: time by length."""
    plt = _pyplot()
    for road, rows in figures.items():
        if rows:
            figure, axes = plt.subplots(2, 2, figsize=(13, 8), constrained_layout=True)
            _draw_focal(axes[0, 0], road, rows)
            _draw_sources(axes[0, 1], rows, "head rotation", "head rotation, degrees RMS")
            _draw_sources(axes[1, 0], rows, "on the plate", "on the plate, % of the face's width")
            _draw_amplitudes(axes[1, 1], rows)
            for panel in axes.flat:
                panel.set_xticks(np.arange(len(rows)), list(rows), rotation=90, fontsize=7)
            figure.savefig(folder / f"{road}.png", dpi=90)
            plt.close(figure)
    if times:
        figure, panel = plt.subplots(figsize=(6, 4), constrained_layout=True)
        frames = [row.frames for row in times]
        panel.plot(frames, [row.solve for row in times], "o-", label="solve")
        panel.plot(frames, [row.again for row in times], "o-", label="smooth again")
        panel.axhline(3.0, color="black", linewidth=0.8)
        panel.set(xscale="log", ylim=(0, None), xlabel="frames", ylabel="ms of one processor a frame", title="time by length")
        panel.legend()
        figure.savefig(folder / "times.png", dpi=90)
        plt.close(figure)


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def _draw_focal(panel: Any, road: str, rows: Rows) -> None:
    times_true = 1.0 + np.array([row["focal length"] for row in rows.values()]) / 100
    wide = np.sqrt(1.0 + np.array([row["interval"] for row in rows.values()]) / 100)
    panel.errorbar(np.arange(len(rows)), times_true, times_true * [1.0 - 1.0 / wide, wide - 1.0], fmt="o", capsize=3)
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set(title=f"{NAMES[road]}: focal length over the true one, with the 90 % interval", yscale="log", ylim=(0.3, 4))


def _draw_sources(panel: Any, rows: Rows, name: str, title: str) -> None:
    for shift, (source, label) in enumerate(_SOURCES):
        values = [row.get(source + name, np.nan) for row in rows.values()]
        panel.bar(np.arange(len(rows)) + 0.27 * (shift - 1), values, 0.27, label=label)
    panel.set(title=title)
    panel.legend()


def _draw_amplitudes(panel: Any, rows: Rows) -> None:
    for name in ("blink amplitude", "jaw amplitude", "kept blink amplitude", "kept jaw amplitude"):
        panel.plot(np.arange(len(rows)), [row[name] for row in rows.values()], "o" if "kept" not in name else "x", label=name)
    panel.axhline(0.95, color="black", linewidth=0.8)
    panel.set(title="share of the amplitude (kept: of what the regressor saw)", ylim=(0, 1.3))
    panel.legend()
