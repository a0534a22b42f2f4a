# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators with a long part, so that Blender stays at hand: a thread reckons, then short steps fill the scene."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, Final

import bpy
from bpy.app.translations import pgettext_iface as tr

from ..capture.types import FaceLiftError
from ..scene.actions import drain
from . import job

SLICE: Final = 0.012
"""Seconds that Blender may be kept at a time."""
_TICK: Final = 0.05
_TOLD: Final = 0.25
"""Seconds between two tellings of the progress: drawing costs the time that tracking wants."""

_ESC: Final = "Esc: stop and keep what is done"

Steps = Generator[None, None, None]


def run_slice(steps: Steps, seconds: float = SLICE) -> bool:
    """Go on with steps for so long; whether they are at their end."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        try:
            next(steps)
        except StopIteration:
            return True
    return False


def redraw(panels_only: bool = False) -> None:
    """Draw again the editors that carry FaceLift's panels, or the panels alone."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"CLIP_EDITOR", "VIEW_3D"}:
                for region in area.regions:
                    if region.type == "UI" or not panels_only:
                        region.tag_redraw()


class Working:
    """An operator whose `gather` reads the scene and returns the thread's work, and whose `steps` bring the result into Blender."""

    title = ""
    stops_filling = False
    """Whether ESC ends the filling too: what is in the scene by then is kept."""

    def gather(self, context: bpy.types.Context) -> job.Work:
        """What the thread shall do. Raises FaceLiftError."""
        raise NotImplementedError

    def steps(self, context: bpy.types.Context, result: Any) -> Steps:
        """Bring the result into the scene, a few milliseconds a step. Raises FaceLiftError."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The whole at once: for scripts and in background."""
        try:
            self._begin(context)
            drain(self.steps(context, self._job.result()))
        except FaceLiftError as error:
            return self._fail(error)
        finally:
            self._end(context)
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Beside Blender, with a timer that looks how far it is."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self._begin(context)
        except FaceLiftError as error:
            return self._fail(error)
        self._timer = context.window_manager.event_timer_add(_TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """While the thread works every event but ESC passes; while the scene is filled none does, so that nothing changes under it."""
        try:
            return self._step(context, event)
        except FaceLiftError as error:
            self._end(context)
            return self._fail(error)
        except ReferenceError:
            self._end(context)
            return self._fail(FaceLiftError(tr("What was to be filled is gone from the file; do it again.")))

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because another file is opened, say."""
        self._job.leave()
        self._end(context)

    _job: job.Job | None = None
    _timer: bpy.types.Timer | None = None
    _steps: Steps | None = None
    _told, _told_at = "", 0.0

    def _step(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        stop = event.type == "ESC" and event.value == "PRESS"
        if self._steps is not None:
            if stop and self.stops_filling:
                return self._leave_off(context)
            return self._fill(context) if event.type == "TIMER" else {"RUNNING_MODAL"}
        if stop:
            self._job.stop()
            return {"RUNNING_MODAL"}
        if event.type == "TIMER":
            self._tell(context, f"FaceLift: {self._job.station()}, {self._job.pace()}   ({tr(_ESC)})")
            if self._job.done:
                self._steps = self.steps(context, self._job.result())
        return {"PASS_THROUGH"}

    def _fill(self, context: bpy.types.Context) -> set[str]:
        if not run_slice(self._steps):
            self._tell(context, f"FaceLift: {self._job.station()}" + self.stops_filling * f"   ({tr(_ESC)})")
            return {"RUNNING_MODAL"}
        self._end(context)
        return {"FINISHED"}

    def _leave_off(self, context: bpy.types.Context) -> set[str]:
        self._steps.close()
        self._end(context)
        self.report({"WARNING"}, tr("Stopped at {}; what is done is kept").format(self._job.station()))
        return {"FINISHED"}

    def _begin(self, context: bpy.types.Context) -> None:
        if job.current() is not None:
            raise FaceLiftError(tr("FaceLift is at work already; wait for it or stop it first."))
        self._job = job.start(self.gather(context), self.title)

    def _end(self, context: bpy.types.Context) -> None:
        if self._job is not None:
            job.finish(self._job)
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
            context.workspace.status_text_set(None)
        redraw()

    def _tell(self, context: bpy.types.Context, text: str) -> None:
        if text != self._told and time.monotonic() - self._told_at > _TOLD:
            self._told, self._told_at = text, time.monotonic()
            context.workspace.status_text_set(text)
            redraw(panels_only=True)

    def _fail(self, error: FaceLiftError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}
