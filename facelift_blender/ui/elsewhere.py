# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene files written by another Blender in the background: Blender's own exporters would hold this one's window for seconds."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ..capture.types import FaceLiftError
from ..exports.files import replacing
from ..farm.crew import command, environment

_LOOK: Final = 0.1


def write_elsewhere(parcel: Path, path: Path, should_stop: Callable[[], bool]) -> bool:
    """Let another Blender write a packed collection as what the path's ending says; False where it was stopped and nothing is written.

    The parcel is gone afterwards. Raises FaceLiftError with the other Blender's sentence.
    """
    try:
        made, words = parcel / f"made{path.suffix}", parcel / "words.txt"
        with open(words, "wb") as told:
            arguments = command(["scene-file", str(parcel), "-o", str(made)])
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environment())
            if not _ended(process, should_stop):
                return False
        if process.returncode or not made.is_file():
            raise FaceLiftError(_sentence(words, path))
        with replacing(path) as temporary:
            shutil.copyfile(made, temporary)
    except OSError as error:
        raise FaceLiftError(f"{path.name} cannot be written ({error.strerror or error}): make room, or choose another folder.") from error
    finally:
        shutil.rmtree(parcel, ignore_errors=True)
    return True


def _ended(process: subprocess.Popen[bytes], should_stop: Callable[[], bool]) -> bool:
    """Wait for a process; False where it was stopped before its end."""
    while process.poll() is None:
        if should_stop():
            process.kill()
            process.wait()
            return False
        time.sleep(_LOOK)
    return True


def _sentence(words: Path, path: Path) -> str:
    """The last sentence of FaceLift's among what a process said."""
    said = [line for line in words.read_text(encoding="utf-8", errors="replace").splitlines() if line.startswith("FaceLift: ")]
    return said[-1].removeprefix("FaceLift: ") if said else f"{path.name} could not be written: the other Blender ended early; try again."
