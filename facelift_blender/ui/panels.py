# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab "FaceLift" in the sidebars of the Movie Clip Editor and of the 3D View."""

from __future__ import annotations

import json
import textwrap
from typing import Final

import bpy

from ..scene.ownership import member
from ..scene.timing import frame_rate
from . import job, operators


class _ClipEditor:
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = "FaceLift"


class _View3D:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "FaceLift"


class _Track:
    bl_label = "Track"

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        footage = operators.find_footage(context)
        if context.space_data.type == "VIEW_3D":
            layout.template_ID(context.scene.facelift, "footage", open="clip.open")
            if footage is not None and context.scene.facelift.footage is None:
                layout.label(text=footage.name, icon="FILE_MOVIE")
        elif footage is None:
            layout.operator("clip.open", icon="FILE_MOVIE")
        if footage is not None:
            _draw_settings(layout, footage.facelift, context.scene.facelift)
        _draw_run(layout)


def _draw_settings(layout: bpy.types.UILayout, clip: bpy.types.PropertyGroup, scene: bpy.types.PropertyGroup) -> None:
    column = layout.column(heading="Range")
    column.prop(clip, "use_range", text="Limit")
    if clip.use_range:
        column = layout.column(align=True)
        column.prop(clip, "start")
        column.prop(clip, "end")
    layout.prop(clip, "every_actor")
    row = layout.row()
    row.active = not clip.every_actor
    row.prop(clip, "actor")
    layout.column(heading="Lens").prop(clip, "lens_known", text="Known")
    column = layout.column(align=True)
    if clip.lens_known:
        column.prop(clip, "focal_mm")
    column.prop(clip, "sensor_width")
    layout.prop(clip, "smoothing", slider=True)
    layout.prop(scene, "timing")


def _draw_run(layout: bpy.types.UILayout) -> None:
    running = job.current()
    if running is None:
        row = layout.row()
        row.scale_y = 1.5
        row.operator("facelift.track_footage", icon="TRACKING_FORWARDS")
        return
    row = layout.row(align=True)
    row.progress(factor=running.factor, text=running.station())
    row.operator("facelift.stop_tracking", text="", icon="CANCEL")
    layout.label(text=running.pace())


class _Take:
    bl_label = "Take"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(operators.take_collections())

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.prop(context.scene.facelift, "take", text="")
        collection = operators.find_take(context)
        head = member(collection, "Head") if collection else None
        if head is None:
            return
        _draw_figures(layout.column(align=True), head)
        _draw_notes(layout, [*_warnings(head), *_rate_note(context.scene, head)], letters(context))
        layout.operator("facelift.look_through_camera", icon="CAMERA_DATA")


def _draw_figures(column: bpy.types.UILayout, head: bpy.types.Object) -> None:
    for label, text in figures(head):
        row = column.split(factor=0.4)
        row.label(text=label)
        row.label(text=text)


def figures(head: bpy.types.Object) -> list[tuple[str, str]]:
    """What a take reached, as its Head's properties say."""
    provenance = json.loads(head["provenance"])
    return [
        ("Frames", str(head["frames"])),
        ("Residual", f"{head['median_residual_px']:.2f} px"),
        ("Focal Length", f"{head['focal_mm']:.1f} mm, {head['focal_source']}"),
        ("90 % Interval", f"{head['focal_low_mm']:.1f} to {head['focal_high_mm']:.1f} mm"),
        ("Ran On", str(provenance.get("provider", "CPU"))),
    ]


def _warnings(head: bpy.types.Object) -> list[str]:
    return [str(text) for text in json.loads(head["provenance"]).get("warnings", ())]


def _rate_note(scene: bpy.types.Scene, head: bpy.types.Object) -> list[str]:
    if abs(frame_rate(scene) - head["clip_fps"]) < 0.005:
        return []
    return [f"The scene runs at {frame_rate(scene):.3g} frames/s, the clip at {head['clip_fps']:.3g}"]


def _draw_notes(layout: bpy.types.UILayout, notes: list[str], width: int) -> None:
    for note in notes:
        column = layout.column(align=True)
        for index, line in enumerate(textwrap.wrap(note, width)):
            column.label(text=line, icon="ERROR" if index == 0 else "BLANK1")


def letters(context: bpy.types.Context) -> int:
    """About how many letters fit beside an icon in a line of the panel."""
    scale = context.preferences.system.ui_scale or 1.0
    return max(round(context.region.width / scale / 7.5) - 8, 16)


class _Export:
    bl_label = "Export"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return operators.find_take(context) is not None

    def draw(self, _context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.operator("facelift.export_fbx", text="FBX")
        column.operator("facelift.export_livelink", text="Live Link CSV")
        column.operator("facelift.export_json", text="JSON")


class FACELIFT_PT_clip_track(_ClipEditor, _Track, bpy.types.Panel):
    pass


class FACELIFT_PT_clip_take(_ClipEditor, _Take, bpy.types.Panel):
    pass


class FACELIFT_PT_clip_export(_ClipEditor, _Export, bpy.types.Panel):
    pass


class FACELIFT_PT_view_track(_View3D, _Track, bpy.types.Panel):
    pass


class FACELIFT_PT_view_take(_View3D, _Take, bpy.types.Panel):
    pass


class FACELIFT_PT_view_export(_View3D, _Export, bpy.types.Panel):
    pass


def draw_export_menu(menu: bpy.types.Menu, _context: bpy.types.Context) -> None:
    """Entries of File > Export."""
    menu.layout.operator("facelift.export_fbx", text="FaceLift Take (.fbx)")
    menu.layout.operator("facelift.export_livelink", text="FaceLift Live Link Face (.csv)")
    menu.layout.operator("facelift.export_json", text="FaceLift Take (.json)")


CLASSES: Final = (
    FACELIFT_PT_clip_track,
    FACELIFT_PT_clip_take,
    FACELIFT_PT_clip_export,
    FACELIFT_PT_view_track,
    FACELIFT_PT_view_take,
    FACELIFT_PT_view_export,
)
