# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that is freed: kept for the next picture while a clip is read, given back after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PICTURES = """
import json, resource, sys
import numpy as np
from facelift_blender.capture.limits import give_back_freed, keep_freed, resident

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        pictures = [np.ones((720, 1280, 3), np.uint8) for _ in range(9)]
        del pictures
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if "keep" in sys.argv:
    keep_freed()
faults(1)
new, held = faults(20), resident()
give_back_freed()
print(json.dumps({"new": new, "held": held, "left": resident()}))
"""


def measured(*words: str) -> dict[str, int]:
    done = subprocess.run([sys.executable, "-c", PICTURES, *words], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60)
    return json.loads(done.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's own")
def test_freed_pictures_are_kept_for_the_next_ones_and_then_given_back() -> None:
    usual, kept = measured(), measured("keep")
    assert usual["new"] > 20_000, "new pages for each of 180 pictures"
    assert kept["new"] < usual["new"] / 20
    assert kept["held"] - kept["left"] > 20 << 20
