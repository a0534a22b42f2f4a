# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark finds: figures of ours beside the peer's, tables, charts and pictures, and which figures are lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PARTS = ("speed", "accuracy", "looks", "startup")
Say = Callable[[str], bool]
"""Told what is measured next; whether there is time for it."""


@dataclass(frozen=True)
class Figure:
    """One measured value. peer: the same of the peer; bar: what ours is to reach; NaN where there is none. more: larger is better."""

    part: str
    name: str
    unit: str
    ours: float
    peer: float = math.nan
    bar: float = math.nan
    more: bool = False

    @property
    def loses(self) -> bool:
        return self._is_worse_than(self.peer)

    @property
    def misses(self) -> bool:
        return self._is_worse_than(self.bar)

    @property
    def ratio(self) -> float:
        """Ours over the peer's."""
        return self.ours / self.peer if self.peer else math.nan

    def _is_worse_than(self, other: float) -> bool:
        if math.isnan(other):
            return False
        return math.isnan(self.ours) or (self.ours < other if self.more else self.ours > other)


@dataclass(frozen=True)
class Table:
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """series: name to x and y values; log: of both axes."""

    title: str
    x: str
    y: str
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    log: bool = False


@dataclass(frozen=True)
class Picture:
    """A JPEG; `open`: it shows nobody who did not agree to be shown, and may be published."""

    name: str
    caption: str
    jpeg: bytes
    open: bool = False


@dataclass
class Findings:
    """Of one part, or of all together."""

    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    bounds: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        for name in vars(self):
            getattr(self, name).extend(getattr(other, name))

    def as_json(self) -> dict[str, Any]:
        """All but the pictures, with null for what is not known."""
        content = {name: [asdict(item) for item in getattr(self, name)] for name in ("figures", "tables", "charts")}
        return _known({**content, "bounds": self.bounds, "notes": self.notes})


def figure_of(row: Mapping[str, Any]) -> Figure:
    """A figure from the JSON that `Findings.as_json` made of it."""
    return Figure(**{name: math.nan if value is None else value for name, value in row.items()})


def verdict(figures: Iterable[Figure], peer: str) -> str:
    """Every figure that is lost to the peer or misses its bar, in one paragraph."""
    figures = list(figures)
    lost = [f"{figure.name} ({written(figure.ours)} against {written(figure.peer)} {figure.unit})" for figure in figures if figure.loses]
    missed = [f"{figure.name} ({written(figure.ours)}, to be {_limit(figure)} {figure.unit})" for figure in figures if figure.misses]
    compared = sum(not math.isnan(figure.peer) for figure in figures)
    barred = sum(not math.isnan(figure.bar) for figure in figures)
    return " ".join((
        _told(f"FaceLift loses to {peer} in {len(lost)} of {compared} compared figures", lost),
        _told(f"It misses {len(missed)} of {barred} bars", missed),
    ))  # fmt: skip


def _told(sentence: str, items: list[str]) -> str:
    return f"{sentence}: {'; '.join(items)}." if items else f"{sentence}."


def _limit(figure: Figure) -> str:
    return f"{'at least' if figure.more else 'at most'} {written(figure.bar)}"


def written(value: float) -> str:
    """Three digits, or a dash for what is not known."""
    if math.isnan(value):
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(places, 4)}f}"


def _known(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
