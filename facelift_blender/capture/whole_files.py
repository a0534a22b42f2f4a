# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .types import FaceLiftError


@contextmanager
def replacing(path: Path, make_folder: bool = True) -> Iterator[Path]:
    """A temporary name beside `path` to write to; put in its place when the block ends well, removed when it does not.

    Raises FaceLiftError when the folder is not there and not to be made, or when it cannot be made or written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FaceLiftError(
            f"{path} cannot be written ({error.strerror or error}): make room, or choose a folder that you may write to."
        ) from error
