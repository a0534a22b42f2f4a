# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged footage is read as far as it goes, or refused in a sentence; nothing else, and soon."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from damaged_clips import damaged_clips

from facelift_blender.capture.footage import probe, read_frames
from facelift_blender.capture.types import FaceLiftError

MOST_SECONDS = 10.0


def test_damaged_footage_is_read_or_refused(tmp_path: Path) -> None:
    read, refused = 0, 0
    for path in damaged_clips(tmp_path, 90, seed=1):
        started = time.monotonic()
        try:
            clip = probe(path)
            for frame, image in read_frames(clip, 1, min(clip.frame_count, 100)):
                assert (image.shape[:2], 1 <= frame <= clip.frame_count) == ((clip.height, clip.width), True)
            read += 1
        except FaceLiftError as error:
            sentence = str(error)
            refused += 1
        else:
            sentence = ""
        assert "\n" not in sentence
        assert time.monotonic() - started < MOST_SECONDS, path.name
    assert min(read, refused) > 20


@pytest.mark.parametrize("name", ["vast.avi", "huge.png"])
def test_what_is_vast_is_not_unpacked(tmp_path: Path, name: str) -> None:
    path = next(path for path in damaged_clips(tmp_path, 0) if path.name == name)
    with pytest.raises(FaceLiftError):
        probe(path)
