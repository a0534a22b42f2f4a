# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import bpy
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper

from ..capture.types import FaceLiftError, Take
from ..scene.ownership import member, take_collections
from ..scene.timing import Timing
from . import job
from .properties import track_settings


def find_footage(context: bpy.types.Context) -> bpy.types.MovieClip | None:
    """The clip meant here: the Clip Editor's, the one chosen in the 3D View, or the only one in the file."""
    space = context.space_data
    if space is not None and space.type == "CLIP_EDITOR" and space.clip is not None:
        return space.clip
    chosen = context.scene.facelift.footage
    return chosen or (bpy.data.movieclips[0] if len(bpy.data.movieclips) == 1 else None)


def find_take(context: bpy.types.Context) -> bpy.types.Collection | None:
    """The take meant here: the one chosen in the panel, or the only one in the file."""
    chosen, takes = context.scene.facelift.take, take_collections()
    return chosen if chosen in takes else takes[0] if len(takes) == 1 else None


class FACELIFT_OT_track_footage(bpy.types.Operator):
    """Find the face in the footage and animate a camera, a head, landmarks and a face with it"""

    bl_idname = "facelift.track_footage"
    bl_label = "Track Footage"
    bl_options = {"REGISTER", "UNDO"}

    clip: StringProperty(name="Clip", description="Name of the movie clip to track", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if job.current() is not None:
            cls.poll_message_set("Tracking is running")
            return False
        if not bpy.data.movieclips or (find_footage(context) is None and not bpy.app.background):
            cls.poll_message_set("Open a movie clip first")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The whole job at once: for scripts and in background."""
        try:
            self._begin(context)
            takes = self._job.result()
        except FaceLiftError as error:
            return self._fail(error)
        finally:
            self._end(context)
        return self._build(context, takes)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Beside Blender, with a timer that looks how far it is."""
        if bpy.app.background:
            return self.execute(context)
        try:
            self._begin(context)
        except FaceLiftError as error:
            return self._fail(error)
        self._timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.modal_handler_add(self)
        redraw(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type == "ESC" and event.value == "PRESS":
            self._job.stop()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        self._show(context, f"FaceLift: {self._job.station()}, {self._job.pace()}   (Esc: stop and keep what is done)")
        if not self._job.done:
            return {"PASS_THROUGH"}
        self._end(context)
        try:
            return self._build(context, self._job.result())
        except FaceLiftError as error:
            return self._fail(error)

    def cancel(self, context: bpy.types.Context) -> None:
        """Blender ends the operator, because another file is opened, say."""
        self._job.stop()
        self._end(context)

    _job: job.TrackingJob | None = None
    _timer: bpy.types.Timer | None = None

    def _begin(self, context: bpy.types.Context) -> None:
        footage = bpy.data.movieclips.get(self.clip) if self.clip else find_footage(context)
        if footage is None:
            raise FaceLiftError("No movie clip to track: open one in the Movie Clip Editor first.")
        self.clip = footage.name
        path = bpy.path.abspath(footage.filepath, library=footage.library)
        self._scene = context.scene.name
        self._job = job.start(os.path.normpath(path), track_settings(footage))

    def _end(self, context: bpy.types.Context) -> None:
        if self._job is not None:
            job.finish(self._job)
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
            self._show(context, None)

    def _show(self, context: bpy.types.Context, text: str | None) -> None:
        context.workspace.status_text_set(text)
        redraw(context)

    def _fail(self, error: FaceLiftError) -> set[str]:
        self.report({"ERROR"}, str(error))
        return {"CANCELLED"}

    def _build(self, context: bpy.types.Context, takes: list[Take]) -> set[str]:
        from ..scene.build import BuildSettings, build_take
        from .takes import keep_take

        scene = bpy.data.scenes.get(self._scene) or context.scene
        footage = bpy.data.movieclips.get(self.clip)
        scene.facelift.footage = scene.facelift.footage or footage
        for take in reversed(takes):
            settings = BuildSettings(Timing[scene.facelift.timing], str(keep_take(take)))
            scene.facelift.take = build_take(take, scene, footage, settings)
        for warning in [text for take in takes for text in take.provenance.get("warnings", ())]:
            self.report({"WARNING"}, warning)
        frames = sum(int(take.valid.sum()) for take in takes)
        self.report({"INFO"}, f"{frames} frames of {', '.join(take.actor for take in takes)} tracked")
        redraw(context)
        return {"FINISHED"}


def redraw(context: bpy.types.Context) -> None:
    """Draw again the areas that carry FaceLift's panels."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"CLIP_EDITOR", "VIEW_3D"}:
                area.tag_redraw()


class FACELIFT_OT_stop_tracking(bpy.types.Operator):
    """Stop tracking and build what is done so far"""

    bl_idname = "facelift.stop_tracking"
    bl_label = "Stop"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if job.current() is None:
            cls.poll_message_set("Nothing is being tracked")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        job.current().stop()
        return {"FINISHED"}


class _TakeOperator:
    """Needs a take in the file."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if find_take(context) is None:
            cls.poll_message_set("Track footage first")
            return False
        return True


class FACELIFT_OT_look_through_camera(_TakeOperator, bpy.types.Operator):
    """Look through the camera that filmed the take, with the plate behind"""

    bl_idname = "facelift.look_through_camera"
    bl_label = "Look Through Camera"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.camera = member(find_take(context), "Camera")
        for area in context.screen.areas if context.screen else ():
            if area.type == "VIEW_3D":
                area.spaces.active.region_3d.view_perspective = "CAMERA"
                area.spaces.active.overlay.show_relationship_lines = False
        return {"FINISHED"}


class _ExportTake(_TakeOperator, ExportHelper):
    """A take to a file."""

    ending: str

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filepath = f"{bpy.path.clean_name(find_take(context).name)}{self.ending}"
        return super().invoke(context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        path = Path(self.filepath)
        try:
            self.write(find_take(context), path)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, f"{path.name} written")
        return {"FINISHED"}

    def write(self, collection: bpy.types.Collection, path: Path) -> Any:
        raise NotImplementedError


class FACELIFT_OT_export_fbx(_ExportTake, bpy.types.Operator):
    """Write camera, head, landmarks and face of the take as FBX, a key a frame"""

    bl_idname = "facelift.export_fbx"
    bl_label = "Export FBX"
    filename_ext = ending = ".fbx"
    filter_glob: StringProperty(default="*.fbx", options={"HIDDEN"})

    def write(self, collection: bpy.types.Collection, path: Path) -> None:
        from ..exports.scene_files import export_fbx

        export_fbx(collection, path)


class FACELIFT_OT_export_livelink(_ExportTake, bpy.types.Operator):
    """Write the take's expression, head and eyes as the CSV of the Live Link Face app"""

    bl_idname = "facelift.export_livelink"
    bl_label = "Export Live Link CSV"
    filename_ext = ending = ".csv"
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})

    def write(self, collection: bpy.types.Collection, path: Path) -> None:
        from ..exports.livelink import write_livelink
        from .takes import take_of

        write_livelink(take_of(collection), path)


class FACELIFT_OT_export_json(_ExportTake, bpy.types.Operator):
    """Write the whole take as JSON"""

    bl_idname = "facelift.export_json"
    bl_label = "Export JSON"
    filename_ext = ending = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def write(self, collection: bpy.types.Collection, path: Path) -> None:
        from ..exports.json_take import write_json
        from .takes import take_of

        write_json(take_of(collection), path)


CLASSES: Final = (
    FACELIFT_OT_track_footage,
    FACELIFT_OT_stop_tracking,
    FACELIFT_OT_look_through_camera,
    FACELIFT_OT_export_fbx,
    FACELIFT_OT_export_livelink,
    FACELIFT_OT_export_json,
)
