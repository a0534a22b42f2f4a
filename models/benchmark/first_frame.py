# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to the first frame, in a process that has loaded none of the heavy libraries: nothing else is imported here."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path


def first_frame(clip: str) -> tuple[float, float, float, float]:
    """Seconds by the clock and by the processors: to register, and from there to the first frame that the process beside Blender has
    tracked, as it is begun in a window.
    """
    import bpy  # noqa: F401 - Blender is up before its extension
    import numpy  # noqa: F401, ICN001 - Blender brings it

    for name in [name for name in sys.modules if name.startswith("facelift_blender")]:
        del sys.modules[name]
    started, worked = time.perf_counter(), _worked()
    import facelift_blender

    facelift_blender.register()
    clicked, clicked_work = time.perf_counter(), _worked()
    from facelift_blender.capture.beside import carry_out_beside
    from facelift_blender.capture.errand import Errand, begin
    from facelift_blender.capture.track import TrackSettings

    with tempfile.TemporaryDirectory() as folder:
        begin(Errand(clip, TrackSettings(end=2)), Path(folder))
        steps = carry_out_beside(Path(folder))
        while next(steps).station != "landmarks":
            pass
        seen = time.perf_counter()
        steps.close()
    return clicked - started, clicked_work - worked, seen - clicked, _worked() - clicked_work


def _worked() -> float:
    """Processor time of this process and of those that it has waited for."""
    return sum(os.times()[:4])
