# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tracker saw so far, on disk chunk by chunk, so that a run that was killed goes on from its last whole chunk.

Each frame's crop comes from the frame before, so a chunk holds not only the estimates of its frames but also where the tracker
stood after the last of them. What comes of going on is bit for bit what comes of an unbroken run. Estimates that are in a chunk
leave memory until the solve, which therefore stays the same however long the clip is.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .actors import Actor
from .estimates import Estimates, Kept
from .footage import read_frames
from .npz import DAMAGE, read_arrays
from .topology import COUNT
from .tracker import Tracker, fingerprint
from .types import FaceLiftError, Image
from .whole_files import replacing

if TYPE_CHECKING:
    from .landmarks import Estimate

CHUNK_FRAMES = 240
_MOST_BYTES = 1 << 30
_COLUMNS = ("landmarks_2d", "covariances", "landmarks_3d", "rotation", "translation", "score")
_FIELDS = ("actor", "frame", *_COLUMNS)


@dataclass(frozen=True)
class Chunk:
    """state: of the tracker after the chunk's last frame; actor, frame: (M,) whose and when each estimate is; columns: (M, ...)."""

    state: Mapping[str, Any]
    actor: np.ndarray
    frame: np.ndarray
    columns: Mapping[str, np.ndarray]

    def estimates(self) -> Iterator[tuple[int, int, Estimate]]:
        """Index of the actor, clip frame, estimate."""
        for row, (actor, frame) in enumerate(zip(self.actor.tolist(), self.frame.tolist(), strict=True)):
            yield actor, frame, self.estimate(row)

    def estimate(self, row: int) -> Estimate:
        """The one of a row."""
        from .landmarks import Estimate

        values = {name: self.columns[name][row] for name in _COLUMNS}
        return Estimate(**{**values, "score": float(values["score"])})


