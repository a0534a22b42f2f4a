# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a take comes from: programs, models, footage and settings, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from .sequence import files_of
from .types import Clip, FaceLiftError

WHOLE_FILE = 512 << 20
ENDS = 16 << 20
"""A longer file is known by its first and last bytes."""

LIBRARIES = ("numpy", "scipy", "onnxruntime", "cv2", "av")


def describe(
    clip: Clip, settings: object, models: Sequence[object], seconds: dict[str, float], read: int, seen: int, warnings: Sequence[str]
) -> dict[str, Any]:
    """JSON-like provenance of a take, before the solve adds its own part."""
    return {
        "program": versions(),
        "models": {type(model).__name__: _model(model) for model in models},
        "provider": next((model.provider for model in models if hasattr(model, "provider")), ""),
        "footage": {"file": Path(clip.path).name, **fingerprint_footage(Path(clip.path))},
        "settings": json.loads(json.dumps(asdict(settings), default=_in_short)) if is_dataclass(settings) else {},
        "frames": {"read": read, "with_face": seen},
        "milliseconds": {station: spent * 1e3 / max(read, 1) for station, spent in seconds.items()},
        "warnings": list(warnings),
    }


def _in_short(value: Any) -> Any:
    """What stands in JSON for an array, such as a solved camera's poses: its shape and a fingerprint."""
    return {"shape": list(value.shape), "sha256": hashlib.sha256(value.tobytes()).hexdigest()}


def fingerprint_footage(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a movie, or of all files of a sequence together. Raises FaceLiftError where one is gone or cannot be read."""
    try:
        prints = [fingerprint(file) for file in files_of(path)]
    except OSError as error:
        raise FaceLiftError(f"{path.name} cannot be read ({error.strerror or error}): check its name, folder and rights.") from error
    if len(prints) == 1:
        return prints[0]
    together = hashlib.sha256(json.dumps(prints).encode()).hexdigest()
    return {"bytes": sum(one["bytes"] for one in prints), "files": len(prints), "sha256": together}


def fingerprint(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file: of the whole, or of its size, first and last 16 MB where it is longer than 512 MB."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size <= WHOLE_FILE:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
            return {"bytes": size, "sha256": digest.hexdigest()}
        digest.update(str(size).encode() + file.read(ENDS))
        file.seek(-ENDS, 2)
        digest.update(file.read())
    return {"bytes": size, "sha256_of_ends": digest.hexdigest()}


@cache
def versions() -> dict[str, str]:
    """FaceLift's version, Python's and the libraries'."""
    libraries = {name: getattr(import_module(name), "__version__", "") for name in LIBRARIES}
    return {"facelift": _own_version(), "python": platform.python_version(), **libraries}


def _own_version() -> str:
    package = Path(__file__).resolve().parent.parent
    for manifest in (package / "blender_manifest.toml", package.parent / "addon_manifest.toml"):
        if manifest.is_file():
            found = re.search(r'^version\s*=\s*"([^"]+)"', manifest.read_text(encoding="utf-8"), re.MULTILINE)
            return found[1] if found else ""
    return ""


def _model(model: object) -> dict[str, str]:
    return {key: str(getattr(model, key)) for key in ("name", "sha256") if hasattr(model, key)}
