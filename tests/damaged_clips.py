# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage as it should not be: cut off, flipped, with headers that lie, of absurd sizes and rates, without a picture."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from coded_clips import write_clip, write_sound

FAST = {"preset": "ultrafast"}
SOURCES = {
    "h264.mp4": {"options": FAST | {"g": "6"}}, "b_frames.mov": {"options": {"bf": "2", "g": "6"}}, "mpeg4.avi": {"codec": "mpeg4"},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"}, "h264.mkv": {"options": FAST}, "h264.ts": {"options": FAST},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "rate": 25}, "prores.mov": {"codec": "prores_ks", "pixels": "yuv422p10le"},
}  # fmt: skip
SIZE = (96, 64)
FIELDS = (
    b"mvhd", b"tkhd", b"mdhd", b"stsd", b"avc1", b"stts", b"stsc", b"stsz", b"stco", b"ctts", b"elst", b"hdlr", b"moov", b"mdat", b"ftyp",
    b"strh", b"strf", b"avih", b"idx1", b"LIST", b"movi",
)  # fmt: skip
ABSURD = (0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, 100_000)


def damaged_clips(folder: Path, count: int, seed: int = 0) -> Iterator[Path]:
    """About `count` damaged movies, made from nine kinds of good ones, and the special cases of `odd_clips`."""
    random = np.random.default_rng(seed)
    good = {name: write_clip(folder / f"good_{name}", count=12, size=SIZE, **options).read_bytes() for name, options in SOURCES.items()}
    for path in folder.glob("good_*"):
        path.unlink()
    yield from odd_clips(folder)
    names = sorted(good)
    for number in range(count):
        name = names[number % len(names)]
        data = _damaged(bytearray(good[name]), number // len(names), random)
        path = folder / f"bad_{number:04d}_{name}"
        path.write_bytes(data)
        yield path


def _damaged(data: bytearray, number: int, random: np.random.Generator) -> bytes:
    kind, step = number % 6, number // 6
    if kind == 0:
        return bytes(data[: max(1, len(data) * (step % 16 + 1) // 17)])
    if kind == 1:
        for place in random.integers(0, len(data), 10 ** (step % 4)):
            data[place] ^= 1 << random.integers(8)
    elif kind == 2:
        start = int(random.integers(len(data)))
        data[start : start + 256] = bytes(256)
    elif kind == 3:
        data[:64] = random.bytes(64)
    elif kind == 4:
        _lie(data, random)
    else:
        start, end = sorted(random.integers(0, len(data), 2))
        del data[start:end]
    return bytes(data) or b"\0"


def _lie(data: bytearray, random: np.random.Generator) -> None:
    """Some header's fields get absurd values."""
    found = [data.find(field) for field in FIELDS if data.find(field) >= 4]
    for _ in range(3):
        at = (int(random.choice(found)) if found else 0) + 4 * int(random.integers(-1, 12))
        if 0 <= at <= len(data) - 4:
            struct.pack_into(">I" if random.integers(2) else "<I", data, at, int(random.choice(ABSURD)))


def odd_clips(folder: Path) -> Iterator[Path]:
    """Whole files, each of which is footage in name only, or is not of this world."""
    yield write_sound(folder / "sound.mp4")
    yield _written(folder / "empty.mp4", b"")
    yield _written(folder / "zeros.mov", bytes(5000))
    yield _written(folder / "text.mp4", b"not a movie\n" * 100)
    yield _written(folder / "page.mkv", b"<!doctype html><title>404</title>")
    yield _without_frames(folder / "no_frames.mp4")
    yield _raw(folder / "thin.avi", 100_000, 1)
    yield _raw(folder / "tall.avi", 1, 100_000)
    yield _raw(folder / "vast.avi", 100_000, 100_000)
    yield _raw(folder / "rate.avi", 96, 64, "1000000000:1")
    yield write_clip(folder / "tiny.avi", count=3, size=(2, 2), codec="mjpeg", pixels="yuvj420p")
    yield write_clip(folder / "fast.avi", count=5, size=SIZE, codec="mpeg4", rate=60_000)
    yield write_clip(folder / "slow.mp4", count=3, size=SIZE, rate=Fraction(1, 3600))
    yield write_clip(folder / "far.mkv", count=3, size=SIZE, times=[0, 1, 2_000_000_000], time_base=Fraction(1, 1000))
    yield _changing(folder / "changing.ts", folder)
    yield _lying_png(folder / "huge.png", 60_000, 60_000)
    yield _lying_png(folder / "line.png", 100_000, 1)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _raw(path: Path, width: int, height: int, rate: str = "24:1") -> Path:
    """Pictures that are not compressed, so that their size can be any; those that would be too large for a test are cut off."""
    frame = b"FRAME\n" + bytes(min(width * height, 10**6))
    return _written(path, f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 Cmono\n".encode() + 3 * frame)


def _without_frames(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
    return path


def _changing(path: Path, folder: Path) -> Path:
    """A transport stream whose pictures change their size half way."""
    parts = [write_clip(folder / f"part_{width}.ts", count=6, size=(width, 64)) for width in (96, 160)]
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    for part in parts:
        part.unlink()
    return path


def _lying_png(path: Path, width: int, height: int) -> Path:
    """A small file that says it is a large picture."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(3 * min(width * height, 10**6)))) + chunk(b"IEND", b"")
    )
    return path
