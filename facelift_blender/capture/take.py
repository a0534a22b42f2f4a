# SPDX-License-Identifier: GPL-3.0-or-later
"""A take on disk, and a take on the plate.

The file is an .npz without pickled objects: one array a field, `raw.` before those of the raw take, and `header`, JSON text
with everything that is no array. It is written whole or not at all.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .camera import check_distortion, to_pixels
from .corrections import Corrections
from .npz import DAMAGE, read_shape
from .plain import fields_of, typed
from .roomy import LONG, roomy, windows
from .topology import REGIONS
from .types import Array, Clip, Distortion, FaceLiftError, Lens, Observations, Take

VERSION = 2
"""2: corrections."""
_MOST_FRAMES, _MOST_LANDMARKS, _WEIGHTS = 1_000_000, 10_000, 52
_ROWS = 4096
_WIDEST, _SHORTEST, _FARTHEST, _LONGEST_FALLOFF = 1 << 20, 1e-3, 1e6, 1000.0
_FASTEST, _LATEST = 1e6, 1e9
"""Pixels that a picture may be wide, that a focal length is longer than, and from the picture that a pin may lie at most; frames over
which a correction may fade; the largest frame rate, and seconds from the clip's first frame.
"""

_SHAPES = {
    "frames": "T", "times": "T", "valid": "T", "focal": "T", "camera_poses": "T44", "rotations": "T33", "translations": "T3",
    "neutral": "N3", "landmarks": "TN3", "covariances": "TN22", "confidence": "TN", "weights": "TK", "observable": "K", "residuals": "T",
    "raw.frames": "T", "raw.found": "T", "raw.landmarks_2d": "TN2", "raw.covariances": "TN22", "raw.landmarks_3d": "TN3",
    "raw.rotations": "T33", "raw.translations": "T3", "raw.scores": "T", "raw.nearness": "T",
}  # fmt: skip
"""Every array of the file: T frames, N landmarks, K weights."""
_LATER = ("raw.nearness",)
"""What files of before do not have, and takes need not."""

_ALWAYS_FINITE = ("times", "focal", "camera_poses", "neutral", "confidence")
_FINITE_WHERE_VALID = ("rotations", "translations", "landmarks", "weights")
_TOLD = {"warnings": list[str], "frames": dict[str, int], "milliseconds": dict[str, float], "solve_ms": dict[str, float]}
"""What of a take's provenance is read again, and as what."""
_KINDS = {"frames": "iu", "valid": "b", "observable": "b", "raw.frames": "iu", "raw.found": "b"}


def project(take: Take, rows: NDArray[np.int64] | slice = slice(None)) -> Array:
    """The solved landmarks on the plate: (T, N, 2) pixels of some rows, through pose, lens and distortion; NaN where not valid."""
    camera = take.landmarks[rows] @ np.swapaxes(take.rotations[rows], 1, 2) + take.translations[rows][:, None]
    depth = np.where(camera[..., 2:] > 0, camera[..., 2:], np.nan)
    pixels = to_pixels(camera[..., :2] / depth, replace(take.lens, focal=take.lens.focal[rows]), float(np.median(take.lens.focal)))
    pixels[~take.valid[rows]] = np.nan
    return pixels


