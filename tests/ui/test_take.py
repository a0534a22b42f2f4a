# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with a take in the scene: sliders, packing, exports, the review sheet."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from modal import Double, Window, drive

from facelift_blender.capture import overlay as drawing
from facelift_blender.capture.adjust import interpupillary
from facelift_blender.capture.solve import solve
from facelift_blender.capture.types import Take
from facelift_blender.scene import storage
from facelift_blender.scene.actions import read_curve
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.scene.storage import take_of
from facelift_blender.ui import files, filling, sync
from facelift_blender.ui.take import operators


@pytest.fixture
def solved(tracked: bpy.types.Collection, road: object) -> bpy.types.Collection:
    """A take that was really solved, so that it can be smoothed again."""
    road.take = solve(road.take.raw, road.take.clip)
    bpy.ops.facelift.track_footage()
    return tracked


def reopen(path: Path) -> bpy.types.Collection:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return take_collections()[0]


@pytest.mark.parametrize("name", [cls.bl_idname.split(".")[1] for cls in operators.CLASSES if cls.__name__ != "FACELIFT_OT_remove_unused"])
def test_without_a_take_nothing_is_done(name: str) -> None:
    with pytest.raises(RuntimeError, match="Track footage first"):
        getattr(bpy.ops.facelift, name)()


# ---------------------------------------------------------------- sliders


def test_a_new_take_stands_at_what_it_was_solved_with(footage: bpy.types.MovieClip, road: object) -> None:
    footage.facelift.smoothing = 0.3
    bpy.ops.facelift.track_footage()
    (collection,) = take_collections()
    assert sync.outdated() is None
    assert storage.reference(collection) == storage.reference(collection, "solved")


def test_a_slider_acts_at_once_and_back_again(solved: bpy.types.Collection) -> None:
    before = take_of(solved)
    keys = len(read_curve(member(solved, "Head"), "location").keyframe_points)
    solved.facelift.mouth = 0.0
    after = take_of(solved)
    assert after.provenance["smoothing"]["mouth"] == 0.0
    assert np.abs(np.diff(after.landmarks[:, 48:68], 2, axis=0)).mean() > np.abs(np.diff(before.landmarks[:, 48:68], 2, axis=0)).mean()
    curve = read_curve(member(solved, "Face").data.shape_keys, 'key_blocks["jawOpen"].value')
    assert curve.evaluate(6.0) == pytest.approx(after.weights[5, 17], abs=1e-6)
    assert len(read_curve(member(solved, "Head"), "location").keyframe_points) == keys
    solved.facelift.mouth = 0.5
    assert np.array_equal(take_of(solved).landmarks, before.landmarks)
    assert storage.reference(solved) == storage.reference(solved, "solved")


def test_the_scale_grows_head_and_distance(solved: bpy.types.Collection) -> None:
    before = read_curve(member(solved, "Head"), "location", 1).evaluate(6.0)
    solved.facelift.interpupillary = 70.0
    assert interpupillary(take_of(solved)) == pytest.approx(0.07)
    assert read_curve(member(solved, "Head"), "location", 1).evaluate(6.0) == pytest.approx(before * 70 / 63, rel=1e-3)


def test_the_face_at_rest_is_this_frame(solved: bpy.types.Collection) -> None:
    bpy.context.scene.frame_set(4)
    assert bpy.ops.facelift.set_rest() == {"FINISHED"}
    assert take_of(solved).weights[3].max() < 0.02
    bpy.context.scene.frame_set(200)
    with pytest.raises(RuntimeError, match="Frame 200 has no face"):
        bpy.ops.facelift.set_rest()


def test_the_scenes_frame_range_is_a_persons_own_after_tracking(solved: bpy.types.Collection) -> None:
    bpy.context.scene.frame_end = 99
    solved.facelift.brows = 0.9
    assert bpy.context.scene.frame_end == 99


def test_a_slider_on_a_take_that_is_gone_is_told_in_the_panel(solved: bpy.types.Collection) -> None:
    Path(member(solved, "Head")["take"]).unlink()
    solved.facelift.mouth = 0.1
    assert "track the footage again" in sync.problems[solved.name]


