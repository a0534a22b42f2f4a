# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage: what a clip says of itself, and its frames one after another.

Frame i is the picture that Blender shows at frame i of its MovieClip, the first is 1. A thread decodes ahead of the
reader by a few frames, so that memory stays the same however long the clip is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from .movie import probe_movie, read_movie
from .sequence import is_picture, probe_sequence, read_bytes, read_sequence
from .types import Clip, FaceLiftError, Image

Item = TypeVar("Item")
Look = TypeVar("Look")

AHEAD_BYTES = 64 << 20
"""Decoded pictures that may wait to be read."""


def probe(path: str | Path, fps: float | None = None) -> Clip:
    """What a movie, the first picture of a sequence or a folder of pictures says of itself.

    fps: frames a second, for footage that does not say; 24 else.
    Raises FaceLiftError: nothing there, empty, not to be read, no picture in it, compression unknown.
    """
    path = Path(path).absolute()
    if fps is not None and fps <= 0:
        raise FaceLiftError(f"{fps:g} frames a second is no rate; give one above 0, such as 24.")
    if path.is_dir():
        return probe_sequence(path, fps)
    read_bytes(path, 1)
    return probe_sequence(path, fps) if is_picture(path) else probe_movie(path, fps)


def read_frames(clip: Clip, start: int = 1, end: int | None = None) -> Iterator[tuple[int, Image]]:
    """Clip frames with their pictures, upright RGB, rising from `start` to `end` (included; None: the last).

    Frames that a sequence lacks are left out; a movie that was cut off ends early. Where a movie shows one picture
    on several frames the same array is given again. Raises FaceLiftError for a range that the clip does not have.
    """
    return _ahead(_frames(clip, start, end), _depth(clip))


def read_looked_at(clip: Clip, start: int, end: int | None, look: Callable[[Image], Look]) -> Iterator[tuple[int, Image, Look]]:
    """The same, each with what `look` sees in it: the thread that decodes does that too, while the picture is in its core's cache."""
    return _ahead(_looked_at(_frames(clip, start, end), look), _depth(clip))


def _frames(clip: Clip, start: int, end: int | None) -> Iterator[tuple[int, Image]]:
    end = clip.frame_count if end is None else end
    if not 1 <= start <= end <= clip.frame_count:
        raise FaceLiftError(f"Frames {start} to {end} were asked for, but the clip has frames 1 to {clip.frame_count}.")
    return (read_sequence if is_picture(Path(clip.path)) else read_movie)(clip, start, end)


def _depth(clip: Clip) -> int:
    """How many pictures may wait."""
    return max(1, min(8, AHEAD_BYTES // (3 * clip.width * clip.height)))


def _looked_at(frames: Iterator[tuple[int, Image]], look: Callable[[Image], Look]) -> Iterator[tuple[int, Image, Look]]:
    with closing(frames):
        for frame, image in frames:
            yield frame, image, look(image)


def _ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The same items, taken by a thread of their own, `depth` of them before they are asked for."""
    with ThreadPoolExecutor(1, "decode") as pool:
        pending = deque(pool.submit(next, items, None) for _ in range(depth))
        try:
            while (item := pending.popleft().result()) is not None:
                pending.append(pool.submit(next, items, None))
                yield item
        finally:
            for future in pending:
                future.cancel()
            pool.submit(items.close)
