# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a shot; what a dead one left behind hinders nobody."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.farm import lock
from facelift_blender.farm.lock import BusyError, holding


def test_a_second_one_is_told_who_holds_it(tmp_path: Path) -> None:
    with holding(tmp_path / "lock"):
        with pytest.raises(BusyError, match=f"process {os.getpid()} on"), holding(tmp_path / "lock"):
            pass
        assert (tmp_path / "lock").exists()
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_dead_process_is_nobodys(tmp_path: Path) -> None:
    code = "import sys, os; sys.path.insert(0, sys.argv[1]); from pathlib import Path; from facelift_blender.farm.lock import _create;"
    code += "_create(Path(sys.argv[2]), 'dead'); os._exit(9)"
    root = str(Path(lock.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code, root, str(tmp_path / "lock")], check=False, timeout=60)
    assert json.loads((tmp_path / "lock").read_text())["token"] == "dead"  # noqa: S105
    with holding(tmp_path / "lock"):
        pass


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"pid": "x", "host": 3}', b"[" * 100_000])
def test_a_damaged_lock_is_believed_while_it_is_fresh(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock").write_bytes(content)
    with pytest.raises(BusyError), holding(tmp_path / "lock"):
        pass
    os.utime(tmp_path / "lock", (0, time.time() - lock.STALE_SECONDS - 1))
    with holding(tmp_path / "lock"):
        pass


def test_another_machine_that_was_not_heard_of_has_lost_it(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"token": "t", "pid": os.getpid(), "host": platform.node() + "-other"}))
    with pytest.raises(BusyError), holding(tmp_path / "lock"):
        pass
    os.utime(tmp_path / "lock", (0, time.time() - lock.STALE_SECONDS - 1))
    with holding(tmp_path / "lock"):
        pass


def test_one_that_lost_its_lock_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "TOUCH_SECONDS", 0.0)
    with holding(tmp_path / "lock") as held:
        held.touch()
        (tmp_path / "lock").write_text(json.dumps({"token": "another"}))
        with pytest.raises(FaceLiftError, match="took this shot over"):
            held.touch()
    assert (tmp_path / "lock").exists(), "it is the other one's"


def test_of_many_at_once_one_holds_it(tmp_path: Path) -> None:
    inside, most, gate = [0], [0], threading.Barrier(8)

    def enter() -> None:
        gate.wait()
        for _ in range(20):
            try:
                with holding(tmp_path / "lock"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    inside[0] -= 1
            except BusyError:
                continue

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert list(tmp_path.iterdir()) == []
