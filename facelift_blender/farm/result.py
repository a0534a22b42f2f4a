# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of a shot: the row of the report, kept beside the shot's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..capture.types import FaceLiftError
from ..exports.files import replacing
from .shots import Shot

DONE, SKIPPED, FAILED, BUSY, WAITING = "done", "unchanged", "failed", "busy", "not done"
_MOST_BYTES = 4 << 20


@dataclass(frozen=True)
class Result:
    """sentence: why it failed. seconds: that the work took. residual: median in pixels, and as a share of the face.

    key: what the files were made from. files: name in the shot's folder to size in bytes.
    """

    name: str
    clip: str
    status: str
    sentence: str = ""
    seconds: float = 0.0
    frames: int = 0
    found: int = 0
    tracked: int = 0
    """Frames that this run tracked; fewer than `frames` where it went on from finished chunks."""
    residual: float | None = None
    residual_share: float | None = None
    focal: str = ""
    warnings: tuple[str, ...] = ()
    key: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    memory: int = 0
    """Bytes that the worker held after the shot."""

    @property
    def good(self) -> bool:
        return self.status in (DONE, SKIPPED)


def work_folder(folder: Path, shot: Shot) -> Path:
    """Where a shot's unfinished work lies: beside its folder, so that what is named relative to one is right in the other."""
    return folder / f".{shot.name}"


def write_result(result: Result, folder: Path, shot: Shot) -> None:
    """Raises FaceLiftError when it cannot be written."""
    with replacing(work_folder(folder, shot) / "result.json") as temporary:
        temporary.write_text(json.dumps(asdict(result), indent=1), encoding="utf-8")


def read_result(folder: Path, shot: Shot) -> Result | None:
    """What became of a shot, or None where that is not known."""
    path = work_folder(folder, shot) / "result.json"
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(_MOST_BYTES))
        return result_of(told)
    except (OSError, ValueError, RecursionError, FaceLiftError):
        return None


def result_of(told: Mapping[str, Any]) -> Result:
    """A result out of JSON. Raises FaceLiftError where it is none."""
    try:
        numbers = {name: int(told[name]) for name in ("frames", "found", "tracked", "memory")} | {"seconds": float(told["seconds"])}
        shares = {name: None if told[name] is None else float(told[name]) for name in ("residual", "residual_share")}
        texts = {name: str(told[name]) for name in ("name", "clip", "status", "sentence", "focal", "key")}
        files = {str(name): int(size) for name, size in told["files"].items()}
        return Result(**numbers, **shares, **texts, warnings=tuple(map(str, told["warnings"])), files=files)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FaceLiftError("A shot's result cannot be read; run the batch again.") from error
