# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of the Live Link Face app: 52 weights, head and eye angles, 61 columns after timecode and count.

Head and eye angles are radians about ARKit's axes, which are the canonical ones: yaw about y (positive towards the
subject's left), pitch about x (positive downwards), roll about z, with R = yaw pitch roll. Frames without a face are left out.
"""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..capture.roomy import windows
from ..capture.types import Array, FaceLiftError, Take
from ..rigs import arkit
from ..rigs.bones import EYE_SIDEWAYS as _SIDEWAYS
from ..rigs.bones import EYE_UPWARDS as _UPWARDS
from .files import replacing

_ANGLES: Final = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
COLUMNS: Final = (*(name[0].upper() + name[1:] for name in arkit.NAMES), *_ANGLES)
EYE_SIDEWAYS, EYE_UPWARDS = math.radians(_SIDEWAYS), math.radians(_UPWARDS)
"""How far an eye has turned when its look shapes are at 1, sideways and up or down."""
_GAP: Final = 0.1
"""Seconds without a face over which angles and weights are still interpolated."""
_ROWS = 4096
_TO_CAMERA: Final = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class LiveLinkOptions:
    """How a take is written. fps: rows a second, sampled in real time (None: the clip's own frames; the app itself writes 60 or 30).

    start: the timecode of the clip's first frame, 'HH:MM:SS:FF'. head, eyes: whether their angles are written, else zeros.
    """

    fps: float | None = None
    start: str = "00:00:00:00"
    head: bool = True
    eyes: bool = True


def write_livelink(take: Take, path: Path, options: LiveLinkOptions = LiveLinkOptions()) -> None:
    """Write the frames of a take that have a face, one row each. Raises FaceLiftError when the file cannot be written."""
    fps = options.fps or take.clip.fps
    begin = seconds_of(options.start, fps)
    with replacing(Path(path)) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("Timecode", "BlendShapeCount", *COLUMNS))
        for part in [slice(None)] if options.fps else windows(len(take), _ROWS):
            for time, row in zip(*_table(take, options, part), strict=True):
                table.writerow((timecode(begin + time, fps), len(COLUMNS), *(f"{value:.10f}" for value in row)))


def read_livelink(path: Path, fps: float) -> tuple[Array, Array]:
    """Times (T,) in seconds and values (T, 61) in the order of `COLUMNS` of a file by this or by the app, recorded at `fps`.

    Rows without values, which the app writes where it saw no face, are left out. Raises FaceLiftError for any other file.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            header, *rows = csv.reader(file)
        places = {name: index for index, name in enumerate(header)}
        order = [places[name] for name in COLUMNS]
        kept = [row for row in rows if len(row) > max(order) and row[order[0]]]
        values = np.array([[float(row[place]) for place in order] for row in kept]).reshape(-1, len(COLUMNS))
        times = np.array([seconds_of(row[places["Timecode"]], fps) for row in kept])
    except OSError as error:
        raise FaceLiftError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, csv.Error) as error:
        raise FaceLiftError(f"{path} is not a CSV of Live Link Face.") from error
    return times, values


def _table(take: Take, options: LiveLinkOptions, part: slice) -> tuple[Array, Array]:
    """Times (K,) and values (K, 61) of a part of the take."""
    known = np.isfinite(take.weights[part]).all(axis=1) & np.isfinite(take.rotations[part]).all(axis=(1, 2))
    rows = np.flatnonzero(take.valid[part] & known) + (part.start or 0)
    times, weights, head = take.times[rows], take.weights[rows], head_angles(take.rotations[rows])
    if options.fps and len(rows):
        wanted = np.arange(np.ceil(times[0] * options.fps - 1e-6), np.floor(times[-1] * options.fps + 1e-6) + 1.0) / options.fps
        near = np.min(np.abs(wanted[:, None] - times[None]), axis=1) <= max(_GAP, 1.0 / take.clip.fps)
        wanted, head = wanted[near], np.unwrap(head, axis=0)
        weights, head = (np.stack([np.interp(wanted, times, column) for column in table.T], 1) for table in (weights, head))
        times = wanted
    eyes = eye_angles(weights)
    return times, np.concatenate([weights, head * options.head, eyes * options.eyes], axis=1)


def seconds_of(text: str, fps: float) -> float:
    """The seconds of a timecode HH:MM:SS:FF or HH:MM:SS:FF.mmm. Raises FaceLiftError for anything else."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+):(\d+(?:\.\d+)?)", text.strip())
    if found is None:
        raise FaceLiftError(f"{text!r} is not a timecode: write it as HH:MM:SS:FF.")
    hours, minutes, seconds, frame = (float(part) for part in found.groups())
    return (((hours * 60 + minutes) * 60 + seconds) * max(round(fps), 1) + frame) / fps


def timecode(time: float, fps: float) -> str:
    """Seconds as HH:MM:SS:FF.mmm, counted in whole nominal frames (24 for 23.976) without dropping any."""
    nominal = max(round(fps), 1)
    thousandths = round(time * fps * 1000.0)
    frames, rest = divmod(thousandths, 1000)
    seconds, frame = divmod(frames, nominal)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frame:02d}.{rest:03d}"


def head_angles(rotations: Array) -> Array:
    """Yaw, pitch and roll (T, 3) in radians of canonical to camera rotations (T, 3, 3); 0 for a face that looks into the lens."""
    turned = _TO_CAMERA @ rotations
    yaw = np.arctan2(turned[:, 0, 2], turned[:, 2, 2])
    pitch = np.arcsin(np.clip(-turned[:, 1, 2], -1.0, 1.0))
    roll = np.arctan2(turned[:, 1, 0], turned[:, 1, 1])
    return np.stack([yaw, pitch, roll], axis=1)


def eye_angles(weights: Array) -> Array:
    """Yaw, pitch and roll of the left and then of the right eye (T, 6) in radians, from the look shapes of weights (T, 52)."""

    def look(name: str) -> Array:
        return weights[:, arkit.INDEX[f"eyeLook{name}"]]

    roll = np.zeros(len(weights))
    left = (EYE_SIDEWAYS * (look("OutLeft") - look("InLeft")), EYE_UPWARDS * (look("DownLeft") - look("UpLeft")), roll)
    right = (EYE_SIDEWAYS * (look("InRight") - look("OutRight")), EYE_UPWARDS * (look("DownRight") - look("UpRight")), roll)
    return np.stack([*left, *right], axis=1)
