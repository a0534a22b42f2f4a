# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for files."""

from __future__ import annotations

from pathlib import Path

from ..capture.whole_files import replacing

__all__ = ["replacing", "require_writable"]


def require_writable(folder: Path) -> None:
    """Make a folder where it is missing. Raises FaceLiftError when it cannot be made or written to."""
    with replacing(folder / ".facelift") as temporary:
        temporary.touch()
    (folder / ".facelift").unlink()
