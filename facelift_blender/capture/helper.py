# SPDX-License-Identifier: GPL-3.0-or-later
"""A process of this package beside Blender, and the lines that both say to each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from .apart import python_program

_LEAVING: Final = 10.0
"""Seconds that a process may take to end once nobody waits for it."""
_LOOK: Final = 0.05
_NICENESS: Final = 3
_MARK: Final = "facelift "
_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS")
_PACKAGE: Final = Path(__file__).resolve().parent.parent
_CODE: Final = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2] + sys.argv[3]).main(*sys.argv[4:])"
)


@dataclass
class Helper:
    """The process and what it said."""

    process: subprocess.Popen[str]
    inbox: SimpleQueue[dict[str, Any]] = field(default_factory=SimpleQueue)

    @staticmethod
    def start(module: str, *arguments: str) -> Helper:
        """Run a module's `main` with these arguments; the module is named as from the package, with a dot in front."""
        command = [python_program(), "-s", "-c", _CODE, str(_PACKAGE.parent), _PACKAGE.name, module, *arguments]
        one = dict.fromkeys(_THREADS, "1")
        environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True,
            encoding="utf-8", errors="replace", creationflags=flags,
        )  # fmt: skip
        helper = Helper(process)
        threading.Thread(target=helper._listen, daemon=True).start()
        return helper

    def _listen(self) -> None:
        with suppress(ValueError):  # closed by `end`
            for line in self.process.stdout:
                if line.startswith(_MARK):
                    with suppress(ValueError):  # a decoder may talk in between
                        self.inbox.put(json.loads(line.removeprefix(_MARK)))
        self.inbox.put({})

    def hear(self) -> dict[str, Any] | None:
        """What it said next; None is silence, {} its end."""
        with suppress(Empty):
            return self.inbox.get(timeout=_LOOK)
        return None

    def say(self, word: str) -> None:
        """Send it a line. One that has ended is heard of by `hear`."""
        with suppress(OSError):
            self.process.stdin.write(word + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Let it end, at the latest by force."""
        with suppress(OSError):
            self.process.stdin.close()  # by which it knows that nobody waits for it any more
        try:
            self.process.wait(_LEAVING)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def step_back() -> None:
    """In the other process: Blender's window comes first."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)


def tell(told: Mapping[str, Any]) -> None:
    """In the other process: say something; with nobody there to hear it ends."""
    try:
        sys.stdout.write(f"\n{_MARK}{json.dumps(told)}\n")
        sys.stdout.flush()
    except OSError:
        os._exit(0)
