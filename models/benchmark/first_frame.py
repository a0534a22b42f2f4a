# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to the first frame, in a process that has loaded none of the heavy libraries: nothing else is imported here."""

from __future__ import annotations

import sys
import time


def first_frame(clip: str) -> tuple[float, float, float, float]:
    """Seconds by the clock and by the processors: to register, and from there to the first frame that the click's thread has tracked."""
    import bpy  # noqa: F401 - Blender is up before its extension
    import numpy  # noqa: F401, ICN001 - Blender brings it

    for name in [name for name in sys.modules if name.startswith("facelift_blender")]:
        del sys.modules[name]
    started, worked = time.perf_counter(), time.process_time()
    import facelift_blender

    facelift_blender.register()
    clicked, clicked_work = time.perf_counter(), time.process_time()
    from facelift_blender.capture.track import TrackSettings
    from facelift_blender.ui import job
    from facelift_blender.ui.track.operators import tracking

    running = job.start(tracking(clip, lambda: TrackSettings(end=12), None, {}))
    while not (running.done or (running.progress and running.progress.done)):
        time.sleep(0.002)
    if running.done and not running.progress:
        running.result()
    seen, seen_work = time.perf_counter(), time.process_time()
    running.stop()
    return clicked - started, clicked_work - worked, seen - clicked, seen_work - clicked_work
