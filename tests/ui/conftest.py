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
from facelift_blender.capture import errand
from facelift_blender.capture.track import Progress, TrackSettings
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.scene.ownership import take_collections
from facelift_blender.ui import working


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
    """Stands for `carry_out`: twelve frames, one take; keeps how it was called, and stops where it is told to."""

    def __init__(self) -> None:
        self.take = make_take(Performance(frames=12, width=320, height=180, focal=350.0))
        self.error: FaceLiftError | None = None
        self.settings: TrackSettings | None = None
        self.endless = False
        self.actors = 1
        self.begun: list[int] = []

    def __call__(self, folder: Path, should_stop: Callable[[], bool]) -> Generator[Progress, None, list[Take]]:
        wanted, stand = errand.read_errand(folder), errand.read_stand(folder)
        self.settings, frame = wanted.settings, stand.frame if stand else 0
        self.begun.append(frame)
        while (self.endless or frame < 12) and not should_stop():
            frame = min(frame + 1, 6 if self.endless else 12)
            yield Progress(frame, 12, "landmarks", 0.1 * frame)
        if self.error:
            raise self.error
        errand.write_stand(folder, frame, 12)
        clip = replace(self.take.clip, path=wanted.path)
        return [replace(self.take, clip=clip, actor=f"Actor {number}") for number in range(1, self.actors + 1)]


@pytest.fixture
def road(monkeypatch: pytest.MonkeyPatch) -> FakeRoad:
    fake = FakeRoad()
    monkeypatch.setattr(errand, "carry_out", fake)
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
