# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of a take, asked for by its kind: from file to file and without Blender, so that any process can do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ..capture.take import load_take
from ..capture.types import Take
from .json_take import write_json
from .livelink import write_livelink
from .review import write_review

Stop = Callable[[], bool]
_WRITERS: Final[Mapping[str, Callable[[Take, Path, Stop], None]]] = {
    "livelink": lambda take, path, _should_stop: write_livelink(take, path),
    "json": lambda take, path, _should_stop: write_json(take, path),
    "review": write_review,
}


def answer(told: Mapping[str, Any], should_stop: Stop) -> dict[str, Any]:
    """Write the take of a file, `take`, as a `kind` of file to a `path`, for an assistant. Raises FaceLiftError."""
    _WRITERS[told["kind"]](load_take(Path(told["take"])), Path(told["path"]), should_stop)
    return {}
