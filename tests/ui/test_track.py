# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from modal import Double, Window, drive

from facelift_blender.capture.adjust import interpupillary
from facelift_blender.capture.corrections import Corrections, Pin
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import project
from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.types import Distortion, FaceLiftError
from facelift_blender.scene import camera
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.scene.storage import take_of
from facelift_blender.ui import job
from facelift_blender.ui.filling import tell_corrections
from facelift_blender.ui.finding import clip_of
from facelift_blender.ui.track import operators, pauses


def _track() -> set[str]:
    return bpy.ops.facelift.track_footage()


def test_tracking_in_background_does_the_whole_job(footage: bpy.types.MovieClip, road: object) -> None:
    assert _track() == {"FINISHED"}
    (collection,) = take_collections()
    assert bpy.context.scene.facelift.take == collection
    assert bpy.context.scene.frame_end == 12
    assert member(collection, "Camera").data.background_images[0].clip == footage
    assert job.current() is None


def test_the_clips_settings_reach_the_road(footage: bpy.types.MovieClip, road: object) -> None:
    chosen = footage.facelift
    chosen.use_range, chosen.start, chosen.end, chosen.actor = True, 3, 9, 2
    chosen.lens_known, chosen.focal_mm, chosen.sensor_width, chosen.smoothing = True, 85.0, 23.5, 0.25
    footage.tracking.camera.distortion_model, footage.tracking.camera.k1 = "POLYNOMIAL", -0.125
    _track()
    assert (road.settings.start, road.settings.end, road.settings.actor) == (3, 9, 2)
    solve = road.settings.solve
    assert (solve.focal_mm, solve.sensor_width, solve.smoothing) == (85.0, 23.5, 0.25)
    assert solve.distortion == Distortion("POLYNOMIAL", (-0.125, 0.0, 0.0))


def test_who_moves_the_zoom_and_the_scale_reach_the_road(
    footage: bpy.types.MovieClip, road: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = footage.facelift
    chosen.moves, chosen.zoom, chosen.interpupillary = "STILL", True, 65.0
    _track()
    solve = road.settings.solve
    assert (solve.still_head, solve.zoom, solve.interpupillary, solve.measured, solve.camera_poses) == (True, True, 0.065, None, None)
    poses = np.tile(np.eye(4), (12, 1, 1))
    monkeypatch.setattr(camera, "read_solved_camera", lambda clip, unit: poses if (clip, unit) == (footage, 1.0) else None)
    chosen.moves, chosen.zoom, chosen.scale = "CAMERA", False, "MEASURED"
    chosen.measured_from, chosen.measured_to, chosen.measured_mm = "LIP_OUTER_7", "LIP_OUTER_1", 52.0
    _track()
    solve = road.settings.solve
    corners = (NAMES.index("lip_outer_1"), NAMES.index("lip_outer_7"))
    assert (solve.still_head, solve.zoom, solve.measured) == (False, False, (*corners, 0.052))
    assert np.array_equal(solve.camera_poses, poses)


def test_what_cannot_be_of_camera_and_scale_is_one_sentence(footage: bpy.types.MovieClip, road: object) -> None:
    footage.facelift.moves = "CAMERA"
    with pytest.raises(RuntimeError, match="is not solved; solve it in the Clip Editor"):
        _track()
    footage.facelift.moves, footage.facelift.scale = "HEAD", "MEASURED"
    footage.facelift.measured_from = footage.facelift.measured_to = "CONTOUR_9"
    with pytest.raises(RuntimeError, match="two different points"):
        _track()


@pytest.mark.parametrize(("quality", "every", "mirrored"), [("DRAFT", 2, False), ("STANDARD", 1, False), ("FINE", 1, True)])
def test_the_quality_is_how_closely_the_road_looks(
    footage: bpy.types.MovieClip, road: object, quality: str, every: int, mirrored: bool
) -> None:
    footage.facelift.quality = quality
    _track()
    assert (road.settings.every, road.settings.mirrored) == (every, mirrored)


def test_what_is_not_set_is_left_to_the_road(footage: bpy.types.MovieClip, road: object) -> None:
    footage.facelift.every_actor = True
    _track()
    assert (road.settings.start, road.settings.end, road.settings.actor, road.settings.solve.focal_mm) == (1, None, None, None)


def test_the_scene_keeps_its_rate_on_request(footage: bpy.types.MovieClip, road: object) -> None:
    scene = bpy.context.scene
    scene.facelift.timing, scene.render.fps, scene.frame_end = "TIME", 60, 77
    _track()
    assert (scene.render.fps, scene.frame_end) == (60, 77)


def test_without_a_clip_the_button_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="Open a movie clip first"):
        _track()


