# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from blender import bpy, empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
from synthetic import Performance, make_take

from facelift_blender import batch
from facelift_blender.capture import track as tracking
from facelift_blender.capture.track import Progress, TrackSettings
from facelift_blender.capture.types import Take
from facelift_blender.scene.ownership import find_collection, member

SCRIPT = Path(batch.__file__)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, "--", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def test_help_is_quick() -> None:
    start = time.perf_counter()
    plain = subprocess.run([sys.executable, "-I", SCRIPT, "--", "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "track" in plain.stdout
    assert time.perf_counter() - start < 1.0, "0.3 s on an idle machine"


def test_help_imports_nothing_heavy() -> None:
    code = "import runpy, sys\nsys.argv = ['batch.py', '--help']\n"
    code += f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\nexcept SystemExit: pass\n"
    code += "sys.exit(', '.join({'numpy', 'bpy', 'cv2', 'onnxruntime', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60).stderr.strip() == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["dance"], ["track"], ["track", "a.mp4"], ["predict", "a.png"],
        ["track", "a.mp4", "-o", "x", "--export", "fbx,maya"], ["track", "a.mp4", "-o", "x", "--actor", "0"],
        ["track", "a.mp4", "-o", "x", "--focal", "-3"], ["track", "a.mp4", "-o", "x", "--smoothing", "2"],
    ],
)  # fmt: skip
def test_bad_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        batch.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_missing_clip_is_one_sentence_and_1(tmp_path: Path) -> None:
    done = _run("track", tmp_path / "nothing here.mp4", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("FaceLift: ")
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert batch.main(["track", "x.mp4", "-o", str(tmp_path / "file")]) == 1
    assert "choose a folder that you may write to" in capsys.readouterr().err


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "mit Leerzeichen ö 映像.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 24, (320, 180))
    for index in range(12):
        writer.write(np.full((180, 320, 3), 20 * index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def tracked(clip: Path, monkeypatch: pytest.MonkeyPatch) -> list[TrackSettings]:
    """Tracking that finds two actors at once; holds the settings that it was called with."""
    take = make_take(Performance(frames=12, width=320, height=180, focal=350.0))
    provenance = {"milliseconds": {"landmarks": 12.5}, "warnings": ["Mind the gap."]}
    take = replace(take, clip=replace(take.clip, path=str(clip)), provenance=provenance)
    asked: list[TrackSettings] = []

    def fake(path: Path, settings: TrackSettings, report: batch.ProgressLine) -> list[Take]:
        asked.append(settings)
        assert path == clip
        report(Progress(12, 12, "landmarks", 0.5))
        return [take] if settings.actor else [take, replace(take, actor="Actor 2")]

    monkeypatch.setattr(tracking, "track", fake)
    return asked


def test_one_command_writes_every_file(
    clip: Path, tracked: list[TrackSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["track", str(clip), "-o", str(out), "--name", "demo", "--start", "2", "--end", "9", "--focal", "50", "--sensor", "24"]
    assert batch.main([*arguments, "--export", "fbx,csv,json,blend,usd,glb"]) == 0
    endings = (".blend", ".fbx", ".glb", ".json", ".mp4", ".png", ".take.npz", ".usd", "_livelink.csv")
    assert sorted(path.name for path in out.iterdir()) == sorted(f"demo{ending}" for ending in endings)
    assert all(path.stat().st_size > 500 for path in out.iterdir())
    assert len(list(csv.reader((out / "demo_livelink.csv").open()))) == 13
    settings = tracked[0]
    assert (settings.start, settings.end, settings.solve.focal_mm, settings.solve.sensor_width) == (2, 9, 50.0, 24.0)
    printed = capsys.readouterr().out
    for words in ("landmarks: 12/12, 24.0 frames/s", "faces found", "focal length", "% of the face", "12.50 ms per frame", "Mind the gap."):
        assert words in printed


def test_a_clip_that_is_replaced_meanwhile_is_one_sentence(
    clip: Path, tracked: list[TrackSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tracking.track

    def replaced(path: Path, settings: TrackSettings, report: batch.ProgressLine) -> list[Take]:
        clip.write_bytes(b"another one")
        return whole(path, settings, report)

    monkeypatch.setattr(tracking, "track", replaced)
    assert batch.main(["track", str(clip), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.endswith("was changed while it was tracked; track it again once it is whole.\n")
    assert not list((tmp_path / "out").glob("*.npz"))


def test_the_blend_opens_with_its_footage_named_relative_to_it(clip: Path, tracked: list[TrackSettings], tmp_path: Path) -> None:
    assert batch.main(["track", str(clip), "-o", str(tmp_path / "out"), "--export", "blend"]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / f"{clip.stem}.blend"))
    (footage,) = bpy.data.movieclips
    assert footage.filepath == f"//../{clip.name}"
    assert tuple(footage.size) == (320, 180)
    head = member(find_collection("Actor 1", footage), "Head")
    assert Path(bpy.path.abspath(head["take"])).is_file()


def test_all_actors_come_into_one_scene_with_files_of_their_own(clip: Path, tracked: list[TrackSettings], tmp_path: Path) -> None:
    assert batch.main(["track", str(clip), "-o", str(tmp_path / "out"), "--name", "two", "--actor", "all", "--export", "csv,blend"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"two.blend", "two_Actor_1_livelink.csv", "two_Actor_2_livelink.csv", "two_Actor_2.take.npz"} <= names


def test_a_sequence_gets_its_rate(clip: Path, tracked: list[TrackSettings], tmp_path: Path) -> None:
    assert batch.main(["track", str(clip), "-o", str(tmp_path / "out"), "--fps", "23.976", "--export", ""]) == 0
    assert tracked[0].fps == pytest.approx(23.976)


def test_progress_is_printed_at_each_station_and_about_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    line = batch.ProgressLine(interval=1000.0)
    for done in range(1, 101):
        line(Progress(done, 100, "landmarks", 0.1 * done))
    line(Progress(0, 1, "solve", 0.0))
    assert capsys.readouterr().out.splitlines() == [
        "landmarks: 1/100, 10.0 frames/s, 10 s left", "landmarks: 100/100, 10.0 frames/s, 0 s left", "solve: 0/1, 0.0 frames/s, 0 s left",
    ]  # fmt: skip
