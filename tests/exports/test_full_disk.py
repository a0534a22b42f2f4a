# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that cannot be finished: one sentence, nothing half done, and what was there is still there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.exports.character_batch import save
from facelift_blender.exports.take_files import save_blend
from facelift_blender.rigs import json_file


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("write", [save, save_blend])
def test_a_blend_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: object) -> None:
    path = tmp_path / "a.blend"
    path.write_bytes(b"what was there")
    monkeypatch.setattr(Path, "resolve", lambda _self: Path("/dev/full/a.blend"))
    with pytest.raises(FaceLiftError, match=r"a\.blend cannot be written .*: make room"):
        write(path)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_a_mapping_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text("what was there")
    whole = Path.write_text

    def full(self: Path, text: str, encoding: str) -> int:
        whole(self, text[:3], encoding=encoding)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(FaceLiftError, match=r"No space left on device\): make room"):
        json_file.write_whole("{}" * 9, path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
