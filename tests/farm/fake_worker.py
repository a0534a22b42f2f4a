# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker that does what the shot's name says, in the words of the real one: for the tests of those who give it work."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path


def say(told: dict[str, object]) -> None:
    sys.stdout.write("\n@facelift " + json.dumps(told) + "\n")
    sys.stdout.flush()


def result(name: str, status: str = "done", sentence: str = "") -> None:
    told = {"name": name, "clip": "c.mp4", "status": status, "sentence": sentence, "seconds": 0.1, "frames": 10, "found": 10, "tracked": 10,
            "residual": 0.5, "residual_share": 0.01, "focal": "50 mm", "warnings": [], "key": "k", "files": {}, "memory": 1}  # fmt: skip
    say({"result": told, "ending": name.startswith("grows")})


def main() -> None:
    notes = Path(sys.argv[1])
    with notes.open("a", encoding="utf-8") as file:
        file.write("started\n")
    if sys.argv[2:] == ["dead"]:
        sys.exit("no module named facelift")
    say({"ready": True})
    for line in sys.stdin:
        name = json.loads(line)["shot"]["name"]
        with notes.open("a", encoding="utf-8") as file:
            file.write(name + "\n")
        say({"done": 3, "total": 10, "station": "landmarks"})
        if name.startswith("crashes"):
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGSEGV)
        if name.startswith("hangs"):
            time.sleep(60)
        if name.startswith("eats"):
            held = bytearray(300 << 20)
            held[::4096] = bytes(len(held[::4096]))
            time.sleep(60)
        if name.startswith("busy") and notes.read_text(encoding="utf-8").count(name) < 2:
            result(name, "busy")
        elif name.startswith("fails"):
            result(name, "failed", "It is broken; mend it.")
        else:
            result(name)
        if name.startswith("grows"):
            return


if __name__ == "__main__":
    main()
