# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift beside what they would pick instead, on the same pixels in the same run: `python build.py bench`.

Writes index.html and bench.json to out/bench. Rendered clips and run data are taken from FACELIFT_RUNS, photographs, filmed clips and the
blendshape net from FACELIFT_DATA, each where it is present.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .figures import Findings

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("speed", "accuracy", "looks", "startup")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="build.py bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    extent = top.add_mutually_exclusive_group()
    extent.add_argument("--quick", dest="extent", action="store_const", const="quick", help="a few frames of everything, to try it")
    extent.add_argument("--full", dest="extent", action="store_const", const="full", help="up to 10,000 frames, every clip and photograph")
    top.set_defaults(extent="usual")
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
    found = measure(options.parts, options.extent, options.output)
    made = made_on(options.extent, perf_counter() - started)
    content = write_report(found, made, options.output)
    if options.publish:
        from .publish import publish

        publish(found, content)
    print(f"{options.output / 'index.html'} ({perf_counter() - started:.0f} s)")
    return 0


def measure(parts: Sequence[str], extent: str, folder: Path) -> Findings:
    """Run the parts one after another; one that fails is told among the notes."""
    from facelift_blender.capture.types import FaceLiftError

    from . import accuracy, looks, speed, startup
    from .figures import Findings
    from .machine import is_busy

    plans = {"quick": speed.QUICK, "usual": speed.USUAL, "full": speed.FULL}
    runs: dict[str, Callable[[Callable[[str], object]], Findings]] = {
        "speed": lambda say: speed.run(plans[extent], folder, say), "accuracy": lambda say: accuracy.run(extent, say),
        "looks": lambda say: looks.run(extent, say), "startup": lambda say: startup.run(extent, say),
    }  # fmt: skip
    found = Findings()
    if is_busy():
        found.notes.append("The machine was busy with other work: what the clock told is in the tables, but is not judged.")
    for part in parts:
        try:
            found.add(runs[part](Progress(part)))
        except FaceLiftError as error:
            found.notes.append(f"The part {part} failed: {error}")
            print(f"{part}: {error}", file=sys.stderr, flush=True)
    return found


class Progress:
    """Prints what is measured next, and when."""

    def __init__(self, part: str) -> None:
        self.part, self.started = part, perf_counter()

    def __call__(self, text: str) -> None:
        print(f"{self.part} {perf_counter() - self.started:5.0f} s: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
