# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator of FaceLift: when it may run, that it runs, that it is undone, what goes wrong, and that it runs again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import pytest
from mathutils import Vector

from facelift_blender.capture import errand, topology
from facelift_blender.capture.track import TrackSettings
from facelift_blender.registration import _CLASSES
from facelift_blender.rigs.head import load_head
from facelift_blender.rigs.picks import PICKS
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.scene.storage import KINDS, locate
from facelift_blender.ui.retarget import transfer
from facelift_blender.ui.track import pauses
from facelift_blender.ui.track.operators import footage_path

NAMES = sorted(cls.bl_idname.removeprefix("facelift.") for cls in _CLASSES if issubclass(cls, bpy.types.Operator))


def call(name: str, /, **options: Any) -> set[str]:
    return getattr(bpy.ops.facelift, name)(**options)


def take() -> bpy.types.Collection:
    return take_collections()[0]


def lose_take() -> None:
    """The take's files are gone."""
    for kind in KINDS:
        path = locate(take(), kind)
        if path:
            path.unlink()


def lose_footage() -> None:
    Path(bpy.data.movieclips[0].filepath).unlink()


def stopped() -> None:
    """Tracking was stopped halfway."""
    path = footage_path(bpy.data.movieclips[0])
    errand.begin(errand.Errand(path, TrackSettings()), pauses.folder_of(path))
    errand.write_stand(pauses.folder_of(path), 6, 12)


def with_markers() -> None:
    call("show_markers", which="REGION")


def with_corrections() -> None:
    bpy.context.scene.frame_set(4)
    call("mute_region", frames=3)
    call("lock_frame")


def with_head() -> None:
    call("add_head")


def with_retarget() -> None:
    call("add_head")
    call("retarget")


def with_picks() -> None:
    """A head without shapes, with all points picked."""
    head = load_head()
    data = bpy.data.meshes.new("Mia")
    data.from_pydata(head.vertices.tolist(), [], head.faces.tolist())
    mesh = bpy.data.objects.new("Mia", data)
    bpy.context.scene.collection.objects.link(mesh)
    bpy.context.scene.facelift_rig = mesh
    for name in PICKS:
        transfer.place_pick(mesh, name, Vector(head.landmarks[topology.NAMES.index(name)].tolist()))


def without_picks() -> None:
    call("clear_picks")


def saved_with_unused(folder: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    (folder / "shot.facelift" / "old.take.npz").write_bytes(b"old")


@dataclass(frozen=True)
class Case:
    """prepare: what must be there beside a take. spoil: what makes it fail, and the sentence that then comes; None: nothing can."""

    options: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[], None] | None = None
    spoil: Callable[[], None] | None = None
    sentence: str = ""
    file: str = ""
    undo: bool = True
    twice: bool = True


CASES = {
    "track_footage": Case(spoil=lose_footage, sentence=r"clip\.avi"),
    "resume_tracking": Case(prepare=stopped, spoil=lose_footage, sentence=r"clip\.avi", twice=False),
    "show_markers": Case({"which": "REGION"}, spoil=lose_take, sentence="is gone"),
    "hide_markers": Case(prepare=with_markers),
    "refine": Case(prepare=with_corrections, spoil=lose_take, sentence="is gone"),
    "lock_frame": Case(),
    "mute_region": Case({"frames": 3}),
    "remove_correction": Case({"kind": "all"}, prepare=with_corrections),
    "worst_frame": Case(spoil=lose_take, sentence="is gone", undo=False),
    "go_to_correction": Case({"frame": 4}, undo=False),
    "look_through_camera": Case(),
    "set_rest": Case(spoil=lose_take, sentence="is gone"),
    "pack_take": Case(spoil=lose_take, sentence="is gone"),
    "export_fbx": Case(file="a.fbx", sentence="choose a folder", undo=False),
    "export_livelink": Case(file="a.csv", sentence="choose a folder", undo=False),
    "export_json": Case(file="a.json", sentence="choose a folder", undo=False),
    "export_review": Case(file="a.html", sentence="choose a folder", undo=False),
    "add_head": Case(),
    "match_rig": Case(prepare=with_head, spoil=lose_take, sentence="is gone"),
    "retarget": Case(prepare=with_head, spoil=lose_take, sentence="is gone"),
    "clear_retarget": Case(prepare=with_retarget, spoil=lose_take, sentence="is gone"),
    "save_mapping": Case(prepare=with_head, file="map.json", sentence="cannot be written", undo=False),
    "clear_picks": Case(prepare=with_picks),
    "transfer_shapes": Case(prepare=with_picks, spoil=without_picks, sentence="at least", twice=False),
    "apply_preset": Case({"preset": "SELFIE"}),
    "toggle_overlay": Case(undo=False),
}
ELSEWHERE = {"add_preset", "stop_tracking", "remove_unused", "pick_points", "load_mapping"}
"""Operators whose conditions are their own: below, and in the tests of their panels."""


