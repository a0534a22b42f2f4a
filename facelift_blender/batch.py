# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift without a window.

In Blender: blender -b -P facelift_blender/batch.py -- track CLIP -o DIR
In a Python that has bpy: python facelift_blender/batch.py -- track CLIP -o DIR
In any Python with the requirements: python facelift_blender/batch.py -- predict IMAGE... -o FILE
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from .capture.track import Progress
    from .capture.types import Take

FORMATS = "fbx,csv,json,blend,usd,glb"
_DEFAULT_FORMATS = "fbx,csv,json,blend"


# ---------------------------------------------------------------- command line


def parser() -> argparse.ArgumentParser:
    """The command line; `run` is the function of the chosen verb."""
    top = argparse.ArgumentParser(prog="batch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(metavar="VERB", required=True)
    _add_track(verbs.add_parser("track", help="footage into an animated scene and its files"))
    _add_predict(verbs.add_parser("predict", help="faces of pictures into JSON"))
    return top


def _add_track(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_track)
    verb.add_argument("clip", type=Path, metavar="CLIP", help="a movie, or one picture of an image sequence")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the files, made if it is not there")
    verb.add_argument("--name", help="what the files are called (default: as the clip)")
    verb.add_argument("--start", type=int, default=1, metavar="N", help="first clip frame (default 1)")
    verb.add_argument("--end", type=int, metavar="N", help="last clip frame (default: the last)")
    verb.add_argument("--actor", type=_actor, default=1, metavar="N|all", help="1 is who is seen largest and longest (default 1)")
    verb.add_argument("--focal", type=_positive, metavar="MM", help="focal length, where it is known (default: solved)")
    verb.add_argument("--sensor", type=_positive, default=36.0, metavar="MM", help="sensor width (default 36)")
    verb.add_argument("--fps", type=_positive, metavar="F", help="frame rate of an image sequence (default 24)")
    verb.add_argument("--smoothing", type=_share, default=0.5, metavar="S", help="0 to 1 (default 0.5)")
    verb.add_argument("--export", type=_formats, default=_DEFAULT_FORMATS, metavar="LIST", help=f"of {FORMATS} (default %(default)s)")


def _add_predict(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_predict)
    verb.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.json", help="the file to write")


def _actor(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 on nor 'all'")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and 1")
    return value


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS.split(",")]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not among {FORMATS}")
    return names


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status: 0, 1 with one sentence on stderr, 2 for bad usage."""
    options = parser().parse_args(arguments)
    from .capture.types import FaceLiftError

    try:
        options.run(options)
    except FaceLiftError as error:
        print(f"FaceLift: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("FaceLift: stopped.", file=sys.stderr)
        return 130
    return 0


# ---------------------------------------------------------------- verbs


def run_predict(options: argparse.Namespace) -> None:
    """Write the faces of the pictures as JSON."""
    import json

    from .capture.predict import predict
    from .exports.files import replacing

    found = predict(options.images)
    with replacing(options.output) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    unread = [f"{image['file']}: {image['error']}" for image in found["images"] if "error" in image]
    faces = sum(len(image["faces"]) for image in found["images"])
    print(f"{len(found['images'])} pictures, {faces} faces, {len(unread)} not read: {options.output}")
    print("\n".join(unread), file=sys.stderr, end="\n" if unread else "")


def run_track(options: argparse.Namespace) -> None:
    """Track the clip, build the scene, write the files, print the table."""
    from .capture.solve import SolveSettings
    from .capture.track import TrackSettings, track
    from .exports.files import require_writable

    _require_blender(options.export)
    require_writable(options.output)
    solving = SolveSettings(focal_mm=options.focal, sensor_width=options.sensor, smoothing=options.smoothing)
    settings = TrackSettings(start=options.start, end=options.end, actor=options.actor, fps=options.fps, solve=solving)
    takes = track(options.clip, settings, ProgressLine())
    write_takes(takes, options.output, options.name or options.clip.stem, options.export)


def _require_blender(formats: Sequence[str]) -> None:
    """Tell before the work what would stop it at the end."""
    from .capture.types import FaceLiftError

    try:
        import bpy  # noqa: F401
    except ImportError as error:
        raise FaceLiftError("Tracking needs Blender: use 'blender -b -P batch.py -- track ...' or 'python build.py track ...'.") from error
    from .exports.scene_files import EXPORTERS, require_exporter

    for ending in EXPORTERS.keys() & set(formats):
        require_exporter(ending)


class ProgressLine:
    """Prints how far the work is, about once a second and at each new station."""

    def __init__(self, interval: float = 1.0) -> None:
        self.interval, self.printed, self.station = interval, 0.0, ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.station == self.station and now - self.printed < self.interval and progress.done < progress.total:
            return
        self.printed, self.station = now, progress.station
        speed = f"{progress.frames_per_second:.1f} frames/s, {progress.eta:.0f} s left"
        print(f"{progress.station}: {progress.done}/{progress.total}, {speed}", flush=True)


# ---------------------------------------------------------------- files


def write_takes(takes: Sequence[Take], folder: Path, name: str, formats: Sequence[str]) -> None:
    """Build the takes into one scene and write all files of each; every file is put in place whole."""
    import bpy

    if not bpy.data.filepath:
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    for take in takes:
        base = folder / (name if len(takes) == 1 else f"{name}_{take.actor.replace(' ', '_')}")
        seconds = write_take(take, base, formats)
        print(table(take, seconds), flush=True)
    if "blend" in formats:
        save_blend(folder / f"{name}.blend")
    print(f"The files are in {folder}.")


def write_take(take: Take, base: Path, formats: Sequence[str]) -> dict[str, float]:
    """Write one take's files, `base` with an ending each, and return the seconds that each step took."""
    import bpy

    from .capture.overlay import write_sheet, write_video
    from .capture.take import save_take
    from .exports.json_take import write_json
    from .exports.livelink import write_livelink
    from .exports.scene_files import EXPORTERS
    from .scene.build import BuildSettings, build_take

    take_path = _ending(base, ".take.npz")
    watch = Stopwatch()
    watch.run("take", lambda: save_take(take, take_path))
    collection = watch.run("scene", lambda: build_take(take, bpy.context.scene, settings=BuildSettings(take_path=f"//{take_path.name}")))
    writers: dict[str, Callable[[Path], object]] = {
        "_livelink.csv": partial(write_livelink, take),
        ".json": partial(write_json, take),
        **{f".{kind}": partial(write, collection) for kind, write in EXPORTERS.items()},
    }
    for ending, write in writers.items():
        kind = ending.rpartition(".")[2]
        if kind in formats:
            watch.run(kind, partial(write, _ending(base, ending)))
    watch.run("sheet", lambda: write_sheet(take, _ending(base, ".png")))
    watch.run("video", lambda: write_video(take, _ending(base, ".mp4")))
    return watch.seconds


