# SPDX-License-Identifier: GPL-3.0-or-later
"""The same raw take gives the same take bit for bit, whatever number of threads linear algebra may use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from facelift_blender.capture import one_thread
from facelift_blender.capture.one_thread import one_thread as alone

SOLVE = """
import sys, hashlib
from pathlib import Path
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import load_take
take = load_take(Path(sys.argv[1]))
again = solve(take.raw, take.clip)
parts = (again.neutral, again.rotations, again.translations, again.landmarks, again.weights, again.lens.focal)
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


def test_number_of_threads_changes_no_bit(tmp_path: Path) -> None:
    from synthetic import Performance, make_take

    from facelift_blender.capture.take import save_take

    save_take(make_take(Performance(frames=60, yaw=25)), tmp_path / "take.npz")
    found = set()
    for threads in ("1", "2", "4"):
        surroundings = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", SOLVE, str(tmp_path / "take.npz")]
        found.add(subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1


def test_the_number_of_threads_is_given_back() -> None:
    controls = one_thread._controls()
    if not controls:
        pytest.skip("numpy has brought no OpenBLAS of its own")
    get, put = controls[0]
    before = get()
    try:
        put(2)
        with alone():
            assert get() == 1
        assert get() == 2
    finally:
        put(before)
