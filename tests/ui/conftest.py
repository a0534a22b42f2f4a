# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests run inside Blender, with FaceLift enabled and a clip that tracks at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest
from blender import empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
from synthetic import Performance, make_take

import facelift_blender
from facelift_blender.capture import track as tracking
from facelift_blender.capture.track import Progress, TrackSettings
from facelift_blender.capture.types import FaceLiftError, Take


@pytest.fixture(autouse=True)
def enabled(empty_file: None) -> Iterator[None]:  # noqa: F811
    facelift_blender.register()
    yield
    facelift_blender.unregister()


@pytest.fixture
def footage(tmp_path: Path) -> bpy.types.MovieClip:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 24, (320, 180))
    for _ in range(12):
        writer.write(np.zeros((180, 320, 3), np.uint8))
    writer.release()
    return bpy.data.movieclips.load(str(path))


class FakeRoad:
    """Stands for `track_steps`: twelve frames, one take; keeps how it was called."""

    def __init__(self) -> None:
        self.take = make_take(Performance(frames=12, width=320, height=180, focal=350.0))
        self.error: FaceLiftError | None = None
        self.settings: TrackSettings | None = None
        self.endless = False

    def __call__(self, path: str, settings: TrackSettings, should_stop: Callable[[], bool]) -> Generator[Progress, None, list[Take]]:
        self.settings = settings
        done = 0
        while (self.endless or done < 12) and not should_stop():
            done += 1
            yield Progress(min(done, 6) if self.endless else done, 12, "landmarks", 0.1 * done)
        if self.error:
            raise self.error
        return [replace(self.take, clip=replace(self.take.clip, path=str(path)))]


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> FakeRoad:
    fake = FakeRoad()
    monkeypatch.setattr(tracking, "track_steps", fake)
    return fake
