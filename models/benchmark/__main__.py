# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift beside what they would pick instead, on the same pixels in the same run: `python build.py bench`.

Writes index.html and bench.json to out/bench. Rendered clips and run data are taken from FACELIFT_RUNS, photographs, filmed clips and the
blendshape net from FACELIFT_DATA, each where it is present.
"""

from __future__ import annotations

import argparse
import math
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .figures import Findings, Say

ROOT = Path(__file__).resolve().parents[2]
SHARES = {"startup": 0.1, "accuracy": 0.3, "speed": 0.4, "looks": 0.2}
"""Of the time, in the order of the parts; what one leaves is the next one's."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="build.py bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument(
        "--parts", nargs="+", choices=SHARES, default=tuple(SHARES), metavar="PART", help=f"of {', '.join(SHARES)} (default: all)"
    )
    extent = top.add_mutually_exclusive_group()
    extent.add_argument("--quick", dest="extent", action="store_const", const="quick", help="a few frames of everything, to try it")
    extent.add_argument("--full", dest="extent", action="store_const", const="full", help="up to 10,000 frames, every clip and photograph")
    top.set_defaults(extent="usual")
    top.add_argument("--minutes", type=float, default=9.0, help="after which nothing new is begun, unless --full (default %(default)s)")
    top.add_argument(
        "-o", "--output", type=Path, default=ROOT / "out" / "bench", metavar="DIR", help="folder for the report (default: out/bench)"
    )
    top.add_argument(
        "--publish", action="store_true", help="then bring figures, plots and the README's table to docs/benchmark and README.md"
    )
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from .machine import made_on
    from .report import write_report

    started = perf_counter()
    minutes = math.inf if options.extent == "full" else options.minutes
    found = measure(options.parts, options.extent, options.output, minutes)
    made = made_on(options.extent, perf_counter() - started)
    content = write_report(found, made, options.output)
    if options.publish:
        from .publish import publish

        publish(found, content)
    print(f"{options.output / 'index.html'} ({perf_counter() - started:.0f} s)")
    return 0


def measure(parts: Sequence[str], extent: str, folder: Path, minutes: float) -> Findings:
    """Run the parts one after another; one that fails, and what there was no time for, is told among the notes."""
    from . import accuracy, looks, speed, startup
    from .figures import Findings
    from .machine import is_busy

    plans = {"quick": speed.QUICK, "usual": speed.USUAL, "full": speed.FULL}
    runs: dict[str, Callable[[Say], Findings]] = {
        "speed": lambda say: speed.run(plans[extent], folder, say), "accuracy": lambda say: accuracy.run(extent, say),
        "looks": lambda say: looks.run(extent, say), "startup": lambda say: startup.run(extent, say),
    }  # fmt: skip
    found = Findings()
    if is_busy():
        found.notes.append("The machine was busy with other work: what the clock told is in the tables, but is not judged.")
    started, whole = perf_counter(), sum(SHARES[part] for part in parts)
    until = started
    for part in parts:
        until += 60 * minutes * SHARES[part] / whole
        progress = Progress(part, started, until)
        try:
            found.add(runs[part](progress))
        except Exception as error:  # noqa: BLE001 - the other parts are measured all the same
            traceback.print_exc()
            found.notes.append(f"The part {part} failed: {error}")
        if progress.left_out:
            found.notes.append(f"There was no time for: {', '.join(progress.left_out)}.")
    return found


class Progress:
    """Prints what is measured next, and when; says no, and keeps what it was, once the time is over. The first thing is always done."""

    def __init__(self, part: str, started: float, until: float) -> None:
        self.part, self.started, self.until = part, started, until
        self.left_out: list[str] = []
        self._begun = False

    def __call__(self, text: str) -> bool:
        now = perf_counter()
        if self._begun and now > self.until:
            self.left_out.append(text)
            return False
        self._begun = True
        print(f"{now - self.started:5.0f} s {self.part}: {text}", flush=True)
        return True


if __name__ == "__main__":
    sys.exit(main())
