# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift without a window.

In Blender: blender -b -P facelift_blender/batch.py -- track CLIP -o DIR
In a Python that has bpy: python facelift_blender/batch.py -- track CLIP -o DIR
In any Python with the requirements: python facelift_blender/batch.py -- predict IMAGE... -o FILE
Many shots, in any of these: ... -- batch SHOTS -o DIR
Takes onto a character: blender -b CHARACTER.blend -P facelift_blender/batch.py -- retarget TAKE... -o OUT.blend
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from .capture.track import Progress
    from .farm.result import Result
    from .farm.shots import Shot

FORMATS = "fbx,csv,json,blend,usd,glb"
_DEFAULT_FORMATS = "fbx,csv,json,blend"


# ---------------------------------------------------------------- command line


def parser() -> argparse.ArgumentParser:
    """The command line; `run` is the function of the chosen verb."""
    top = argparse.ArgumentParser(prog="batch.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(metavar="VERB", required=True)
    _add_track(verbs.add_parser("track", help="footage into an animated scene and its files"))
    _add_predict(verbs.add_parser("predict", help="faces of pictures into JSON"))
    _add_batch(verbs.add_parser("batch", help="a list of shots, a folder each, with a report"))
    _add_retarget(verbs.add_parser("retarget", help="takes onto the characters of a .blend"))
    _add_worker(verbs.add_parser("worker"))
    _add_scene_file(verbs.add_parser("scene-file"))
    return top


def _add_track(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_track)
    verb.add_argument("clip", type=Path, metavar="CLIP", help="a movie, or one picture of an image sequence")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the files, made if it is not there")
    verb.add_argument("--name", help="what the files are called (default: as the clip)")
    verb.add_argument("--start", type=int, default=1, metavar="N", help="first clip frame (default 1)")
    verb.add_argument("--end", type=int, metavar="N", help="last clip frame (default: the last)")
    _add_settings(verb, "")


def _add_predict(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_predict)
    verb.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="pictures")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.json", help="the file to write")


def _add_batch(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_batch)
    verb.add_argument("shots", metavar="SHOTS", help="a folder, a pattern in quotes, or a .csv or .json with a row a shot")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results, made if it is not there")
    what = verb.add_argument_group("what to do")
    what.add_argument("--only", action="append", metavar="NAME", help="only this shot (may be repeated)")
    what.add_argument("--number", type=_numbers, metavar="N[-M]", help="only these shots of the list, the first is 1")
    what.add_argument("--parts", type=_count, metavar="N", help="split each shot in up to N ranges of frames")
    what.add_argument("--part", type=_count, metavar="K", help="only track the K-th range, for a later run to join")
    what.add_argument("--report", action="store_true", help="only write the report of what is there")
    what.add_argument("--tell-later", action="store_true", help="end with 0 even if shots failed: a later --report tells them")
    what.add_argument("--list", action="store_true", help="only print the names of the shots")
    machine = verb.add_argument_group("the machine")
    machine.add_argument("--workers", type=_count, metavar="N", help="shots at a time (default: one a processor)")
    machine.add_argument("--memory", type=_positive, metavar="GB", help="that each worker may take (default: its share of 80 %%)")
    machine.add_argument("--patience", type=_positive, default=120.0, metavar="S", help="seconds without a frame that end a shot (120)")
    machine.add_argument("--chunk", type=_count, default=240, metavar="N", help="frames that a killed run may lose (default 240)")
    machine.add_argument("--root", type=Path, metavar="DIR", help="folder that a list's footage must lie in (default: the list's own)")
    rest = verb.add_argument_group("what the list leaves open")
    _add_settings(rest, ",mp4")


