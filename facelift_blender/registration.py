# SPDX-License-Identifier: GPL-3.0-or-later
"""What FaceLift adds to Blender, in order, and how it is taken out again."""

from __future__ import annotations

from typing import Final

import bpy

from .ui import files, job, keymaps, overlay, overlay_panel, preferences, presets, properties, sync, translations
from .ui.correct import operators as correct_operators
from .ui.correct import panels as correct_panels
from .ui.retarget import operators as retarget_operators
from .ui.retarget import panels as retarget_panels
from .ui.retarget import properties as retarget_properties
from .ui.retarget import transfer
from .ui.take import operators as take_operators
from .ui.take import panels as take_panels
from .ui.track import operators as track_operators
from .ui.track import panels as track_panels

_CLASSES: Final = (
    *properties.CLASSES,
    *retarget_properties.CLASSES,
    *preferences.CLASSES,
    *presets.CLASSES,
    *track_operators.CLASSES,
    *correct_operators.CLASSES,
    *take_operators.CLASSES,
    *retarget_operators.CLASSES,
    *track_panels.CLASSES,
    *correct_panels.CLASSES,
    *take_panels.CLASSES,
    *retarget_panels.CLASSES,
    *transfer.CLASSES,
    *overlay_panel.CLASSES,
)
_ATTACHED: Final = (translations, properties, retarget_properties, sync, files, keymaps, overlay)
"""What hooks itself in beside the classes."""


def register_all() -> None:
    """Register classes, properties, handlers, keys and menu entries."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    for module in _ATTACHED:
        module.attach()
    bpy.types.TOPBAR_MT_file_export.append(take_panels.draw_export_menu)


def unregister_all() -> None:
    """Stop what runs and undo `register_all`, in the opposite order."""
    job.stop_running()
    bpy.types.TOPBAR_MT_file_export.remove(take_panels.draw_export_menu)
    for module in reversed(_ATTACHED):
        module.detach()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
