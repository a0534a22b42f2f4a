# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.corrections import Pin
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Take
from facelift_blender.scene import markers
from facelift_blender.scene.markers import Sheet

ACTOR = "Actor 1"
MOUTH = topology.region_indices("mouth")


@pytest.fixture
def footage(tmp_path: Path) -> bpy.types.MovieClip:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 24, (64, 36))
    for _ in range(3):
        writer.write(np.zeros((36, 64, 3), np.uint8))
    writer.release()
    return bpy.data.movieclips.load(str(path))


@pytest.fixture
def sheet(synthetic_take: Take) -> Sheet:
    return Sheet.of(synthetic_take)


def show(footage: bpy.types.MovieClip, sheet: Sheet, landmarks: tuple[int, ...] = MOUTH, **options: object) -> None:
    for _ in markers.show(footage, ACTOR, sheet, landmarks, **options):
        pass


def rewrite(footage: bpy.types.MovieClip, sheet: Sheet, pins: list[Pin]) -> None:
    for _ in markers.rewrite(footage, ACTOR, sheet, pins):
        pass


def test_markers_lie_on_the_landmarks(footage: bpy.types.MovieClip, sheet: Sheet, synthetic_take: Take) -> None:
    show(footage, sheet)
    show(footage, sheet)
    tracks = markers.tracks_of(footage, ACTOR)
    assert sorted(tracks) == sorted(MOUTH)
    assert footage.tracking.objects.active.name == "FaceLift Actor 1"
    assert len(footage.tracking.objects["Camera"].tracks) == 0
    pixels = project(synthetic_take)
    for landmark in MOUTH:
        for row in (0, 20, 47):
            x, y = tracks[landmark].markers.find_frame(row + 1).co
            assert (x * 1280, 720 - y * 720) == pytest.approx(tuple(pixels[row, landmark]), abs=1e-2)
    assert markers.moved(footage, ACTOR, sheet) == []


def test_a_marker_that_is_moved_is_a_pin(footage: bpy.types.MovieClip, sheet: Sheet, synthetic_take: Take) -> None:
    show(footage, sheet)
    marker = markers.tracks_of(footage, ACTOR)[57].markers.find_frame(12)
    marker.co = (marker.co[0] + 5 / 1280, marker.co[1] - 7 / 720)
    (pin,) = markers.moved(footage, ACTOR, sheet)
    assert (pin.frame, pin.landmark) == (12, 57)
    assert pin.point == pytest.approx(tuple(project(synthetic_take)[11, 57] + [5, 7]), abs=0.01)


def test_markers_follow_another_take_and_keep_what_is_pinned(footage: bpy.types.MovieClip, sheet: Sheet, synthetic_take: Take) -> None:
    show(footage, sheet)
    other = Sheet.of(replace(synthetic_take, translations=synthetic_take.translations + [0.01, 0, 0]))
    rewrite(footage, other, [Pin(5, 48, (300.0, 200.0))])
    (pin,) = markers.moved(footage, ACTOR, other)
    assert pin.point == pytest.approx((300, 200), abs=0.01)


def test_frames_without_a_face_have_no_marker_to_move(footage: bpy.types.MovieClip, synthetic_take: Take) -> None:
    valid = synthetic_take.valid.copy()
    valid[10:20] = False
    gap = Sheet.of(replace(synthetic_take, valid=valid))
    show(footage, gap, (30,))
    track = markers.tracks_of(footage, ACTOR)[30]
    assert track.markers.find_frame(11, exact=True).mute
    assert track.markers.find_frame(49, exact=True).mute
    assert track.markers.find_frame(15, exact=True) is None
    rewrite(footage, Sheet.of(synthetic_take), [])
    assert not track.markers.find_frame(15, exact=True).mute
    assert markers.moved(footage, ACTOR, Sheet.of(synthetic_take)) == []
    rewrite(footage, gap, [])
    assert track.markers.find_frame(15, exact=True).mute
    assert markers.moved(footage, ACTOR, gap) == []


def test_a_clip_with_an_offset_is_met(footage: bpy.types.MovieClip, sheet: Sheet) -> None:
    footage.frame_offset = 3
    show(footage, sheet, (30,))
    assert markers.tracks_of(footage, ACTOR)[30].markers[0].frame == 1
    assert markers.moved(footage, ACTOR, sheet) == []


def test_they_survive_saving_and_go_when_hidden(footage: bpy.types.MovieClip, sheet: Sheet, tmp_path: Path) -> None:
    show(footage, sheet)
    footage.use_fake_user = True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    (footage,) = bpy.data.movieclips
    assert markers.moved(footage, ACTOR, sheet) == []
    markers.hide(footage, ACTOR)
    markers.hide(footage, ACTOR)
    assert markers.tracks_of(footage, ACTOR) == {}
