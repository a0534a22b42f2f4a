# SPDX-License-Identifier: GPL-3.0-or-later
"""Where takes are kept between runs: one file a take in FaceLift's own user folder, named by its Head's `take` property.

A new run writes a new file, so that after an undo the earlier take is still there.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import bpy

from ..capture.take import load_take, save_take
from ..capture.types import FaceLiftError, Take
from ..scene.ownership import member

_PACKAGE = __package__.rpartition(".")[0]


def keep_take(take: Take) -> Path:
    """Write a take to the user folder and return its file. Raises FaceLiftError."""
    path = _folder() / f"{uuid.uuid4().hex}.take.npz"
    save_take(take, path)
    return path


def _folder() -> Path:
    if _PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(_PACKAGE, path="takes", create=True))
    return Path(bpy.utils.user_resource("DATAFILES", path="facelift/takes", create=True))


def take_of(collection: bpy.types.Collection) -> Take:
    """The take that a collection was built from. Raises FaceLiftError when its file is gone."""
    path = Path(bpy.path.abspath(member(collection, "Head").get("take", "")))
    if not path.is_file():
        raise FaceLiftError(f"The take file of {collection.name} is gone ({path}): track the footage again.")
    return load_take(path)
