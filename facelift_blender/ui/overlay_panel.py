# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over the plate."""

from __future__ import annotations

from typing import Final

import bpy
from bpy.app.translations import pgettext_iface as tr

from ..scene.ownership import take_collections
from .layouts import InClipEditor
from .working import redraw


class FACELIFT_PT_overlay(InClipEditor, bpy.types.Panel):
    bl_label = "Overlay"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        return bool(take_collections())

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.facelift, "show_overlay", text="")

    def draw(self, context: bpy.types.Context) -> None:
        chosen = context.scene.facelift
        grid = self.layout.grid_flow(columns=2, even_columns=True)
        grid.active = chosen.show_overlay
        for name in ("show_points", "show_contours", "show_head", "show_gaze"):
            grid.prop(chosen, name)


class FACELIFT_OT_toggle_overlay(bpy.types.Operator):
    """Draw the take over the plate, or do not"""

    bl_idname = "facelift.toggle_overlay"
    bl_label = "Toggle FaceLift Overlay"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not take_collections():
            cls.poll_message_set(tr("Track footage first"))
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.facelift.show_overlay = not context.scene.facelift.show_overlay
        redraw()
        return {"FINISHED"}


CLASSES: Final = (FACELIFT_PT_overlay, FACELIFT_OT_toggle_overlay)
