# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels that track: the same in the Movie Clip Editor and in the 3D View."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.app.translations import pgettext_iface as tr

from ...scene.ownership import member, take_collections
from .. import job
from ..finding import find_footage, takes_of
from ..layouts import InClipEditor, InView3D, progress, split
from ..presets import FACELIFT_PT_presets
from . import pauses
from .operators import footage_path


class _Track:
    bl_label = "Track"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        if context.space_data.type == "CLIP_EDITOR" or context.scene.facelift.footage is not None:
            FACELIFT_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        layout = split(self.layout)
        footage = find_footage(context)
        if context.space_data.type == "VIEW_3D":
            layout.template_ID(context.scene.facelift, "footage", open="clip.open")
            if footage is not None and context.scene.facelift.footage is None:
                layout.label(text=footage.name, icon="FILE_MOVIE", translate=False)
        elif footage is None:
            layout.operator("clip.open", icon="FILE_MOVIE")
        if footage is not None:
            _draw_settings(layout, footage.facelift, context.scene.facelift)
        _draw_run(layout, footage)


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
    layout.prop(clip, "quality")
    layout.prop(clip, "smoothing", slider=True)
    layout.prop(scene, "timing")


class _Motion:
    bl_label = "Camera and Scale"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return find_footage(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, clip = split(self.layout), find_footage(context).facelift
        layout.prop(clip, "moves")
        layout.column(heading="Lens").prop(clip, "zoom", text="Zooms")
        layout.prop(clip, "scale")
        column = layout.column(align=True)
        if clip.scale == "PUPILS":
            column.prop(clip, "interpupillary")
            return
        ends = column.column(align=True)
        ends.use_property_split = False  # the points' names want the whole width
        ends.prop(clip, "measured_from", text="")
        ends.prop(clip, "measured_to", text="")
        column.prop(clip, "measured_mm")


def _draw_run(layout: bpy.types.UILayout, footage: bpy.types.MovieClip | None) -> None:
    running = job.current()
    if running is None:
        _draw_start(layout, footage)
        return
    progress(layout, running)


def _draw_start(layout: bpy.types.UILayout, footage: bpy.types.MovieClip | None) -> None:
    column = layout.column(align=True)
    column.scale_y = 1.5
    column.operator("facelift.track_footage", icon="TRACKING_FORWARDS")
    pause = pauses.pause_of(footage_path(footage)) if footage else None
    if pause is not None:
        column.operator(
            "facelift.resume_tracking", text=tr("Resume from Frame {}").format(pause.last_frame + 1), icon="PLAY", translate=False
        )


class FACELIFT_UL_actors(bpy.types.UIList):
    """The takes of the file: who, of which clip, with a picture."""

    def draw_item(
        self,
        _context: bpy.types.Context,
        layout: bpy.types.UILayout,
        _data: Any,
        item: bpy.types.Collection,
        _icon: int,
        _active: Any,
        _name: str,
    ) -> None:
        row = layout.row()
        picture = item.preview.icon_id if item.preview else 0
        row.template_icon(icon_value=picture, scale=2.0) if picture else row.label(text="", icon="USER")
        column = row.column(align=True)
        column.label(text=item.get("facelift_actor", ""), translate=False)
        head = member(item, "Head")
        frames = tr("{} frames").format(head["frames"]) if head else tr("the Head was deleted")
        column.label(text=f"{item.name.partition(' . ')[0]}, {frames}", translate=False)
        row.prop(item, "hide_viewport", text="", emboss=False)

    def filter_items(self, _context: bpy.types.Context, data: Any, name: str) -> tuple[list[int], list[int]]:
        ours = set(take_collections())
        return [self.bitflag_filter_item if item in ours else 0 for item in getattr(data, name)], []


class _Actors:
    bl_label = "Actors"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(take_collections())

    def draw(self, context: bpy.types.Context) -> None:
        footage = find_footage(context)
        rows = max(1, len(takes_of(footage)))
        self.layout.template_list("FACELIFT_UL_actors", "", bpy.data, "collections", context.scene.facelift, "take_index", rows=rows)


class FACELIFT_PT_clip_track(InClipEditor, _Track, bpy.types.Panel):
    pass


class FACELIFT_PT_clip_motion(InClipEditor, _Motion, bpy.types.Panel):
    bl_parent_id = "FACELIFT_PT_clip_track"
    bl_options = {"DEFAULT_CLOSED"}


class FACELIFT_PT_clip_actors(InClipEditor, _Actors, bpy.types.Panel):
    pass


class FACELIFT_PT_view_track(InView3D, _Track, bpy.types.Panel):
    bl_options = {"DEFAULT_CLOSED"}


class FACELIFT_PT_view_motion(InView3D, _Motion, bpy.types.Panel):
    bl_parent_id = "FACELIFT_PT_view_track"
    bl_options = {"DEFAULT_CLOSED"}


class FACELIFT_PT_view_actors(InView3D, _Actors, bpy.types.Panel):
    pass


CLASSES: Final = (
    FACELIFT_UL_actors,
    FACELIFT_PT_clip_track,
    FACELIFT_PT_clip_motion,
    FACELIFT_PT_clip_actors,
    FACELIFT_PT_view_track,
    FACELIFT_PT_view_motion,
    FACELIFT_PT_view_actors,
)
