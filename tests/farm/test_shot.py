# SPDX-License-Identifier: GPL-3.0-or-later
"""One shot: skipped if unchanged, gone on with, put in place whole, and one sentence for whatever is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
from drawn_plates import Eye, Gaze, draw, write_plates

from facelift_blender.capture import weights
from facelift_blender.capture.take import load_take
from facelift_blender.capture.track import Progress
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.farm import shot as making
from facelift_blender.farm import worker
from facelift_blender.farm.result import DONE, FAILED, SKIPPED, read_result
from facelift_blender.farm.shot import Making, make_shot
from facelift_blender.farm.shots import Shot

FRAMES = 60


class Killed(BaseException):
    """A process that ends here and now."""


def quiet(_progress: Progress) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The networks as they are now: what is trained meanwhile may put others in their place, and then a shot is tracked anew."""
    return Path(shutil.copytree(weights.weights_folder(), tmp_path_factory.mktemp("models") / "weights"))


@pytest.fixture(autouse=True)
def _exact_models(networks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDERS", (networks,))
    monkeypatch.setattr(making, "_models", lambda _threads: (Eye(), Gaze()))


@pytest.fixture
def plates(tmp_path: Path) -> Path:
    return write_plates(tmp_path / "plates", [draw([(100 + k, 90 + 20 * np.sin(k / 5), 30, 100)]) for k in range(FRAMES)])


@pytest.fixture
def shot(plates: Path) -> Shot:
    return Shot("int_010", plates, exports=("csv",))


def killed_at(frame: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.station == "landmarks" and progress.done == frame:
            raise Killed

    return report


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_done_once(shot: Shot, tmp_path: Path) -> None:
    out = Making(tmp_path / "out", chunk=16)
    first = make_shot(shot, out, quiet)
    assert (first.status, first.frames, first.tracked, sorted(first.files)) == (
        DONE, FRAMES, FRAMES, ["int_010.png", "int_010.take.npz", "int_010_livelink.csv"],
    )  # fmt: skip
    written = contents(out.folder / "int_010")
    assert make_shot(shot, out, quiet).status == SKIPPED
    assert contents(out.folder / "int_010") == written
    assert [path.name for path in (out.folder / ".int_010").iterdir()] == ["result.json"]


@pytest.mark.parametrize("change", [{"focal": 50.0}, {"smoothing": 0.1}, {"pupils": 0.06}, {"end": 50}])
def test_other_settings_make_it_anew(shot: Shot, tmp_path: Path, change: dict[str, float]) -> None:
    out = Making(tmp_path / "out")
    make_shot(shot, out, quiet)
    again = make_shot(replace(shot, **change), out, quiet)
    assert again.status == DONE
    assert again.tracked == change.get("end", FRAMES)


def test_other_footage_makes_it_anew(shot: Shot, plates: Path, tmp_path: Path) -> None:
    out = Making(tmp_path / "out")
    make_shot(shot, out, quiet)
    plates.with_name("plate_0030.png").write_bytes(plates.read_bytes())
    assert make_shot(shot, out, quiet).tracked == FRAMES


@pytest.mark.parametrize("loss", ["int_010_livelink.csv", "int_010.png"])
def test_a_lost_file_is_written_again_without_tracking(shot: Shot, tmp_path: Path, loss: str) -> None:
    out = Making(tmp_path / "out")
    make_shot(shot, out, quiet)
    written = contents(out.folder / "int_010")
    (out.folder / "int_010" / loss).unlink()
    again = make_shot(shot, out, quiet)
    assert (again.status, again.tracked) == (DONE, 0)
    assert contents(out.folder / "int_010")[loss] == written[loss]
    assert make_shot(replace(shot, exports=("csv", "json")), out, quiet).tracked == 0


def test_a_damaged_take_is_made_anew(shot: Shot, tmp_path: Path) -> None:
    out = Making(tmp_path / "out")
    make_shot(shot, out, quiet)
    take = out.folder / "int_010" / "int_010.take.npz"
    take.write_bytes(b"x" * take.stat().st_size)
    assert make_shot(shot, out, quiet).tracked == FRAMES


def test_killed_it_goes_on_and_nothing_half_is_seen(shot: Shot, tmp_path: Path) -> None:
    whole = Making(tmp_path / "whole", chunk=8)
    make_shot(shot, whole, quiet)
    for frame in (1, 7, 8, 9, 30, 59, 60):
        out = Making(tmp_path / f"killed_{frame}", chunk=8)
        with pytest.raises(Killed):
            make_shot(shot, out, killed_at(frame))
        assert not (out.folder / "int_010").exists()
        result = make_shot(shot, out, quiet)
        assert result.tracked == FRAMES - (frame - 1) // 8 * 8
        first, second = (load_take(one.folder / "int_010" / "int_010.take.npz") for one in (whole, out))
        for name in ("landmarks", "weights", "rotations", "translations", "residuals", "confidence"):
            assert np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
        assert contents(whole.folder / "int_010")["int_010_livelink.csv"] == contents(out.folder / "int_010")["int_010_livelink.csv"]


def test_parts_by_themselves_joined_are_the_whole(shot: Shot, plates: Path, tmp_path: Path) -> None:
    whole, farm = Making(tmp_path / "whole"), Making(tmp_path / "farm")
    slow = replace(shot, fps=6.0)
    make_shot(slow, whole, quiet)
    split = replace(slow, parts=4)
    tracked = [make_shot(split, replace(farm, part=part), quiet).tracked for part in (3, 1, 4, 2, 5)]
    assert tracked == [27, 15, 27, 27, 0]
    assert not (farm.folder / "int_010").exists()
    assert make_shot(split, farm, quiet).tracked == 0
    first, second = (load_take(one.folder / "int_010" / "int_010.take.npz") for one in (whole, farm))
    assert first.landmarks == pytest.approx(second.landmarks, abs=1e-5)
    assert first.raw.landmarks_2d == pytest.approx(second.raw.landmarks_2d, abs=0.1)
    assert first.weights == pytest.approx(second.weights, abs=0.01)
    assert first.provenance["frames"] == second.provenance["frames"]


def test_a_clip_that_is_replaced_meanwhile_is_one_sentence(shot: Shot, plates: Path, tmp_path: Path) -> None:
    out = Making(tmp_path / "out")

    def replaced(progress: Progress) -> None:
        if progress.done == 20:
            shutil.copy(plates, plates.with_name("plate_0040.png"))

    with pytest.raises(FaceLiftError, match="was changed while it was tracked"):
        make_shot(shot, out, replaced)
    assert not (out.folder / "int_010").exists()


def test_a_clip_that_goes_meanwhile_is_one_sentence(shot: Shot, plates: Path, tmp_path: Path) -> None:
    def gone(progress: Progress) -> None:
        if progress.done == 20:
            shutil.rmtree(plates.parent)

    with pytest.raises(FaceLiftError, match=r"does not exist|was changed"):
        make_shot(shot, Making(tmp_path / "out"), gone)


def test_altered_weights_are_one_sentence_and_harm_nothing(shot: Shot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Making(tmp_path / "out")
    make_shot(shot, out, quiet)
    written = contents(out.folder / "int_010")

    def altered(name: str) -> Path:
        raise FaceLiftError(f"The weights {name} are damaged or altered: install FaceLift again from its zip.")

    monkeypatch.setattr(making, "model_path", altered)
    result = worker.attempt(replace(shot, focal=50.0), out, quiet)
    assert (result.status, "damaged or altered" in result.sentence) == (FAILED, True)
    assert contents(out.folder / "int_010") == written
    monkeypatch.undo()
    assert read_result(out.folder, shot).key, "what is known of the files from before is kept"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_sentence(shot: Shot, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    assert "cannot be written" in worker.attempt(shot, Making(tmp_path / "out"), quiet).sentence


def test_a_file_where_the_folder_should_be_is_one_sentence(shot: Shot, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "int_010").write_text("mine")
    result = worker.attempt(shot, Making(tmp_path / "out"), quiet)
    assert (result.status, "cannot be written" in result.sentence) == (FAILED, True)
    assert (tmp_path / "out" / "int_010").read_text() == "mine"


def test_what_is_unforeseen_is_told_and_its_traceback_printed(shot: Shot, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_progress: Progress) -> None:
        raise KeyError("eyebrow")

    result = worker.attempt(shot, Making(tmp_path / "out"), broken)
    assert (result.status, "KeyError" in result.sentence) == (FAILED, True)
    assert "Traceback" in capsys.readouterr().err


def test_two_runs_on_a_shot_do_not_meet(shot: Shot, tmp_path: Path) -> None:
    out, second = Making(tmp_path / "out"), []

    def meanwhile(progress: Progress) -> None:
        if progress.done == 20:
            second.append(worker.attempt(shot, out, quiet))

    assert make_shot(shot, out, meanwhile).status == DONE
    assert [result.status for result in second] == ["busy"]
