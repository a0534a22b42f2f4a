# SPDX-License-Identifier: GPL-3.0-or-later
"""How long until the extension is there, and until the first frame is tracked after the click; in Blender as a module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from . import clips
from .apart import apart
from .figures import Figure, Findings, Say, Table
from .first_frame import first_frame
from .machine import is_busy

ENABLED, TRACKED = 0.3, 1.5
"""Seconds."""
ROUNDS: Final = {"quick": 1, "usual": 3, "full": 7}


@contextmanager
def _compiled_once() -> Iterator[None]:
    """Let processes keep compiled modules, as Blender's do from the first start on, wherever the benchmark's own may not."""
    before = {name: os.environ.pop(name, None) for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    with TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            os.environ.update({name: value for name, value in before.items() if value is not None})


def run(extent: str, say: Say) -> Findings:
    """extent: quick, usual or full."""
    rows = []
    with _compiled_once():
        apart(first_frame, str(clips.DEMO))
        for number in range(ROUNDS[extent]):
            if not say(f"start {number + 1} of {ROUNDS[extent]}"):
                break
            rows.append(apart(first_frame, str(clips.DEMO))[0])
    seconds = [median(column) for column in zip(*rows, strict=True)]
    bars = (ENABLED, ENABLED, TRACKED, TRACKED)
    names = (
        "enabling the extension, by the clock", "enabling the extension, by the processors",
        "first frame tracked after the click, by the clock", "first frame tracked after the click, by the processors",
    )  # fmt: skip
    figures = [
        Figure("startup", name, "s", value, bar=bar)
        for name, value, bar in zip(names, seconds, bars, strict=True)
        if not (is_busy() and "clock" in name)
    ]
    return Findings(figures, [Table("Starts, seconds", ("start", *names), [(number + 1, *row) for number, row in enumerate(rows)])])