class Chunks:
    """The chunks of one range of one clip in a folder of their own; `key` tells what they were made from.

    Chunks of another key, and damaged ones with all that follow them, count as not there.
    """

    def __init__(self, folder: Path, key: str, size: int = CHUNK_FRAMES) -> None:
        self.folder, self.key, self.size = folder, key, size
        self.count, self.complete, self._first = 0, False, 0

    def resume(self, tracker: Tracker) -> None:
        """Bring a fresh tracker to where the last whole chunk ends, if there is one."""
        count, last = 0, None
        for chunk in self._whole():
            count, last = count + 1, chunk
        image = _picture(tracker, last.state["frame"]) if last else None
        if image is not None and fingerprint(image) == last.state["picture"]:
            _restore(tracker, last, image)
            self.count, self.complete, self._first = count, last.state["complete"], last.state["frame"] + 1
        # else there is none, or the footage comes out otherwise when it is read from there: begin anew
        for path in self.folder.glob("chunk-*.npz"):
            if path.name > self._path(self.count).name:
                path.unlink(missing_ok=True)

    def follow(self, tracker: Tracker, frames: Iterator[int], stopped: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """The same frames that a tracker takes in; each full chunk of them is written. Raises FaceLiftError if it cannot be.

        stopped: whether the frames ended before the range did; what was seen by then is a shorter chunk.
        """
        for frame in () if self.complete else frames:
            self._first = self._first or frame
            yield frame
            if frame - self._first + 1 >= self.size:
                self._save(tracker, complete=False)
        if not self.complete and not stopped():
            self._save(tracker, complete=True)
        elif tracker.frame >= self._first > 0:
            self._save(tracker, complete=False)

    def recall(self, tracker: Tracker) -> None:
        """Give the actors back what is in the chunks, each to be read when it is asked for."""
        told = [(chunk.actor, chunk.frame, chunk.state["frame"]) for chunk in self._whole()]
        reader = _Reader(self, np.array([end for _, _, end in told], int))
        for index, actor in enumerate(tracker.actors):
            frames = np.concatenate([frame[owner == index] for owner, frame, _ in told])
            actor.estimates, actor.forgotten = Estimates(kept=[Kept(frames, partial(reader, index))]), 0

    def _path(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.npz"

    def _whole(self) -> Iterator[Chunk]:
        number, end = 1, 0
        while (chunk := self.load(number)) is not None and np.all(chunk.frame > end):
            yield chunk
            number, end = number + 1, chunk.state["frame"]

    def load(self, number: int) -> Chunk | None:
        """A chunk, the first is 1; None if it is not there, not whole or made from something else."""
        try:
            arrays = read_arrays(self._path(number), ("header", *_FIELDS), _MOST_BYTES)
            header = json.loads(arrays["header"].astype(np.uint8).tobytes())
            if (header["key"], header["number"]) != (self.key, number):
                return None
            chunk = Chunk(_state(header["state"]), arrays["actor"], arrays["frame"], {name: arrays[name] for name in _COLUMNS})
            _check(chunk)
        except (OSError, *DAMAGE):
            return None
        return chunk

    def _save(self, tracker: Tracker, complete: bool) -> None:
        tracker.catch_up()
        rows = [
            (index, frame, estimate)
            for index, actor in enumerate(tracker.actors)
            for frame, estimate in actor.estimates.items()
            if frame >= self._first
        ]
        header = {"key": self.key, "number": self.count + 1, "state": {**tracker.state(), "complete": complete}}
        self._write(self._path(self.count + 1), header, rows)
        self.count, self.complete, self._first = self.count + 1, complete, tracker.frame + 1
        for actor in tracker.actors:
            actor.forget(tracker.frame)

    def _write(self, path: Path, header: Mapping[str, Any], rows: Sequence[tuple[int, int, Estimate]]) -> None:
        arrays = {"actor": np.array([row[0] for row in rows], int), "frame": np.array([row[1] for row in rows], int)}
        arrays |= {name: np.array([getattr(row[2], name) for row in rows], float) for name in _COLUMNS}
        packed = io.BytesIO()
        np.savez(packed, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)
        with replacing(path) as temporary:
            temporary.write_bytes(packed.getbuffer())


class _Reader:
    """Reads single estimates out of chunks, the last frame of each of which is in `ends`; keeps the chunk that was read last."""

    def __init__(self, chunks: Chunks, ends: np.ndarray) -> None:
        self._chunks, self._ends = chunks, ends
        self._number, self._chunk, self._rows = 0, None, {}

    def __call__(self, actor: int, frame: int) -> Estimate:
        """The estimate of an actor on a clip frame. Raises FaceLiftError if its chunk is no longer what it was."""
        number = int(np.searchsorted(self._ends, frame)) + 1
        if number != self._number:
            self._open(number)
        if (actor, frame) not in self._rows:
            raise self._altered()
        return self._chunk.estimate(self._rows[actor, frame])

    def _open(self, number: int) -> None:
        chunk = self._chunks.load(number)
        if chunk is None:
            raise self._altered()
        pairs = zip(chunk.actor.tolist(), chunk.frame.tolist(), strict=True)
        self._number, self._chunk, self._rows = number, chunk, {pair: row for row, pair in enumerate(pairs)}

    def _altered(self) -> FaceLiftError:
        return FaceLiftError(f"{self._chunks.folder} was altered while it was read; run the batch again.")


def _picture(tracker: Tracker, frame: int) -> Image | None:
    """The clip's frame; None where it has none of that number, or it cannot be read."""
    if not 1 <= frame <= tracker.clip.frame_count:
        return None
    frames = read_frames(tracker.clip, frame, frame)
    try:
        return next((image for _, image in frames), None)
    except FaceLiftError:
        return None


def _restore(tracker: Tracker, chunk: Chunk, image: Image) -> None:
    told = chunk.state["actors"]
    actors = [Actor(**{name: one[name] for name in ("box", "last_frame", "lost", "closed")}) for one in told]
    for index, frame, estimate in chunk.estimates():
        if frame == chunk.state["frame"]:
            actors[index].estimates[frame] = estimate
    for actor, one in zip(actors, told, strict=True):
        actor.forgotten = one["seen"] - len(actor.estimates)
    tracker.restore(chunk.state, actors, image)


def _state(told: Mapping[str, Any]) -> dict[str, Any]:
    """The state with every value of the kind that it must be. Raises ValueError, TypeError or KeyError."""
    whole = {name: int(told[name]) for name in ("frame", "read", "picture")} | {name: float(told[name]) for name in ("spent", "looked")}
    followed = None if told["followed"] is None else int(told["followed"])
    seconds = {str(name): float(value) for name, value in told["seconds"].items()}
    return {
        **whole,
        "followed": followed,
        "seconds": seconds,
        "complete": bool(told["complete"]),
        "actors": [_actor(one) for one in told["actors"]],
    }


def _actor(told: Mapping[str, Any]) -> dict[str, Any]:
    x, y, width, height = (float(value) for value in told["box"])
    counts = {name: int(told[name]) for name in ("last_frame", "seen")}
    return {**counts, "box": (x, y, width, height), "lost": bool(told["lost"]), "closed": bool(told["closed"])}


def _check(chunk: Chunk) -> None:
    """All of it is as it was written: as many rows everywhere, actor after actor that is there, frames up to the last in order.

    Raises ValueError.
    """
    rows = len(chunk.frame)
    if any(column.dtype.kind not in "iu" for column in (chunk.actor, chunk.frame)):
        raise ValueError("numbers of actors and frames that are not whole")
    shapes = {"landmarks_2d": (COUNT, 2), "covariances": (COUNT, 2, 2), "landmarks_3d": (COUNT, 3), "rotation": (3, 3), "translation": (3,)}
    alike = all(chunk.columns[name].shape == (rows, *shapes.get(name, ())) for name in _COLUMNS if rows)
    inside = (chunk.actor >= 0) & (chunk.actor < len(chunk.state["actors"])) & (chunk.frame >= 1) & (chunk.frame <= chunk.state["frame"])
    rising = (np.diff(chunk.actor) > 0) | ((np.diff(chunk.actor) == 0) & (np.diff(chunk.frame) > 0))
    if not alike or not inside.all() or not rising.all():
        raise ValueError("rows that do not belong together")
