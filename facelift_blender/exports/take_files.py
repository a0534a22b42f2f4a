# SPDX-License-Identifier: GPL-3.0-or-later
"""All files of takes, each put in place whole: the take, the scene and its exports, a picture and a video to look at."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..capture.overlay import write_sheet, write_video
from ..capture.take import save_take
from ..capture.types import FaceLiftError, Take
from .files import replacing
from .json_take import write_json
from .livelink import write_livelink

SCENE_FORMATS = frozenset(("fbx", "blend", "usd", "glb"))
"""Files that only Blender can write."""


def require_writers(formats: Sequence[str]) -> None:
    """Tell before the work what would stop it at the end. Raises FaceLiftError where a format is beyond this Python or Blender."""
    if not SCENE_FORMATS & set(formats):
        return
    try:
        import bpy  # noqa: F401
    except ImportError as error:
        wanted = ", ".join(sorted(SCENE_FORMATS & set(formats)))
        raise FaceLiftError(f"Writing {wanted} needs Blender: use 'blender -b -P batch.py -- ...' or 'python build.py ...'.") from error
    from .scene_files import EXPORTERS, require_exporter

    for ending in EXPORTERS.keys() & set(formats):
        require_exporter(ending)


def write_takes(takes: Sequence[Take], folder: Path, name: str, formats: Sequence[str]) -> list[dict[str, float]]:
    """Build the takes into one scene, where a format needs it, and write all files of each; the seconds that each took, by step.

    formats: of SCENE_FORMATS, csv, json and mp4; the take and the picture are always written. Raises FaceLiftError.
    """
    if SCENE_FORMATS & set(formats):
        _open_scene()
    seconds = [write_take(take, base_of(take, takes, folder, name), formats) for take in takes]
    if "blend" in formats:
        save_blend(folder / f"{name}.blend")
    return seconds


def base_of(take: Take, takes: Sequence[Take], folder: Path, name: str) -> Path:
    """What a take's files are called, without their endings: as the shot, and as the actor where there are more."""
    return folder / (name if len(takes) == 1 else f"{name}_{take.actor.replace(' ', '_')}")


def _open_scene() -> None:
    import bpy

    if not bpy.data.filepath:
        open_empty_file()


def open_empty_file() -> None:
    """Leave whatever file is open for an empty one."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)


def write_take(take: Take, base: Path, formats: Sequence[str]) -> dict[str, float]:
    """Write one take's files, `base` with an ending each, and return the seconds that each step took."""
    watch, take_path = Stopwatch(), ending(base, ".take.npz")
    watch.run("take", partial(save_take, take, take_path))
    writers: dict[str, Callable[[Path], object]] = {"_livelink.csv": partial(write_livelink, take), ".json": partial(write_json, take)}
    if SCENE_FORMATS & set(formats):
        from .scene_files import EXPORTERS

        collection = watch.run("scene", partial(_build, take, take_path))
        writers |= {f".{kind}": partial(write, collection) for kind, write in EXPORTERS.items()}
    for suffix, write in writers.items():
        kind = suffix.rpartition(".")[2]
        if kind in formats:
            watch.run(kind, partial(write, ending(base, suffix)))
    watch.run("sheet", partial(write_sheet, take, ending(base, ".png")))
    if "mp4" in formats:
        watch.run("video", partial(write_video, take, ending(base, ".mp4")))
    return watch.seconds


def _build(take: Take, take_path: Path) -> Any:
    import bpy

    from ..scene.build import BuildSettings, build_take

    return build_take(take, bpy.context.scene, settings=BuildSettings(take_path=f"//{take_path.name}"))


def ending(base: Path, suffix: str) -> Path:
    return base.with_name(base.name + suffix)


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

    with replacing(path) as temporary:
        temporary.unlink()  # Blender would keep it as an older version
        save_as(temporary, path)
        for clip in bpy.data.movieclips:
            clip.filepath = _relative(clip.filepath)
        save_as(temporary, path, copy=True)
        temporary.with_suffix(".blend1").unlink(missing_ok=True)


def save_as(temporary: Path, path: Path, copy: bool = False) -> None:
    """Let Blender save the open file under the name that `path` has until it is whole. Raises FaceLiftError."""
    import bpy

    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary.resolve()), compress=True, copy=copy)
    except RuntimeError as error:
        reason = str(error).strip().removeprefix("Error: ").splitlines()[-1]
        raise FaceLiftError(f"{path} cannot be written ({reason}): make room, or choose a folder that you may write to.") from error


def _relative(filepath: str) -> str:
    """A path as Blender writes those that are relative to the file; left alone where it is on another drive."""
    import bpy

    try:
        return bpy.path.relpath(filepath)
    except ValueError:
        return filepath
