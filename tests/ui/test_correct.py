# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from modal import Double, Window, drive

from facelift_blender.capture import topology
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Take
from facelift_blender.scene import markers
from facelift_blender.scene.ownership import member
from facelift_blender.scene.storage import take_of
from facelift_blender.ui.correct import operators
from facelift_blender.ui.finding import clip_of

OPERATORS = [cls.bl_idname.split(".")[1] for cls in operators.CLASSES]
LIP = 57


@pytest.fixture(scope="module")
def solved() -> Take:
    from synthetic import Performance, make_take

    take = make_take(Performance(frames=40, width=320, height=180, focal=350.0))
    return solve(take.raw, take.clip)


@pytest.fixture
def collection(solved: Take, footage: bpy.types.MovieClip, road: object) -> bpy.types.Collection:
    """A solved take of forty frames in the scene."""
    road.take = solved
    bpy.ops.facelift.track_footage()
    return bpy.context.scene.facelift.take


def drag(collection: bpy.types.Collection, frame: int, shift: tuple[float, float], landmark: int = LIP) -> np.ndarray:
    """Move a marker by pixels, y down, as a person does, and return where it is then."""
    marker = markers.tracks_of(clip_of(collection), "Actor 1")[landmark].markers.find_frame(frame)
    marker.co = (marker.co[0] + shift[0] / 320, marker.co[1] - shift[1] / 180)
    return np.array([marker.co[0] * 320, 180 - marker.co[1] * 180])


def place(take: Take, frame: int, landmark: int = LIP) -> np.ndarray:
    return project(take)[frame - 1, landmark]


@pytest.mark.parametrize("name", OPERATORS)
def test_without_a_take_nothing_can_be_corrected(footage: bpy.types.MovieClip, name: str) -> None:
    with pytest.raises(RuntimeError, match="Track footage first"):
        getattr(bpy.ops.facelift, name)()


def test_markers_need_the_clip(collection: bpy.types.Collection) -> None:
    bpy.data.movieclips.remove(clip_of(collection))
    with pytest.raises(RuntimeError, match="movie clip is not in this file"):
        bpy.ops.facelift.show_markers()


def test_points_become_markers_by_region_all_or_selected(collection: bpy.types.Collection) -> None:
    bpy.context.scene.facelift.region = "BROWS"
    assert bpy.ops.facelift.show_markers(which="REGION") == {"FINISHED"}
    tracks = markers.tracks_of(clip_of(collection), "Actor 1")
    assert sorted(tracks) == sorted(topology.region_indices("brows"))
    with pytest.raises(RuntimeError, match="No landmark is selected"):
        bpy.ops.facelift.show_markers(which="SELECTED")
    member(collection, "nose_bridge_1").select_set(True)
    bpy.ops.facelift.show_markers(which="SELECTED")
    assert topology.NAMES.index("nose_bridge_1") in markers.tracks_of(clip_of(collection), "Actor 1")
    bpy.ops.facelift.show_markers(which="ALL")
    assert len(markers.tracks_of(clip_of(collection), "Actor 1")) == topology.COUNT
    bpy.ops.facelift.hide_markers()
    assert not markers.tracks_of(clip_of(collection), "Actor 1")


def test_a_moved_marker_is_reached_and_the_rest_stays(collection: bpy.types.Collection) -> None:
    before = take_of(collection)
    bpy.ops.facelift.show_markers()
    collection.facelift.falloff = 4.0
    goal = drag(collection, 20, (2.0, 3.0))
    assert bpy.ops.facelift.refine() == {"FINISHED"}
    take = take_of(collection)
    assert np.linalg.norm(place(take, 20) - goal) < 0.5
    far = np.abs(take.frames - 20) > 4
    for name in ("landmarks", "rotations", "translations", "weights"):
        assert np.array_equal(getattr(before, name)[far], getattr(take, name)[far])
    assert [(pin.frame, pin.landmark) for pin in take.corrections.pins] == [(20, LIP)]
    assert [(pin.frame, pin.landmark) for pin in collection.facelift.pins] == [(20, LIP)]
    assert np.linalg.norm(drag(collection, 20, (0.0, 0.0)) - goal) < 0.01


