# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in files of their own: each has a name that no other has, so that it is found again wherever it lies."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

from .take import save_take
from .types import Take

ENDING: Final = ".take.npz"


def keep_take(take: Take, folder: Path) -> Path:
    """Write a take to a file of its own and return that. Raises FaceLiftError."""
    path = folder / f"{uuid.uuid4().hex}{ENDING}"
    save_take(take, path)
    return path
