# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes go where the .blend goes: copied beside it before it is written, and found again when they are appended elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..scene.storage import keep_beside, name_in_full


@persistent
def keep_takes(path: str, *_rest: Any) -> None:
    """Before a .blend is written."""
    if isinstance(path, str) and path:
        keep_beside(Path(path))


@persistent
def find_appended(context: Any, *_rest: Any) -> None:
    """After takes were appended: their files still lie beside the .blend that they come from."""
    for item in context.import_items:
        if isinstance(item.id, bpy.types.Collection) and item.id.library is None and item.source_library is not None:
            name_in_full(item.id, item.source_library.filepath)


def attach() -> None:
    """Do it from now on."""
    bpy.app.handlers.save_pre.append(keep_takes)
    if hasattr(bpy.app.handlers, "blend_import_post"):  # from Blender 4.3 on
        bpy.app.handlers.blend_import_post.append(find_appended)


def detach() -> None:
    """Do it no more."""
    bpy.app.handlers.save_pre.remove(keep_takes)
    if hasattr(bpy.app.handlers, "blend_import_post"):
        bpy.app.handlers.blend_import_post.remove(find_appended)
