# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest

from facelift_blender.capture.types import Distortion, FaceLiftError
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.ui import job, operators, takes


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
    assert takes.take_of(collection).weights == pytest.approx(road.take.weights)
    Path(member(collection, "Head")["take"]).unlink()
    with pytest.raises(FaceLiftError, match="track the footage again"):
        takes.take_of(collection)


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


class _Window:
    """What a modal operator asks of a window."""

    def __init__(self) -> None:
        self.status: list[str | None] = []
        self.timers: list[object] = []
        self.window = SimpleNamespace()
        self.scene = bpy.context.scene
        self.space_data = None
        self.workspace = SimpleNamespace(status_text_set=self.status.append)
        self.window_manager = SimpleNamespace(
            windows=[], event_timer_add=self._add, event_timer_remove=self.timers.remove, modal_handler_add=lambda _operator: None
        )

    def _add(self, _step: float, window: object) -> object:  # noqa: ARG002
        self.timers.append(object())
        return self.timers[-1]


class _Double:
    """The track operator without Blender around it, so that its modal side can be driven by hand."""

    clip = ""

    def __init__(self) -> None:
        self.reports: list[tuple[set[str], str]] = []

    def report(self, kind: set[str], text: str) -> None:
        self.reports.append((kind, text))

    def __getattr__(self, name: str) -> object:
        found = getattr(operators.FACELIFT_OT_track_footage, name)
        return found.__get__(self) if callable(found) else found


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> _Window:
    monkeypatch.setattr(operators, "bpy", SimpleNamespace(data=bpy.data, path=bpy.path, app=SimpleNamespace(background=False)))
    return _Window()


def _drive(double: _Double, window: _Window, seconds: float = 20.0) -> set[str]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        result = double.modal(window, SimpleNamespace(type="TIMER", value="NOTHING"))
        if result != {"PASS_THROUGH"}:
            return result
        time.sleep(0.01)
    raise TimeoutError


def test_with_a_window_it_runs_beside_blender_and_builds_at_the_end(footage: bpy.types.MovieClip, road: object, window: _Window) -> None:
    double = _Double()
    assert double.invoke(window, None) == {"RUNNING_MODAL"}
    assert _drive(double, window) == {"FINISHED"}
    assert len(take_collections()) == 1
    assert not window.timers
    assert window.status[-1] is None
    assert double.reports[-1] == ({"INFO"}, "12 frames of Actor 1 tracked")


def test_escape_keeps_what_is_done_and_other_keys_pass(footage: bpy.types.MovieClip, road: object, window: _Window) -> None:
    road.endless, double = True, _Double()
    double.invoke(window, None)
    assert job.current() is not None
    assert not bpy.ops.facelift.track_footage.poll()
    assert double.modal(window, SimpleNamespace(type="G", value="PRESS")) == {"PASS_THROUGH"}
    assert double.modal(window, SimpleNamespace(type="ESC", value="PRESS")) == {"RUNNING_MODAL"}
    assert _drive(double, window) == {"FINISHED"}
    assert len(take_collections()) == 1
    assert not window.timers


def test_the_stop_button_does_as_escape_does(footage: bpy.types.MovieClip, road: object, window: _Window) -> None:
    road.endless, double = True, _Double()
    assert not bpy.ops.facelift.stop_tracking.poll()
    double.invoke(window, None)
    assert bpy.ops.facelift.stop_tracking() == {"FINISHED"}
    assert _drive(double, window) == {"FINISHED"}


def test_an_error_in_the_thread_is_reported_in_the_window(footage: bpy.types.MovieClip, road: object, window: _Window) -> None:
    road.error, double = FaceLiftError("No face was found."), _Double()
    double.invoke(window, None)
    assert _drive(double, window) == {"CANCELLED"}
    assert double.reports == [({"ERROR"}, "No face was found.")]
    assert not window.timers


def test_when_blender_ends_the_operator_the_thread_stops(footage: bpy.types.MovieClip, road: object, window: _Window) -> None:
    road.endless, double = True, _Double()
    double.invoke(window, None)
    running = job.current()
    double.cancel(window)
    assert job.current() is None
    assert len(running.result()) == 1
    assert not window.timers