def _add_settings(group: argparse._ActionsContainer, formats: str) -> None:
    """How footage is tracked and what is written of it: the same for one clip as for what a list leaves open."""
    group.add_argument("--actor", type=_actor, default=1, metavar="N|all", help="1 is who is seen largest and longest (default 1)")
    group.add_argument("--focal", type=_positive, metavar="MM", help="focal length, where it is known (default: solved)")
    group.add_argument("--sensor", type=_positive, default=36.0, metavar="MM", help="sensor width (default 36)")
    group.add_argument("--fps", type=_positive, metavar="F", help="frame rate of an image sequence (default 24)")
    group.add_argument("--smoothing", type=_share, default=0.5, metavar="S", help="0 to 1 (default 0.5)")
    known = FORMATS + formats
    group.add_argument("--export", type=_formats, default=_DEFAULT_FORMATS, metavar="LIST", help=f"of {known} (default %(default)s)")


def _add_retarget(verb: argparse.ArgumentParser) -> None:
    verb.set_defaults(run=run_retarget)
    verb.add_argument("takes", nargs="+", type=Path, metavar="TAKE", help="takes (.take.npz); several make OUT_TAKE.blend each")
    verb.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.blend", help="the file to write")
    verb.add_argument("--character", type=Path, metavar="FILE.blend", help="the character's file (default: the open one)")
    verb.add_argument(
        "--rig", action="append", default=[], metavar="NAME", help="object of a character; again for more (default: the only one)"
    )
    verb.add_argument("--mapping", type=Path, metavar="FILE.json", help="a saved mapping, laid over what the names say")
    verb.add_argument("--profile", type=Path, metavar="FILE.json", help="the actor's own face at rest and range")
    verb.add_argument("--mode", choices=("keys", "strips"), default="keys", help="keys in the character's action, or an NLA strip")
    verb.add_argument("--fps", default="scene", metavar="F|clip|scene", help="rate that the scene is to have (default: its own)")
    verb.add_argument("--start", type=float, metavar="N", help="scene frame of the clip's first frame")
    verb.add_argument("--neck", type=_share, default=0.3, metavar="S", help="the neck's share of the head's turn (default 0.3)")
    verb.add_argument("--still-head", action="store_true", help="leave head and neck as they are")
    verb.add_argument("--least", type=_share, default=0.0, metavar="S", help="fail where a character shows less of the face than this")
    verb.add_argument("--export", default="", metavar="LIST", help="of fbx,glb,usd (default: none)")
    verb.add_argument("--engine", choices=("blender", "unreal", "unity", "maya"), default="blender", help="who reads the FBX")


def _add_worker(verb: argparse.ArgumentParser) -> None:
    """What `batch` starts; not for people."""
    verb.set_defaults(run=run_worker)
    verb.add_argument("-o", "--output", type=Path, required=True)
    verb.add_argument("--memory", type=int, required=True)
    verb.add_argument("--chunk", type=int, required=True)
    verb.add_argument("--threads", type=int, required=True)


def _add_scene_file(verb: argparse.ArgumentParser) -> None:
    """What the window's exports start; not for people."""
    verb.set_defaults(run=run_scene_file)
    verb.add_argument("parcel", type=Path)
    verb.add_argument("-o", "--output", type=Path, required=True)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _numbers(text: str) -> range:
    first, _, last = text.partition("-")
    return range(_count(first), _count(last or first) + 1)


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
    unknown = [name for name in names if name not in (*FORMATS.split(","), "mp4")]
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not among {FORMATS}")
    return names


