# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes onto the characters of a .blend, without a window: each take into files of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy

from ..capture.profile import load_profile, with_profile
from ..capture.take import load_take
from ..capture.types import FaceLiftError, Take
from ..rigs.mapping import load_mapping
from ..scene import characters, retarget
from ..scene.retarget import Mode, RetargetSettings
from .character_files import Engine, HandOver, export_character
from .files import replacing
from .take_files import save_as

FORMATS = ("fbx", "glb", "usd")


@dataclass(frozen=True)
class CharacterJob:
    """takes: files. rigs: names of characters (none: the only one in the file). output: the .blend to write.

    formats: what else, beside it. character: the file to open (None: the one that is open). mapping: a mapping's file.
    fps: the rate that the scene is to have (None: as it is; 0: the clip's). least: refuse a character that scores below this.
    profile: the file of an actor's profile.
    """

    takes: tuple[Path, ...]
    output: Path
    rigs: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    engine: Engine = Engine.BLENDER
    character: Path | None = None
    mapping: Path | None = None
    fps: float | None = None
    least: float = 0.0
    profile: Path | None = None
    settings: RetargetSettings = field(default_factory=RetargetSettings)


def read_options(options: argparse.Namespace, formats: tuple[str, ...]) -> CharacterJob:
    """The job of a command line. Raises FaceLiftError for a format or a rate that there is none of."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise FaceLiftError(f"{unknown[0]} is not among {', '.join(FORMATS)}.")
    settings = RetargetSettings(
        mode=Mode[options.mode.upper()], head=not options.still_head, neck=options.neck, start=options.start
    )  # fmt: skip
    return CharacterJob(
        tuple(options.takes), options.output, tuple(options.rig), formats, Engine[options.engine.upper()], options.character,
        options.mapping, _rate(options.fps), options.least, options.profile, settings,
    )  # fmt: skip


def _rate(text: str) -> float | None:
    """Frames a second; None for the scene's own, 0 for the clip's."""
    if text in ("scene", "clip"):
        return None if text == "scene" else 0.0
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate <= 1000.0:
        raise FaceLiftError(f"{text!r} is not a frame rate: write a number, 'clip' or 'scene'.")
    return rate


def run_job(job: CharacterJob, say: Callable[[str], object]) -> list[Path]:
    """Do a job, take by take, and return the files written; `say` gets the preview, a line each.

    The character's file is opened anew for each take. Raises FaceLiftError at what is wrong, before anything is written of a take.
    """
    takes = [load_take(path) for path in job.takes]
    if job.profile is not None:
        takes = [with_profile(take, load_profile(job.profile)) for take in takes]
    source = job.character or (Path(bpy.data.filepath) if bpy.data.filepath else None)
    if source is None:
        raise FaceLiftError("No character: start Blender with its .blend, or name that with --character.")
    settings = replace(job.settings, mapping=load_mapping(job.mapping)) if job.mapping else job.settings
    written = []
    for path, take in zip(job.takes, takes, strict=True):
        output = job.output if len(takes) == 1 else _named(job.output, path.name.removesuffix(".npz").removesuffix(".take"))
        _open(source)
        written += _one(take, job, settings, output, say)
    return written


def _one(take: Take, job: CharacterJob, settings: RetargetSettings, output: Path, say: Callable[[str], object]) -> list[Path]:
    scene = bpy.context.scene
    if job.fps is not None:
        _set_rate(scene, job.fps or take.clip.fps)
    plans = [(rig, retarget.plan(take, rig, scene, settings)) for rig in find_rigs(job.rigs)]
    for _, plan in plans:
        say("\n".join(plan.lines()))
        if plan.score < job.least:
            raise FaceLiftError(f"{plan.rig} shows only {100 * plan.score:.0f} % of the face: name a mapping with --mapping.")
    done = []
    for rig, plan in plans:
        retarget.apply(take, rig, scene, plan, settings)
        done.append((characters.make_editable(rig, scene), plan))
    save(output)
    files = [output]
    for rig, plan in done:
        base = output.with_suffix("") if len(done) == 1 else _named(output, plan.rig).with_suffix("")
        for ending in job.formats:
            files.append(base.with_name(f"{base.name}.{ending}"))
            export_character(rig, files[-1], scene, HandOver(job.engine, (float(plan.frames[0]), float(plan.frames[-1]))))
    return files


def find_rigs(names: Sequence[str]) -> list[bpy.types.Object]:
    """The objects of these names; without names the only character of the file.

    Raises FaceLiftError for a name that is not there, and when there is no character or more than one.
    """
    missing = [name for name in names if name not in bpy.data.objects]
    if missing:
        raise FaceLiftError(f"There is no object {missing[0]!r} in the file; it has {', '.join(sorted(_candidates())) or 'no character'}.")
    if names:
        return [bpy.data.objects[name] for name in names]
    found = sorted(_candidates())
    if len(found) != 1:
        raise FaceLiftError(f"Name the character with --rig: the file has {', '.join(found) or 'none that has shape keys'}.")
    return [bpy.data.objects[found[0]]]


def _candidates() -> set[str]:
    """Names of what could be meant: the armature of each mesh with keys, or the mesh where it has none."""
    roots = (characters.find_armature(thing) or thing for thing in bpy.data.objects if thing.type == "MESH" and thing.data.shape_keys)
    return {root.name for root in roots} | {thing.name for thing in _instances()}


def _instances() -> Iterator[bpy.types.Object]:
    return (thing for thing in bpy.data.objects if thing.instance_type == "COLLECTION" and thing.instance_collection)


def save(path: Path) -> None:
    """Save the open file under another name, put in place whole."""
    with replacing(Path(path)) as temporary:
        temporary.unlink()
        save_as(temporary, Path(path), copy=True)


def _open(path: Path) -> None:
    if not path.is_file():
        raise FaceLiftError(f"{path} is not there: name the character's .blend.")
    try:
        bpy.ops.wm.open_mainfile(filepath=str(path.resolve()), load_ui=False)
    except RuntimeError as error:
        raise FaceLiftError(f"{path} is not a file that this Blender can open.") from error


def _named(output: Path, name: str) -> Path:
    return output.with_name(f"{output.stem}_{bpy.path.clean_name(name)}{output.suffix}")


def _set_rate(scene: bpy.types.Scene, fps: float) -> None:
    from ..scene.timing import rate_parts

    scene.render.fps, scene.render.fps_base = rate_parts(fps)
