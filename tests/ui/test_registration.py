# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy

import facelift_blender
from facelift_blender.registration import _CLASSES

ROOT = Path(facelift_blender.__file__).parent.parent


def test_everything_is_taken_out_again_and_can_come_back() -> None:
    for _ in range(2):
        facelift_blender.unregister()
        assert not hasattr(bpy.types.Scene, "facelift")
        assert not hasattr(bpy.types.MovieClip, "facelift")
        assert "track_footage" not in dir(bpy.ops.facelift)
        facelift_blender.register()
        assert bpy.context.scene.facelift.timing == "MATCH"


def test_every_class_has_its_name_and_tooltip() -> None:
    for cls in _CLASSES:
        if issubclass(cls, bpy.types.Operator):
            assert cls.__name__ == "FACELIFT_OT_" + cls.bl_idname.split(".")[1]
            assert cls.__doc__
            assert not cls.__doc__.endswith(".")
            for name, prop in cls.bl_rna.properties.items():
                assert not prop.description.endswith("."), name


def test_enabling_imports_no_heavy_library() -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r}); import bpy, numpy, facelift_blender; start = time.process_time();"
        "facelift_blender.register(); spent = time.process_time() - start; facelift_blender.unregister();"
        "heavy = sorted({'onnxruntime', 'cv2', 'scipy', 'av'} & set(sys.modules)); print(heavy, spent < 0.3, spent)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "[] True" in done.stdout, done.stdout + done.stderr


def test_capture_can_be_imported_without_blender() -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
    code += "import facelift_blender.capture.track, facelift_blender.exports.livelink; sys.exit('bpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
