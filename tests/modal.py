# SPDX-License-Identifier: GPL-3.0-or-later
"""Modal operators driven by hand: in background Blender has no window and runs no modal operator."""

from __future__ import annotations

import inspect
import time
from types import SimpleNamespace

import bpy


class Window:
    """What a modal operator asks of a window."""

    def __init__(self) -> None:
        self.status: list[str | None] = []
        self.timers: list[object] = []
        self.window = SimpleNamespace()
        self.scene = bpy.context.scene
        self.space_data = None
        self.workspace = SimpleNamespace(status_text_set=self.status.append)
        self.window_manager = SimpleNamespace(
            windows=[], event_timer_add=self._add, event_timer_remove=self.timers.remove, modal_handler_add=lambda _operator: None
        )

    def _add(self, _step: float, window: object) -> object:  # noqa: ARG002
        self.timers.append(object())
        return self.timers[-1]


class Double:
    """An operator without Blender around it."""

    def __init__(self, operator: type, **properties: object) -> None:
        self._operator = operator
        self.reports: list[tuple[set[str], str]] = []
        self.clip = ""
        vars(self).update(properties)

    def report(self, kind: set[str], text: str) -> None:
        self.reports.append((kind, text))

    def __getattr__(self, name: str) -> object:
        found = getattr(self._operator, name)
        static = isinstance(inspect.getattr_static(self._operator, name), staticmethod)
        return found.__get__(self) if callable(found) and not static else found


def drive(double: Double, window: Window, seconds: float = 60.0) -> set[str]:
    """Let the timer tick until the operator ends."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        result = double.modal(window, SimpleNamespace(type="TIMER", value="NOTHING"))
        if result not in ({"PASS_THROUGH"}, {"RUNNING_MODAL"}):
            return result
        time.sleep(0.01)
    raise TimeoutError
