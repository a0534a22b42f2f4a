# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each station takes, ours and the peer's in turn on the same clips, and how it grows.

Milliseconds a frame by the clock and by the processors. On a busy machine the clock tells little but the ratio of what ran in turn;
the processors' time is then the better measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np

from . import clips, peers
from .apart import apart
from .figures import Chart, Figure, Findings, Say, Table, written
from .machine import is_busy

STATIONS: Final = ("decode", "detect", "landmarks", "second look", "solve", "smooth")
AHEAD: Final = 2.0
"""How many times the peer's frame rate the whole road is to reach."""
LINEAR, FLAT = 1.1, 1.1
"""Cost a frame of the longest clip over that of a tenth of it; memory of the longest clip's tracking over the shortest's."""


@dataclass(frozen=True)
class Plan:
    """sizes: name to frames of the clip; cores: how many processors; rounds: how often ours and the peer's take turns.

    solved, tracked, built: frames of the curves of the solve, of the tracking at 360p, and of scene and files. What comes first is done
    before the time is over.
    """

    sizes: dict[str, int]
    cores: tuple[int, ...]
    rounds: int
    solved: tuple[int, ...]
    tracked: tuple[int, ...]
    built: tuple[int, ...]


QUICK: Final = Plan({"360p": 24}, (1,), 1, (24, 48), (12, 24), (24, 48))
USUAL: Final = Plan({"720p": 240, "1080p": 240, "360p": 240, "4K": 48}, (2, 1), 2, (100, 300, 1000), (48, 480), (100, 1000))
FULL: Final = Plan(
    {"720p": 240, "1080p": 240, "360p": 240, "4K": 96}, (2, 1), 3, (100, 300, 1000, 3000, 10_000), (100, 300, 1000, 3000, 10_000),
    (100, 1000, 10_000),
)  # fmt: skip


def run(plan: Plan, folder: Path, say: Say) -> Findings:
    """All of the part; clips are kept in `folder`."""
    found = Findings()
    for part in (nets, roads, solve_curve, scene_curve, track_curve):
        found.add(part(plan, folder / "clips", say))
    return found


# ---------------------------------------------------------------- the whole road


@dataclass(frozen=True)
class Spent:
    """Milliseconds a frame by the clock and by the processors; stations: by the clock, of ours alone."""

    wall: float
    processor: float
    stations: dict[str, float] = field(default_factory=dict)


def roads(plan: Plan, folder: Path, say: Say) -> Findings:
    """Pixels to a smoothed take with weights, beside the peer's pixels to points and a pose a frame."""
    found, stations, rows = Findings(), [], []
    for size, count in plan.sizes.items():
        path = clips.looped(size, count, folder)
        for cores in plan.cores:
            if not say(f"the whole road, {size}, {cores} core{'s'[: cores > 1]}"):
                continue
            (ours, theirs), peak = apart(_in_turn, path, plan.rounds, cores=cores)
            found.figures += _road_figures(size, cores, ours, theirs)
            stations.append((size, cores, *(ours.stations[name] for name in STATIONS), ours.wall, theirs.wall, peak))
            if cores == plan.cores[0]:
                rows.append((size, ours, theirs))
    found.tables.append(
        Table("Stations, ms a frame by the clock", ("size", "cores", *STATIONS, "whole road", "the peer's", "peak MB"), stations,
              "Decoding and second looks go on in threads of their own: their columns are what the road waits for them. Memory is of both"
              " sides together.")
    )  # fmt: skip
    found.bounds += [_bound(size, ours) for size, ours, _ in rows]
    rows.sort(key=lambda row: clips.SIZES[row[0]])
    pixels = [float(np.prod(clips.SIZES[size])) / 1e6 for size, *_ in rows]
    lines = {"FaceLift, the whole road": [ours.processor for _, ours, _ in rows], "the peer's": [theirs.processor for *_, theirs in rows]}
    series = {who: (pixels, values) for who, values in lines.items()}
    found.charts.append(Chart("Cost by the picture's size", "megapixels", "ms a frame by the processors", series, log=True))
    return found


