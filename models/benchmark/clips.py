# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips of any size and length, made of the bundled one, and where the others lie."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2

from facelift_blender.capture.footage import probe, read_frames
from facelift_blender.capture.types import Image
from models.training import paths

DEMO: Final = Path(__file__).parents[1] / "performer" / "demo.mp4"
SIZES: Final = {"360p": (640, 360), "720p": (1280, 720), "1080p": (1920, 1080), "4K": (3840, 2160)}


def looped(size: str, count: int, folder: Path) -> Path:
    """The bundled clip at another size, played to and fro for `count` frames; made once."""
    mark = hashlib.sha256(DEMO.read_bytes()).hexdigest()[:8]
    path = folder / f"{size}_{count}_{mark}.mp4"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _encode(_to_and_fro(SIZES[size], count), path)
    return path


def _to_and_fro(size: tuple[int, int], count: int) -> Iterator[Image]:
    clip = probe(DEMO)
    pictures = [image for _, image in read_frames(clip, 1, min(count, clip.frame_count))]
    turn = [*pictures, *pictures[::-1]]
    for row in range(count):
        image = turn[row % len(turn)]
        yield image if image.shape[1::-1] == size else cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _encode(frames: Iterator[Image], path: Path) -> None:
    """H.264 as cameras and exports write it, quickly."""
    import av

    part = path.with_name(f"{path.stem}.part.mp4")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(probe(DEMO).fps).limit_denominator(1001))
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "20", "preset": "veryfast"}
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    os.replace(part, path)


def rendered(most: int) -> list[Path]:
    """The bundled clip and up to `most` of the rendered ones of the solve's benchmark, spread over them; each has its truth beside it."""
    others = [path for path in sorted((paths.RUNS / "bench").glob("*.mp4")) if truth_beside(path).is_file()]
    return [DEMO, *spread(others, most)]


def truth_beside(clip: Path) -> Path:
    return clip.with_name(f"{clip.stem}_truth.json.gz")


def filmed(most: int) -> list[Path]:
    """The bundled clip and up to `most` of the data folder's that the open weights did not learn from."""
    from models.training.samples import OPEN_CLIPS

    others = [path for path in sorted((paths.DATA / "clips").glob("*.m*")) if path.name not in OPEN_CLIPS]
    return [DEMO, *spread(others, most)]


def spread(items: list[Path], most: int) -> list[Path]:
    """`most` items, evenly chosen."""
    if len(items) <= most:
        return items
    return [items[round(k * (len(items) - 1) / max(most - 1, 1))] for k in range(most)]
