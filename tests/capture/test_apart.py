# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage that crashes or hangs its decoder is told in a sentence by a process that lives on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from coded_clips import write_clip

from facelift_blender.capture import apart
from facelift_blender.capture.footage import probe
from facelift_blender.capture.types import FaceLiftError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "mit Ö und 映.mp4")


def test_it_is_the_same_clip(clip: Path) -> None:
    assert apart.probe_apart(clip) == probe(clip)


def test_a_clip_is_looked_at_once_until_it_changes(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = apart.probe_apart(clip)
    monkeypatch.setattr(apart, "_CODE", "raise SystemExit(3)")
    assert apart.probe_apart(clip) is first
    with clip.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(FaceLiftError, match="crashes what decodes it"):
        apart.probe_apart(clip)


@pytest.mark.parametrize(
    "death", ["import os; os.abort()", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "raise SystemExit(0)", "print(5)"]
)
def test_a_crash_is_a_sentence(tmp_path: Path, death: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.mp4").write_bytes(b"x")
    monkeypatch.setattr(apart, "_CODE", death)
    with pytest.raises(FaceLiftError, match=r"evil\.mp4 crashes what decodes it"):
        apart.probe_apart(tmp_path / "evil.mp4")


def test_a_python_that_cannot_begin_is_not_the_footages_fault(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "good.mp4"
    copy.write_bytes(clip.read_bytes())
    monkeypatch.setattr(apart, "_CODE", "import not_installed")
    assert apart.probe_apart(copy) == probe(copy)


def test_a_hang_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow.mp4").write_bytes(b"x")
    monkeypatch.setattr(apart, "_CODE", "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(FaceLiftError, match=r"slow\.mp4 hangs what decodes it"):
        apart.probe_apart(tmp_path / "slow.mp4", patience=0.5)
    assert time.monotonic() - started < 20


def test_what_is_wrong_is_told_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no movie")
    for path in (tmp_path / "text.mp4", tmp_path / "nothing.mp4", tmp_path):
        with pytest.raises(FaceLiftError) as told:
            apart.probe_apart(path)
        with pytest.raises(FaceLiftError) as direct:
            probe(path)
        assert str(told.value) == str(direct.value)
