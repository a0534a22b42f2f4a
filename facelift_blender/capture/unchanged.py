# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage that is replaced while it is tracked: what was seen of it belongs to neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .sequence import files_of
from .types import FaceLiftError


@contextmanager
def unchanged(clip: Path) -> Iterator[None]:
    """Raises FaceLiftError when footage is not there, or was replaced while the block ran, whatever else went wrong by that."""
    before = _stamps(clip)
    try:
        yield
    except FaceLiftError as error:
        _require_same(clip, before, error)
        raise
    _require_same(clip, before, None)


def _require_same(clip: Path, before: object, cause: FaceLiftError | None) -> None:
    if _stamps(clip) != before:
        raise FaceLiftError(f"{clip.name} was changed while it was tracked; track it again once it is whole.") from cause


def _stamps(clip: Path) -> list[tuple[str, int, int, int]]:
    try:
        return [(file.name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for file in files_of(clip) for stat in [file.stat()]]
    except FileNotFoundError:
        raise FaceLiftError(f"{clip.name} does not exist; check its name and folder.") from None
    except OSError as error:
        raise FaceLiftError(f"{clip.name} cannot be read ({error.strerror or error}).") from error
