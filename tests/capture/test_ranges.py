# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot in ranges, joined, is what one tracker would have seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

pytest.importorskip("cv2")
from drawn_plates import Eye, Gaze, draw, write_plates

from facelift_blender.capture.ranges import join, split
from facelift_blender.capture.track import TrackSettings, follow, open_tracker
from facelift_blender.capture.tracker import Tracker


@given(some.integers(1, 500), some.integers(1, 3000), some.integers(1, 70), some.floats(1, 120))
def test_ranges_cover_every_frame_once(start: int, count: int, parts: int, fps: float) -> None:
    ranges = split(start, start + count - 1, parts, fps)
    assert [frame for part in ranges for frame in range(part.start, part.end + 1)] == list(range(start, start + count))
    assert all(start <= part.lead <= part.start for part in ranges)
    sizes = [part.end - part.start + 1 for part in ranges]
    assert max(sizes) - min(sizes) <= 1
    assert len(ranges) in (1, parts) or min(sizes) >= 2 * fps


def test_joined_ranges_are_the_unbroken_run(tmp_path: Path) -> None:
    discs = [(60 + 2 * k, 90 + 20 * np.sin(k / 5), 30, 100) for k in range(100)]
    seen = [[disc] if k < 30 else [disc, (290 - k, 40, 12 + k / 20, 200)] for k, disc in enumerate(discs)]
    plates = write_plates(tmp_path / "plates", [draw([] if k in (49, 50) else found) for k, found in enumerate(seen)])
    whole = _tracked(plates, 1, 100)
    ranges = split(1, 100, 4, 24.0)
    assert len(ranges) == 2
    joined = join([_tracked(plates, part.lead, part.end) for part in ranges], ranges)
    assert (joined.read, joined.frame) == (whole.read, whole.frame)
    for one, other in zip(whole.ranked(), joined.ranked(), strict=True):
        whole.look_back(one, 1)
        joined.look_back(other, 1)
        assert sorted(one.estimates) == sorted(other.estimates)
        for frame, estimate in one.estimates.items():
            assert estimate.landmarks_2d == pytest.approx(other.estimates[frame].landmarks_2d, abs=0.1)


def _tracked(plates: Path, start: int, end: int) -> Tracker:
    settings = TrackSettings(start=start, end=end)
    tracker = open_tracker(plates, settings, Eye(), Gaze())
    for _ in follow(tracker, settings):
        pass
    return tracker
