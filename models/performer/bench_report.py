# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's tables, and what the bars of the solve ask for beside what is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from .bench_cases import CASES
from .bench_times import long_observations

__all__ = ["TABLES", "bars", "long_observations", "tables"]

Rows = dict[str, dict[str, float]]
Figures = dict[str, Rows]

TABLES: Final = {
    "lens and head": (
        ("focal length", "focal %", 9, 1), ("interval", "+-90", 7, 0), ("focal interval holds it", "in", 4, 0),
        ("given: head rotation", "turn", 7, 2), ("rotation bias", "bias", 6, 2), ("pitch bias", "pitch", 7, 2),
        ("rotation varying", "varying", 9, 2),
        ("placed rotation", "placed", 8, 2), ("slip", "slip %", 8, 2), ("raw rotation", "raw", 6, 2),
        ("given: depth, given the focal", "depth", 7, 2),
        ("pnp: head rotation", "| pnp turn", 11, 2), ("pnp: depth, its own focal", "depth", 7, 1),
        ("mesh pnp: head rotation", "| net turn", 11, 2), ("mesh pnp: depth, its own focal", "depth", 7, 1),
    ),
    "face and plate": (
        ("inner face", "face mm", 9, 2), ("on the plate", "plate %", 9, 2), ("plate without the definition", "no def.", 9, 2),
        ("plate without its own", "no own", 8, 2), ("raw plate", "raw", 7, 2), ("ms", "ms", 7, 1),
        ("pnp: inner face", "| pnp face", 11, 2), ("pnp: on the plate", "plate", 7, 2),
        ("mesh pnp: on the plate", "| net plate", 12, 2),
    ),
    "events, jitter": (
        ("blink amplitude", "blink", 7, 2), ("raw blink amplitude", "raw", 6, 2), ("kept blink amplitude", "kept", 6, 2),
        ("blink timing", "late", 6, 2), ("jaw amplitude", "| jaw", 8, 2), ("raw jaw amplitude", "raw", 6, 2),
        ("kept jaw amplitude", "kept", 6, 2), ("jaw timing", "late", 6, 2), ("jitter on the plate", "| jitter", 10, 2),
        ("raw jitter", "raw", 6, 2),
    ),
}  # fmt: skip
"""Figure, heading, width and decimals of each column of each table: % of the focal length and of the distance, degrees, mm, % of
the face's width, shares of the truth's amplitude (kept: of the regressor's), frames.
"""

NAMES: Final = {"alone": "solver alone (true landmarks and noise)", "pixels": "from pixels"}


def tables(figures: Figures) -> str:
    """Three tables a road, with medians, and the bars."""
    parts = [_table(title, columns, rows) for rows in figures.values() if rows for title, columns in TABLES.items()]
    heads = [f"== {NAMES[road]}\n" for road, rows in figures.items() if rows for _ in TABLES]
    whole = [head + part for head, part in zip(heads, parts, strict=True)]
    return "\n".join([*whole, bars(figures)])


def _table(title: str, columns: tuple[tuple[str, str, int, int], ...], rows: Rows) -> str:
    lines = [f"{title:16}" + "".join(f"{heading:>{width}}" for _, heading, width, _ in columns)]
    lines += [f"{name:16}" + _line(columns, row) for name, row in rows.items()]
    medians = {name: _median(rows, name) for name, *_ in columns}
    return "\n".join([*lines, f"{'median':16}" + _line(columns, medians)]) + "\n"


def _line(columns: tuple[tuple[str, str, int, int], ...], row: dict[str, float]) -> str:
    values = ((row.get(name, np.nan), width, places) for name, _, width, places in columns)
    return "".join(f"{'':>{width}}" if np.isnan(value) else f"{value:{width}.{places}f}" for value, width, places in values)


def _median(rows: Rows, name: str) -> float:
    values = np.array([row.get(name, np.nan) for row in rows.values()])
    return float(np.nanmedian(np.abs(values))) if np.isfinite(values).any() else np.nan


@dataclass(frozen=True)
class Bar:
    """What is asked of a figure: at most the highest, at least the lowest."""

    name: str
    value: Callable[[Rows], float]
    lowest: float = -np.inf
    highest: float = np.inf

    def line(self, rows: Rows) -> str:
        """Name, what is reached, what is asked."""
        value = self.value(rows)
        asked = " to ".join(f"{edge:g}" for edge in (self.lowest, self.highest) if np.isfinite(edge))
        verdict = "not measured" if np.isnan(value) else "met" if self.lowest <= value <= self.highest else "MISSED"
        return f"  {self.name:58}{value:8.2f}   {'at least ' if self.highest == np.inf else ''}{asked:9} {verdict}"


def _of(name: str) -> Callable[[Rows], float]:
    return lambda rows: _median(rows, name)


def _focal(rows: Rows) -> float:
    near = [case.name for case in CASES if case.turning and case.distance <= 1.0 and case.name in rows]
    errors = [abs(value) for name in near for value in _drawn(rows[name], "focal length")]
    return float(np.median(errors)) if near else float("nan")


def _inside(rows: Rows) -> float:
    return 100 * float(np.mean([value for row in rows.values() for value in _drawn(row, "focal interval holds it")]))


def _drawn(row: dict[str, float], name: str) -> list[float]:
    """A figure of a clip with all draws of noise."""
    return [value for key, value in row.items() if key == name or key.startswith(f"{name}, ")]


BARS: Final = (
    Bar("focal error where the head turns within 1 m, median %", _focal, highest=2.0),
    Bar("90 % interval holds the focal length, % of the clips", _inside, 85.0, 95.0),
    Bar("head rotation, degrees RMS", _of("given: head rotation"), highest=1.0),
    Bar("  the same, the true head placed once by the picture", _of("placed rotation"), highest=1.0),
    Bar("  what that head then slips, % of the face's width", _of("slip"), highest=0.6),
    Bar("depth given the focal length, %", _of("given: depth, given the focal"), highest=3.0),
    Bar("inner face, mm RMS", _of("inner face"), highest=2.5),
    Bar("on the plate, % of the face's width", _of("on the plate"), highest=0.6),
    Bar("  the same without the definition (mean of other clips)", _of("plate without the definition"), highest=0.6),
    Bar("blinks, of the truth's amplitude", _of("blink amplitude"), 0.95),
    Bar("  in the picture, of the regressor's", _of("kept blink amplitude"), 0.95),
    Bar("jaw, of the truth's amplitude", _of("jaw amplitude"), 0.95),
    Bar("  in the picture, of the regressor's", _of("kept jaw amplitude"), 0.95),
    Bar("timing of blinks, frames", _of("blink timing"), highest=0.5),
    Bar("timing of the jaw, frames", _of("jaw timing"), highest=0.5),
    Bar("milliseconds of one processor a frame (48 frames)", _of("ms"), highest=3.0),
)


def bars(figures: Figures) -> str:
    """Every bar of each road."""
    lines = []
    for road, rows in figures.items():
        if rows:
            lines += [f"== bars, {NAMES[road]}, {len(rows)} clips", *(bar.line(rows) for bar in BARS)]
    return "\n".join(lines) + "\n"
