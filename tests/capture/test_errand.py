# SPDX-License-Identifier: GPL-3.0-or-later
"""What was stopped goes on from its folder, whoever finds it; a process that dies or hangs costs no more than its last frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cv2")
from drawn_plates import Eye, Gaze, draw, write_plates

from facelift_blender.capture import beside, errand, helper
from facelift_blender.capture.beside import carry_out_beside
from facelift_blender.capture.errand import Errand, begin, carry_out, read_errand, read_stand, write_stand
from facelift_blender.capture.footage import probe
from facelift_blender.capture.smoothing import Smoothing
from facelift_blender.capture.solve import SolveSettings
from facelift_blender.capture.track import Progress, TrackSettings
from facelift_blender.capture.types import Distortion, FaceLiftError, Take

FRAMES = 30
STEPS_THAT_DIE = "import os, sys; sys.stdout.write('\\nfacelift ' + {words!r} + '\\n'); sys.stdout.flush(); os.abort()"


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plates(tmp_path_factory.mktemp("plates"), [draw([(100 + 3 * k, 90 + 20 * np.sin(k / 5), 30, 100)]) for k in range(FRAMES)])


@pytest.fixture
def folder(plates: Path, tmp_path: Path) -> Path:
    begin(Errand(str(plates), TrackSettings()), tmp_path)
    return tmp_path


def carried(folder: Path, last: int = FRAMES) -> tuple[list[Take], list[int]]:
    """The takes of a run that is stopped after a frame, and the frames that it took in."""
    seen: list[int] = []
    steps = carry_out(folder, lambda: bool(seen) and seen[-1] >= last, probe, (Eye(), Gaze()))
    while True:
        try:
            progress = next(steps)
        except StopIteration as finished:
            return finished.value, seen
        if progress.station == "landmarks":
            seen.append(progress.done)


@pytest.mark.parametrize("stop", [1, 7, 12, 13, FRAMES - 1])
def test_stopped_and_gone_on_with_it_is_the_unbroken_take(
    folder: Path, plates: Path, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errand, "CHUNK", 6)
    begin(Errand(str(plates), TrackSettings()), tmp_path / "whole")
    (whole,), _ = carried(tmp_path / "whole")
    (part,), seen = carried(folder, stop)
    assert seen == list(range(1, stop + 1))
    assert len(part.raw.frames) == stop
    assert any("stopped after" in text for text in part.provenance["warnings"])
    assert (read_stand(folder).frame, read_stand(folder).end) == (stop, FRAMES)
    (rest,), seen = carried(folder)
    assert seen == list(range(stop + 1, FRAMES + 1))
    for name in ("landmarks_2d", "covariances", "landmarks_3d", "rotations", "translations"):
        assert np.array_equal(getattr(rest.raw, name), getattr(whole.raw, name), equal_nan=True)
    assert np.array_equal(rest.landmarks, whole.landmarks)
    assert read_stand(folder).frame == FRAMES


def test_begun_again_nothing_is_left_of_before(folder: Path) -> None:
    carried(folder, 9)
    begin(read_errand(folder), folder)
    assert read_stand(folder) is None
    assert carried(folder, 3)[1] == [1, 2, 3]


def test_all_settings_come_back(tmp_path: Path, plates: Path) -> None:
    poses = np.tile(np.eye(4), (5, 1, 1)) * 0.1
    solving = SolveSettings(
        50.0, 23.5, 0.064, Smoothing(0.1, 0.2, 0.3, 0.4, 0.5), Distortion("BROWN", (0.1, 0.2)), (3, 9, 0.09), True, poses
    )
    wanted = Errand(str(plates), TrackSettings(2, 5, None, 24.0, solving, 2, True, False), "CPU", 3)
    begin(wanted, tmp_path)
    found = read_errand(tmp_path)
    assert np.array_equal(found.settings.solve.camera_poses, poses)
    plain = [replace(one, settings=replace(one.settings, solve=replace(one.settings.solve, camera_poses=None))) for one in (wanted, found)]
    assert plain[0] == plain[1]


def test_a_folder_of_another_version_is_one_sentence(folder: Path) -> None:
    (folder / "errand.json").write_text('{"path": "a", "settings": {"no such": 1}}')
    with pytest.raises(FaceLiftError, match="track the footage anew"):
        read_errand(folder)
    assert read_stand(folder) is None


@pytest.mark.parametrize("text", ["5", "[]", "{}", "[" * 100_000, '{"path": 5, "settings": {}, "digest": ""}', "\ud800"])
def test_a_damaged_folder_is_one_sentence(folder: Path, text: str) -> None:
    write_stand(folder, 20, FRAMES)
    for name in ("stand.json", "errand.json"):
        (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
        assert read_stand(folder) is None
    with pytest.raises(FaceLiftError, match="track the footage anew"):
        read_errand(folder)


def test_a_digit_that_was_altered_is_not_believed(folder: Path) -> None:
    write_stand(folder, 20, FRAMES)
    path = folder / "stand.json"
    path.write_text(path.read_text(encoding="utf-8").replace("20", "21"), encoding="utf-8")
    assert read_stand(folder) is None


def test_other_footage_of_the_same_name_has_no_stand(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"one")
    begin(Errand(str(clip), TrackSettings()), tmp_path / "errand")
    write_stand(tmp_path / "errand", 4, 9)
    assert read_stand(tmp_path / "errand").frame == 4
    clip.write_bytes(b"other")
    assert read_stand(tmp_path / "errand") is None


def test_the_other_process_says_what_is_wrong_with_the_footage(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no movie")
    begin(Errand(str(tmp_path / "text.mp4"), TrackSettings()), tmp_path / "errand")
    with pytest.raises(FaceLiftError, match=r"text\.mp4 is not a movie"):
        list(carry_out_beside(tmp_path / "errand"))


def test_a_process_that_dies_before_anything_was_kept_is_a_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = '{"done": 4, "total": 30, "station": "landmarks", "seconds": 1.0}'
    monkeypatch.setattr(helper, "_CODE", STEPS_THAT_DIE.format(words=words))
    heard: list[Progress] = []
    with pytest.raises(FaceLiftError, match="crashed after 4 frames"):
        heard.extend(carry_out_beside(folder))


def test_a_process_that_hangs_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "_CODE", "import time; time.sleep(60)")
    monkeypatch.setattr(helper, "_LEAVING", 0.1)
    with pytest.raises(FaceLiftError, match="hangs"):
        list(carry_out_beside(folder, patience=0.3))


def test_after_a_crash_the_takes_are_of_what_was_seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (part,), _ = carried(folder, 12)
    verdicts = iter([beside.Verdict(fault="It crashed."), beside.Verdict(takes=1)])
    beside.save_take(part, beside._take_file(folder, 0))

    def attempt(_folder: Path, _stop: object, _patience: float, _mode: str) -> object:
        yield Progress(12, FRAMES, "landmarks", 1.0)
        return next(verdicts)

    monkeypatch.setattr(beside, "_attempt", attempt)
    steps, takes = carry_out_beside(folder), []
    while not takes:
        try:
            next(steps)
        except StopIteration as finished:
            takes = finished.value
    assert "It crashed." in takes[0].provenance["warnings"]
    assert np.array_equal(takes[0].landmarks, part.landmarks)