def test_an_error_is_the_sentence_that_is_reported(footage: bpy.types.MovieClip, road: object) -> None:
    road.error = FaceLiftError("No face was found.")
    with pytest.raises(RuntimeError, match="No face was found"):
        _track()
    assert not take_collections()
    assert job.current() is None


def test_a_real_missing_file_is_one_sentence(footage: bpy.types.MovieClip) -> None:
    Path(footage.filepath).unlink()
    with pytest.raises(RuntimeError, match=r"clip\.avi"):
        _track()


def test_tracking_again_replaces_its_own_and_keeps_the_earlier_take_for_undo(footage: bpy.types.MovieClip, road: object) -> None:
    _track()
    first = Path(member(take_collections()[0], "Head")["take"])
    count = len(bpy.data.objects)
    _track()
    assert len(bpy.data.objects) == count
    assert first.is_file()
    assert Path(member(take_collections()[0], "Head")["take"]) != first


def test_the_take_is_read_again_from_its_file(footage: bpy.types.MovieClip, road: object) -> None:
    _track()
    (collection,) = take_collections()
    assert take_of(collection).weights == pytest.approx(road.take.weights)
    Path(member(collection, "Head")["take"]).unlink()
    with pytest.raises(FaceLiftError, match="track the footage again"):
        take_of(collection)


@pytest.mark.parametrize(("operator", "name"), [("export_fbx", "a.fbx"), ("export_livelink", "a.csv"), ("export_json", "a.json")])
def test_exports(footage: bpy.types.MovieClip, road: object, tmp_path: Path, operator: str, name: str) -> None:
    call = getattr(bpy.ops.facelift, operator)
    assert not call.poll()
    _track()
    assert call(filepath=str(tmp_path / name)) == {"FINISHED"}
    assert (tmp_path / name).stat().st_size > 1000
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match="choose a folder"):
        call(filepath=str(tmp_path / "file" / name))


def test_the_exported_csv_is_the_take(footage: bpy.types.MovieClip, road: object, tmp_path: Path) -> None:
    _track()
    bpy.ops.facelift.export_livelink(filepath=str(tmp_path / "a.csv"))
    bpy.ops.facelift.export_json(filepath=str(tmp_path / "a.json"))
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    read = json.loads((tmp_path / "a.json").read_text())
    assert [float(row["JawOpen"]) for row in rows] == pytest.approx([frame["weights"][17] for frame in read["frames"]], abs=1e-6)


def test_looking_through_the_camera(footage: bpy.types.MovieClip, road: object) -> None:
    bpy.context.scene.camera = bpy.data.objects.new("theirs", bpy.data.cameras.new("theirs"))
    _track()
    assert bpy.context.scene.camera.name == "theirs"
    assert bpy.ops.facelift.look_through_camera() == {"FINISHED"}
    assert bpy.context.scene.camera == member(take_collections()[0], "Camera")


