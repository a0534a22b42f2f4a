# SPDX-License-Identifier: GPL-3.0-or-later
"""A clip too long for memory comes out as a short one does."""

from __future__ import annotations

import errno
import mmap
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from synthetic import Performance, make_take

from facelift_blender.capture import roomy, smoothing, take
from facelift_blender.capture.roomy import rest, roomy_copy, windows
from facelift_blender.capture.solve import solve
from facelift_blender.capture.types import FaceLiftError, Take

FRAMES = 700


@pytest.fixture(scope="module")
def usual() -> Take:
    """A take made in memory."""
    truth = make_take(Performance(frames=FRAMES))
    return solve(truth.raw, truth.clip)


@pytest.fixture
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (roomy, take):
        monkeypatch.setattr(module, "LONG", 100)


def in_memory(array: np.ndarray) -> bool:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return not isinstance(getattr(array.base, "obj", array.base), mmap.mmap)


@pytest.mark.usefixtures("_short_memory")
def test_what_leaves_memory_is_not_lost() -> None:
    array = roomy.roomy(300, 4, fill=np.nan)
    assert not in_memory(array)
    assert np.isnan(array).all()
    for rows in windows(300):
        array[rows] = np.arange(300)[rows, None]
    rest()
    twin = roomy_copy(array)
    assert np.array_equal(array[:, 3], np.arange(300))
    assert np.array_equal(twin, array)
    assert in_memory(roomy.roomy(100, 4))


@pytest.mark.usefixtures("_short_memory")
@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="only there can room be asked for")
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int, _start: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FaceLiftError, match=r"room for temporary files .*TMPDIR"):
        roomy.roomy(300, 4)


@pytest.mark.usefixtures("_short_memory")
def test_a_long_clip_is_solved_bit_for_bit_as_a_short_one(usual: Take, tmp_path: Path) -> None:
    made = solve(usual.raw, usual.clip)
    take.save_take(made, tmp_path / "long.take.npz")
    read = take.load_take(tmp_path / "long.take.npz")
    assert not in_memory(made.landmarks)
    assert not in_memory(read.landmarks)
    for one in (made, read):
        for field in fields(Take):
            value = getattr(usual, field.name)
            assert not isinstance(value, np.ndarray) or np.array_equal(value, getattr(one, field.name), equal_nan=True), field.name


def test_stretches_go_over_into_one_another(usual: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LONG": 400, "_STRETCH": 300, "_OVERLAP": 80}.items():
        monkeypatch.setattr(smoothing, name, value)
    stretches = list(smoothing.stretches(slice(0, FRAMES)))
    assert (stretches[0].start, stretches[-1].stop, len(stretches)) == (0, FRAMES, 3)
    made = solve(usual.raw, usual.clip)
    off = np.linalg.norm(made.landmarks - usual.landmarks, axis=-1)
    assert np.sqrt(np.mean(off**2)) < 1e-4
    assert off.max() < 1e-3
    assert np.abs(made.translations - usual.translations).max() < 2e-3
    assert np.allclose(made.rotations @ np.swapaxes(made.rotations, 1, 2), np.eye(3), atol=1e-9)
    jumps = np.linalg.norm(np.diff(made.translations, axis=0), axis=1)
    assert jumps.max() < 1.5 * np.linalg.norm(np.diff(usual.translations, axis=0), axis=1).max()