def _road_figures(size: str, cores: int, ours: Spent, theirs: Spent) -> Iterator[Figure]:
    where = f"whole road, {size}, {cores} core{'s'[: cores > 1]}"
    ahead = AHEAD if (size, cores) == ("720p", 2) else np.nan
    if not is_busy():
        yield Figure("speed", f"{where}, by the clock", "ms a frame", ours.wall, theirs.wall, theirs.wall / ahead)
    yield Figure("speed", f"{where}, by the processors", "ms a frame", ours.processor, theirs.processor, theirs.processor / ahead)
    if (size, cores) == ("1080p", 2) and not is_busy():
        yield Figure("speed", f"decoding's share of the {where}", "of the time", ours.stations["decode"] / ours.wall, bar=0.5)


def _bound(size: str, spent: Spent) -> str:
    name, most = max(spent.stations.items(), key=lambda item: item[1])
    what = {
        "decode": "the decoder", "detect": "the detector's net", "landmarks": "the landmark net, on the cores",
        "second look": "the second look's net, on a core of its own", "solve": "linear algebra on one core",
        "smooth": "linear algebra on one core",
    }[name]  # fmt: skip
    return f"{size}: {name} takes {written(100 * most / sum(spent.stations.values()))} % of the stations' time; it is bound by {what}."


def _in_turn(path: Path, rounds: int) -> tuple[Spent, Spent]:
    """Ours and the peer's, medians of some rounds; the first look at each, which loads models, does not count."""
    from facelift_blender.capture.landmarks import Regressor
    from facelift_blender.capture.track import TrackSettings, track

    regress = Regressor()
    settings = TrackSettings(end=12)
    track(path, settings)
    peer = peers.MediaPipe() if peers.is_installed() else None
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(_our_road(path, regress))
        theirs.append(_their_road(path, peer) if peer else Spent(np.nan, np.nan))
    return _middle(ours), _middle(theirs)


def _middle(rounds: list[Spent]) -> Spent:
    stations = {name: median(spent.stations[name] for spent in rounds) for name in rounds[0].stations}
    return Spent(median(spent.wall for spent in rounds), median(spent.processor for spent in rounds), stations)


def _our_road(path: Path, regress: Any) -> Spent:
    from facelift_blender.capture.track import track_steps

    started, worked = perf_counter(), process_time()
    steps = track_steps(path, regress=regress)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            (take,) = stop.value
            break
    wall, worked = perf_counter() - started, process_time() - worked
    spent = take.provenance["milliseconds"]
    return Spent(1e3 * wall / len(take), 1e3 * worked / len(take), {name: float(spent[name]) for name in STATIONS})


