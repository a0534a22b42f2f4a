# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays with a row a frame, however many frames: those of a long clip lie in a file without a name, not in memory.

What works on them takes them window by window (`windows`), after each of which their pages leave this process: so the memory that
a take of two hours needs is that of one of ten minutes. The file is where Python puts temporary files (TMPDIR says where), and
is gone when the array is.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .limits import give_back_freed
from .types import Array, FaceLiftError

LONG = 9000
"""Frames of a clip from which on its arrays leave memory: five minutes at 30 a second."""
WINDOW, _APART = 256, 8

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def roomy(frames: int, *shape: int, fill: float = 0.0, dtype: DTypeLike = float) -> NDArray:
    """An array (frames, *shape) filled with one value. Raises FaceLiftError if a long clip's has no room on the disk."""
    if frames <= LONG:
        return np.full((frames, *shape), fill, dtype)
    array = _mapped((frames, *shape), np.dtype(dtype))
    if fill != 0:
        for rows in windows(frames):
            array[rows] = fill
    return array


def roomy_copy(array: Array) -> Array:
    """A copy of the array, in memory or not as `roomy` is."""
    twin = roomy(len(array), *array.shape[1:], dtype=array.dtype)
    for rows in windows(len(array)):
        twin[rows] = array[rows]
    return twin


def windows(frames: int, size: int = WINDOW) -> Iterator[slice]:
    """All rows, so many at a time that what is done with them needs little memory."""
    for start in range(0, frames, size):
        yield slice(start, min(start + size, frames))
        rest()


def gathered(array: Array, rows: NDArray[np.int64]) -> Array:
    """Some rows. Where they lie far apart they are read a few at a time: each may bring megabytes of its file with it."""
    if len(array) <= LONG or len(rows) == 0 or rows[-1] - rows[0] < 2 * len(rows):
        return array[rows]
    out = np.empty((len(rows), *array.shape[1:]), array.dtype)
    for part in windows(len(rows), _APART):
        out[part] = array[rows[part]]
    return out


def rest() -> None:
    """Let the pages of all such arrays leave this process's memory, what is in them stays; and what else was freed beside them."""
    if _maps:
        give_back_freed()
    if hasattr(mmap, "MADV_DONTNEED"):
        for mapped in list(_maps):
            mapped.madvise(mmap.MADV_DONTNEED)


def _mapped(shape: tuple[int, ...], dtype: np.dtype) -> NDArray:
    size = int(np.prod(shape)) * dtype.itemsize
    try:
        with tempfile.TemporaryFile(prefix="facelift-") as file:
            _reserve(file.fileno(), size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        folder = tempfile.gettempdir()
        raise FaceLiftError(
            f"A clip this long needs room for temporary files in {folder} ({error.strerror or error}): make some, or name another folder"
            " in TMPDIR."
        ) from error
    _maps.add(mapped)
    return np.frombuffer(mapped, dtype).reshape(shape)


def _reserve(file: int, size: int) -> None:
    """Bring the file to its size, with room on the disk wherever the system can promise that: a page without would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
