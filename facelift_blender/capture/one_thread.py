# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear algebra on one thread: how a library shares a product among threads decides how its last bits are rounded.

numpy and scipy each bring an OpenBLAS of their own; it is told through its own functions. Where none is found (another linear
algebra library, a system's own build), nothing is changed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

_NAMES = [f"{prefix}openblas_{{}}_num_threads{suffix}" for prefix in ("", "scipy_") for suffix in ("64_", "", "_64")]
"""By what names builds of OpenBLAS have the function that gets, or sets, the number of threads."""


@contextmanager
def one_thread() -> Iterator[None]:
    """While this lasts, products are made by one thread, and come out bit for bit as they always do on this machine."""
    before = [(put, get()) for get, put in _controls()]
    try:
        for put, _ in before:
            put(1)
        yield
    finally:
        for put, count in before:
            put(count)


@lru_cache(maxsize=1)
def _controls() -> tuple[tuple[Callable[[], int], Callable[[int], None]], ...]:
    """Functions that get and set the number of threads, of every OpenBLAS that numpy and scipy have brought."""
    controls = []
    for path in _libraries():
        with suppress(OSError):
            library = ctypes.CDLL(str(path))
            name = next((name for name in _NAMES if hasattr(library, name.format("set"))), None)
            if name is not None:
                controls.append((getattr(library, name.format("get")), getattr(library, name.format("set"))))
    return tuple(controls)


def _libraries() -> list[Path]:
    found: list[Path] = []
    for package in ("numpy", "scipy"):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            home = Path(spec.origin).parent
            folders = (home.parent / f"{package}.libs", home / ".dylibs", home / ".libs")
            found += [path for folder in folders for path in sorted(folder.glob("*openblas*"))]
    return found