def test_undo_of_a_slider_brings_slider_and_keys_back(solved: bpy.types.Collection) -> None:
    name = solved.name
    bpy.ops.ed.undo_push(message="solved")
    before = take_of(solved)
    solved.facelift.mouth = 0.0
    bpy.ops.ed.undo_push(message="slider")
    bpy.ops.ed.undo()
    collection = bpy.data.collections[name]
    assert collection.facelift.mouth == 0.5
    assert np.array_equal(take_of(collection).landmarks, before.landmarks)
    assert sync.outdated() is None


def test_beside_blender_the_timer_catches_up_in_slices(solved: bpy.types.Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    with filling.quietly():
        solved.facelift.mouth = 0.0
    assert sync.outdated() == solved
    waits = []
    while (wait := sync._tick()) is not None:
        waits.append(wait)
    assert len(waits) > 3
    assert take_of(solved).provenance["smoothing"]["mouth"] == 0.0
    assert not sync.is_busy()


def test_undo_in_the_middle_drops_what_is_half_done(solved: bpy.types.Collection) -> None:
    with filling.quietly():
        solved.facelift.mouth = 0.0
    sync._tick()
    assert sync.is_busy()
    sync.abort()
    assert not sync.is_busy()
    assert sync.outdated() == solved


# ---------------------------------------------------------------- where it is kept


def test_a_saved_file_keeps_takes_sliders_and_pictures(solved: bpy.types.Collection, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    solved.facelift.mouth = 0.2
    take = take_of(solved)
    collection = reopen(tmp_path / "shots" / "shot.blend")
    assert len(list((tmp_path / "shots" / "shot.facelift").glob("*.npz"))) == 2
    assert np.array_equal(take_of(collection).landmarks, take.landmarks)
    assert collection.facelift.mouth == pytest.approx(0.2)
    assert collection.preview.is_image_custom
    assert sync.outdated() is None
    collection.facelift.mouth = 0.5
    assert take_of(collection).provenance["smoothing"]["mouth"] == 0.5


def test_packing_and_unpacking(tracked: bpy.types.Collection, tmp_path: Path, road: object) -> None:
    assert bpy.ops.facelift.pack_take() == {"FINISHED"}
    Path(member(tracked, "Head")["take"]).unlink()
    collection = reopen(tmp_path / "packed.blend")
    assert not (tmp_path / "packed.facelift").exists()
    assert take_of(collection).weights == pytest.approx(road.take.weights)
    assert bpy.ops.facelift.pack_take() == {"FINISHED"}
    assert not storage.is_packed(collection)
    assert take_of(collection).weights == pytest.approx(road.take.weights)


def test_a_take_tracked_anew_stays_packed(tracked: bpy.types.Collection) -> None:
    bpy.ops.facelift.pack_take()
    bpy.ops.facelift.track_footage()
    assert storage.is_packed(tracked)
    assert member(tracked, "Take data").packed_file.data == Path(member(tracked, "Head")["take"]).read_bytes()


def test_unused_files_are_removed_on_request(tracked: bpy.types.Collection, tmp_path: Path) -> None:
    assert not bpy.ops.facelift.remove_unused.poll()
    collection = reopen(tmp_path / "shot.blend")
    (tmp_path / "shot.facelift" / "old.take.npz").touch()
    assert bpy.ops.facelift.remove_unused() == {"FINISHED"}
    assert [path.name for path in (tmp_path / "shot.facelift").iterdir()] == [Path(member(collection, "Head")["take"]).name]
    with pytest.raises(RuntimeError, match="no unused take files"):
        bpy.ops.facelift.remove_unused()


def test_the_startup_file_is_no_place_for_takes(tracked: bpy.types.Collection) -> None:
    files.keep_takes("")
    assert Path(member(tracked, "Head")["take"]).parent.name == "takes"


# ---------------------------------------------------------------- the review sheet


@pytest.fixture
def quick_film(monkeypatch: pytest.MonkeyPatch) -> None:
    """The film is another module's; here a few bytes stand for it."""
    from facelift_blender.exports import review

    monkeypatch.setattr(review, "write_video", lambda _take, path, least_height: Path(path).write_bytes(b"film" * least_height))


def test_the_review_sheet_is_one_page_that_needs_nothing_else(tracked: bpy.types.Collection, tmp_path: Path, quick_film: None) -> None:
    assert bpy.ops.facelift.export_review(filepath=str(tmp_path / "a.html")) == {"FINISHED"}
    page = (tmp_path / "a.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 7
    assert "data:video/mp4;base64,ZmlsbQ==" in page
    assert not re.search(r"(src|href)=['\"](?!data:)", page)
    for words in ("Worst frames", "jawOpen", "residual", "39.4 mm", "12 of 12 with a face", "mouth"):
        assert words in page
    (tmp_path / "file").touch()
    with pytest.raises(RuntimeError, match="choose a folder"):
        bpy.ops.facelift.export_review(filepath=str(tmp_path / "file" / "a.html"))


def test_a_stopped_review_leaves_pictures_out(synthetic_take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facelift_blender.exports.review import write_review

    monkeypatch.setattr(drawing, "write_video", None)
    write_review(synthetic_take, tmp_path / "a.html", lambda: True)
    assert "data:image" not in (tmp_path / "a.html").read_text()


def test_looking_through_the_camera(tracked: bpy.types.Collection) -> None:
    assert bpy.ops.facelift.look_through_camera() == {"FINISHED"}
    assert bpy.context.scene.camera == member(tracked, "Camera")


# ---------------------------------------------------------------- exports beside the window


@pytest.fixture
def windowed(window: Window, monkeypatch: pytest.MonkeyPatch) -> Window:
    """The exports take Blender to have a window."""
    shim = SimpleNamespace(app=SimpleNamespace(background=False, tempdir=bpy.app.tempdir), path=bpy.path)
    monkeypatch.setattr(operators, "bpy", shim)
    return window


def _export(operator: type, window: Window, path: Path, **properties: object) -> tuple[set[str], Double]:
    double = Double(operator, filepath=str(path), **properties)
    assert double.execute(window) == {"RUNNING_MODAL"}
    return drive(double, window, 300.0), double


def test_another_blender_writes_the_fbx(tracked: bpy.types.Collection, tmp_path: Path, windowed: Window) -> None:
    bpy.context.scene.render.fps = 30
    marked = next(thing for thing in tracked.all_objects if thing.name.endswith("Head"))
    marked.name = "Renamed By Hand"
    before = set(bpy.data.objects), set(bpy.data.collections)
    result, double = _export(operators.FACELIFT_OT_export_fbx, windowed, tmp_path / "a.fbx")
    assert (result, double.reports[-1]) == ({"FINISHED"}, ({"INFO"}, "a.fbx written"))
    assert (set(bpy.data.objects), set(bpy.data.collections)) == before
    assert not list(Path(bpy.app.tempdir).glob("facelift-*"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.fbx(filepath=str(tmp_path / "a.fbx"))
    assert "Renamed By Hand" in bpy.data.objects, "what is written is the scene's, with what a person did to it"
    assert bpy.context.scene.render.fps == 30


def test_what_the_other_blender_says_is_reported(tracked: bpy.types.Collection, tmp_path: Path, windowed: Window) -> None:
    (tmp_path / "file").touch()
    result, double = _export(operators.FACELIFT_OT_export_fbx, windowed, tmp_path / "file" / "a.fbx")
    assert result == {"CANCELLED"}
    assert "cannot be written" in double.reports[-1][1]


def test_a_stopped_export_writes_nothing(tracked: bpy.types.Collection, tmp_path: Path, windowed: Window) -> None:
    double = Double(operators.FACELIFT_OT_export_fbx, filepath=str(tmp_path / "a.fbx"))
    double.execute(windowed)
    double.modal(windowed, SimpleNamespace(type="ESC", value="PRESS"))
    assert drive(double, windowed) == {"FINISHED"}
    assert double.reports[-1] == ({"WARNING"}, "Stopped: a.fbx was not written")
    assert not (tmp_path / "a.fbx").exists()
    assert not list(Path(bpy.app.tempdir).glob("facelift-*"))


@pytest.mark.parametrize(("operator", "name"), [("FACELIFT_OT_export_livelink", "a.csv"), ("FACELIFT_OT_export_json", "a.json")])
def test_numbers_are_written_by_a_thread(tracked: bpy.types.Collection, tmp_path: Path, windowed: Window, operator: str, name: str) -> None:
    result, double = _export(getattr(operators, operator), windowed, tmp_path / name)
    assert (result, double.reports[-1][1]) == ({"FINISHED"}, f"{name} written")
    assert (tmp_path / name).stat().st_size > 1000
