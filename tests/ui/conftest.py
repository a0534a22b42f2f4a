# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests run inside Blender, with FaceLift enabled and a clip that tracks at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bpy
import cv2
import numpy as np
import pytest
from blender import empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
from modal import Window
from synthetic import Performance, make_take

import facelift_blender
from facelift_blender.capture import track as tracking
from facelift_blender.capture.track import Progress, TrackSettings
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.scene.ownership import take_collections
from facelift_blender.ui import working
from facelift_blender.ui.track import operators as track_operators


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
    """Stands for `track_steps`: twelve frames, one take; keeps how it was called, and stops where it is told to."""

    def __init__(self) -> None:
        self.take = make_take(Performance(frames=12, width=320, height=180, focal=350.0))
        self.error: FaceLiftError | None = None
        self.settings: TrackSettings | None = None
        self.endless = False
        self.actors = 1
        self.begun: list[int] = []

    def open_tracker(self, path: str, _settings: TrackSettings, *_models: object) -> SimpleNamespace:
        """A tracker before its first frame."""
        return SimpleNamespace(path=path, clip=replace(self.take.clip, path=str(path)), read=0, frame=0)

    def __call__(
        self, path: str, settings: TrackSettings, should_stop: Callable[[], bool], tracker: SimpleNamespace
    ) -> Generator[Progress, None, list[Take]]:
        self.settings = settings
        self.begun.append(tracker.frame)
        while (self.endless or tracker.frame < 12) and not should_stop():
            tracker.frame = tracker.read = min(tracker.frame + 1, 6 if self.endless else 12)
            yield Progress(tracker.frame, 12, "landmarks", 0.1 * tracker.frame)
        if self.error:
            raise self.error
        clip = replace(self.take.clip, path=str(path))
        return [replace(self.take, clip=clip, actor=f"Actor {number}") for number in range(1, self.actors + 1)]


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> FakeRoad:
    fake = FakeRoad()
    monkeypatch.setattr(tracking, "track_steps", fake)
    monkeypatch.setattr(tracking, "open_tracker", fake.open_tracker)
    monkeypatch.setattr(track_operators, "_models", lambda *_chosen: ())
    return fake


@pytest.fixture
def tracked(footage: bpy.types.MovieClip, road: FakeRoad) -> bpy.types.Collection:
    """A take in the scene, as the button leaves it."""
    bpy.ops.facelift.track_footage()
    (collection,) = take_collections()
    return collection


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    """A window for modal operators, which Blender has not in background."""
    monkeypatch.setattr(working, "bpy", SimpleNamespace(context=bpy.context, app=SimpleNamespace(background=False)))
    return Window()