def test_every_operator_is_here() -> None:
    assert sorted({*CASES, *ELSEWHERE}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_in_an_empty_file_none_runs(name: str) -> None:
    assert not getattr(bpy.ops.facelift, name).poll()
    with pytest.raises(RuntimeError, match="poll"):
        call(name)


@pytest.fixture
def ready(tracked: bpy.types.Collection, request: pytest.FixtureRequest) -> Case:
    case = CASES[request.node.callspec.params["name"]]
    if case.prepare:
        case.prepare()
    return case


def options_of(case: Case, folder: Path) -> dict[str, Any]:
    return case.options | ({"filepath": str(folder / case.file)} if case.file else {})


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_runs_and_runs_again(name: str, ready: Case, tmp_path: Path) -> None:
    for _ in range(1 + ready.twice):
        assert call(name, **options_of(ready, tmp_path)) == {"FINISHED"}


def told() -> tuple[Any, ...]:
    """What operators change, in short."""
    scene = bpy.context.scene
    clip, rig = bpy.data.movieclips[0], scene.facelift_rig
    found = take_collections()
    chosen = found[0].facelift if found else None
    return (
        len(bpy.data.objects), len(bpy.data.actions), scene.camera and scene.camera.name, scene.frame_current, clip.facelift.focal_mm,
        sum(len(thing.tracks) for thing in clip.tracking.objects), rig and (len(rig.facelift.channels), bool(rig.animation_data)),
        rig and rig.type == "MESH" and bool(rig.data.shape_keys) and bool(rig.data.shape_keys.animation_data),
        chosen and (len(chosen.pins), len(chosen.mutes), len(chosen.locks), chosen.use_rest, chosen.rest),
        found and member(found[0], "Head")["take"], len(bpy.data.images), clip.facelift.lens_known,
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.undo))
def test_one_undo_takes_it_back(name: str, ready: Case, tmp_path: Path) -> None:
    bpy.ops.ed.undo_push(message="before")
    before = told()
    call(name, **options_of(ready, tmp_path))
    after = told()
    bpy.ops.ed.undo_push(message=name)
    bpy.ops.ed.undo()
    assert told() == before
    bpy.ops.ed.redo()
    assert told() == after


@pytest.mark.parametrize("name", sorted(name for name, case in CASES.items() if case.sentence))
def test_what_goes_wrong_is_one_sentence(name: str, ready: Case, tmp_path: Path) -> None:
    if ready.file:
        (tmp_path / "file").touch()
        with pytest.raises(RuntimeError, match=ready.sentence):
            call(name, filepath=str(tmp_path / "file" / ready.file))
        return
    ready.spoil()
    with pytest.raises(RuntimeError, match=ready.sentence):
        call(name, **ready.options)


def test_unused_take_files_go_and_the_used_stay(tracked: bpy.types.Collection, tmp_path: Path) -> None:
    saved_with_unused(tmp_path)
    used = locate(take())
    assert call("remove_unused") == {"FINISHED"}
    assert used.is_file()
    assert not (tmp_path / "shot.facelift" / "old.take.npz").exists()
    assert not bpy.ops.facelift.remove_unused.poll()


def test_a_mapping_that_is_not_there_is_one_sentence(tracked: bpy.types.Collection, tmp_path: Path) -> None:
    with_head()
    call("save_mapping", filepath=str(tmp_path / "map.json"))
    for _ in range(2):
        assert call("load_mapping", filepath=str(tmp_path / "map.json")) == {"FINISHED"}
    assert len(bpy.context.scene.facelift_rig.facelift.channels) == 52
    with pytest.raises(RuntimeError, match=r"nothing\.json"):
        call("load_mapping", filepath=str(tmp_path / "nothing.json"))