def _ending(base: Path, ending: str) -> Path:
    return base.with_name(base.name + ending)


class Stopwatch:
    """Seconds by step, in the order of the steps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, step: str, work: Callable[[], Any]) -> Any:
        """Do the work and keep its time."""
        start = time.perf_counter()
        result = work()
        self.seconds[step] = time.perf_counter() - start
        return result


def save_blend(path: Path) -> None:
    """Save the file with its footage named relative to it, which Blender can do only once the file has a place."""
    import bpy

    from .exports.files import replacing

    with replacing(path) as temporary:
        temporary.unlink()  # Blender would keep it as an older version
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary.resolve()), compress=True)
        for clip in bpy.data.movieclips:
            clip.filepath = _relative(clip.filepath)
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary.resolve()), compress=True, copy=True)
        temporary.with_suffix(".blend1").unlink(missing_ok=True)


def _relative(filepath: str) -> str:
    """A path as Blender writes those that are relative to the file; left alone where it is on another drive."""
    import bpy

    try:
        return bpy.path.relpath(filepath)
    except ValueError:
        return filepath


# ---------------------------------------------------------------- table


def table(take: Take, seconds: dict[str, float]) -> str:
    """What was reached, as lines of text; milliseconds a frame by station."""
    rows = [("actor", take.actor), *figures(take)]
    tracking = {**take.provenance.get("milliseconds", {}), **take.provenance.get("solve_ms", {})}
    rows += [(station, f"{value:.2f} ms per frame") for station, value in tracking.items()]
    rows += [(step, f"{1e3 * value / frames_read(take):.2f} ms per frame") for step, value in seconds.items()]
    rows += [("note", warning) for warning in take.provenance.get("warnings", ())]
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:<{width}}  {text}" for label, text in rows)


def figures(take: Take) -> list[tuple[str, str]]:
    """Frames, faces, focal length with its interval, and the residual, in words."""
    import numpy as np

    millimetres = take.lens.sensor_width / take.lens.width
    low, high = (value * millimetres for value in take.lens.focal_interval)
    residual = float(np.nanmedian(take.residuals[take.valid])) if take.valid.any() else float("nan")
    found, read = int(take.raw.found.sum()), frames_read(take)
    return [
        ("frames", str(read)),
        ("faces found", f"{found} ({100.0 * found / read:.1f} %)"),
        ("focal length", f"{np.median(take.lens.focal) * millimetres:.1f} mm ({low:.1f} to {high:.1f}, {take.lens.focal_source})"),
        ("residual", f"{residual:.2f} px, {100.0 * residual / face_size(take):.2f} % of the face"),
    ]


def frames_read(take: Take) -> int:
    """Frames of the clip that were looked at."""
    return max(int(take.provenance.get("frames", {}).get("read", len(take))), 1)


def face_size(take: Take) -> float:
    """Median over the frames of the side, in pixels, of a square as large as the box around the landmarks."""
    import numpy as np

    points = take.raw.landmarks_2d[take.raw.found]
    return float(np.median(np.sqrt(np.prod(np.ptp(points, axis=1), axis=1)))) if len(points) else float("nan")


# ---------------------------------------------------------------- start


def script_arguments(argv: Sequence[str]) -> list[str]:
    """What is meant for this script: in Blender it stands behind '--'."""
    return list(argv[argv.index("--") + 1 :] if "--" in argv else argv[1:])


def leave(status: int) -> NoReturn:
    """End the process. Blender as a Python module can block its end, which all is written before; so it is not asked."""
    module = sys.modules.get("bpy")
    if module is None or module.app.binary_path:
        sys.exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    package = Path(__file__).resolve().parent
    sys.path.insert(0, str(package.parent))
    leave(importlib.import_module(f"{package.name}.batch").main(script_arguments(sys.argv)))
