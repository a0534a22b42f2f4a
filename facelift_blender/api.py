# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift for scripts: the calls that the buttons make.

    from bl_ext.user_default.facelift_blender import api      # or: from facelift_blender import api

    take = api.track("//shots/interview.mp4")
    print(api.preview(take, bpy.data.objects["Ada"]))
    action = api.retarget(take, bpy.data.objects["Ada"])
    api.export(take, "//out/interview_livelink.csv")
    api.export(take, "//out/ada.fbx", rig=bpy.data.objects["Ada"], engine="unreal")

Importing it loads nothing heavy; every call raises `FaceLiftError` with one sentence when something is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .capture.types import FaceLiftError, Take

if TYPE_CHECKING:
    import bpy

__all__ = ["FaceLiftError", "Take", "export", "preview", "retarget", "track"]


def track(clip: str | Path, **settings: Any) -> Take:
    """The performance of one face in a clip (a movie, or a picture of a sequence).

    settings: those of `capture.track.TrackSettings` (start, end, actor, fps), and of `capture.solve.SolveSettings` (focal_mm,
    sensor_width, interpupillary, smoothing). Example: track("shot.mp4", start=10, end=200, focal_mm=35)
    """
    from dataclasses import fields

    from .capture.solve import SolveSettings
    from .capture.track import TrackSettings
    from .capture.track import track as track_clip

    solving = {field.name for field in fields(SolveSettings)}
    tracking = {field.name for field in fields(TrackSettings)} - {"solve"}
    unknown = settings.keys() - solving - tracking
    if unknown:
        raise FaceLiftError(f"track() knows no setting {min(unknown)!r}; it has {', '.join(sorted(solving | tracking))}.")
    solve = SolveSettings(**{name: value for name, value in settings.items() if name in solving})
    wanted = TrackSettings(**{name: value for name, value in settings.items() if name in tracking}, solve=solve)
    return track_clip(_absolute(clip), wanted)[0]


def preview(take: Take, rig: bpy.types.Object, **settings: Any) -> str:
    """What `retarget` would do, in words, before anything is written. Example: print(preview(take, bpy.context.object))"""
    import bpy

    from .scene import retarget as retargeting

    return "\n".join(retargeting.plan(take, rig, bpy.context.scene, _retarget_settings(settings)).lines())


def retarget(take: Take, rig: bpy.types.Object, **settings: Any) -> bpy.types.Action | None:
    """A take onto a character: its armature, its face, or an empty above them. The action of its face; None for drivers alone.

    settings: those of `scene.retarget.RetargetSettings`; `mode` also as "keys", "strips" or "drivers", `mapping` also as the
    path of a saved one. Example: retarget(take, bpy.data.objects["Ada"], mode="strips", mapping="ada.json", start=101)
    """
    import bpy

    from .scene import retarget as retargeting

    actions = retargeting.retarget(take, rig, bpy.context.scene, _retarget_settings(settings))
    return actions[0] if actions else None


def export(take: Take, path: str | Path, rig: bpy.types.Object | None = None, **settings: Any) -> Path:
    """Write a take, or a character that it was brought onto, in the format of the path's ending, and return the path.

    Without a rig: .npz (the take itself), .csv (Live Link Face; settings of `exports.livelink.LiveLinkOptions`), .json, and .fbx,
    .glb or .usd with the camera, the head, the landmarks and the face, which are built in the open scene for it.
    With a rig: .fbx, .glb or .usd of the character; settings of `exports.character_files.HandOver`, `engine` also as "unreal",
    "unity", "maya" or "blender". Example: export(take, "ada.fbx", rig=bpy.data.objects["Ada"], engine="unity")
    """
    target = Path(_absolute(path))
    ending = target.suffix.lower()
    if rig is not None:
        _export_character(take, target, rig, settings)
    elif ending in (".npz", ".csv", ".json"):
        _export_numbers(take, target, ending, settings)
    else:
        _export_scene(take, target, ending)
    return target


def _export_character(take: Take, path: Path, rig: bpy.types.Object, settings: dict[str, Any]) -> None:
    import bpy

    from .exports.character_files import Engine, HandOver, export_character
    from .scene import retarget as retargeting

    engine = settings.pop("engine", Engine.BLENDER)
    engine = _choice(Engine, engine)
    if "frames" not in settings:
        frames = retargeting.plan(take, rig, bpy.context.scene).frames
        settings["frames"] = (float(frames[0]), float(frames[-1]))
    export_character(rig, path, bpy.context.scene, HandOver(engine=engine, **settings))


def _export_numbers(take: Take, path: Path, ending: str, settings: dict[str, Any]) -> None:
    from .capture.take import save_take
    from .exports.json_take import write_json
    from .exports.livelink import LiveLinkOptions, write_livelink

    if ending == ".csv":
        write_livelink(take, path, LiveLinkOptions(**settings))
    else:
        (save_take if ending == ".npz" else write_json)(take, path)


def _export_scene(take: Take, path: Path, ending: str) -> None:
    import bpy

    from .exports.scene_files import EXPORTERS
    from .scene.build import build_take

    if ending[1:] not in EXPORTERS:
        raise FaceLiftError(f"{path.name} does not end in .npz, .csv, .json, {', '.join(f'.{known}' for known in EXPORTERS)}.")
    EXPORTERS[ending[1:]](build_take(take, bpy.context.scene), path)


def _retarget_settings(settings: dict[str, Any]) -> Any:
    from .rigs.mapping import load_mapping
    from .scene.retarget import Mode, RetargetSettings

    given = dict(settings)
    if "mode" in given:
        given["mode"] = _choice(Mode, given["mode"])
    if isinstance(given.get("mapping"), (str, Path)):
        given["mapping"] = load_mapping(Path(_absolute(given["mapping"])))
    return RetargetSettings(**given)


def _choice(kind: Any, value: Any) -> Any:
    """A member of an enumeration, or the one of this name in any case."""
    if isinstance(value, kind):
        return value
    names = {member.name.lower(): member for member in kind}
    if str(value).lower() not in names:
        raise FaceLiftError(f"{value!r} is none of {', '.join(names)}.")
    return names[str(value).lower()]


def _absolute(path: str | Path) -> str:
    """A path as it is, or where it starts with '//' beside the open file, as Blender writes it."""
    if not str(path).startswith("//"):
        return str(path)
    import bpy

    return bpy.path.abspath(str(path))
