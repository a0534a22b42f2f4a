# SPDX-License-Identifier: GPL-3.0-or-later
"""A shot list with characters through the real batch: its own processes, models and files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blender import bpy, empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
from characters import make_mesh, value_at

from facelift_blender import batch
from facelift_blender.capture.profile import Profile, load_profile, save_profile, with_profile
from facelift_blender.capture.take import load_take
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.capture.weights import model_path
from facelift_blender.rigs import arkit
from facelift_blender.rigs.mapping import save_mapping
from facelift_blender.rigs.matcher import match

CLIP = Path(__file__).resolve().parents[2] / "models" / "performer" / "demo.mp4"
FRAMES, GAIN = 14, 0.25
LIST = """name,clip,end,exports,character,rig,map,profile
plain,demo.mp4,14,csv,ada.blend,face,,
mapped,demo.mp4,14,csv,ada.blend,face,quiet.json,
profiled,demo.mp4,14,csv,ada.blend,face,,ada.json
lost,demo.mp4,14,csv,ada.blend,nobody,,
"""


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """The list in a folder with all that it names."""
    try:
        model_path("facelift")
    except FaceLiftError:
        pytest.skip("the regressor's weights are not there")
    shutil.copy(CLIP, tmp_path / "demo.mp4")
    make_mesh("face", arkit.NAMES)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "ada.blend"))
    quiet = match({"face": list(arkit.NAMES)}, "face")
    for name in arkit.NAMES:
        quiet = quiet.edit(name, gain=GAIN)
    save_mapping(quiet, tmp_path / "quiet.json")
    (tmp_path / "shots.csv").write_text(LIST)
    return tmp_path / "shots.csv"


def _profile_with_an_open_mouth(take_file: Path, path: Path) -> None:
    """An actor whose face at rest is that of a frame, and whose every weight counts double."""
    take = load_take(take_file)
    save_profile(Profile(take.actor, take.landmarks[FRAMES // 2], np.full(52, 2.0)), path)


def _batch(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, batch.__file__, "--", "batch", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


def _weights(blend: Path) -> np.ndarray:
    """(FRAMES, 52) what the character's keys are at."""
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    face = bpy.data.objects["face"]
    return np.array([[value_at(face, name, frame) for name in arkit.NAMES] for frame in range(1, FRAMES + 1)])


def test_characters_maps_and_profiles_of_a_list(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = _batch(shots, "-o", out, "--only", "plain", "--workers", 1)
    assert first.returncode == 0, first.stderr
    _profile_with_an_open_mouth(out / "plain" / "plain.take.npz", tmp_path / "ada.json")
    done = _batch(shots, "-o", out, "--workers", 1)
    assert done.returncode == 1, "the character that is not there fails its own shot"
    assert "There is no object 'nobody'" in done.stderr
    assert not (out / "lost").exists()
    plain, mapped, profiled = (_weights(out / name / f"{name}_character.blend") for name in ("plain", "mapped", "profiled"))
    take = load_take(out / "plain" / "plain.take.npz")
    shown = take.observable
    assert plain[:, shown] == pytest.approx(take.weights[:, shown], abs=1e-4)
    assert plain.max() > 0.1, "there is something to compare"
    assert mapped[:, shown] == pytest.approx(GAIN * plain[:, shown], abs=1e-4)
    assert np.abs(profiled - plain).max() > 0.05
    known = with_profile(take, load_profile(tmp_path / "ada.json"))
    assert profiled[:, shown] == pytest.approx(known.weights[:, shown], abs=1e-4)


def test_another_map_makes_the_files_anew_and_not_the_take(shots: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert _batch(shots, "-o", out, "--only", "mapped").returncode == 0
    take = (out / "mapped" / "mapped.take.npz").read_bytes()
    save_mapping(match({"face": list(arkit.NAMES)}, "face"), tmp_path / "quiet.json")
    before = _weights(out / "mapped" / "mapped_character.blend")
    assert _batch(shots, "-o", out, "--only", "mapped").returncode == 0
    assert _weights(out / "mapped" / "mapped_character.blend") == pytest.approx(before / GAIN, abs=1e-3)
    assert (out / "mapped" / "mapped.take.npz").read_bytes() == take
