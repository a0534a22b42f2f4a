# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from facelift_blender.capture import assistant
from facelift_blender.capture.assistant import Assistant, perform
from facelift_blender.capture.kept import keep_take
from facelift_blender.capture.types import FaceLiftError, Take

WRITE = ".exports.one_file:answer"


@pytest.fixture
def helped() -> Iterator[Assistant]:
    one = Assistant()
    yield one
    one.dismiss()


@pytest.fixture
def take_file(synthetic_take: Take, tmp_path: Path) -> Path:
    return keep_take(synthetic_take, tmp_path)


def told(take_file: Path, kind: str, name: str) -> dict[str, str]:
    return {"kind": kind, "take": str(take_file), "path": str(take_file.parent / name)}


def test_another_process_writes_the_same_file_as_this_one(helped: Assistant, take_file: Path) -> None:
    helped.ask(WRITE, told(take_file, "json", "there.json"))
    perform(WRITE, told(take_file, "json", "here.json"))
    assert (take_file.parent / "there.json").read_bytes() == (take_file.parent / "here.json").read_bytes()


def test_one_process_answers_one_question_after_the_other(helped: Assistant, take_file: Path) -> None:
    helped.ask(WRITE, told(take_file, "json", "a.json"))
    first = helped._helper.process.pid
    helped.ask(WRITE, told(take_file, "livelink", "a.csv"))
    assert helped._helper.process.pid == first != os.getpid()


def test_what_is_wrong_is_told_as_its_own_sentence(helped: Assistant, take_file: Path) -> None:
    with pytest.raises(FaceLiftError, match="There is no take"):
        helped.ask(WRITE, told(take_file.with_name("gone.npz"), "json", "a.json"))
    helped.ask(WRITE, told(take_file, "json", "a.json"))


def test_one_that_was_killed_is_replaced(helped: Assistant, take_file: Path) -> None:
    helped.ask(WRITE, told(take_file, "json", "a.json"))
    helped._helper.process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    helped._helper.process.wait()
    helped.ask(WRITE, told(take_file, "json", "b.json"))
    assert (take_file.parent / "b.json").is_file()


def test_one_that_dies_at_its_work_is_a_sentence(helped: Assistant, take_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facelift_blender.capture.helper._CODE", "import sys; sys.stdin.readline(); sys.exit(3)")
    with pytest.raises(FaceLiftError, match=r"ended early \(exit status 3\)"):
        helped.ask(WRITE, told(take_file, "json", "a.json"))


def test_it_leaves_when_nobody_asks(helped: Assistant, take_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "IDLE", 0.05)
    helped.ask(WRITE, told(take_file, "json", "a.json"))
    process, until = helped._helper, time.monotonic() + 20.0
    while helped._helper is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert helped._helper is None
    assert process.process.poll() == 0


def test_a_wish_to_stop_reaches_it(helped: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """import sys
words = [sys.stdin.readline(), sys.stdin.readline()]
print('facelift {"answer": {"word": "%s"}}' % words[1].strip())"""
    monkeypatch.setattr("facelift_blender.capture.helper._CODE", code)
    assert helped.ask(WRITE, {}, should_stop=lambda: True) == {"word": "stop"}


def test_without_a_python_of_its_own_it_answers_here(take_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Callable[[], bool]] = []
    module = ModuleType("facelift_blender.here")
    module.answer = lambda told, stop: asked.append(stop) or told
    monkeypatch.setitem(sys.modules, "facelift_blender.here", module)
    monkeypatch.setattr(assistant, "python_program", lambda: None)
    assert Assistant().ask(".here:answer", {"pair": (1, 2)}) == {"pair": [1, 2]}
    assert len(asked) == 1
