# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set once for all files: the device, the threads, and where takes are kept between runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from ..scene import storage

PACKAGE: Final = __package__.rpartition(".")[0]
HELP: Final = (Path(__file__).resolve().parent.parent / "assets" / "help" / "index.html").as_uri()
"""The help comes with FaceLift and needs no network."""
_DEVICES: Final = [
    ("AUTO", "Automatic", "The fastest that this machine offers"),
    ("CPU", "CPU", "The processor alone, for the same result on every machine"),
]


@dataclass(frozen=True)
class Defaults:
    """The preferences of who has none: FaceLift enabled by a script, not by Blender."""

    device: str = "AUTO"
    threads: int = 0
    cache_gigabytes: float = 4.0
    cache_folder: str = ""


class FaceLiftPreferences(bpy.types.AddonPreferences):
    bl_idname = PACKAGE

    device: EnumProperty(name="Device", description="What looks at the footage", items=_DEVICES, default=Defaults.device)
    threads: IntProperty(
        name="Threads",
        description="Processor threads for looking at the footage; 0 lets FaceLift choose and leaves some for Blender",
        default=Defaults.threads,
        min=0,
        max=64,
    )
    cache_gigabytes: FloatProperty(
        name="Cache Size",
        description="Gigabytes of recent takes to keep; a saved file has its own beside it",
        default=Defaults.cache_gigabytes,
        min=0.1,
        soft_max=100.0,
    )
    cache_folder: StringProperty(
        name="Cache Folder", description="Where recent takes are kept; empty for Blender's own user folder", subtype="DIR_PATH"
    )

    def draw(self, _context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("device", "threads", "cache_gigabytes", "cache_folder"):
            layout.prop(self, name)
        layout.operator("wm.url_open", text="Help", icon="HELP").url = HELP


def preferences() -> FaceLiftPreferences | Defaults:
    """What is set, or the defaults."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return addon.preferences if addon and addon.preferences else Defaults()


def cache_folder() -> Path:
    """Where takes are written; made if it is not there."""
    chosen = preferences().cache_folder
    if chosen:
        folder = Path(bpy.path.abspath(chosen))
    elif PACKAGE.startswith("bl_ext."):
        folder = Path(bpy.utils.extension_path_user(PACKAGE, path="takes", create=True))
    else:
        folder = Path(bpy.utils.user_resource("DATAFILES", path="facelift/takes", create=True))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def clean_cache() -> None:
    """Let the oldest takes go where there are too many."""
    storage.clean(cache_folder(), int(preferences().cache_gigabytes * (1 << 30)))


def threads() -> int:
    """Threads for the networks: one less than the machine has where nothing is said, so that the window keeps one."""
    return preferences().threads or max(1, min(4, (os.cpu_count() or 2) - 1))


CLASSES: Final = (FaceLiftPreferences,)
