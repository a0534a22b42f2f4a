# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures, alone and as numbered sequences, as Blender's MovieClip counts them.

The file that is named is clip frame 1, the next number clip frame 2, and so on. Blender stops its count at the first
number that is missing; here the clip goes on to the last file and names the frames that it lacks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from .movie import encode_srgb
from .types import Clip, FaceLiftError, Image

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".exr", ".tif", ".tiff", ".bmp", ".webp", ".tga", ".dpx", ".hdr", ".jp2"])
"""File names that are pictures; others are movies."""

LONGEST_GAP = 1000
"""Numbers further apart than this are of different sequences."""

LINEAR = frozenset((".exr", ".hdr"))
BY_FFMPEG = frozenset((".exr", ".tga", ".dpx"))
"""OpenCV reads EXR only with an environment variable set, and the two others not at all."""


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def probe_sequence(path: Path, fps: float | None = None) -> Clip:
    """What a numbered sequence, or one picture, says of itself; `path` is its first file or its folder. Raises FaceLiftError."""
    first = first_of(path) if path.is_dir() else path
    files = _files(first)
    count = max(files)
    missing = tuple(sorted(set(range(1, count + 1)) - set(files)))
    return replace(probe_picture(first, read_image(first)), fps=fps or 24.0, frame_count=count, missing=missing)


def probe_picture(path: Path, image: Image) -> Clip:
    """What one picture says of itself, a clip of one frame."""
    return Clip(str(path), width=image.shape[1], height=image.shape[0], fps=24.0, frame_count=1, focal_mm=_focal_mm(path))


def read_sequence(clip: Clip, start: int, end: int) -> Iterator[tuple[int, Image]]:
    """Clip frames `start` to `end` (both included) that exist. Raises FaceLiftError for a picture that cannot be read."""
    files = _files(Path(clip.path))
    for frame in range(start, end + 1):
        if frame in files:
            yield frame, _sized(read_image(files[frame]), clip)


def files_of(path: Path) -> list[Path]:
    """The files of a numbered sequence, in order, that `path` begins or that fills this folder; a movie is one file."""
    first = first_of(path) if path.is_dir() else path
    return list(_files(first).values()) if is_picture(first) else [first]


def first_of(folder: Path) -> Path:
    """The first file of the longest numbered sequence in a folder. Raises FaceLiftError."""
    sequences: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for path in folder.iterdir():
        if is_picture(path):
            head, number, tail = _split(path.name)
            sequences.setdefault((head, tail), []).append((int(number or 0), path))
    if not sequences:
        raise FaceLiftError(f"The folder {folder.name} holds no pictures; choose a movie, or the first picture of a sequence.")
    return min(max(sequences.values(), key=len))[1]


def read_image(path: Path, upright: bool = False) -> Image:
    """A picture as 8-bit RGB, alpha dropped, linear light encoded as sRGB.

    upright: turn it as its EXIF tag says, which Blender does not. Raises FaceLiftError.
    """
    import cv2

    data = read_bytes(path)
    if path.suffix.lower() in BY_FFMPEG:
        return _read_by_ffmpeg(path)
    flags = cv2.IMREAD_COLOR if upright else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if path.suffix.lower() in LINEAR:
        flags |= cv2.IMREAD_ANYDEPTH
    image = _decode(data, flags)
    if image is None:
        raise FaceLiftError(f"{path.name} is not a picture that can be read; it is damaged, of another kind or far too large.")
    if image.dtype != np.uint8:
        image = encode_srgb(image)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_bytes(path: Path, count: int = -1) -> bytes:
    """The first `count` bytes of a file, or all. Raises FaceLiftError where it is missing, empty or not to be read."""
    try:
        with path.open("rb") as file:
            data = file.read(count)
    except FileNotFoundError:
        raise FaceLiftError(f"{path.name} does not exist; check its name and folder.") from None
    except PermissionError:
        raise FaceLiftError(f"{path.name} may not be read; give yourself the right to read it.") from None
    except OSError as error:
        raise FaceLiftError(f"{path.name} cannot be read ({error.strerror}); copy it to a disk that can.") from None
    if not data:
        raise FaceLiftError(f"{path.name} is empty; copy or export it again.")
    return data


def _decode(data: bytes, flags: int) -> Image | None:
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _read_by_ffmpeg(path: Path) -> Image:
    import av

    linear = path.suffix.lower() in LINEAR
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
            return _light(frame) if linear else frame.to_ndarray(format="rgb24")
    except (av.error.FFmpegError, StopIteration, IndexError, ValueError):
        raise FaceLiftError(f"{path.name} is not a picture that can be read; it is damaged or of another kind.") from None


def _light(frame: object) -> Image:
    """A float frame of linear light, grey or colour, to 8-bit sRGB."""
    planes = frame.reformat(format="gbrpf32le").to_ndarray()
    return encode_srgb(planes)


def _sized(image: Image, clip: Clip) -> Image:
    if image.shape[:2] == (clip.height, clip.width):
        return image
    import cv2

    return cv2.resize(image, (clip.width, clip.height), interpolation=cv2.INTER_AREA)


def _split(name: str) -> tuple[str, str, str]:
    """What stands before the last number of a file's name, the number, and what comes after."""
    match = re.fullmatch(r"(.*?)(\d*)(\D*)", name[: name.rfind(".")], re.DOTALL)
    head, number, tail = match.groups() if match else (name, "", "")
    return head, number, tail + name[name.rfind(".") :]


def _files(first: Path) -> dict[int, Path]:
    """The files of the sequence that `first` begins, by clip frame, up to a gap too long to be one."""
    head, number, tail = _split(first.name)
    if not number:
        return {1: first}
    files = {1: first}
    for path in first.parent.iterdir():
        other = _split(path.name)
        if (other[0], other[2]) == (head, tail) and other[1] == f"{int(other[1] or 0):0{len(number)}d}":
            files[int(other[1]) - int(number) + 1] = path
    frames = sorted(frame for frame in files if frame >= 1)
    end = next((before for before, after in pairwise(frames) if after - before > LONGEST_GAP), frames[-1])
    return {frame: files[frame] for frame in frames if frame <= end}


def _focal_mm(path: Path) -> float | None:
    """Focal length in 35 mm equivalent from a JPEG's EXIF tags."""
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        return None
    data = read_bytes(path, 1 << 16)
    start = data.find(b"Exif\0\0")
    try:
        return _exif_focal(data[start + 6 :]) if start >= 0 else None
    except struct.error:
        return None


def _exif_focal(tiff: bytes) -> float | None:
    """Tag 0xA405 in the EXIF directory (0x8769) of a TIFF structure."""
    order = "<" if tiff[:2] == b"II" else ">"

    def entry(directory: int, wanted: int) -> bytes | None:
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for index in range(count):
            at = directory + 2 + 12 * index
            if struct.unpack_from(order + "H", tiff, at)[0] == wanted:
                return tiff[at + 8 : at + 12]
        return None

    exif = entry(struct.unpack_from(order + "I", tiff, 4)[0], 0x8769)
    focal = entry(struct.unpack(order + "I", exif)[0], 0xA405) if exif else None
    return float(struct.unpack_from(order + "H", focal)[0]) or None if focal else None