def test_refining_again_changes_nothing_and_a_second_point_adds_itself(collection: bpy.types.Collection) -> None:
    bpy.ops.facelift.show_markers()
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    first = take_of(collection)
    bpy.ops.facelift.refine()
    assert np.array_equal(take_of(collection).landmarks, first.landmarks)
    goal = drag(collection, 32, (-2.0, 1.0), 48)
    bpy.ops.facelift.refine()
    take = take_of(collection)
    assert len(take.corrections.pins) == 2
    assert np.linalg.norm(place(take, 32, 48) - goal) < 0.5


def test_in_the_window_refine_works_beside_blender(collection: bpy.types.Collection, window: Window) -> None:
    bpy.ops.facelift.show_markers()
    goal = drag(collection, 20, (2.0, 3.0))
    double = Double(operators.FACELIFT_OT_refine)
    assert double.invoke(window, None) == {"RUNNING_MODAL"}
    assert not bpy.ops.facelift.refine.poll()
    assert drive(double, window) == {"FINISHED"}
    assert np.linalg.norm(place(take_of(collection), 20) - goal) < 0.5
    assert double.reports == [({"INFO"}, "Actor 1 solved again; corrections: 1")]
    assert not window.timers


def test_while_the_scene_is_filled_no_event_passes(collection: bpy.types.Collection, window: Window) -> None:
    double = Double(operators.FACELIFT_OT_refine)
    double.invoke(window, None)
    double._job.result()
    assert double.modal(window, SimpleNamespace(type="TIMER", value="NOTHING")) == {"PASS_THROUGH"}
    for key in ("Z", "ESC", "LEFTMOUSE"):
        assert double.modal(window, SimpleNamespace(type=key, value="PRESS")) == {"RUNNING_MODAL"}
    assert drive(double, window) == {"FINISHED"}


def test_a_take_that_is_gone_is_one_sentence(collection: bpy.types.Collection) -> None:
    head = member(collection, "Head")
    for kind in ("take", "solved"):
        Path(head[kind]).unlink(missing_ok=True)
    for call in (bpy.ops.facelift.refine, bpy.ops.facelift.show_markers, bpy.ops.facelift.worst_frame):
        with pytest.raises(RuntimeError, match="track the footage again"):
            call()


def test_a_pin_on_a_frame_without_a_face_is_refused(collection: bpy.types.Collection) -> None:
    pin = collection.facelift.pins.add()
    pin.frame, pin.landmark, pin.point = 99, LIP, (10.0, 10.0)
    with pytest.raises(RuntimeError, match="Frame 99 has no face"):
        bpy.ops.facelift.refine()


def test_a_locked_frame_stays(collection: bpy.types.Collection) -> None:
    before = take_of(collection)
    bpy.context.scene.frame_set(22)
    bpy.ops.facelift.lock_frame()
    assert [lock.frame for lock in collection.facelift.locks] == [22]
    bpy.ops.facelift.show_markers()
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    take = take_of(collection)
    assert np.array_equal(before.landmarks[21], take.landmarks[21])
    assert not np.array_equal(before.landmarks[20], take.landmarks[20])
    bpy.ops.facelift.lock_frame()
    assert not collection.facelift.locks


def test_a_muted_stretch_is_bridged(collection: bpy.types.Collection) -> None:
    before = take_of(collection)
    bpy.context.scene.frame_set(15)
    bpy.context.scene.facelift.region = "MOUTH"
    bpy.ops.facelift.mute_region(frames=6)
    (mute,) = collection.facelift.mutes
    assert (mute.region, mute.start, mute.end) == ("MOUTH", 15, 20)
    bpy.ops.facelift.refine()
    mouth = list(topology.region_indices("mouth"))
    take = take_of(collection)
    assert np.abs(take.landmarks[16] - before.landmarks[16])[mouth].max() > 1e-4
    assert (take.corrections.mutes[0].region, take.corrections.mutes[0].end) == ("mouth", 20)


