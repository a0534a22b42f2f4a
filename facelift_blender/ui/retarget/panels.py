# SPDX-License-Identifier: GPL-3.0-or-later
"""Retargeting in the 3D View."""

from __future__ import annotations

from typing import Any, Final

import bpy

from .. import job
from ..finding import find_take
from ..layouts import InView3D, letters, notes, progress, split


class FACELIFT_UL_channels(bpy.types.UIList):
    """What drives what; the surest matches last."""

    def draw_item(
        self, _context: bpy.types.Context, layout: bpy.types.UILayout, _data: Any, item: Any, _icon: int, _active: Any, _name: str
    ) -> None:
        row = layout.row(align=True)
        row.prop(item, "write", text="")
        names = row.split(factor=0.72, align=True)
        names.active = item.write
        told = item.target if item.target == item.source else f"{item.target} < {item.source}"
        names.label(text=told, icon="NONE" if item.score > 0.6 else "QUESTION", translate=False)
        names.prop(item, "gain", text="")


class FACELIFT_PT_retarget(InView3D, bpy.types.Panel):
    bl_label = "Retarget"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return find_take(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout, rig = split(self.layout), context.scene.facelift_rig
        layout.prop(context.scene, "facelift_rig")
        if rig is None:
            layout.operator("facelift.add_head", icon="USER")
            return
        chosen = rig.facelift
        layout.prop(chosen, "mode")
        row = layout.row(heading="Move")
        for part, label in (("head", "Head"), ("eyes", "Eyes"), ("bones", "Face")):
            row.prop(chosen, part, text=label, toggle=True)
        layout.prop(chosen, "neck", slider=True)
        if job.current() is not None:
            progress(layout, job.current())
            return
        row = layout.row(align=True)
        row.scale_y = 1.3
        row.operator("facelift.match_rig", icon="VIEWZOOM")
        row.operator("facelift.retarget", icon="MOD_ARMATURE")
        row.operator("facelift.clear_retarget", text="", icon="X")


class FACELIFT_PT_mapping(InView3D, bpy.types.Panel):
    bl_label = "Mapping"
    bl_parent_id = "FACELIFT_PT_retarget"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        rig = context.scene.facelift_rig
        return rig is not None and bool(rig.facelift.mapping)

    def draw(self, context: bpy.types.Context) -> None:
        layout, chosen = self.layout, context.scene.facelift_rig.facelift
        layout.template_list("FACELIFT_UL_channels", "", chosen, "channels", chosen, "channel_index", rows=6)
        row = layout.row(align=True)
        row.operator("facelift.save_mapping", text="Save", icon="EXPORT")
        row.operator("facelift.load_mapping", text="Load", icon="IMPORT")
        notes(layout, chosen.notes.split("\n"), letters(context), "INFO")


CLASSES: Final = (FACELIFT_UL_channels, FACELIFT_PT_retarget, FACELIFT_PT_mapping)
