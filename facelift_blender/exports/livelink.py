# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of the Live Link Face app: 52 weights, head and eye angles, 61 columns after timecode and count.

Head and eye angles are radians about ARKit's axes, which are the canonical ones: yaw about y (positive towards the
subject's left), pitch about x (positive downwards), roll about z, with R = yaw pitch roll. Frames without a face are left out.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final

import numpy as np

from ..capture.types import Array, Take
from ..rigs import arkit
from .files import replacing

_ANGLES: Final = tuple(f"{part}{angle}" for part in ("Head", "LeftEye", "RightEye") for angle in ("Yaw", "Pitch", "Roll"))
COLUMNS: Final = (*(name[0].upper() + name[1:] for name in arkit.NAMES), *_ANGLES)
EYE_SIDEWAYS, EYE_UPWARDS = math.radians(30.0), math.radians(25.0)
"""How far an eye has turned when its look shapes are at 1, sideways and up or down."""
_TO_CAMERA: Final = np.diag([1.0, -1.0, -1.0])


def write_livelink(take: Take, path: Path) -> None:
    """Write the frames of a take that have a face, one row each. Raises FaceLiftError when the file cannot be written."""
    rows = np.flatnonzero(take.valid & np.isfinite(take.weights).all(axis=1) & np.isfinite(take.rotations).all(axis=(1, 2)))
    values = np.concatenate([take.weights, head_angles(take.rotations), eye_angles(take.weights)], axis=1)[rows]
    with replacing(Path(path)) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("Timecode", "BlendShapeCount", *COLUMNS))
        for time, row in zip(take.times[rows], values, strict=True):
            table.writerow((timecode(time, take.clip.fps), len(COLUMNS), *(f"{value:.10f}" for value in row)))


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
