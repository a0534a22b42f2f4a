# SPDX-License-Identifier: GPL-3.0-or-later
"""A night's run: whatever becomes of one shot, the others are made, and the report says what and why."""

from __future__ import annotations

import json
import os
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from facelift_blender import batch
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.farm import crew, run
from facelift_blender.farm.report import write_report
from facelift_blender.farm.result import DONE, FAILED, Result
from facelift_blender.farm.run import Crew, run_night
from facelift_blender.farm.shot import Making
from facelift_blender.farm.shots import Shot

FAKE = Path(__file__).with_name("fake_worker.py")
needs_posix = pytest.mark.skipif(os.name != "posix", reason="signals and /proc")


class Night:
    """A run with workers that only pretend."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.notes, self.said = folder / "out", folder / "notes.txt", []
        monkeypatch.setattr(crew, "command", lambda _arguments: [sys.executable, "-I", str(FAKE), str(self.notes), *self.extra])
        monkeypatch.setattr(run, "RETRY_SECONDS", 0.1)
        self.extra: list[str] = []

    def __call__(self, *names: str, workers: int = 2, memory: int = 1 << 40, patience: float = 30.0) -> dict[str, Result]:
        shots = [Shot(name, Path("c.mp4")) for name in names]
        results = run_night(shots, Making(self.folder), Crew(workers, memory, patience), self.said.append)
        assert [result.name for result in results] == list(names)
        return {result.name: result for result in results}

    def made(self) -> list[str]:
        return self.notes.read_text().split("\n")[:-1]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(tmp_path, monkeypatch)


def test_every_shot_is_given_once_to_few_workers(night: Night) -> None:
    names = [f"shot_{number}" for number in range(12)]
    results = night(*names)
    assert {result.status for result in results.values()} == {DONE}
    assert sorted(name for name in night.made() if name != "started") == sorted(names)
    assert 1 <= night.made().count("started") <= 2


def test_a_failure_is_one_sentence_and_stops_nobody(night: Night) -> None:
    results = night("a", "fails", "b", workers=1)
    assert [result.status for result in results.values()] == [DONE, FAILED, DONE]
    assert results["fails"].sentence == "It is broken; mend it."


@needs_posix
def test_a_crash_takes_one_shot_with_it(night: Night) -> None:
    results = night("a", "crashes", "b", "c", workers=1)
    assert [result.status for result in results.values()] == [DONE, FAILED, DONE, DONE]
    assert "SIGSEGV" in results["crashes"].sentence
    assert (night.folder / ".crashes" / "log.txt").read_text().strip() == "last words"


def test_a_hang_is_ended(night: Night) -> None:
    started = time.monotonic()
    results = night("hangs", "a", patience=1.0)
    assert (results["hangs"].status, results["a"].status) == (FAILED, DONE)
    assert "at frame 4" in results["hangs"].sentence
    assert time.monotonic() - started < 25


@needs_posix
def test_a_hunger_for_memory_is_ended(night: Night) -> None:
    results = night("eats", "a", memory=200 << 20)
    assert (results["eats"].status, results["a"].status) == (FAILED, DONE)
    assert "needs more than 0.2 GB" in results["eats"].sentence


def test_what_another_run_is_at_is_tried_again(night: Night) -> None:
    assert night("busy", "a")["busy"].status == DONE


def test_a_worker_that_has_grown_is_replaced(night: Night) -> None:
    results = night("grows_1", "grows_2", "a", workers=1)
    assert {result.status for result in results.values()} == {DONE}
    assert night.made().count("started") == 3


def test_workers_that_cannot_start_are_one_sentence(night: Night) -> None:
    night.extra = ["dead"]
    with pytest.raises(FaceLiftError, match="No worker can be started: no module named facelift"):
        night("a")


def test_progress_has_an_estimate(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TOLD_SECONDS", 0.0)
    night("a", "fails", "b")
    assert any("shots, " in line and " left" in line for line in night.said)
    assert "fails: failed: It is broken; mend it." in night.said


# ---------------------------------------------------------------- report and command line


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


def test_the_report_has_a_row_a_shot_and_no_markup_from_names(tmp_path: Path) -> None:
    evil = '<script>alert("x")</script>'
    results = [
        Result("good (1)", "c.mp4", DONE, frames=10, found=9, residual=0.5, residual_share=0.01, files={"good (1).png": 5}, seconds=2.0),
        Result("bad", evil, FAILED, evil, warnings=(evil,)),
    ]
    write_report(results, tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = _Page(text)
    assert "script" not in page.tags
    assert page.tags.count("tr") == 3
    assert 'src="good%20%281%29/good%20%281%29.png"' in text
    assert text.index("bad") < text.index("good (1)"), "what failed comes first"
    assert ('href="good%20%281%29/"' in text, 'href="bad/"' in text, 'href=".bad/log.txt"' in text) == (True, False, True)
    told = json.loads((tmp_path / "report.json").read_text())
    assert told["summary"] == {"done": 1, "failed": 1}
    assert told["shots"][0]["residual"] == 0.5


def test_the_command_line_names_what_failed_and_ends_with_1(night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.json").write_text(
        '[{"name": "a", "clip": "a.mp4"}, {"name": "fails", "clip": "b.mp4"}, {"name": "b", "clip": "b.mp4"}]'
    )
    arguments = ["batch", str(tmp_path / "list.json"), "-o", str(night.folder)]
    assert batch.main(arguments) == 1
    told = capsys.readouterr()
    assert "FaceLift: fails: failed. It is broken; mend it." in told.err
    assert (night.folder / "report.html").is_file()
    assert batch.main([*arguments, "--number", "1"]) == 0
    assert batch.main([*arguments, "--only", "fails", "--tell-later"]) == 0
    assert batch.main([*arguments, "--only", "nobody"]) == 1
    assert batch.main([*arguments, "--number", "7"]) == 1
    capsys.readouterr()
    assert batch.main([*arguments, "--list"]) == 0
    assert capsys.readouterr().out.split() == ["a", "fails", "b"]


def test_a_missing_list_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch.main(["batch", str(tmp_path / "none.csv"), "-o", str(tmp_path / "out")]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
