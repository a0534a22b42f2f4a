# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.exports.files import replacing, require_writable


def test_a_file_is_put_in_place_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "Datei ö 文.txt"
    with replacing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


def test_when_writing_fails_what_was_there_stays_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FaceLiftError, match="choose a folder"):
        require_writable(tmp_path / "file")


def test_asking_for_a_writable_folder_makes_it_and_leaves_it_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
