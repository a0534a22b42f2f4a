# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the networks' weights lie, and that they are the ones this version was made with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from .types import FaceLiftError

Learned = TypeVar("Learned")

_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "weights", _PACKAGE.parent / "models" / "weights")
"""In the installed extension; in a checkout."""


def weights_folder() -> Path:
    """The folder with weights.json. Raises FaceLiftError if there is none."""
    for folder in FOLDERS:
        if (folder / "weights.json").is_file():
            return folder
    raise FaceLiftError("The networks' weights are missing: install FaceLift again from its zip.")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _checked(path: Path, wanted: str, _changed: int) -> bool:
    return sha256_of(path) == wanted


def model_path(name: str) -> Path:
    """The checked file of the network `name` as weights.json lists it.

    Raises FaceLiftError if the file is missing or its bytes are not those that weights.json vouches for.
    """
    folder = weights_folder()
    try:
        entry = json.loads((folder / "weights.json").read_text(encoding="utf-8"))[name]
        path, wanted = folder / " ".join(Path(entry["file"]).name.split()), entry["sha256"]
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FaceLiftError(f"The list of weights does not name “{name}”: install FaceLift again from its zip.") from error
    try:
        whole = _checked(path, str(wanted), path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise FaceLiftError(f"The weights {path.name} are missing: install FaceLift again from its zip.") from error
    if not whole:
        raise FaceLiftError(f"The weights {path.name} are damaged or altered: install FaceLift again from its zip.")
    return path


def read_learned(path: Path, kind: type[Learned]) -> Learned:
    """A dataclass of arrays from the .npz that holds one array a field (`models.training.export.save_learned`)."""
    with np.load(path, allow_pickle=False) as file:
        return kind(*(file[part.name].astype(float) for part in fields(kind)))
