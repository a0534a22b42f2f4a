# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays from a file that nobody vouches for: no pickled objects, and nothing is allocated before its size is known."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

DAMAGE = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, IndexError, EOFError, TypeError, AttributeError, OverflowError,
    RecursionError, NotImplementedError, SyntaxError, RuntimeError, MemoryError, tokenize.TokenError, struct.error,
)  # fmt: skip
"""What reading a damaged .npz raises."""

MOST_BYTES = 1 << 34
_PLAIN_KINDS = "biuf"


def read_arrays(path: Path, names: Iterable[str], most_bytes: int = MOST_BYTES) -> dict[str, np.ndarray]:
    """The named arrays of an .npz. Raises one of DAMAGE where it is not whole or too large, OSError where it cannot be read."""
    with zipfile.ZipFile(path) as archive:
        return {name: _read(archive, name + ".npy", most_bytes) for name in names}


def read_shape(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """What an array's own header says of it. Raises ValueError for objects and for what is no array of numbers."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.kind not in _PLAIN_KINDS or dtype.hasobject or any(side < 0 for side in shape):
        raise ValueError(f"no array of numbers: {dtype} {shape}")
    return shape, dtype


def _read(archive: zipfile.ZipFile, member: str, most_bytes: int) -> np.ndarray:
    size = archive.getinfo(member).file_size
    with archive.open(member) as file:
        shape, dtype = read_shape(file)
        if size > most_bytes or math.prod(shape) * dtype.itemsize > size:
            raise ValueError(f"{member} claims {shape} of {dtype} in {size} bytes")
    with archive.open(member) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
