# SPDX-License-Identifier: GPL-3.0-or-later
"""From a solved take to the numbers that the scene shows of it, from file to file and without Blender: so any process can do it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..capture.adjust import Adjustments, adjust
from ..capture.corrections import Corrections
from ..capture.kept import keep_take
from ..capture.plain import typed
from ..capture.portrait import portrait
from ..capture.refine import refine
from ..capture.take import load_take
from ..capture.types import Array, FaceLiftError, Image, Take
from ..rigs.head import load_head
from ..scene.fit import fit_head


@dataclass(frozen=True)
class Order:
    """What is wanted of the solved take in a file, and in which folder it is to lie; what only helps goes to `scratch`.

    adjustments: as their text. corrections: to solve again with; None leaves those it has. again: the footage was tracked anew, so
    what is about frames without a face now is left out. shown: the file of what the scene shows now, whose face may do.
    pictured: with the actor's portrait.
    """

    solved: str
    folder: str
    scratch: str
    adjustments: str
    corrections: Corrections | None = None
    again: bool = False
    shown: str = ""
    pictured: bool = False


@dataclass(frozen=True)
class Reckoned:
    """The files of the solved and of the adjusted take, what it was adjusted by, and the file of the face."""

    solved: str
    take: str
    adjustments: str
    face: str


@dataclass(frozen=True)
class Face:
    """vertices (V, 3) and offsets (52, V, 3) of the head bent to the actor, canonical metres, None where those of the scene may stay;
    portrait (H, W, 3) or None.
    """

    vertices: Array | None
    offsets: Array | None
    portrait: Image | None


def answer(told: Mapping[str, Any], _should_stop: Callable[[], bool]) -> dict[str, str]:
    """`reckon` for an assistant."""
    return asdict(reckon(typed(Order, told)))


def reckon(order: Order) -> Reckoned:
    """Solve again with the corrections, adjust, and bend the head to the actor. Raises FaceLiftError."""
    folder, solved_file = Path(order.folder), Path(order.solved)
    solved, wanted = _take(solved_file), Adjustments.of(order.adjustments)
    if order.corrections is not None:
        corrected = (recorrected if order.again else refine)(solved, order.corrections)
        solved_file = solved_file if corrected is solved else keep_take(corrected, folder)
        solved = corrected
    if order.again and wanted.rest is not None and wanted.rest not in solved.frames[solved.valid]:
        wanted = replace(wanted, rest=None)
    take = adjust(solved, wanted)
    take_file = solved_file if take is solved else keep_take(take, folder)
    bend = not order.shown or not np.array_equal(_take(Path(order.shown)).neutral, take.neutral)
    face = Face(*(fit_head(load_head(), take.neutral) if bend else (None, None)), _portrait(take) if order.pictured else None)
    return Reckoned(str(solved_file), str(take_file), wanted.text(), str(_write_face(face, Path(order.scratch))))


def bend(told: Mapping[str, Any], _should_stop: Callable[[], bool]) -> dict[str, str]:
    """The head bent to the actor of the take in a file, `take`, in a file in `scratch`, for an assistant. Raises FaceLiftError."""
    face = Face(*fit_head(load_head(), _take(Path(told["take"])).neutral), None)
    return {"face": str(_write_face(face, Path(told["scratch"])))}


@lru_cache(maxsize=4)
def _take(path: Path) -> Take:
    return load_take(path)


def recorrected(take: Take, corrections: Corrections) -> Take:
    """A new take with the corrections of an earlier one; those on frames where it has no face are told and left out."""
    faces = set(take.frames[take.valid].tolist())
    kept = tuple(pin for pin in corrections.pins if pin.frame in faces)
    lost = len(corrections.pins) - len(kept)
    if lost:
        told = f"{lost} corrections of {take.actor} are on frames without a face now and are left out."
        take = replace(take, provenance={**take.provenance, "warnings": [*take.provenance.get("warnings", ()), told]})
    corrections = replace(corrections, pins=kept)
    return refine(take, corrections) if corrections else take


def _portrait(take: Take) -> Image | None:
    with suppress(FaceLiftError):  # footage that moved away since leaves an actor without a picture
        return portrait(take)
    return None


def _write_face(face: Face, folder: Path) -> Path:
    arrays = {name: part for name, part in vars(face).items() if part is not None}
    try:
        with tempfile.NamedTemporaryFile(suffix=".npz", prefix="facelift-", dir=folder, delete=False) as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise FaceLiftError(f"{folder} cannot be written ({error.strerror or error}): make room for temporary files.") from error
    return Path(file.name)


def take_face(path: Path) -> Face:
    """A face out of the file that `reckon` wrote; the file is gone afterwards. Raises FaceLiftError."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Face(*(arrays.get(name) for name in ("vertices", "offsets", "portrait")))
    except (OSError, ValueError) as error:
        raise FaceLiftError(f"{path} is gone or damaged: do it again.") from error
    finally:
        path.unlink(missing_ok=True)
