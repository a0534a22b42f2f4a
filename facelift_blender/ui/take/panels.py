# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take reached and how it is adjusted, in both editors."""

from __future__ import annotations

import json
from typing import Final

import bpy
from bpy.app.translations import pgettext_iface as tr

from ...scene import storage
from ...scene.ownership import member, take_collections
from ...scene.timing import frame_rate
from .. import job, sync
from ..finding import find_take
from ..layouts import InClipEditor, InView3D, letters, notes, progress, split, table
from ..preferences import HELP

AMBIGUITY: Final = (
    "A longer lens further away films nearly the same picture: within the interval, size and distance trade with the focal length."
)

_SOURCES: Final = {"user": "{}, as told", "solved": "{}, solved", "prior": "{}, guessed", "metadata": "{}, of the footage"}
"""How a focal length is told, by what it is from."""


class _Take:
    bl_label = "Take"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(take_collections())

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        self.layout.operator("wm.url_open", text="", icon="HELP", emboss=False).url = HELP

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.prop(context.scene.facelift, "take", text="")
        collection = find_take(context)
        head = member(collection, "Head") if collection else None
        if head is None:
            return
        table(layout.column(align=True), figures(head))
        told = warnings(head)
        notes(layout, [*told, *rate_note(context.scene, head)], letters(context))
        if is_wide(head) and not any("focal length" in text for text in told):
            notes(layout, [tr(AMBIGUITY)], letters(context), "INFO")
        layout.operator("facelift.look_through_camera", icon="CAMERA_DATA")
        if context.space_data.type == "VIEW_3D":
            layout.prop(context.scene.facelift, "show_confidence")


def figures(head: bpy.types.Object) -> list[tuple[str, str]]:
    """What a take reached, as its Head's properties say."""
    provenance = json.loads(head["provenance"])
    return [
        ("Frames", str(head["frames"])),
        ("Residual", f"{head['median_residual_px']:.2f} px"),
        ("Focal Length", tr(_SOURCES.get(head["focal_source"], "{}")).format(f"{head['focal_mm']:.1f} mm")),
        ("90 % Interval", f"{head['focal_low_mm']:.1f} to {head['focal_high_mm']:.1f} mm"),
        ("Ran On", str(provenance.get("provider", "CPU"))),
    ]


def warnings(head: bpy.types.Object) -> list[str]:
    """What was doubtful, in words."""
    return [str(text) for text in json.loads(head["provenance"]).get("warnings", ())]


def rate_note(scene: bpy.types.Scene, head: bpy.types.Object) -> list[str]:
    """That scene and clip run at different rates."""
    if abs(frame_rate(scene) - head["clip_fps"]) < 0.005:
        return []
    return [tr("The scene runs at {:.3g} frames/s, the clip at {:.3g}").format(frame_rate(scene), head["clip_fps"])]


def is_wide(head: bpy.types.Object) -> bool:
    """Whether the focal length is so unsure that it should be explained."""
    return head["focal_high_mm"] > 1.1 * head["focal_low_mm"]


class _Adjust:
    bl_label = "Adjust"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        collection = find_take(context)
        return collection is not None and member(collection, "Head") is not None and "adjusted" in member(collection, "Head")

    def draw(self, context: bpy.types.Context) -> None:
        collection, layout = find_take(context), split(self.layout)
        chosen = collection.facelift
        layout.label(text="Smoothing")
        column = layout.column(align=True)
        for part in ("pose", "mouth", "eyes", "brows", "face"):
            column.prop(chosen, part, slider=True)
        layout.prop(chosen, "interpupillary")
        column = layout.column(heading="Resting Face")
        column.prop(chosen, "use_rest", text="From Frame")
        if chosen.use_rest:
            column.prop(chosen, "rest")
        column.operator("facelift.set_rest", text="Use This Frame", icon="EYEDROPPER")
        if sync.is_busy():
            layout.label(text="Adjusting", icon="SORTTIME")
        if collection.name in sync.problems:
            notes(layout, [sync.problems[collection.name]], letters(context))


class _Export:
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return find_take(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        if job.current() is not None:
            progress(self.layout, job.current())
        column = self.layout.column(align=True)
        column.operator("facelift.export_fbx", text="FBX")
        column.operator("facelift.export_livelink", text="Live Link CSV")
        column.operator("facelift.export_json", text="JSON")
        column.operator("facelift.export_review", text="Review Sheet", icon="FILE_TEXT")
        packed = storage.is_packed(find_take(context))
        column = self.layout.column(align=True)
        column.operator(
            "facelift.pack_take", text="Unpack Take" if packed else "Pack Take into File", icon="PACKAGE" if packed else "UGLYPACKAGE"
        )
        if bpy.data.filepath:
            column.operator("facelift.remove_unused", icon="TRASH")


class FACELIFT_PT_clip_take(InClipEditor, _Take, bpy.types.Panel):
    pass


class FACELIFT_PT_clip_adjust(InClipEditor, _Adjust, bpy.types.Panel):
    bl_options = {"DEFAULT_CLOSED"}


class FACELIFT_PT_clip_export(InClipEditor, _Export, bpy.types.Panel):
    pass


class FACELIFT_PT_view_take(InView3D, _Take, bpy.types.Panel):
    pass


class FACELIFT_PT_view_adjust(InView3D, _Adjust, bpy.types.Panel):
    pass


class FACELIFT_PT_view_export(InView3D, _Export, bpy.types.Panel):
    pass


def draw_export_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Entries of File > Export."""
    menu.layout.operator("facelift.export_fbx", text="FaceLift Take (.fbx)")
    menu.layout.operator("facelift.export_livelink", text="FaceLift Live Link Face (.csv)")
    menu.layout.operator("facelift.export_json", text="FaceLift Take (.json)")


CLASSES: Final = (
    FACELIFT_PT_clip_take,
    FACELIFT_PT_clip_adjust,
    FACELIFT_PT_clip_export,
    FACELIFT_PT_view_take,
    FACELIFT_PT_view_adjust,
    FACELIFT_PT_view_export,
)