def save_take(take: Take, path: Path) -> None:
    """Write the take, every number as it is. Raises FaceLiftError if the take is not whole or the place cannot be written."""
    arrays = _arrays(take)
    header = _header(take)
    _check_values(arrays, take.clip.path)
    _check_shapes({name: array.shape for name, array in arrays.items()}, header, path)
    part = Path(path).with_name(Path(path).name + f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            _write(file, {"header": np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays})
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise FaceLiftError(f"The take cannot be written to {path}: {error.strerror or error}.") from error


def load_take(path: Path) -> Take:
    """Read a take. Raises FaceLiftError if the file is missing, damaged, no take, or written by a newer FaceLift."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = _read_header(archive, path)
            shapes = _stored_shapes(archive, path)
            _check_shapes(shapes, header, path)
            arrays = {name: _read(archive, name) for name in shapes}
    except FileNotFoundError as error:
        raise FaceLiftError(f"There is no take at {path}.") from error
    except OSError as error:
        raise FaceLiftError(f"The take {path} cannot be read: {error.strerror or error}.") from error
    except DAMAGE as error:
        raise FaceLiftError(f"{path} is damaged or is not a take of FaceLift; track the footage again.") from error
    _check_values(arrays, path)
    return _take(arrays, header, path)


def _write(file: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """An .npz as NumPy writes it, some rows at a time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            whole = np.ascontiguousarray(array)
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(member, np.lib.format.header_data_from_array_1_0(whole))
                for rows in windows(len(whole), _ROWS):
                    member.write(whole[rows].tobytes())


def _read(archive: zipfile.ZipFile, name: str) -> Array:
    """An array whose shape and kind were checked; of a long clip, some rows at a time. Raises ValueError where it is cut off."""
    with archive.open(name + ".npy") as file:
        shape, dtype = read_shape(file)
        if len(shape) == 0 or shape[0] <= LONG:
            file.seek(0)
            return np.lib.format.read_array(file, allow_pickle=False)
        array = roomy(*shape, dtype=dtype)
        for rows in windows(len(array), _ROWS):
            array[rows] = np.frombuffer(file.read(array[rows].nbytes), dtype).reshape(array[rows].shape)
        return array


def read_provenance(path: Path) -> dict[str, Any]:
    """Where a take comes from, without its arrays. Raises FaceLiftError as `load_take` does."""
    try:
        with zipfile.ZipFile(path) as archive:
            provenance = _read_header(archive, path)["provenance"]
    except OSError as error:
        raise FaceLiftError(f"The take {path} cannot be read: {error.strerror or error}.") from error
    except DAMAGE as error:
        raise FaceLiftError(f"{path} is damaged or is not a take of FaceLift; track the footage again.") from error
    return provenance if isinstance(provenance, dict) else {}


def _arrays(take: Take) -> dict[str, Array]:
    def owner(name: str) -> Take | Observations | Lens:
        return take.raw if name.startswith("raw.") else take.lens if name == "focal" else take

    arrays = {name: np.asarray(getattr(owner(name), name.removeprefix("raw."))) for name in _SHAPES}
    return {name: array for name, array in arrays.items() if name not in _LATER or len(array)}


def _header(take: Take) -> dict[str, Any]:
    lens = {field.name: getattr(take.lens, field.name) for field in fields(Lens) if field.name not in ("focal", "distortion")}
    return {
        "facelift_take": VERSION, "actor": take.actor, "clip": asdict(take.clip), "lens": lens,
        "distortion": asdict(take.lens.distortion), "assumed_focal": float(take.raw.assumed_focal),
        "provenance": json.loads(json.dumps(dict(take.provenance))), "frames": len(take), "landmarks": len(take.neutral),
        "corrections": asdict(take.corrections),
    }  # fmt: skip


def _read_header(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    with archive.open("header.npy") as file:
        header = json.loads(np.lib.format.read_array(file, allow_pickle=False).tobytes())
    if header["facelift_take"] > VERSION:
        version = header["facelift_take"]
        raise FaceLiftError(f"{path} was written by a newer FaceLift (take version {version}); update the extension to open it.")
    return header


def _stored_shapes(archive: zipfile.ZipFile, path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes as the file's own array headers tell them, before anything is allocated."""
    shapes: dict[str, tuple[int, ...]] = {}
    there = archive.namelist()
    for name in _SHAPES:
        if name in _LATER and name + ".npy" not in there:
            continue
        with archive.open(name + ".npy") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        if dtype.kind not in _KINDS.get(name, "f"):
            raise FaceLiftError(f"The take {path} holds {name} in a form that cannot be; track the footage again.")
        shapes[name] = shape
    return shapes


def _check_shapes(shapes: Mapping[str, tuple[int, ...]], header: Mapping[str, Any], path: Path) -> None:
    frames, landmarks = int(header["frames"]), int(header["landmarks"])
    if not (0 <= frames <= _MOST_FRAMES and 0 < landmarks <= _MOST_LANDMARKS):
        raise FaceLiftError(f"The take {path} claims {frames} frames of {landmarks} landmarks, which cannot be; track the footage again.")
    sizes = {"T": frames, "N": landmarks, "K": _WEIGHTS}
    for name in shapes:
        wanted = tuple(sizes[letter] if letter in sizes else int(letter) for letter in _SHAPES[name])
        if shapes[name] != wanted:
            raise FaceLiftError(f"The take {path} holds {name} of shape {shapes[name]} where {wanted} is due; track the footage again.")


def _check_values(arrays: Mapping[str, Array], path: Path | str) -> None:
    valid = arrays["valid"]
    holes = [name for name in _ALWAYS_FINITE if not _is_finite(arrays[name], None)]
    alike = [name for name in _FINITE_WHERE_VALID if valid.shape == arrays[name].shape[:1]]
    holes += [name for name in alike if not _is_finite(arrays[name], valid)]
    if holes:
        raise FaceLiftError(f"The take of {path} lacks numbers in {', '.join(holes)}; track the footage again.")


def _is_finite(array: Array, asked: NDArray[np.bool_] | None) -> bool:
    """Whether all rows, or those asked for, are numbers."""
    parts = (array[rows] if asked is None else array[rows][asked[rows]] for rows in windows(len(array), _ROWS))
    return all(np.all(np.isfinite(part)) for part in parts)


def _take(arrays: dict[str, Array], header: Mapping[str, Any], path: Path) -> Take:
    try:
        clip, assumed = typed(Clip, header["clip"]), typed(float, header["assumed_focal"])
        lens = fields_of(Lens, header["lens"], focal=arrays.pop("focal"), distortion=typed(Distortion, header["distortion"]))
        _check_sizes(clip, lens, assumed, arrays["times"])
        raw = {name.removeprefix("raw."): arrays.pop(name) for name in list(arrays) if name.startswith("raw.")}
        observations = Observations(**raw, assumed_focal=assumed)
        told, provenance = typed(Corrections, header.get("corrections", {})), _provenance(header["provenance"])
        check_corrections(told, header["landmarks"])
        actor = typed(str, header["actor"])
        return Take(**arrays, actor=actor, clip=clip, lens=lens, raw=observations, provenance=provenance, corrections=told)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise FaceLiftError(f"The take {path} has a header that cannot be read; track the footage again.") from error


def _check_sizes(clip: Clip, lens: Lens, assumed_focal: float, times: Array) -> None:
    """Raises ValueError for a clip, lens or times that cannot be, FaceLiftError for a distortion that cannot."""
    check_distortion(lens.distortion)
    sides = (clip.width, clip.height, lens.width, lens.height)
    others = (clip.fps, clip.pixel_aspect, lens.pixel_aspect, lens.sensor_width, assumed_focal)
    seen = all(np.all(lens.focal[rows] > _SHORTEST) for rows in windows(len(lens.focal), _ROWS))
    if not (
        1 <= min(sides) <= max(sides) <= _WIDEST and min(others) > 0 and clip.fps <= _FASTEST and seen and np.all(np.abs(times) <= _LATEST)
    ):
        raise ValueError(f"{clip} through {lens}")


def _provenance(told: Any) -> dict[str, Any]:
    """What is read of it again is of its type, and all of it can be written again. Raises as `typed` does, or RecursionError."""
    json.dumps(told, ensure_ascii=False).encode()
    for name, hint in _TOLD.items():
        if name in told:
            typed(hint, told[name])
    if not isinstance(told, dict):
        raise TypeError("no provenance")
    return told


def check_corrections(corrections: Corrections, landmarks: int) -> None:
    """Raises FaceLiftError for a correction that cannot be, whatever the take: a landmark or region that does not exist, no number."""
    for pin in corrections.pins:
        if not 0 <= pin.landmark < landmarks or not all(abs(value) <= _FARTHEST for value in pin.point):
            raise FaceLiftError(f"The correction of landmark {pin.landmark} on frame {pin.frame} names no place that can be; remove it.")
    for mute in corrections.mutes:
        if mute.region not in REGIONS or mute.start > mute.end:
            raise FaceLiftError(
                f"Frames {mute.start} to {mute.end} of {mute.region!r} cannot be ignored; name one of {', '.join(REGIONS)}."
            )
    if not 0.0 <= corrections.falloff <= _LONGEST_FALLOFF:
        raise FaceLiftError(f"A correction cannot fade over {corrections.falloff:g} frames; give 0 to {_LONGEST_FALLOFF:g}.")
