# SPDX-License-Identifier: GPL-3.0-or-later
"""`batch.py retarget` and the calls for scripts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blender import bpy, empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
from characters import make_armature, make_mesh, value_at
from synthetic import make_take

from facelift_blender import api, batch
from facelift_blender.capture.expression import fit_weights
from facelift_blender.capture.profile import Profile, save_profile
from facelift_blender.capture.take import save_take
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.exports.livelink import read_livelink
from facelift_blender.rigs import arkit
from facelift_blender.rigs.mapping import save_mapping
from facelift_blender.rigs.matcher import match

JAW = arkit.INDEX["jawOpen"]


@pytest.fixture(scope="module")
def take() -> Take:
    return make_take()


@pytest.fixture
def files(take: Take, tmp_path: Path) -> tuple[Path, Path]:
    """A character's file and a take's file."""
    bpy.context.scene.render.fps = 24
    armature = make_armature()
    make_mesh("face", arkit.NAMES, armature).parent = armature
    make_mesh("prop", ())
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "ada.blend"))
    save_take(take, tmp_path / "one.take.npz")
    return tmp_path / "ada.blend", tmp_path / "one.take.npz"


def run(*arguments: object) -> int:
    return batch.main(["retarget", *map(str, arguments)])


def test_one_command_brings_a_take_onto_the_character(
    take: Take, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    before = files[0].read_bytes()
    out = tmp_path / "out" / "shot.blend"
    assert run(files[1], "--character", files[0], "--rig", "Ada", "-o", out, "--export", "fbx,glb", "--engine", "unreal") == 0
    assert sorted(path.name for path in out.parent.iterdir()) == ["shot.blend", "shot.fbx", "shot.glb"]
    printed = capsys.readouterr().out
    assert "52 channels (ARKit)" in printed
    assert files[0].read_bytes() == before, "the character's own file is not written"
    bpy.ops.wm.open_mainfile(filepath=str(out))
    assert value_at(bpy.data.objects["face"], "jawOpen", 6) == pytest.approx(take.weights[5, JAW], abs=1e-5)


def test_many_takes_onto_many_characters(take: Take, files: tuple[Path, Path], tmp_path: Path) -> None:
    bpy.ops.wm.open_mainfile(filepath=str(files[0]))
    make_mesh("Bob", ["JawOpen"])
    bpy.ops.wm.save_mainfile()
    save_take(replace(take, weights=take.weights * 0.5), tmp_path / "two.take.npz")
    out = tmp_path / "out" / "shot.blend"
    both = ("--rig", "Ada", "--rig", "Bob")
    assert run(files[1], tmp_path / "two.take.npz", *both, "-o", out, "--export", "fbx", "--fps", "30") == 0
    names = ["shot_one.blend", "shot_one_Ada.fbx", "shot_one_Bob.fbx", "shot_two.blend", "shot_two_Ada.fbx", "shot_two_Bob.fbx"]
    assert sorted(path.name for path in out.parent.iterdir()) == names
    bpy.ops.wm.open_mainfile(filepath=str(out.with_name("shot_two.blend")))
    assert bpy.context.scene.render.fps == 30
    want = 0.5 * np.interp(5 / 30, take.times, take.weights[:, JAW])
    for name, key in (("Bob", "JawOpen"), ("face", "jawOpen")):
        assert value_at(bpy.data.objects[name], key, 6) == pytest.approx(want, abs=1e-5)


@pytest.mark.parametrize(("extra", "sentence"), [
    (["--rig", "Eve"], "no object 'Eve'"), (["--least", "1", "--rig", "prop"], "no shape key or bone"),
    (["--fps", "fast"], "is not a frame rate"),
    (["--mapping", "none.json"], "none.json cannot be read"), (["--character", "none.blend"], "is not there"),
])  # fmt: skip
def test_what_is_wrong_is_one_sentence(
    files: tuple[Path, Path], tmp_path: Path, extra: list[str], sentence: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(files[1], "--character", files[0], "-o", tmp_path / "out" / "shot.blend", *extra) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not list((tmp_path / "out").iterdir())


def test_the_actors_profile_is_applied(take: Take, files: tuple[Path, Path], tmp_path: Path) -> None:
    gains = np.ones(52)
    gains[JAW] = 0.5
    save_profile(Profile("Ada", take.neutral, gains), tmp_path / "actor.json")
    out = tmp_path / "out.blend"
    assert run(files[1], "--character", files[0], "-o", out, "--profile", tmp_path / "actor.json") == 0
    bpy.ops.wm.open_mainfile(filepath=str(out))
    want = 0.5 * fit_weights(take.landmarks, take.neutral)[5, JAW]
    assert value_at(bpy.data.objects["face"], "jawOpen", 6) == pytest.approx(want, abs=0.02)


def test_it_runs_as_a_program(files: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, batch.__file__, "--", "retarget", files[1], "--character", files[0], "-o", tmp_path / "out.blend"]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.blend").stat().st_size > 1000


def test_scripts_preview_retarget_and_export(take: Take, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 24
    face = make_mesh("face", arkit.NAMES)
    assert "52 channels" in api.preview(take, face)
    assert face.data.shape_keys.animation_data is None
    save_mapping(match({"x": ["jawOpen"]}).edit("jawOpen", gain=0.5), tmp_path / "half.json")
    action = api.retarget(take, face, mapping=tmp_path / "half.json", start=101)
    assert face.data.shape_keys.animation_data.action == action
    assert value_at(face, "jawOpen", 106) == pytest.approx(0.5 * take.weights[5, JAW], abs=1e-5)
    assert api.retarget(take, face, mode="strips") is not None
    for name in ("take.npz", "live.csv", "take.json", "scene.fbx"):
        assert api.export(take, tmp_path / name).stat().st_size > 1000
    assert api.export(take, tmp_path / "face.fbx", rig=face, engine="unity").stat().st_size > 1000


def test_scripts_are_told_in_sentences(take: Take, tmp_path: Path) -> None:
    face = make_mesh("face", arkit.NAMES)
    with pytest.raises(FaceLiftError, match="knows no setting 'colour'"):
        api.track("x.mp4", colour=1)
    with pytest.raises(FaceLiftError, match="none of keys, strips, drivers"):
        api.retarget(take, face, mode="magic")
    with pytest.raises(FaceLiftError, match="does not end in"):
        api.export(take, tmp_path / "take.doc")


@pytest.mark.parametrize("fps", [None, 60.0, 30.0])
def test_livelink_comes_back_at_its_own_and_at_another_rate(take: Take, tmp_path: Path, fps: float | None) -> None:
    settings = {"fps": fps} if fps else {}
    times, values = read_livelink(api.export(take, tmp_path / "a.csv", start="01:02:03:04", **settings), fps or 24.0)
    begin = 3723 + 4 / (fps or 24.0)
    assert times[0] == pytest.approx(begin)
    for row in (0, 7, len(times) - 1):
        want = [np.interp(times[row] - begin, take.times, column) for column in take.weights.T]
        assert values[row, :52] == pytest.approx(want, abs=1e-6)
    assert len(times) == (48 if fps is None else int(take.times[-1] * fps + 1e-6) + 1)