def test_before_and_after(collection: bpy.types.Collection) -> None:
    original = take_of(collection)
    bpy.ops.facelift.show_markers()
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    refined = take_of(collection)
    collection.facelift.before = True
    assert np.abs(project(take_of(collection))[19] - project(original)[19]).max() < 0.05
    collection.facelift.before = False
    assert np.array_equal(take_of(collection).landmarks, refined.landmarks)


def test_undo_brings_the_uncorrected_take_back(collection: bpy.types.Collection) -> None:
    name = collection.name
    bpy.ops.facelift.show_markers()
    bpy.ops.ed.undo_push(message="markers")
    original = take_of(collection)
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    bpy.ops.ed.undo_push(message="refine")
    bpy.ops.ed.undo()
    collection = bpy.data.collections[name]
    assert not collection.facelift.pins
    assert np.array_equal(take_of(collection).landmarks, original.landmarks)
    bpy.ops.ed.redo()
    assert len(bpy.data.collections[name].facelift.pins) == 1


def test_a_correction_is_removed_and_all_are(collection: bpy.types.Collection) -> None:
    original = take_of(collection)
    bpy.ops.facelift.show_markers()
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    assert bpy.ops.facelift.remove_correction(kind="pins") == {"FINISHED"}
    bpy.ops.facelift.hide_markers()
    collection.facelift.pins.clear()
    bpy.ops.facelift.refine()
    assert np.abs(project(take_of(collection))[19] - project(original)[19]).max() < 0.05
    bpy.ops.facelift.mute_region()
    bpy.ops.facelift.lock_frame()
    bpy.ops.facelift.remove_correction(kind="all")
    assert not collection.facelift.mutes
    assert not collection.facelift.locks


def test_corrections_survive_saving(collection: bpy.types.Collection, tmp_path: Path) -> None:
    name = collection.name
    bpy.ops.facelift.show_markers()
    drag(collection, 20, (2.0, 3.0))
    bpy.ops.facelift.refine()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    collection = bpy.data.collections[name]
    assert len(collection.facelift.pins) == len(take_of(collection).corrections.pins) == 1


def test_the_next_worst_frame_goes_on_from_one_to_the_next(collection: bpy.types.Collection, road: object) -> None:
    seen = []
    for _ in range(3):
        assert bpy.ops.facelift.worst_frame() == {"FINISHED"}
        seen.append(bpy.context.scene.frame_current)
    assert len(set(seen)) == 3
    bpy.context.scene.frame_set(seen[0])
    bpy.ops.facelift.lock_frame()
    for _ in range(12):
        bpy.ops.facelift.worst_frame()
        assert bpy.context.scene.frame_current != seen[0]
    bpy.ops.facelift.go_to_correction(frame=7)
    assert bpy.context.scene.frame_current == 7


def test_what_is_moved_outlives_a_slider(collection: bpy.types.Collection) -> None:
    bpy.ops.facelift.show_markers()
    goal = drag(collection, 20, (2.0, 3.0))
    collection.facelift.mouth = 0.1
    assert len(collection.facelift.pins) == 1
    assert np.linalg.norm(drag(collection, 20, (0.0, 0.0)) - goal) < 0.01
    bpy.ops.facelift.refine()
    take = take_of(collection)
    assert np.linalg.norm(place(take, 20) - goal) < 0.5
    assert take.provenance["smoothing"]["mouth"] == pytest.approx(0.1)


def test_a_clip_that_starts_elsewhere_is_met(collection: bpy.types.Collection) -> None:
    clip_of(collection).frame_start = 101
    bpy.ops.facelift.go_to_correction(frame=7)
    assert bpy.context.scene.frame_current == 107
    bpy.ops.facelift.lock_frame()
    assert collection.facelift.locks[0].frame == 7