def _their_road(path: Path, see: Callable[[Any], Any]) -> Spent:
    """Read by OpenCV, as it is usually done; mesh, pose and, where its net is at hand, blendshapes of each frame."""
    import cv2

    from facelift_blender.capture.expression import head_basis

    to_table, face = peers.nearest(), head_basis().neutral
    started, worked, count = perf_counter(), process_time(), 0
    reader = cv2.VideoCapture(str(path))
    while True:
        good, picture = reader.read()
        if not good:
            break
        mesh = see(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if mesh is not None:
            peers.pose(to_table @ mesh, face, picture.shape[1], picture.shape[0])
            peers.blendshapes(mesh)
        count += 1
    return Spent(1e3 * (perf_counter() - started) / count, 1e3 * (process_time() - worked) / count)


# ---------------------------------------------------------------- the nets by themselves


def nets(plan: Plan, folder: Path, say: Say) -> Findings:
    """Ours beside the peer's frame by frame on pictures that are decoded already, and the detector."""
    found, rows = Findings(), []
    size = "720p" if "720p" in plan.sizes else next(iter(plan.sizes))
    path = clips.looped(size, plan.sizes[size], folder)
    for cores in plan.cores:
        if not say(f"the landmark nets in turn, {cores} core{'s'[: cores > 1]}"):
            continue
        times, _ = apart(_nets_in_turn, path, cores=cores)
        ours, theirs = times["landmarks"], times.get("the peer's", (np.nan, np.nan))
        for column, by in enumerate(("clock", "processors")):
            if by == "clock" and is_busy():
                continue
            name = f"landmarks of a frame in memory, {cores} core{'s'[: cores > 1]}, by the {by}"
            found.figures.append(Figure("speed", name, "ms", ours[column], theirs[column], theirs[column] if cores == 2 else np.nan))
        rows += [(name, cores, *pair) for name, pair in times.items()]
    found.tables.append(Table(f"The nets on frames in memory ({size})", ("what", "cores", "ms by the clock", "ms by the processors"), rows))
    return found


def _nets_in_turn(path: Path) -> dict[str, tuple[float, float]]:
    """Median milliseconds of a call; each net with the threads that it takes where it is used."""
    from facelift_blender.capture.crops import box_of_landmarks
    from facelift_blender.capture.faces import Detector
    from facelift_blender.capture.footage import probe, read_frames
    from facelift_blender.capture.landmarks import Regressor
    from facelift_blender.capture.track import TrackSettings, looking
    from facelift_blender.capture.tracker import USUAL_FOCAL

    frames = [image for _, image in read_frames(probe(path))]
    detect, regress = Detector(), Regressor()
    twice, focal = looking(regress, TrackSettings()), USUAL_FOCAL * max(frames[0].shape)
    box = detect(frames[0])[0].box
    peer = peers.MediaPipe() if peers.is_installed() else None
    times: dict[str, list[tuple[float, float]]] = {}
    for image in frames:
        spent, (estimate,) = timed(regress, image, [box], focal)
        box = box_of_landmarks(estimate.landmarks_2d)
        times.setdefault("landmarks", []).append(spent)
        times.setdefault("landmarks and second look", []).append(timed(twice, image, [box], focal)[0])
        if peer:
            times.setdefault("the peer's", []).append(timed(peer, image)[0])
    for image in frames[:: max(1, len(frames) // 12)]:
        times.setdefault("detector (about once a second)", []).append(timed(detect, image)[0])
    warm = {name: pairs[min(3, len(pairs) - 1) :] for name, pairs in times.items()}
    return {name: tuple(1e3 * float(value) for value in np.median(pairs, axis=0)) for name, pairs in warm.items()}


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[tuple[float, float], Any]:
    """Seconds by the clock and by the processors, and the result."""
    started, worked = perf_counter(), process_time()
    result = work(*arguments)
    return (perf_counter() - started, process_time() - worked), result


# ---------------------------------------------------------------- curves


def solve_curve(plan: Plan, _folder: Path, say: Say) -> Findings:
    """Solve, smoothing and expression of synthetic observations, by frames."""
    names, rows = ("solve", "smoothing", "expression"), []
    for count in plan.solved:
        if not say(f"the solve of {count} frames"):
            break
        spent, _ = apart(_solve_stations, count)
        rows.append((count, *(spent[name] for name in names), spent["MB"]))
    if not rows:
        return Findings()
    columns = np.array(rows, dtype=float)
    series = {name: (columns[:, 0].tolist(), columns[:, k + 1].tolist()) for k, name in enumerate(names)}
    table = Table("Solve by frames, ms a frame by the processors", ("frames", *names, "peak MB beyond the input"), rows)
    chart = Chart("Solve, smoothing and expression", "frames", "ms a frame by the processors", series, log=True)
    total = columns[:, 1:4].sum(axis=1)
    return Findings([_growth("solve to expression", columns[:, 0], total)], [table], [chart])


def _growth(what: str, counts: np.ndarray, cost: np.ndarray) -> Figure:
    """The longest clip's cost a frame over that of the clip which is nearest to a tenth of it."""
    tenth = int(np.argmin(np.abs(np.log(counts / (counts[-1] / 10)))))
    name = f"{what}: cost a frame at {counts[-1]:.0f} over {counts[tenth]:.0f} frames"
    return Figure("speed", name, "times", float(cost[-1] / cost[tenth]), bar=LINEAR)


def _solve_stations(count: int) -> dict[str, float]:
    from facelift_blender.capture.expression import read_weights
    from facelift_blender.capture.solve import resmooth, solve
    from models.performer.bench_report import long_observations

    from .apart import peak_megabytes

    raw, clip = long_observations(count)
    before = peak_megabytes()
    (_, whole), take = timed(solve, raw, clip)
    peak = peak_megabytes() - before
    (_, again), _ = timed(resmooth, take, 0.4)
    (_, expression), _ = timed(read_weights, take.landmarks, take.neutral)
    spent = {"solve": whole - again, "smoothing": again - expression, "expression": expression}
    return {name: 1e3 * seconds / count for name, seconds in spent.items()} | {"MB": peak}


def track_curve(plan: Plan, folder: Path, say: Say) -> Findings:
    """Pixels to take by frames, at the smallest size, and the memory that it takes."""
    rows = []
    for count in plan.tracked:
        if not say(f"tracking {count} frames at 360p"):
            break
        path = clips.looped("360p", count, folder)
        spent, peak = apart(_tracked, path)
        rows.append((count, *spent, peak))
    if not rows:
        return Findings()
    columns = np.array(rows, dtype=float)
    by_frames = columns[:, 0].tolist()
    table = Table("The whole road by frames, 360p", ("frames", "ms a frame by the clock", "by the processors", "peak MB"), rows)
    charts = [
        Chart(
            "The whole road by frames, 360p", "frames", "ms a frame", {"by the processors": (by_frames, columns[:, 2].tolist())}, log=True
        ),
        Chart("Memory of the whole road, 360p", "frames", "peak MB", {"FaceLift": (by_frames, columns[:, 3].tolist())}, log=True),
    ]
    memory = Figure("speed", f"whole road: memory at {rows[-1][0]} over {rows[0][0]} frames", "times", rows[-1][3] / rows[0][3], bar=FLAT)
    return Findings([_growth("whole road", columns[:, 0], columns[:, 2]), memory], [table], charts)


def _tracked(path: Path) -> tuple[float, float]:
    from facelift_blender.capture.landmarks import Regressor

    spent = _our_road(path, Regressor())
    return spent.wall, spent.processor


def scene_curve(plan: Plan, folder: Path, say: Say) -> Findings:
    """Scene and files in Blender as a module, by frames."""
    rows, names = [], ("scene", "csv", "json", "fbx", "glb")
    for count in plan.built:
        if not say(f"scene and files of {count} frames"):
            break
        spent, peak = apart(_written, count, folder.parent / "files", names)
        rows.append((count, *(spent[name] for name in names), peak))
    if not rows:
        return Findings()
    columns = np.array(rows, dtype=float)
    series = {name: (columns[:, 0].tolist(), columns[:, k + 1].tolist()) for k, name in enumerate(names)}
    table = Table(
        "Scene and files, ms a frame by the processors",
        ("frames", *names, "peak MB"),
        rows,
        "With the FBX and glTF writers that Blender brings.",
    )
    return Findings(tables=[table], charts=[Chart("Scene and files", "frames", "ms a frame by the processors", series, log=True)])


def _written(count: int, folder: Path, names: tuple[str, ...]) -> dict[str, float]:
    """Milliseconds a frame of each file."""
    import bpy

    from facelift_blender.capture.solve import solve
    from facelift_blender.exports.json_take import write_json
    from facelift_blender.exports.livelink import write_livelink
    from facelift_blender.exports.scene_files import EXPORTERS
    from facelift_blender.exports.take_files import open_empty_file
    from facelift_blender.scene.build import build_take
    from models.performer.bench_report import long_observations

    folder.mkdir(parents=True, exist_ok=True)
    take = solve(*long_observations(count))
    open_empty_file()
    (_, seconds), collection = timed(build_take, take, bpy.context.scene)
    spent = {"scene": seconds}
    plain = {"csv": write_livelink, "json": write_json}
    for name in names[1:]:
        write, what = (plain[name], take) if name in plain else (EXPORTERS[name], collection)
        (_, spent[name]), _ = timed(write, what, folder / f"{count}.{name}")
    return {name: 1e3 * seconds / count for name, seconds in spent.items()}
