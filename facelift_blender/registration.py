# SPDX-License-Identifier: GPL-3.0-or-later
"""What FaceLift adds to Blender, in order, and how it is taken out again."""

from __future__ import annotations

from typing import Final

import bpy

from .ui import job, operators, panels, properties

_CLASSES: Final = (*properties.CLASSES, *operators.CLASSES, *panels.CLASSES)


def register_all() -> None:
    """Register classes, properties and menu entries."""
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    properties.attach()
    bpy.types.TOPBAR_MT_file_export.append(panels.draw_export_menu)


def unregister_all() -> None:
    """Stop what runs and undo `register_all`, in the opposite order."""
    job.stop_running()
    bpy.types.TOPBAR_MT_file_export.remove(panels.draw_export_menu)
    properties.detach()
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
