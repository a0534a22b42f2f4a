# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test inside Blender needs: bpy without the user's preferences, and an empty file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_RESOURCES = Path(tempfile.mkdtemp(prefix="facelift_blender_resources_"))
(_RESOURCES / "config").mkdir()
os.environ["BLENDER_USER_RESOURCES"] = str(_RESOURCES)

bpy = pytest.importorskip("bpy")


@pytest.fixture(autouse=True)
def empty_file() -> Iterator[None]:
    """Each test starts and ends in an empty factory file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    yield
    bpy.ops.wm.read_factory_settings(use_empty=True)
