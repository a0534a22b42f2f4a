# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the numbers of a take are kept: in files of their own that its Head names, or packed into the .blend.

There are two of them: `take`, which the scene shows and the exports write, and `solved`, which it is adjusted from; one file
where nothing is adjusted. A file has a name that no other has, so it is found again wherever it lies: where it was last, beside
the .blend, or among the recent takes. A new run writes a new file, so that after an undo the earlier take is still there.
"""

from __future__ import annotations

import os
import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import Final

import bpy

from ..capture.kept import ENDING
from ..capture.take import load_take
from ..capture.types import FaceLiftError, Take
from .ownership import adopt, member, take_collections

KINDS: Final = ("take", "solved")
_FOLDER: Final = ".facelift"
"""What the folder beside a .blend is called, after the file's name."""
_STARTED: Final = time.time()


def refer_to(collection: bpy.types.Collection, take: Path, solved: Path) -> None:
    """From now on the collection's take is in these files; a packed one is packed anew. Raises FaceLiftError."""
    packed = is_packed(collection)
    head = member(collection, "Head")
    head["take"], head["solved"] = str(take), str(solved)
    if packed:
        pack(collection)


def take_of(collection: bpy.types.Collection, kind: str = "take") -> Take:
    """The take that a collection shows, or the `solved` one under it. Raises FaceLiftError when it is nowhere."""
    return read_take(find_file(collection, kind))


def find_file(collection: bpy.types.Collection, kind: str = "take") -> Path:
    """The file of a collection's take, taken out of the .blend if need be. Raises FaceLiftError when it is nowhere."""
    path = locate(collection, kind)
    if path is None and is_packed(collection):
        path = _unpacked(collection, kind, Path(bpy.app.tempdir))
    if path is None:
        raise FaceLiftError(
            f"The take file of {collection.name} is gone ({reference(collection)}): put it beside this .blend, pack it into the file that"
            " the take was appended from, or track the footage again."
        )
    return path


def read_take(path: Path) -> Take:
    """The take in a file; one that was read lately is at hand. Raises FaceLiftError."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise FaceLiftError(f"There is no take at {path}.") from error


@lru_cache(maxsize=6)
def _read(path: Path, _changed: int) -> Take:
    return load_take(path)


def reference(collection: bpy.types.Collection, kind: str = "take") -> str:
    """The file of a take as its Head names it, '' where a person deleted the Head. A batch names one file for both kinds."""
    head = member(collection, "Head")
    return str(head.get(kind) or head.get("take", "")) if head else ""


def name_in_full(collection: bpy.types.Collection, library: str) -> None:
    """Let a take that was appended from a library name its files in full: they were named as from there."""
    head = member(collection, "Head") if collection in take_collections() else None
    folder = Path(bpy.path.abspath(library)).parent
    for kind in KINDS:
        named = str(head.get(kind, "")) if head else ""
        if named.startswith("//") and not is_packed(collection):
            head[kind] = str(folder / named[2:])


def locate(collection: bpy.types.Collection, kind: str = "take") -> Path | None:
    """The file of a collection's take, or None where it is nowhere to be found."""
    named = reference(collection, kind)
    if not named:
        return None
    path = Path(bpy.path.abspath(named, library=collection.library))
    return next((place for place in (path, *_other_places(path.name)) if place.is_file()), None)


def _other_places(name: str) -> list[Path]:
    blend = bpy.data.filepath
    beside = sorted(Path(blend).parent.glob(f"*{_FOLDER}/{name}")) if blend else []
    return [*beside, Path(bpy.app.tempdir) / name]


# ---------------------------------------------------------------- packed


def is_packed(collection: bpy.types.Collection) -> bool:
    """Whether the take itself is in the .blend."""
    return member(collection, _role("take")) is not None


def pack(collection: bpy.types.Collection) -> None:
    """Put the take's files into the .blend, as Blender packs any file. Raises FaceLiftError when one is gone."""
    contents = {kind: find_file(collection, kind).read_bytes() for kind in KINDS}
    for kind, content in contents.items():
        _hold(collection, kind, content if kind == "take" or content != contents["take"] else None)


def _hold(collection: bpy.types.Collection, kind: str, content: bytes | None) -> None:
    """Pack a file's content under its kind, or nothing."""
    image = member(collection, _role(kind))
    if image is not None:
        bpy.data.images.remove(image)
    if content is not None:
        image = adopt(collection, _role(kind), bpy.data.images.new(f"{collection.name}.{kind}{ENDING}", 1, 1))
        image.pack(data=content, data_len=len(content))


def unpack(collection: bpy.types.Collection, folder: Path) -> None:
    """Take the take out of the .blend into files."""
    head = member(collection, "Head")
    for kind in KINDS:
        head[kind] = str(locate(collection, kind) or _unpacked(collection, kind, folder))
    for kind in KINDS:
        _hold(collection, kind, None)


def _unpacked(collection: bpy.types.Collection, kind: str, folder: Path) -> Path:
    image = member(collection, _role(kind)) or member(collection, _role("take"))
    path = folder / Path(reference(collection, kind)).name
    part = path.with_name(path.name + ".part")
    part.write_bytes(image.packed_file.data)
    os.replace(part, path)
    return path


def _role(kind: str) -> str:
    return f"{kind.capitalize()} data"


# ---------------------------------------------------------------- beside the file


def keep_beside(blend: Path) -> list[Path]:
    """Copy what the file's takes refer to into a folder beside the .blend that is about to be written; return the new files."""
    folder, copied = blend.with_name(blend.stem + _FOLDER), []
    for collection in local_takes():
        for kind in KINDS:
            path = locate(collection, kind)
            if path is None or is_packed(collection) or path.parent in (blend.parent, folder):
                continue
            folder.mkdir(exist_ok=True)
            if not (folder / path.name).exists():
                copied.append(Path(shutil.copy2(path, folder / path.name)))
            member(collection, "Head")[kind] = str(folder / path.name)
    return copied


def local_takes() -> list[bpy.types.Collection]:
    """The takes that are in this file and not linked from another."""
    return [collection for collection in take_collections() if collection.library is None and member(collection, "Head")]


def referred() -> set[str]:
    """The names of the files that takes of the open file refer to."""
    return {Path(reference(collection, kind)).name for collection in take_collections() for kind in KINDS}


def unused_beside() -> list[Path]:
    """Files in the folder beside the .blend that no take of it refers to."""
    if not bpy.data.filepath:
        return []
    blend, used = Path(bpy.data.filepath), referred()
    folder = blend.with_name(blend.stem + _FOLDER)
    return [path for path in sorted(folder.glob(f"*{ENDING}")) if path.name not in used]


def clean(folder: Path, most_bytes: int) -> list[Path]:
    """Delete the oldest takes of a folder until it holds at most so much; the open file's and this session's, for undo, are kept."""
    files = sorted(((path, path.stat()) for path in folder.glob(f"*{ENDING}")), key=lambda item: item[1].st_mtime, reverse=True)
    total, spared, gone = 0, referred(), []
    for path, status in files:
        total += status.st_size
        if total > most_bytes and path.name not in spared and status.st_mtime < _STARTED:
            path.unlink(missing_ok=True)
            gone.append(path)
    return gone
