# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a process of its own, so that its memory and its processors are its own."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from facelift_blender.capture.types import FaceLiftError


def apart(work: Callable[..., Any], *arguments: Any, cores: int = 0) -> tuple[Any, float]:
    """What `work(*arguments)` returns, and the most memory that its process held, in MB; cores: how many it may use, 0 all.

    Raises FaceLiftError if it fails.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, work, arguments, cores))
    process.start()
    theirs.close()
    try:
        good, result, peak = ours.recv()
    except EOFError:
        good, result, peak = False, "it ended without a word", 0.0
    process.join()
    if not good:
        raise FaceLiftError(f"{work.__name__} failed: {result}")
    return result, peak


def _serve(pipe: Connection, work: Callable[..., Any], arguments: tuple[Any, ...], cores: int) -> None:
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    silence()
    try:
        pipe.send((True, work(*arguments), peak_megabytes()))
    except Exception:  # noqa: BLE001 - told to the process that waits
        pipe.send((False, traceback.format_exc(), 0.0))
    os._exit(0)  # Blender as a module can block the end of a process


def silence() -> None:
    """Let nothing be printed: exporters and nets chat a lot."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def peak_megabytes() -> float:
    """The most memory that this process has held; NaN where the system does not tell."""
    status = Path("/proc/self/status")
    rows = status.read_text().splitlines() if status.is_file() else []
    return next((int(row.split()[1]) / 1024 for row in rows if row.startswith("VmHWM:")), float("nan"))
