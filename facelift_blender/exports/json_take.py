# SPDX-License-Identifier: GPL-3.0-or-later
"""A take as JSON, for programs that read neither .npz nor .blend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..capture import topology
from ..capture.roomy import windows
from ..capture.types import Array, Take
from ..rigs import arkit
from .files import replacing

VERSION: Final = 1


def write_json(take: Take, path: Path) -> None:
    """Write a take in capture's own axes and units. Raises FaceLiftError when the file cannot be written."""
    with replacing(Path(path)) as temporary, temporary.open("w", encoding="utf-8") as file:
        before, after = _text(describe(take, frames=False)).split('"frames":[', 1)
        file.write(before + '"frames":[')
        for rows in windows(len(take)):
            told = ",".join(_text(_describe_frame(take, index)) for index in range(rows.start, rows.stop))
            file.write("," * (rows.start > 0) + told)
        file.write(after)


def _text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)


def describe(take: Take, frames: bool = True) -> dict[str, Any]:
    """The take as JSON's own types, with its frames or an empty list of them; what is not known is null."""
    return {
        "format": "FaceLift take",
        "version": VERSION,
        "axes": "camera: x right, y down, z into the scene; canonical head: x right, y up, z out of the face",
        "units": "metres, seconds, pixels",
        "actor": take.actor,
        "clip": {
            "path": take.clip.path, "width": take.clip.width, "height": take.clip.height, "fps": take.clip.fps,
            "frame_count": take.clip.frame_count,
        },
        "lens": _describe_lens(take),
        "landmark_names": topology.NAMES,
        "weight_names": arkit.NAMES,
        "observable": take.observable.tolist(),
        "neutral": _rounded(take.neutral),
        "frames": [_describe_frame(take, index) for index in range(len(take) if frames else 0)],
        "provenance": _finite(dict(take.provenance)),
    }  # fmt: skip


def _describe_lens(take: Take) -> dict[str, Any]:
    lens = take.lens
    return {
        "center": list(lens.center), "focal_interval": _rounded(np.array(lens.focal_interval)), "focal_source": lens.focal_source,
        "sensor_width_mm": lens.sensor_width, "pixel_aspect": lens.pixel_aspect,
        "distortion": {"model": lens.distortion.model, "coefficients": list(lens.distortion.coefficients)},
    }  # fmt: skip


def _describe_frame(take: Take, index: int) -> dict[str, Any]:
    frame = {"frame": int(take.frames[index]), "time": float(take.times[index]), "valid": bool(take.valid[index])}
    if not take.valid[index]:
        return frame
    arrays = {
        "focal": take.lens.focal, "camera": take.camera_poses, "rotation": take.rotations, "translation": take.translations,
        "weights": take.weights, "landmarks": take.landmarks, "confidence": take.confidence, "residual": take.residuals,
    }  # fmt: skip
    return frame | {name: _rounded(values[index]) for name, values in arrays.items()}


def _rounded(values: Array) -> Any:
    """Nested lists with seven decimals (a tenth of a micrometre), NaN as None."""
    plain = np.round(np.asarray(values, float), 7)
    return np.where(np.isfinite(plain), plain, None).tolist()


def _finite(value: Any) -> Any:
    """JSON-like data without NaN or infinity, which JSON has no words for."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
