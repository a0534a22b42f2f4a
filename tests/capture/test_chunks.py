# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed goes on from its last whole chunk, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
from drawn_plates import Eye, Gaze, draw, write_plates

from facelift_blender.capture.chunks import Chunks
from facelift_blender.capture.track import TrackSettings, follow, open_tracker
from facelift_blender.capture.tracker import Tracker
from facelift_blender.capture.types import FaceLiftError, Observations

FRAMES = 40


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces, the second enters, the first goes and comes back; two pictures alike in a row."""
    discs = [(100 + 3 * k, 90 + 20 * np.sin(k / 5), 30, 100) for k in range(FRAMES)]
    seen = [[disc, (290 - k, 60, 18 + k / 2, 200)] if k >= 5 else [disc] for k, disc in enumerate(discs)]
    return write_plates(tmp_path_factory.mktemp("plates"), [draw([] if k in (20, 21) else found) for k, found in enumerate(seen)])


def run(plates: Path, folder: Path, kill_after: int | None = None, key: str = "key", size: int = 8) -> tuple[Tracker, int]:
    """The tracker after a run or at its death, and the number of frames that were tracked."""
    tracker, chunks, frames = open_tracker(plates, TrackSettings(), Eye(), Gaze()), Chunks(folder, key, size), 0
    chunks.resume(tracker)
    for frame in chunks.follow(tracker, follow(tracker, TrackSettings())):
        frames += 1
        if frame == kill_after:
            return tracker, frames
    chunks.recall(tracker)
    return tracker, frames


def observed(tracker: Tracker) -> list[Observations]:
    return [actor.observations(tracker.focal) for actor in tracker.ranked()]


def same(first: list[Observations], second: list[Observations]) -> bool:
    names = ("frames", "landmarks_2d", "covariances", "landmarks_3d", "rotations", "translations", "scores")
    pairs = zip(first, second, strict=True)
    alike = all(np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True) for a, b in pairs for name in names)
    return len(first) == len(second) >= 2 and alike


def test_resumed_at_any_frame_it_is_the_unbroken_run(plates: Path, tmp_path: Path) -> None:
    whole = observed(run(plates, tmp_path / "whole")[0])
    for death in range(1, FRAMES + 1):
        folder = tmp_path / str(death)
        run(plates, folder, kill_after=death)
        resumed, tracked = run(plates, folder)
        assert tracked == FRAMES - (death - 1) // 8 * 8, "no frame of a finished chunk is tracked again"
        assert same(observed(resumed), whole)


def test_estimates_on_disk_leave_memory(plates: Path, tmp_path: Path) -> None:
    tracker, _ = run(plates, tmp_path, kill_after=33)
    assert all(len(actor.estimates) <= 2 for actor in tracker.actors)
    assert sum(actor.seen for actor in tracker.actors) > 35


def test_a_complete_range_is_not_tracked_again(plates: Path, tmp_path: Path) -> None:
    run(plates, tmp_path)
    assert run(plates, tmp_path)[1] == 0


def test_chunks_of_other_inputs_do_not_count(plates: Path, tmp_path: Path) -> None:
    run(plates, tmp_path, key="longer", size=4)
    assert run(plates, tmp_path)[1] == FRAMES
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_a_damaged_chunk_and_what_follows_it_do_not_count(plates: Path, tmp_path: Path, damage: str) -> None:
    whole = observed(run(plates, tmp_path)[0])
    second = tmp_path / "chunk-000002.npz"
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 255
    second.write_bytes({"cut": data[: len(data) // 2], "flip": data, "empty": b"", "text": b"no chunk"}[damage])
    resumed, tracked = run(plates, tmp_path)
    assert tracked == FRAMES - 8
    assert same(observed(resumed), whole)


def test_footage_that_comes_out_otherwise_begins_anew(plates: Path, tmp_path: Path) -> None:
    moved = write_plates(tmp_path / "plates", [draw([(60, 60, 20, 100)])] * FRAMES)
    run(plates, tmp_path / "chunks", kill_after=20)
    assert run(moved, tmp_path / "chunks")[1] == FRAMES


def test_a_folder_that_cannot_be_written_is_one_sentence(plates: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaceLiftError, match="cannot be written"):
        run(plates, tmp_path / "file" / "chunks")
    assert not list(tmp_path.glob("**/*.part"))


@pytest.mark.parametrize("spoiled", [("actor", -1, 7), ("actor", 0, 0.0), ("frame", -1, 1), ("frame", 0, 10**6)])
def test_rows_that_cannot_be_do_not_count(plates: Path, tmp_path: Path, spoiled: tuple[str, int, float]) -> None:
    name, row, value = spoiled
    run(plates, tmp_path, kill_after=30)
    path = tmp_path / "chunk-000002.npz"
    arrays = dict(np.load(path))
    arrays[name] = arrays[name].astype(type(value))
    arrays[name][row] = value
    np.savez(path, **arrays)
    assert run(plates, tmp_path)[1] == FRAMES - 8


def test_a_chunk_that_repeats_another_does_not_count(plates: Path, tmp_path: Path) -> None:
    run(plates, tmp_path, kill_after=30)
    first, second = (dict(np.load(tmp_path / f"chunk-00000{number}.npz")) for number in (1, 2))
    rows = {name: array for name, array in first.items() if name != "header"}
    np.savez(tmp_path / "chunk-000002.npz", **{**second, **rows})
    assert run(plates, tmp_path)[1] == FRAMES - 8


def test_a_chunk_altered_while_it_is_read_is_one_sentence(plates: Path, tmp_path: Path) -> None:
    tracker, _ = run(plates, tmp_path)
    path = tmp_path / "chunk-000002.npz"
    arrays = dict(np.load(path))
    np.savez(path, **{name: array if name == "header" else array[1:] for name, array in arrays.items()})
    with pytest.raises(FaceLiftError, match="altered"):
        observed(tracker)
