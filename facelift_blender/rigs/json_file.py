# SPDX-License-Identifier: GPL-3.0-or-later
"""Small JSON files that people keep and hand on: written whole, read as coming from anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..capture.types import FaceLiftError
from ..capture.whole_files import replacing


def write_whole(text: str, path: Path) -> None:
    """Put a text in place whole or not at all, in a folder that is there. Raises FaceLiftError when it cannot be written."""
    with replacing(path, make_folder=False) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_bounded(path: Path, largest: int, kind: str, too_large: str) -> Any:
    """JSON's own types from a file of at most `largest` bytes. Raises FaceLiftError; `kind` and `too_large` say what was looked for."""
    try:
        if Path(path).stat().st_size > largest:
            raise FaceLiftError(f"{path} is too large for {too_large}.")
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # half a character could be written nowhere
    except OSError as error:
        raise FaceLiftError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise FaceLiftError(f"{path} is not JSON; choose a {kind} that FaceLift saved.") from error
    return content
