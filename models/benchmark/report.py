# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: what is lost first, then figures, tables, charts and pictures, all in one file."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .figures import PARTS, Figure, Findings, Picture, Table, verdict, written
from .plots import draw

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 1180px; padding: 0 1em; color: #222; }
h1, h2 { line-height: 1.2; } .verdict { background: #fbf3e6; border-left: 4px solid #e87d0d; padding: .8em 1em; }
table { border-collapse: collapse; font-size: 12.5px; margin: .6em 0 1.4em; } th, td { padding: 2px 9px; border-bottom: 1px solid #ddd; }
th { text-align: left; vertical-align: bottom; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
.lost { background: #fbe3e3; } .won { background: #e9f5e6; } .wide { overflow-x: auto; } figure { margin: 1em 0; }
figure img { max-width: 100%; } .charts { display: flex; flex-wrap: wrap; gap: 8px; } .charts img { width: 380px; } .note { color: #666; }
"""
_HEADINGS = {"speed": "Speed", "accuracy": "Accuracy", "looks": "Looks", "startup": "Start-up"}


def write_report(found: Findings, made: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """index.html and bench.json in `folder`; returns what is in the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"made": dict(made), "verdict": verdict(found.figures, made["peer"]), **found.as_json()}
    put(folder / "bench.json", (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    put(folder / "index.html", page(found, made).encode())
    return content


def put(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    os.replace(part, path)


def page(found: Findings, made: Mapping[str, Any]) -> str:
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>FaceLift: the benchmark</title>", f"<style>{_STYLE}</style>",
        "<h1>FaceLift beside what they would pick instead</h1>",
        f"<p class=verdict>{html.escape(verdict(found.figures, made['peer']))}</p>",
        f"<p class=note>{html.escape(_made(made))}</p>",
        *(_part(part, [figure for figure in found.figures if figure.part == part]) for part in PARTS),
        "<h2>What bounds each station</h2>", _list(found.bounds), "<h2>Tables</h2>", *map(_table, found.tables), "<h2>Charts</h2>",
        f"<div class=charts>{''.join(_image(draw(chart), 'png', chart.title) for chart in found.charts)}</div>", "<h2>Pictures</h2>",
        *map(_figure, found.pictures),
        "<h2>Notes</h2>", _list(found.notes),
    ]  # fmt: skip
    return "\n".join(parts)


def _made(made: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in made.items())


def _part(part: str, figures: list[Figure]) -> str:
    if not figures:
        return ""
    head = "<tr><th>figure<th>unit<th>FaceLift<th>the peer<th>ratio<th>bar</tr>"
    rows = "".join(
        f"<tr class={_class(figure)}><td>{html.escape(figure.name)}<td>{figure.unit}"
        + "".join(f"<td class=number>{written(value)}" for value in (figure.ours, figure.peer, figure.ratio, figure.bar))
        for figure in figures
    )
    return f"<h2>{_HEADINGS[part]}</h2><table>{head}{rows}</table>"


def _class(figure: Figure) -> str:
    return "lost" if figure.loses or figure.misses else "won"


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(column)}" for column in table.columns)
    rows = "".join("<tr>" + "".join(map(_cell, row)) for row in table.rows)
    note = f"<p class=note>{html.escape(table.note)}</p>" if table.note else ""
    return f"<h3>{html.escape(table.title)}</h3>{note}<div class=wide><table><tr>{head}</tr>{rows}</table></div>"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return f"<td>{html.escape(value)}"
    return f"<td class=number>{written(value) if isinstance(value, float) else value}"


def _figure(picture: Picture) -> str:
    caption = html.escape(picture.caption)
    return f"<figure>{_image(picture.jpeg, 'jpeg', picture.caption)}<figcaption>{caption}</figcaption></figure>"


def _list(sentences: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(sentence)}" for sentence in sentences) + "</ul>"


def _image(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{html.escape(text)}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'