def test_with_a_window_it_runs_beside_blender_and_builds_at_the_end(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    double = Double(operators.FACELIFT_OT_track_footage)
    assert double.invoke(window, None) == {"RUNNING_MODAL"}
    assert drive(double, window) == {"FINISHED"}
    assert len(take_collections()) == 1
    assert not window.timers
    assert window.status[-1] is None
    assert double.reports[-1] == ({"INFO"}, "12 frames of Actor 1 tracked")


def test_escape_keeps_what_is_done_and_other_keys_pass(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    road.endless, double = True, Double(operators.FACELIFT_OT_track_footage)
    double.invoke(window, None)
    assert job.current() is not None
    assert not bpy.ops.facelift.track_footage.poll()
    assert double.modal(window, SimpleNamespace(type="G", value="PRESS")) == {"PASS_THROUGH"}
    assert double.modal(window, SimpleNamespace(type="ESC", value="PRESS")) == {"RUNNING_MODAL"}
    assert drive(double, window) == {"FINISHED"}
    assert len(take_collections()) == 1
    assert not window.timers


def test_the_stop_button_does_as_escape_does(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    road.endless, double = True, Double(operators.FACELIFT_OT_track_footage)
    assert not bpy.ops.facelift.stop_tracking.poll()
    double.invoke(window, None)
    assert bpy.ops.facelift.stop_tracking() == {"FINISHED"}
    assert drive(double, window) == {"FINISHED"}


def test_an_error_in_the_thread_is_reported_in_the_window(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    road.error, double = FaceLiftError("No face was found."), Double(operators.FACELIFT_OT_track_footage)
    double.invoke(window, None)
    assert drive(double, window) == {"CANCELLED"}
    assert double.reports == [({"ERROR"}, "No face was found.")]
    assert not window.timers


def test_when_blender_ends_the_operator_the_thread_stops(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    road.endless, double = True, Double(operators.FACELIFT_OT_track_footage)
    double.invoke(window, None)
    running = job.current()
    double.cancel(window)
    assert job.current() is None
    assert running.result() == []
    assert not window.timers


def _stopped(road: object, window: Window) -> None:
    road.endless, double = True, Double(operators.FACELIFT_OT_track_footage)
    double.invoke(window, None)
    while job.current().progress is None or job.current().progress.done < 6:
        pass
    double.modal(window, SimpleNamespace(type="ESC", value="PRESS"))
    assert drive(double, window) == {"FINISHED"}
    road.endless = False


def test_after_a_stop_it_goes_on_with_the_next_frame(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    assert not bpy.ops.facelift.resume_tracking.poll()
    _stopped(road, window)
    pause = pauses.pause_of(operators.footage_path(footage))
    assert (pause.last_frame, pause.end) == (6, 12)
    assert bpy.ops.facelift.resume_tracking() == {"FINISHED"}
    assert road.begun == [0, 6]
    assert pauses.pause_of(operators.footage_path(footage)) is None
    with pytest.raises(RuntimeError, match="Nothing was stopped"):
        bpy.ops.facelift.resume_tracking()


def test_tracking_anew_begins_at_the_beginning(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    _stopped(road, window)
    _track()
    assert road.begun == [0, 0]
    assert not bpy.ops.facelift.resume_tracking.poll()


def test_a_stop_before_any_face_is_told(footage: bpy.types.MovieClip, road: object, window: Window) -> None:
    road.actors, double = 0, Double(operators.FACELIFT_OT_track_footage)
    double.invoke(window, None)
    assert drive(double, window) == {"FINISHED"}
    assert double.reports == [({"WARNING"}, "Tracking was stopped before a face was found")]
    assert not take_collections()


def test_each_actor_has_a_collection_and_a_picture(footage: bpy.types.MovieClip, road: object) -> None:
    road.actors = 2
    _track()
    one, two = take_collections()
    assert (one["facelift_actor"], two["facelift_actor"]) == ("Actor 1", "Actor 2")
    assert bpy.context.scene.facelift.take == one
    for collection in (one, two):
        assert collection.preview.is_image_custom
        pixels = np.empty(4 * 128 * 128, np.float32)
        collection.preview.image_pixels_float.foreach_get(pixels)
        assert pixels.reshape(-1, 4)[:, 3].min() == 1.0


def test_two_clips_live_beside_each_other(footage: bpy.types.MovieClip, road: object, tmp_path: Path) -> None:
    _track()
    shutil.copy(footage.filepath, tmp_path / "second.avi")
    second = bpy.data.movieclips.load(str(tmp_path / "second.avi"))
    assert bpy.ops.facelift.track_footage(clip=second.name) == {"FINISHED"}
    assert [clip_of(collection) for collection in take_collections()] == [footage, second]


def test_a_name_that_no_clip_has_is_told(footage: bpy.types.MovieClip, road: object) -> None:
    with pytest.raises(RuntimeError, match="No movie clip to track"):
        bpy.ops.facelift.track_footage(clip="no such clip")


def test_corrections_and_adjustments_survive_tracking_again(tracked: bpy.types.Collection, road: object) -> None:
    road.take = solved = solve(road.take.raw, road.take.clip)
    point = tuple(float(x) for x in project(solved)[5, 57] + [3.0, 4.0])
    tell_corrections(tracked, Corrections((Pin(6, 57, point), Pin(99, 57, point)), falloff=2.0))
    tracked.facelift.interpupillary = 66.0
    _track()
    take = take_of(tracked, "solved")
    assert np.linalg.norm(project(take)[5, 57] - point) < 0.5
    assert len(tracked.facelift.pins) == 2
    assert "1 corrections of Actor 1 are on frames without a face" in " ".join(take.provenance["warnings"])
    assert interpupillary(take_of(tracked)) == pytest.approx(0.066)
    assert tracked.facelift.interpupillary == pytest.approx(66.0)


def test_undo_takes_the_take_back(footage: bpy.types.MovieClip, road: object) -> None:
    bpy.ops.ed.undo_push(message="before")
    _track()
    bpy.ops.ed.undo_push(message="tracked")
    bpy.ops.ed.undo()
    assert not take_collections()
    bpy.ops.ed.redo()
    assert take_of(take_collections()[0]).weights == pytest.approx(road.take.weights)
