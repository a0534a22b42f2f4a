# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside a Blender, with `-- REPORT.json CLIP [ZIP]`: install the zip, if one is named, use the extension, and report.

What test_installed_zip.py judges is measured here, where pytest is not at hand.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path

import bpy  # first, as it is what makes the other importable

import addon_utils  # isort: skip

MODULE = "bl_ext.user_default.facelift_blender"
WHEELS = ("onnxruntime", "cv2", "scipy", "av")


def main(report: str, clip: str, *zips: str) -> None:
    found: dict[str, object] = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}
    for file in zips:
        bpy.ops.extensions.package_install_files(filepath=file, repo="user_default", enable_on_install=True, overwrite=True)
    found["enabled"] = MODULE in bpy.context.preferences.addons
    found["heavy"] = sorted(set(WHEELS) & sys.modules.keys())
    found["seconds"] = min(enable() for _ in range(3))
    found["origins"] = {name: importlib.import_module(name).__file__ for name in WHEELS}
    found["package"] = sys.modules[MODULE].__file__
    if clip:
        found |= track(clip)
    addon_utils.disable(MODULE)
    found["left"] = sorted(name for name in dir(bpy.types) if name.startswith("FACELIFT"))
    Path(report).write_text(json.dumps(found))


def enable() -> float:
    """Seconds to enable the extension, none of its modules being loaded."""
    addon_utils.disable(MODULE)
    for name in [name for name in sys.modules if name.startswith(MODULE)]:
        del sys.modules[name]
    start = time.perf_counter()
    addon_utils.enable(MODULE)
    return time.perf_counter() - start


def track(path: str) -> dict[str, object]:
    """Press the button, as far as there is one."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    clip = bpy.data.movieclips.load(path)
    clip.facelift.use_range, clip.facelift.end = True, 12
    result = bpy.ops.facelift.track_footage(clip=clip.name)
    collections = [collection.name for collection in bpy.data.collections]
    return {"result": sorted(result), "collections": collections, "cameras": len(bpy.data.cameras), "objects": len(bpy.data.objects)}


if __name__ == "__main__":
    main(*sys.argv[sys.argv.index("--") + 1 :])
    sys.stdout.flush()
    os._exit(0)  # as build.py does
