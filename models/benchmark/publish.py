# SPDX-License-Identifier: GPL-3.0-or-later
"""A run, kept with the project: its figures and plots in docs/benchmark, its table in the README."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from .figures import Figure, Findings, figure_of, written

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "docs" / "benchmark"
BEGIN, END = "<!-- benchmark: written by `python build.py bench --publish` -->", "<!-- /benchmark -->"
PLOTS: Final = {
    "size.png": "Cost by the picture's size", "solve.png": "Solve, smoothing and expression", "scene.png": "Scene and files",
    "memory.png": "Memory of the whole road, 360p", "jitter.png": "Jitter: demo",
}  # fmt: skip
"""File names of the charts that are kept, by title."""
SHOWN: Final = ("demo.jpg", "jitter.png", "size.png")
"""Of the kept files those that the README shows: the bundled clip, above FaceLift, below the peer; how restless both are; cost by size."""
DETAILS: Final = (", inner", ", contour", "by the box", "1 core", "360p", "1080p", "4K")
"""Parts of the names of figures that the README leaves to the record."""


def publish(found: Findings, content: Mapping[str, Any], folder: Path = FOLDER, readme: Path = ROOT / "README.md") -> None:
    """Keep bench.json, plots and those pictures that may be shown, and fill the README's table from them."""
    from .plots import draw
    from .report import put

    folder.mkdir(parents=True, exist_ok=True)
    put(folder / "bench.json", (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    charts = {chart.title: chart for chart in found.charts}
    for name, title in PLOTS.items():
        if title in charts:
            put(folder / name, draw(charts[title]))
    for picture in found.pictures:
        if picture.open:
            put(folder / f"{picture.name}.jpg", picture.jpeg)
    text = readme.read_text(encoding="utf-8")
    put(readme, filled(text, content, sorted(path.name for path in folder.iterdir())).encode())


def filled(readme: str, content: Mapping[str, Any], files: list[str]) -> str:
    """The README with its part between the marks made from the content of a bench.json; added before its terms if it has none."""
    part = f"{BEGIN}\n{section(content, files)}\n{END}"
    if BEGIN in readme:
        before, _, rest = readme.partition(BEGIN)
        return before + part + rest.partition(END)[2]
    before, terms, rest = readme.partition("## Terms\n")
    return f"{before}{part}\n\n{terms}{rest}"


def section(content: Mapping[str, Any], files: list[str]) -> str:
    """Heading, where it was measured and what was lost, the table without its details, and the pictures."""
    made = content["made"]
    figures = [figure_of(row) for row in content["figures"]]
    shown = [figure for figure in figures if _is_shown(figure)]
    lost, missed = (sum(getattr(figure, name) for figure in figures) for name in ("loses", "misses"))
    compared, barred = (sum(not math.isnan(getattr(figure, name)) for figure in figures) for name in ("peer", "bar"))
    pictures = "\n".join(f"![{name.partition('.')[0]}](docs/benchmark/{name})" for name in SHOWN if name in files)
    where = f"{made['processor']}, {made['cores']} cores, {made['busy with other work']}"
    lines = [
        "## Measured side by side", "",
        f"`python build.py bench` measures FaceLift and {made['peer']} with a pose a frame (PnP, 50 mm) on the same pixels in one run.",
        f"In the run of {made['day']} ({where}) FaceLift is behind the peer in {lost} of {compared}",
        f"compared figures and misses {missed} of {barred} bars. Rows of these are marked; the whole",
        "record is [bench.json](docs/benchmark/bench.json), and [how it is measured](docs/benchmark.md) tells the rest.", "",
        "| | FaceLift | the peer | bar | unit | |", "|---|--:|--:|--:|---|---|", *map(_row, shown), "", pictures,
    ]  # fmt: skip
    return "\n".join(lines)


def _is_shown(figure: Figure) -> bool:
    judged = not (math.isnan(figure.peer) and math.isnan(figure.bar))
    return judged and not any(part in figure.name for part in DETAILS)


def _row(figure: Figure) -> str:
    cells = (
        figure.name,
        *map(written, (figure.ours, figure.peer, figure.bar)),
        figure.unit,
        "behind" if figure.loses or figure.misses else "",
    )
    return f"| {' | '.join(cells)} |"
