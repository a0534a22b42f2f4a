# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes go where the .blend goes: they are copied beside it before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..scene.storage import keep_beside


@persistent
def keep_takes(path: str, *_rest: Any) -> None:
    """Before a .blend is written."""
    if isinstance(path, str) and path:
        keep_beside(Path(path))


def attach() -> None:
    """Do it from now on."""
    bpy.app.handlers.save_pre.append(keep_takes)


def detach() -> None:
    """Do it no more."""
    bpy.app.handlers.save_pre.remove(keep_takes)
