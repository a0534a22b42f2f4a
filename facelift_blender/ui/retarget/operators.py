# SPDX-License-Identifier: GPL-3.0-or-later
"""Match a character, write the take on it, clear it; mappings to and from files."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import bpy
from bpy.app.translations import pgettext_iface as tr
from bpy.props import StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper
from mathutils import Vector

from ...capture.types import FaceLiftError, Take
from ...scene.ownership import member
from ...scene.storage import find_file, read_take, take_of
from .. import job
from ..finding import find_take, needs_quiet_take, needs_take
from ..working import Steps, Working
from .properties import edited_mapping, retarget_settings, show_mapping


def _needs_rig(cls: type, context: bpy.types.Context) -> bool:
    if context.scene.facelift_rig is None:
        cls.poll_message_set(tr("Choose a character first: its armature or its face"))
        return False
    return True


class _OnRig:
    """Needs a take and a character."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_take(cls, context) and _needs_rig(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            told = self.run(context, context.scene.facelift_rig)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, told)
        return {"FINISHED"}

    def run(self, context: bpy.types.Context, rig: bpy.types.Object) -> str:
        """Do it and say what was done. Raises FaceLiftError."""
        raise NotImplementedError


class FACELIFT_OT_add_head(bpy.types.Operator):
    """Add the head that ships with FaceLift, with its 52 shape keys: a character to try retargeting on"""

    bl_idname = "facelift.add_head"
    bl_label = "Add Demo Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_take(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...rigs.head import load_head
        from ...scene.face_mesh import add_head

        thing = add_head(context.scene, load_head())
        place = member(find_take(context), "Head").matrix_world
        beside = Vector((0.25 / context.scene.unit_settings.scale_length, 0.0, 0.0))
        thing.location = place.translation + beside
        context.scene.facelift_rig = thing
        return {"FINISHED"}


class FACELIFT_OT_match_rig(_OnRig, bpy.types.Operator):
    """Find out by their names which shape keys and bones of the character stand for what; nothing is written yet"""

    bl_idname = "facelift.match_rig"
    bl_label = "Match"

    def run(self, context: bpy.types.Context, rig: bpy.types.Object) -> str:
        from ...scene.retarget import plan

        rig.facelift.mapping = ""
        found = plan(take_of(find_take(context)), rig, context.scene, retarget_settings(rig))
        show_mapping(rig, found.mapping, found.lines())
        return found.lines()[0]


class FACELIFT_OT_retarget(Working, bpy.types.Operator):
    """Write the take on the character; done again it replaces what it wrote and leaves all else alone"""

    bl_idname = "facelift.retarget"
    bl_label = "Retarget"
    bl_options = {"REGISTER", "UNDO"}
    title = "Reading the take"
    stops_filling = True

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_quiet_take(cls, context) and _needs_rig(cls, context)

    def gather(self, context: bpy.types.Context) -> job.Work:
        take_file = find_file(find_take(context))
        self.rig = context.scene.facelift_rig.name
        return lambda _running: read_take(take_file)

    def steps(self, context: bpy.types.Context, result: Take) -> Steps:
        from ...capture.track import Progress
        from ...scene.retarget import apply_steps, plan

        rig = bpy.data.objects.get(self.rig)
        if rig is None:
            raise FaceLiftError(tr("{} is gone from the file; choose the character again.").format(self.rig))
        settings = retarget_settings(rig)
        found = plan(result, rig, context.scene, settings)
        yield
        if settings.mapping is None:
            show_mapping(rig, found.mapping, found.lines())
        yield
        total, started = max(len(found.mapping.written), 1), time.perf_counter()
        for done, _ in enumerate(apply_steps(result, rig, context.scene, found, settings), 1):
            self._job.progress = Progress(min(done, total), total, "channels", time.perf_counter() - started)
            yield
        self.report({"INFO"}, found.lines()[0])


class FACELIFT_OT_clear_retarget(_OnRig, bpy.types.Operator):
    """Take off the character what FaceLift wrote of this take"""

    bl_idname = "facelift.clear_retarget"
    bl_label = "Clear"

    def run(self, context: bpy.types.Context, rig: bpy.types.Object) -> str:
        from ...scene.retarget import clear, layer_name

        layer = layer_name(take_of(find_take(context)))
        clear(rig, layer)
        return tr("{} is off {}").format(layer, rig.name)


class FACELIFT_OT_save_mapping(_OnRig, ExportHelper, bpy.types.Operator):
    """Write the mapping to a file, for other takes and other shots of this character"""

    bl_idname = "facelift.save_mapping"
    bl_label = "Save Mapping"
    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def run(self, context: bpy.types.Context, rig: bpy.types.Object) -> str:
        from ...rigs.mapping import save_mapping
        from ...scene.retarget import plan

        mapping = edited_mapping(rig) or plan(take_of(find_take(context)), rig, context.scene).mapping
        save_mapping(mapping, Path(self.filepath))
        return tr("{} written").format(Path(self.filepath).name)


class FACELIFT_OT_load_mapping(_OnRig, ImportHelper, bpy.types.Operator):
    """Read a mapping from a file and lay it over what the names say"""

    bl_idname = "facelift.load_mapping"
    bl_label = "Load Mapping"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    def run(self, context: bpy.types.Context, rig: bpy.types.Object) -> str:
        from ...rigs.mapping import load_mapping
        from ...scene.retarget import plan

        loaded = load_mapping(Path(self.filepath))
        found = plan(take_of(find_take(context)), rig, context.scene, replace(retarget_settings(rig), mapping=loaded))
        show_mapping(rig, found.mapping, found.lines())
        return found.lines()[0]


CLASSES: Final = (
    FACELIFT_OT_add_head,
    FACELIFT_OT_match_rig,
    FACELIFT_OT_retarget,
    FACELIFT_OT_clear_retarget,
    FACELIFT_OT_save_mapping,
    FACELIFT_OT_load_mapping,
)
