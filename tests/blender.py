# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test inside Blender needs: bpy without the user's preferences, an empty file, and an end that does not hang.

Where a failed test's traceback still holds bpy, the wheel does not shut Blender down, and its audio thread then blocks the
exit of the process.
"""

from __future__ import annotations

import os
import sys
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


_status = [0]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    _status[0] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status[0])
