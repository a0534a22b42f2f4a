# SPDX-License-Identifier: GPL-3.0-or-later
"""On what the benchmark ran."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from . import peers

WEIGHTS = Path(__file__).parents[1] / "weights" / "weights.json"


def made_on(extent: str, seconds: float) -> dict[str, Any]:
    """Day, peer, sizes, processors, how busy the machine was, weights and versions."""
    from facelift_blender.capture.provenance import versions

    listed = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    weights = ", ".join(f"{name} {model['sha256'][:12]}" for name, model in listed.items())
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else 0.0
    return {
        "day": dt.datetime.now(tz=dt.UTC).date().isoformat(), "extent": extent, "peer": peers.name(), "weights": weights,
        "processor": _processor(), "cores": os.cpu_count(), "busy with other work": f"load {load:.1f}", "seconds": round(seconds),
        "blendshapes of the peer": "net of the data folder" if peers.has_blendshapes() else "not at hand",
        "points of the peer brought to the table by": peers.ToTable().source, **versions(),
    }  # fmt: skip


@cache
def is_busy() -> bool:
    """Whether other work takes more than half a core's time as the benchmark begins: the clock then tells little, and its figures
    are shown in the tables alone.
    """
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    rows = told.read_text().splitlines() if told.is_file() else []
    return next((row.partition(":")[2].strip() for row in rows if row.startswith("model name")), platform.processor())
