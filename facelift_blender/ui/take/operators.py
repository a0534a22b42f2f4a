# SPDX-License-Identifier: GPL-3.0-or-later
"""Look through the camera, set the frame at rest, pack, export, the review sheet."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import bpy
from bpy.app.translations import pgettext_iface as tr
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper

from ...capture.types import FaceLiftError
from ...scene import storage
from ...scene.ownership import member
from ...scene.storage import find_file, take_of
from .. import job
from ..filling import ask
from ..finding import clip_frame, find_take, needs_quiet_take, needs_take
from ..preferences import cache_folder
from ..working import Steps, Working


class _TakeOperator:
    """Needs a take in the file."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_take(cls, context)


class FACELIFT_OT_look_through_camera(_TakeOperator, bpy.types.Operator):
    """Look through the camera that filmed the take, with the plate behind"""

    bl_idname = "facelift.look_through_camera"
    bl_label = "Look Through Camera"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.camera = member(find_take(context), "Camera")
        for area in context.screen.areas if context.screen else ():
            if area.type == "VIEW_3D":
                self._show(context, area)
        return {"FINISHED"}

    def _show(self, context: bpy.types.Context, area: bpy.types.Area) -> None:
        area.spaces.active.region_3d.view_perspective = "CAMERA"
        area.spaces.active.overlay.show_relationship_lines = False
        region = next((region for region in area.regions if region.type == "WINDOW"), None)
        with context.temp_override(area=area, region=region):
            if bpy.ops.view3d.view_center_camera.poll():
                bpy.ops.view3d.view_center_camera()


class FACELIFT_OT_set_rest(_TakeOperator, bpy.types.Operator):
    """Count the expression from the face of this frame: eyes open, mouth shut, nothing raised"""

    bl_idname = "facelift.set_rest"
    bl_label = "Face at Rest Here"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        try:
            take, frame = take_of(collection), clip_frame(context, collection)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if frame not in take.frames[take.valid]:
            self.report(
                {"ERROR"}, tr("Frame {} has no face of {} to take as the one at rest; go to a frame that has.").format(frame, take.actor)
            )
            return {"CANCELLED"}
        collection.facelift.rest = frame
        collection.facelift.use_rest = True
        return {"FINISHED"}


class FACELIFT_OT_pack_take(_TakeOperator, bpy.types.Operator):
    """Put the take itself into the .blend, so that the file needs nothing beside it, or take it out again"""

    bl_idname = "facelift.pack_take"
    bl_label = "Pack Take"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        try:
            if storage.is_packed(collection):
                storage.unpack(collection, cache_folder())
            else:
                storage.pack(collection)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class FACELIFT_OT_remove_unused(bpy.types.Operator):
    """Delete the take files beside this .blend that nothing in it refers to any more"""

    bl_idname = "facelift.remove_unused"
    bl_label = "Remove Unused Take Files"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not storage.unused_beside():
            cls.poll_message_set(tr("There are no unused take files beside this .blend"))
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        unused = storage.unused_beside()
        for path in unused:
            path.unlink(missing_ok=True)
        self.report({"INFO"}, tr("{} take files removed").format(len(unused)))
        return {"FINISHED"}


class _ExportTake(Working, ExportHelper):
    """A take to a file, written beside Blender where there is a window."""

    kind: str
    ending: str
    title = "Exporting"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_quiet_take(cls, context)

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        self.filepath = f"{bpy.path.clean_name(find_take(context).name)}{self.ending}"
        return ExportHelper.invoke(self, context, event)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """The file was chosen."""
        return Working.execute(self, context) if bpy.app.background else Working.invoke(self, context, None)

    def gather(self, context: bpy.types.Context) -> job.Work:
        told = {"kind": self.kind, "take": str(find_file(find_take(context))), "path": self.filepath}

        def work(running: job.Job) -> bool:
            ask(".exports.one_file:answer", told, lambda: running.stopping)
            return True

        return work

    def steps(self, _context: bpy.types.Context, result: bool) -> Steps:
        name = Path(self.filepath).name
        if result:
            self.report({"INFO"}, tr("{} written").format(name))
        else:
            self.report({"WARNING"}, tr("Stopped: {} was not written").format(name))
        yield


class FACELIFT_OT_export_fbx(_ExportTake, bpy.types.Operator):
    """Write camera, head, landmarks and face of the take as FBX, a key a frame"""

    bl_idname = "facelift.export_fbx"
    bl_label = "Export FBX"
    filename_ext = ending = ".fbx"
    filter_glob: StringProperty(default="*.fbx", options={"HIDDEN"})
    title = "Another Blender writes the FBX"

    def gather(self, context: bpy.types.Context) -> job.Work:
        collection, path = find_take(context), Path(self.filepath)
        if bpy.app.background:
            from ...exports.scene_files import export_fbx

            export_fbx(collection, path)
            return lambda _running: True
        from ...exports.parcel import pack

        parcel = Path(tempfile.mkdtemp(prefix="facelift-", dir=bpy.app.tempdir))
        pack(collection, context.scene, parcel)

        def work(running: job.Job) -> bool:
            from ..elsewhere import write_elsewhere

            return write_elsewhere(parcel, path, lambda: running.stopping)

        return work


class FACELIFT_OT_export_livelink(_ExportTake, bpy.types.Operator):
    """Write the take's expression, head and eyes as the CSV of the Live Link Face app"""

    bl_idname = "facelift.export_livelink"
    kind = "livelink"
    bl_label = "Export Live Link CSV"
    filename_ext = ending = ".csv"
    filter_glob: StringProperty(default="*.csv", options={"HIDDEN"})


class FACELIFT_OT_export_json(_ExportTake, bpy.types.Operator):
    """Write the whole take as JSON"""

    bl_idname = "facelift.export_json"
    kind = "json"
    bl_label = "Export JSON"
    filename_ext = ending = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})


class FACELIFT_OT_export_review(_ExportTake, bpy.types.Operator):
    """Write the review sheet: one page with the take over its plate, its curves, its worst frames and its figures"""

    bl_idname = "facelift.export_review"
    kind = "review"
    bl_label = "Export Review Sheet"
    filename_ext = ending = ".html"
    filter_glob: StringProperty(default="*.html", options={"HIDDEN"})
    title = "Writing the review sheet"


CLASSES: Final = (
    FACELIFT_OT_look_through_camera,
    FACELIFT_OT_set_rest,
    FACELIFT_OT_pack_take,
    FACELIFT_OT_remove_unused,
    FACELIFT_OT_export_fbx,
    FACELIFT_OT_export_livelink,
    FACELIFT_OT_export_json,
    FACELIFT_OT_export_review,
)
