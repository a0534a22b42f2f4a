# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage is first looked at in a process of its own: if it crashes or hangs what decodes it, Blender is still there to say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

from .footage import probe, read_frames
from .limits import limit_memory
from .plain import typed
from .types import Clip, FaceLiftError

PATIENCE = 30.0
"""Seconds that the look may take."""
SAMPLING = 2.0
"""Seconds of them for decoding pictures here and there."""
SAMPLES = 5
MEMORY = 4 << 30

_NOT_BEGUN = 1
"""Python's exit status where it could not even import what looks: no fault of the footage."""

_PACKAGE = Path(__file__).resolve().parent.parent
_CODE = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); importlib.import_module(sys.argv[2] + '.capture.apart').main(*sys.argv[3:])"
)


def probe_apart(path: str | Path, fps: float | None = None, patience: float = PATIENCE) -> Clip:
    """As `footage.probe`, from another process that also decodes some pictures. The same file is looked at once.

    Raises FaceLiftError also for footage that crashes the decoder, or takes longer than `patience` seconds.
    """
    path = Path(path).absolute()
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return probe(path, fps)  # which says what is wrong
    return _looked(path, fps, patience, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _looked(path: Path, fps: float | None, patience: float, _changed: int, _size: int) -> Clip:
    python = python_program()
    if python is None:
        return probe(path, fps)
    command = [python, "-s", "-c", _CODE, str(_PACKAGE.parent), _PACKAGE.name, str(path), json.dumps(fps)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONIOENCODING": "utf-8"}
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, timeout=patience, text=True, encoding="utf-8",
            errors="replace", check=False, creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise FaceLiftError(
            f"{path.name} hangs what decodes it, or is very slow to read; convert it, or copy it to a faster disk."
        ) from None
    if done.returncode == _NOT_BEGUN:
        return probe(path, fps)
    return _understood(path, done)


def _understood(path: Path, done: subprocess.CompletedProcess[str]) -> Clip:
    told = _last_json(done.stdout)
    if "error" in told:
        raise FaceLiftError(str(told["error"]))
    try:
        return typed(Clip, told["clip"])
    except (ValueError, TypeError, KeyError, OverflowError):
        status = done.returncode
        raise FaceLiftError(
            f"{path.name} crashes what decodes it (exit status {status}): it is damaged; convert it, or export it again."
        ) from None


def _last_json(text: str) -> Mapping[str, Any]:
    lines = text.strip().splitlines()
    try:
        told = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def python_program() -> str | None:
    """The program of this Python, or of Blender's own; None where there is none to be found."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = [Path(sys.executable or ""), Path(sys.prefix) / "bin" / version, Path(sys.prefix) / "bin" / "python.exe"]
    return next((str(path) for path in candidates if path.name.lower().startswith("python") and path.is_file()), None)


def main(path: str, fps: str) -> None:
    """The other process: print the clip, or what is wrong with it, as JSON."""
    limit_memory(MEMORY)
    try:
        clip = probe(path, json.loads(fps))
        _sample(clip)
        told = {"clip": asdict(clip)}
    except FaceLiftError as error:
        told = {"error": str(error)}
    except MemoryError:
        told = {"error": f"{Path(path).name} takes more memory to decode than there is; scale it down, or export it again."}
    sys.stdout.write("\n" + json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)  # a damaged clip's decoder is not asked to clean up


def _sample(clip: Clip) -> None:
    """Decode a few pictures from its first to its last, as long as there is time."""
    started = time.monotonic()
    for number in range(SAMPLES):
        frame = 1 + (clip.frame_count - 1) * number // (SAMPLES - 1)
        for _ in read_frames(clip, frame, frame):
            pass
        if time.monotonic() - started > SAMPLING:
            return
