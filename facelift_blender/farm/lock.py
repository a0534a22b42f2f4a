# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a shot, on one machine or on many that share a disk.

The lock is a file that only one can create. It tells who holds it and is touched while the work goes on; a lock whose process is gone
from this machine, or that another machine has not touched for two minutes, is nobody's.
"""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..capture.types import FaceLiftError

STALE_SECONDS = 120.0
TOUCH_SECONDS = 15.0


class BusyError(FaceLiftError):
    """Another run is at this shot."""


@dataclass
class Lock:
    """Held from `holding`; `touch` tells the others that the work goes on."""

    path: Path
    token: str
    _touched: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        """At most every few seconds. Raises FaceLiftError when another run has taken the lock."""
        now = time.monotonic()
        if now - self._touched < TOUCH_SECONDS:
            return
        self._touched = now
        if _owner(self.path).get("token") != self.token:
            raise FaceLiftError("Another run took this shot over, because this one had not been heard of for two minutes.")
        os.utime(self.path)


@contextmanager
def holding(path: Path) -> Iterator[Lock]:
    """Hold the lock file while the block runs. Raises BusyError when another run holds it."""
    token = uuid.uuid4().hex
    _create(path, token)
    try:
        yield Lock(path, token)
    finally:
        if _owner(path).get("token") == token:
            with suppress(OSError):
                path.unlink()


def _create(path: Path, token: str) -> None:
    owner = {"token": token, "pid": os.getpid(), "started": _birth(os.getpid()), "host": platform.node()}
    fresh = path.with_name(f"{path.name}.{token}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(owner), encoding="utf-8")
        for _ in range(3):
            if _placed(fresh, path):
                return
            _require_stale(path)
            with suppress(FileNotFoundError):
                os.replace(path, path.with_name(f"{path.name}.{token}.stale"))
    except OSError as error:
        raise FaceLiftError(
            f"{path.parent} cannot be written ({error.strerror or error}): make room, or choose a folder that you may write to."
        ) from error
    finally:
        for litter in (fresh, path.with_name(f"{path.name}.{token}.stale")):
            with suppress(OSError):
                litter.unlink()
    raise BusyError(f"Another run was quicker to begin with {path.parent.name.lstrip('.')}.")


def _placed(fresh: Path, path: Path) -> bool:
    """The whole file under the lock's name, if that is free."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    except OSError:  # a disk without links
        return _placed_without_links(fresh, path)
    return True


def _placed_without_links(fresh: Path, path: Path) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(fresh.read_text(encoding="utf-8"))
    except FileExistsError:
        return False
    return True


def _require_stale(path: Path) -> None:
    owner = _owner(path)
    with suppress(FileNotFoundError):
        silent = time.time() - path.stat().st_mtime
        here = owner.get("host") == platform.node()
        gone = here and _birth(owner.get("pid")) != owner.get("started")
        if not gone and silent < STALE_SECONDS:
            raise BusyError(f"Another run is at this shot (process {owner.get('pid', '?')} on {owner.get('host', '?')}).")


def _owner(path: Path) -> dict[str, object]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _birth(pid: object) -> str | None:
    """When a process of this machine began, which tells it from a later one of the same number; None if there is none."""
    if not isinstance(pid, int) or pid <= 0:
        return None
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        with suppress(OSError, IndexError):
            state, *rest = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
            return rest[18] if state not in "ZX" else None
        return None
    return _birth_elsewhere(pid)


def _birth_elsewhere(pid: int) -> str | None:
    """Without /proc only that it is there can be told; on Windows, where signal 0 would end it, not even that."""
    if os.name == "nt":
        return "unknown"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return "alive"
    return "alive"
