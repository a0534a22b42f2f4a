# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of filming, each with the settings that suit it; one's own are kept beside them as Blender keeps presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import bl_ui.utils
import bpy
from bl_operators.presets import AddPresetBase
from bpy.app.translations import pgettext_iface as tr
from bpy.props import EnumProperty

from .finding import find_footage

FOLDER: Final = "facelift/track"
KEPT: Final = ("every_actor", "actor", "quality", "lens_known", "focal_mm", "sensor_width", "zoom", "moves", "smoothing")
"""What a preset sets; range and timing belong to the shot."""


@dataclass(frozen=True)
class Preset:
    """One way of filming. A focal length of 0 lets it be solved."""

    label: str
    description: str
    smoothing: float
    focal_mm: float = 0.0
    sensor_width: float = 36.0
    quality: str = "STANDARD"
    every_actor: bool = False


PRESETS: Final = {
    "INTERVIEW": Preset("Interview", "A calm head before a long lens: strong smoothing, everyone in the picture", 0.65, every_actor=True),
    "PERFORMANCE": Preset("Performance", "Quick acting of one person: little smoothing, the closest look", 0.35, quality="FINE"),
    "WIDE": Preset("Wide Lens", "A wide lens near the face, its focal length known", 0.5, focal_mm=18.0),
    "SELFIE": Preset("Phone Selfie", "A phone at arm's length: the usual front camera, 26 mm in 35 mm equivalents", 0.5, focal_mm=26.0),
}


class FACELIFT_OT_apply_preset(bpy.types.Operator):
    """Set how the clip is tracked to what suits a way of filming"""

    bl_idname = "facelift.apply_preset"
    bl_label = "Apply Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(
        name="Preset",
        description="Way of filming",
        items=[(name, preset.label, preset.description) for name, preset in PRESETS.items()],
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if find_footage(context) is None:
            cls.poll_message_set(tr("Open a movie clip first"))
            return False
        return True

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: bpy.types.OperatorProperties) -> str:
        return PRESETS[properties.preset].description

    def execute(self, context: bpy.types.Context) -> set[str]:
        chosen, settings = PRESETS[self.preset], find_footage(context).facelift
        settings.smoothing, settings.quality, settings.every_actor = chosen.smoothing, chosen.quality, chosen.every_actor
        settings.lens_known = chosen.focal_mm > 0.0
        settings.focal_mm, settings.sensor_width = chosen.focal_mm or settings.focal_mm, chosen.sensor_width
        return {"FINISHED"}


class FACELIFT_MT_presets(bpy.types.Menu):
    bl_label = "FaceLift Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    draw = bpy.types.Menu.draw_preset


class FACELIFT_OT_add_preset(AddPresetBase, bpy.types.Operator):
    """Keep how this clip is tracked as a preset, or remove one"""

    bl_idname = "facelift.add_preset"
    bl_label = "Add FaceLift Preset"
    preset_menu = "FACELIFT_MT_presets"
    preset_subdir = FOLDER
    preset_defines = ["settings = (getattr(bpy.context, 'edit_movieclip', None) or bpy.context.scene.facelift.footage).facelift"]
    preset_values = [f"settings.{name}" for name in KEPT]

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if find_footage(context) is None:
            cls.poll_message_set(tr("Open a movie clip first"))
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.facelift.footage = find_footage(context)
        return super().execute(context)


class FACELIFT_PT_presets(bl_ui.utils.PresetPanel, bpy.types.Panel):
    bl_label = "FaceLift Presets"
    preset_subdir = FOLDER
    preset_operator = "script.execute_preset"
    preset_add_operator = "facelift.add_preset"

    def draw(self, context: bpy.types.Context) -> None:
        column = self.layout.column(align=True)
        column.operator_context = "EXEC_DEFAULT"
        for name, preset in PRESETS.items():
            column.operator("facelift.apply_preset", text=preset.label).preset = name
        super().draw(context)


CLASSES: Final = (FACELIFT_OT_apply_preset, FACELIFT_MT_presets, FACELIFT_OT_add_preset, FACELIFT_PT_presets)
