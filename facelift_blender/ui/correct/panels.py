# SPDX-License-Identifier: GPL-3.0-or-later
"""Correcting in the Movie Clip Editor."""

from __future__ import annotations

from typing import Any, Final

import bpy
from bpy.app.translations import pgettext_iface as tr

from ...capture import topology
from ...scene import markers
from .. import job
from ..finding import clip_frame, clip_of, find_take
from ..layouts import InClipEditor, letters, notes, progress, split


class FACELIFT_UL_pins(bpy.types.UIList):
    """Moved points."""

    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: Any, item: Any, _icon: int, _active: Any, _name: str
    ) -> None:
        row = layout.row(align=True)
        name = topology.NAMES[item.landmark] if item.landmark < topology.COUNT else str(item.landmark)
        row.label(text=name.replace("_", " "), icon="TRACKER", translate=False)
        row.operator("facelift.go_to_correction", text=str(item.frame), emboss=False, translate=False).frame = item.frame


class FACELIFT_UL_mutes(bpy.types.UIList):
    """Muted stretches."""

    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: Any, item: Any, _icon: int, _active: Any, _name: str
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "region", text="", emboss=False)
        row.prop(item, "start", text="")
        row.prop(item, "end", text="")


class FACELIFT_PT_correct(InClipEditor, bpy.types.Panel):
    bl_label = "Correct"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return find_take(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, collection = self.layout, find_take(context)
        chosen, scene = collection.facelift, context.scene.facelift
        layout.operator("facelift.worst_frame", icon="ZOOM_SELECTED")
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(scene, "region", text="")
        row.operator("facelift.show_markers", text="To Markers", icon="TRACKER").which = "REGION"
        row = column.row(align=True)
        row.operator("facelift.show_markers", text="All").which = "ALL"
        row.operator("facelift.show_markers", text="Selected").which = "SELECTED"
        row.operator("facelift.hide_markers", text="Hide", icon="HIDE_ON")
        column = layout.column(align=True)
        split(column).prop(chosen, "falloff")
        if job.current() is not None:
            progress(layout, job.current())
        else:
            column.scale_y = 1.2
            column.operator("facelift.refine", icon="FILE_REFRESH")
        row = layout.row()
        row.enabled = chosen.before or any(len(items) for items in (chosen.pins, chosen.mutes))
        row.prop(chosen, "before", text="Before Corrections", toggle=True)
        footage = clip_of(collection)
        if footage is not None and markers.tracks_of(footage, collection["facelift_actor"]):
            notes(layout, [tr("Move markers on the plate, then Refine")], letters(context), "INFO")


class FACELIFT_PT_corrections(InClipEditor, bpy.types.Panel):
    bl_label = "Corrections"
    bl_parent_id = "FACELIFT_PT_correct"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, collection = self.layout, find_take(context)
        chosen, frame = collection.facelift, clip_frame(context, collection)
        locked = any(lock.frame == frame for lock in chosen.locks)
        text = tr("Unlock Frame {}") if locked else tr("Lock Frame {}")
        icon = "LOCKED" if locked else "UNLOCKED"
        layout.operator("facelift.lock_frame", text=text.format(frame), icon=icon, depress=locked, translate=False)
        self._locked(layout, chosen)
        self._list(layout, "Moved Points", "FACELIFT_UL_pins", chosen, "pins", "pin_index")
        self._list(layout, "Muted Stretches", "FACELIFT_UL_mutes", chosen, "mutes", "mute_index")
        region = tr(context.scene.facelift.region.capitalize())
        layout.operator("facelift.mute_region", text=tr("Mute {} from Here").format(region), icon="HIDE_ON", translate=False)
        row = layout.row()
        row.enabled = any(len(items) for items in (chosen.pins, chosen.mutes, chosen.locks))
        row.operator("facelift.remove_correction", text="Remove All Corrections", icon="TRASH").kind = "all"

    def _locked(self, layout: bpy.types.UILayout, chosen: bpy.types.PropertyGroup) -> None:
        """A button for each locked frame, to go there."""
        if len(chosen.locks):
            layout.label(text="Locked Frames")
            grid = layout.grid_flow(columns=5, row_major=True, even_columns=True, align=True)
            for frame in sorted(lock.frame for lock in chosen.locks):
                grid.operator("facelift.go_to_correction", text=str(frame), translate=False).frame = frame

    def _list(self, layout: bpy.types.UILayout, label: str, kind: str, chosen: bpy.types.PropertyGroup, items: str, index: str) -> None:
        if not len(getattr(chosen, items)):
            return
        layout.label(text=label)
        row = layout.row()
        row.template_list(kind, "", chosen, items, chosen, index, rows=3)
        row.operator("facelift.remove_correction", text="", icon="REMOVE").kind = items


CLASSES: Final = (FACELIFT_UL_pins, FACELIFT_UL_mutes, FACELIFT_PT_correct, FACELIFT_PT_corrections)
