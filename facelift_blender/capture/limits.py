# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of the machine a process may take, and how much it takes."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

_SHARE = 0.8
"""Of the machine's memory, for all workers together."""
_LEAST = 1 << 30
_TRIM, _MAPPED = (-1, 32 << 20), (-3, 3 << 20)
"""glibc's names for what it keeps of freed memory at most, and for the size from which it asks the system each time; and how much: a
picture of 720p, and as many of them as wait to be read. With more, what a solve of two hours needs grows by a seventh.
"""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_share(workers: int) -> int:
    """Bytes that each of some workers may take, 1 GB at least."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        whole = 8 << 30
    return max(int(whole * _SHARE / workers), _LEAST)


def limit_memory(size: int) -> None:
    """Let this process take `size` bytes more than it has; an allocation beyond fails. Only Linux counts what is meant here."""
    taken = _status("self", "VmData")
    if taken is None:
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = taken + size
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def keep_freed() -> None:
    """Let the C library keep freed memory of a picture's size for the next picture: new pages cost as much as decoding. glibc only."""
    put = _glibc("mallopt")
    if put is not None:
        put(*_TRIM)
        put(*_MAPPED)


def give_back_freed() -> None:
    """Let it give all that it kept back to the system."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it is glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None


def resident(pid: int | str = "self") -> int | None:
    """Bytes of memory that a process holds; None where the system does not tell or it is gone."""
    return _status(pid, "VmRSS")


def _status(pid: int | str, name: str) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":")), None)