def main(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status: 0, 1 with one sentence on stderr, 2 for bad usage."""
    options = parser().parse_args(arguments)
    from .capture.types import FaceLiftError

    try:
        return options.run(options) or 0
    except FaceLiftError as error:
        print(f"FaceLift: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("FaceLift: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read what is printed has gone
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - Python flushes it as it ends
        return 141


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
    from .capture.unchanged import unchanged
    from .exports.figures import table
    from .exports.files import require_writable
    from .exports.take_files import require_writers, write_takes

    require_writers(options.export)
    require_writable(options.output)
    solving = SolveSettings(focal_mm=options.focal, sensor_width=options.sensor, smoothing=options.smoothing)
    settings = TrackSettings(start=options.start, end=options.end, actor=options.actor, fps=options.fps, solve=solving)
    with unchanged(options.clip):
        takes = track(options.clip, settings, ProgressLine())
    seconds = write_takes(takes, options.output, options.name or options.clip.stem, (*options.export, "mp4"))
    for take, spent in zip(takes, seconds, strict=True):
        print(table(take, spent), flush=True)
    print(f"The files are in {options.output}.")


def run_batch(options: argparse.Namespace) -> int:
    """Make the shots, write the report and name those that failed; 0 if there are none."""
    from .exports.files import require_writable
    from .farm.report import write_report
    from .farm.run import Crew, run_night
    from .farm.shot import Making

    shots, chosen = _shots(options)
    if options.list:
        print("\n".join(shot.name for shot in chosen))
        return 0
    require_writable(options.output)
    if options.report:
        return _report(shots, options.output)
    crew = Crew.of(options.workers, options.memory, len(chosen), options.patience)
    making = Making(options.output.resolve(), options.part, options.chunk, crew.threads)
    results = run_night(chosen, making, crew, partial(print, flush=True))
    if len(chosen) == len(shots) and options.part is None:
        write_report(results, options.output)
        print(f"The report is {options.output / 'report.html'}.")
    status = _told(results)
    return 0 if options.tell_later else status


def _shots(options: argparse.Namespace) -> tuple[list[Shot], list[Shot]]:
    """The shots of the list, and those of them that are to be done. Raises FaceLiftError."""
    from .capture.types import FaceLiftError
    from .farm.shots import ListSettings, read_shots

    left_open = {name: getattr(options, name) for name in ("actor", "focal", "sensor", "fps", "smoothing")}
    left_open |= {"exports": options.export} | ({"parts": options.parts} if options.parts else {})
    shots = read_shots(options.shots, ListSettings(left_open, options.root, options.output))
    unknown = set(options.only or ()) - {shot.name for shot in shots}
    if unknown:
        raise FaceLiftError(f"{options.shots} has no shot {min(unknown)}; --list tells the names.")
    numbered = [shot for number, shot in enumerate(shots, 1) if not options.number or number in options.number]
    chosen = [shot for shot in numbered if not options.only or shot.name in options.only]
    if not chosen:
        raise FaceLiftError(f"{options.shots} has {len(shots)} shots, none of the chosen numbers.")
    return shots, chosen


def _report(shots: Sequence[Shot], folder: Path) -> int:
    from .farm.report import write_report
    from .farm.result import WAITING, Result, read_result

    results = [read_result(folder, shot) or Result(shot.name, str(shot.clip), WAITING) for shot in shots]
    write_report(results, folder)
    return _told(results)


def _told(results: Sequence[Result]) -> int:
    bad = [result for result in results if not result.good]
    print(f"{len(results) - len(bad)} of {len(results)} shots are done.", flush=True)
    for result in bad:
        print(f"FaceLift: {result.name}: {result.status}. {result.sentence}", file=sys.stderr)
    return 1 if bad else 0


def run_retarget(options: argparse.Namespace) -> None:
    """Bring the takes onto the characters, write the files, print the previews and what was written."""
    from .exports.files import require_writable
    from .exports.take_files import require_writers

    formats = tuple(name.strip().lower() for name in options.export.split(",") if name.strip())
    require_writers(("blend", *formats))
    require_writable(options.output.parent)
    from .exports.character_batch import read_options, run_job

    for path in run_job(read_options(options, formats), partial(print, flush=True)):
        print(path)


def run_worker(options: argparse.Namespace) -> None:
    """Make the shots that come in on the standard input."""
    from .farm.shot import Making
    from .farm.worker import serve

    serve(sys.stdin, sys.stdout, Making(options.output, chunk=options.chunk, threads=options.threads), options.memory)


def run_scene_file(options: argparse.Namespace) -> None:
    """Write a file of the collection that a window has packed."""
    from .exports.parcel import unpack
    from .exports.scene_files import EXPORTERS

    EXPORTERS[options.output.suffix[1:]](unpack(options.parcel), options.output)


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
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads cost matrices as small as the solve's more than they bring
    leave(importlib.import_module(f"{package.name}.batch").main(script_arguments(sys.argv)))
