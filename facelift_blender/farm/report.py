# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the shots, to be read in the morning: report.html to look at, report.json for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..exports.files import replacing
from .result import FAILED, Result

_STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2em; background: #1c1c1f; color: #ddd }
h1 { font-size: 20px; font-weight: 600 } a { color: #8ab8f0; text-decoration: none }
table { border-collapse: collapse; width: 100% } th { text-align: left; color: #999; font-weight: 500 }
th, td { padding: 6px 10px; border-bottom: 1px solid #333; vertical-align: top } td.n { text-align: right; white-space: nowrap }
img { width: 320px; display: block; border-radius: 3px } .failed td { background: #3a2022 } .s { white-space: nowrap }
small { color: #999; display: block }
"""
_COLUMNS = ("", "Shot", "State", "Frames", "Face found", "Residual", "Focal length", "Notes", "Time")


def write_report(results: Sequence[Result], folder: Path) -> None:
    """Both reports of the results, failed shots first. Raises FaceLiftError when they cannot be written."""
    ordered = sorted(results, key=lambda result: result.status != FAILED)
    with replacing(folder / "report.json") as temporary:
        temporary.write_text(
            json.dumps({"summary": summary(results), "shots": [asdict(one) for one in results]}, indent=1), encoding="utf-8"
        )
    with replacing(folder / "report.html") as temporary:
        temporary.write_text(_page(ordered, summary(results)), encoding="utf-8")


def summary(results: Sequence[Result]) -> dict[str, int]:
    """Number of shots by state."""
    return {status: sum(result.status == status for result in results) for status in dict.fromkeys(result.status for result in results)}


def _page(results: Sequence[Result], counts: dict[str, int]) -> str:
    title = f"{len(results)} shots: " + ", ".join(f"{count} {status}" for status, count in counts.items())
    head = "".join(f"<th>{escape(column)}</th>" for column in _COLUMNS)
    rows = "\n".join(_row(result) for result in results)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n<table><tr>{head}</tr>\n{rows}\n</table></body></html>\n"
    )


def _row(result: Result) -> str:
    pictures = [name for name in result.files if name.endswith(".png")]
    link = quote(result.name)
    picture = f'<a href="{link}/{quote(pictures[0])}"><img loading="lazy" src="{link}/{quote(pictures[0])}" alt=""></a>' if pictures else ""
    name = f'<a href="{link}/">{escape(result.name)}</a>' if result.files else escape(result.name)
    log = f'<small><a href="{quote(f".{result.name}/log.txt")}">log</a></small>' if result.status == FAILED else ""
    notes = "".join(f"<small>{escape(warning)}</small>" for warning in result.warnings)
    found = f"{100 * result.found / result.frames:.0f} %" if result.frames else ""
    cells = [
        picture, f"{name}<small>{escape(Path(result.clip).name)}</small>",
        escape(result.status), str(result.frames or ""), found, _residual(result), escape(result.focal),
        f"{escape(result.sentence)}{log}{notes}", f"{result.seconds:.1f} s" if result.seconds else "",
    ]  # fmt: skip
    kinds = ("", "", "s", "n", "n", "n", "", "", "n")
    tds = "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, cells, strict=True))
    return f'<tr class="{"failed" if result.status == FAILED else ""}">{tds}</tr>'


def _residual(result: Result) -> str:
    if result.residual is None or result.residual_share is None:
        return ""
    return f"{result.residual:.2f} px<small>{100 * result.residual_share:.2f} % of the face</small>"
