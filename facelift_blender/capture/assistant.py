# SPDX-License-Identifier: GPL-3.0-or-later
"""A process beside Blender that reckons what it is asked: Blender's own Python, which answers the window, stays free meanwhile.

It is started with the first question and kept for the next ones; a while after the last it ends.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Final

from .apart import python_program
from .helper import Helper, step_back, tell
from .types import FaceLiftError

IDLE: Final = 300.0
"""Seconds after which an assistant that nobody asks ends."""
_STOP: Final = "stop"
_PACKAGE: Final = __name__.removesuffix(".capture.assistant")
Answer = dict[str, Any]


def _never() -> bool:
    return False


@dataclass
class Assistant:
    """Whom to ask, from any thread; one question is answered after the other."""

    _helper: Helper | None = None
    _leave: threading.Timer | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def ask(self, task: str, told: Mapping[str, Any], should_stop: Callable[[], bool] = _never) -> Answer:
        """What a function answers: `task` names it, '.exports.desk:write' say, and it is given `told` and `should_stop`.

        What is told and answered is plain, as JSON has it. Raises FaceLiftError, the function's own or one that its process ended early.
        """
        if python_program() is None:
            return perform(task, told, should_stop)
        with self._lock:
            self._stay()
            try:
                return self._answer(task, told, should_stop)
            finally:
                self._leave = threading.Timer(IDLE, self.dismiss)
                self._leave.daemon = True
                self._leave.start()

    def dismiss(self) -> None:
        """Let the process end."""
        with self._lock:
            if self._leave is not None:
                self._leave.cancel()
            if self._helper is not None:
                self._helper.end()
            self._helper = self._leave = None

    def _stay(self) -> None:
        if self._leave is not None:
            self._leave.cancel()
        if self._helper is None or self._helper.process.poll() is not None:
            self._helper = Helper.start(".capture.assistant")

    def _answer(self, task: str, told: Mapping[str, Any], should_stop: Callable[[], bool]) -> Answer:
        self._helper.say(json.dumps({"task": task, "told": told}))
        asked = False
        while (said := self._helper.hear()) is None:
            if not asked and should_stop():
                asked = True
                self._helper.say(_STOP)
        if not said:
            status = self._helper.process.wait()
            raise FaceLiftError(f"What reckons beside Blender ended early (exit status {status}): close other programs, and try again.")
        if "error" in said:
            raise FaceLiftError(said["error"])
        return said["answer"]


def perform(task: str, told: Mapping[str, Any], should_stop: Callable[[], bool] = _never) -> Answer:
    """Answer a question here and now. Raises FaceLiftError."""
    module, _, function = task.partition(":")
    plain = json.loads(json.dumps(told))
    return getattr(importlib.import_module(_PACKAGE + module), function)(plain, should_stop)


# ---------------------------------------------------------------- the other process


def main() -> None:
    """The other process: answer until nobody asks any more."""
    step_back()
    questions: SimpleQueue[Answer] = SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_listen, args=(questions, stopped), daemon=True).start()
    while True:
        question = questions.get()
        try:
            tell({"answer": perform(question["task"], question["told"], stopped.is_set)})
        except FaceLiftError as error:
            tell({"error": str(error)})
        except MemoryError:
            tell({"error": "There is too little memory for this: close other programs, and try again."})


def _listen(questions: SimpleQueue[Answer], stopped: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == _STOP:
            stopped.set()
        else:
            stopped.clear()
            questions.put(json.loads(line))
    os._exit(0)
