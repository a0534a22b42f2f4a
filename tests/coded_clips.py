# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips made for the tests, each frame with its number burnt in as a row of light and dark blocks that `code_of` reads back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from facelift_blender.capture.types import Image

BITS = 8
WIDTH, HEIGHT = 192, 108

UNEVEN = [0, 2, 4, 6, 7, 8, 10, 12, 13, 14, 15, 17, 18, 20, 21, 22, 24, 25, 26, 28, 29, 30, 32, 33, 34, 35, 37, 38, 40, 41]
UNEVEN += [42, 43, 45, 46, 47, 48, 49, 50, 52, 53]
"""When the 40 frames of a clip with a variable rate come on screen, in thirtieths of a second: 54 clip frames."""


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """A grey ramp, red to the right, with the number's bits across the middle, the lowest at the left."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[:, :, 0] = np.linspace(40, 200, width).astype(np.uint8)
    cell = width // (BITS + 2)
    for bit in range(BITS):
        image[height // 4 : height * 3 // 4, cell * (bit + 1) : cell * (bit + 2)] = 235 if number >> bit & 1 else 16
    return image


def code_of(image: Image) -> int:
    """The number burnt into a picture."""
    height, width = image.shape[:2]
    middle = [int(width // (BITS + 2) * (bit + 1.5)) for bit in range(BITS)]
    blocks = [image[height // 2 - 3 : height // 2 + 4, x - 2 : x + 3].mean() > 125 for x in middle]
    return sum(int(light) << bit for bit, light in enumerate(blocks))


def write_clip(
    path: Path,
    count: int = 40,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    rate: Fraction | int = 30,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    first: int = 0,
    options: Mapping[str, str] = {},
    turn: int = 0,
    transfer: int | None = None,
) -> Path:
    """A clip whose k-th coded frame carries the number k, from 1, and comes on screen at times[k - 1] time bases (default: k - 1)."""
    time_base = time_base or 1 / Fraction(rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate), options=dict(options))
        stream.width, stream.height, stream.pix_fmt, stream.time_base = *size, pixels, time_base
        stream.codec_context.time_base = time_base
        if transfer is not None:
            stream.codec_context.color_trc = transfer
        if turn:
            stream.set_display_rotation(turn)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number + 1, *size), format="rgb24").reformat(format=pixels)
            frame.pts = first + (times[number] if times else number)
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """A tenth of a second of silence, and no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


FAST = {"preset": "ultrafast", "crf": "18"}
B_FRAMES = {"bf": "3", "g": "12"}
INTERLACED = {"flags": "+ildct+ilme"}

KINDS = {
    "constant.mp4": {"options": FAST},
    "b_frames.mp4": {"options": B_FRAMES},
    "open_gop.mp4": {"count": 60, "options": {"g": "10", "bf": "2", "x264opts": "open-gop=1"}},
    "film.mp4": {"rate": Fraction(24000, 1001), "count": 60},
    "ntsc.mov": {"rate": Fraction(30000, 1001), "count": 60},
    "variable.mp4": {"times": [20 * t for t in UNEVEN], "time_base": Fraction(1, 600), "options": {"bf": "2"}},
    "variable.mkv": {"times": [round(t * 100 / 3) for t in UNEVEN], "time_base": Fraction(1, 1000)},
    "late.mp4": {"first": 45},
    "late.mkv": {"first": 45},
    "late.ts": {"first": 45},
    "turned_left.mp4": {"turn": 90},
    "turned_over.mp4": {"turn": 180},
    "turned_right.mp4": {"turn": -90},
    "alpha.mov": {"codec": "png", "pixels": "rgba"},
    "alpha_10_bit.mov": {"codec": "prores_ks", "pixels": "yuva444p10le"},
    "ten_bit.mp4": {"pixels": "yuv420p10le"},
    "hevc_10_bit.mp4": {"codec": "libx265", "pixels": "yuv420p10le", "options": {"x265-params": "log-level=none:bframes=0"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime"}},
    "odd_size.mkv": {"size": (193, 109), "codec": "ffv1", "pixels": "yuv444p"},
    "interlaced.mp4": {"options": INTERLACED},
    "motion_jpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "one_frame.mp4": {"count": 1},
}
"""Name: what `write_clip` makes it of. Blender shows each as it is read here."""

PROGRAM_STREAM = {"codec": "mpeg2video", "rate": 25}
"""An .mpg, which Blender itself shows wrongly."""
