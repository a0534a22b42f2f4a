# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled clip with the extension's own models, killed and gone on with; `tests/kills.py` does it as often as one likes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("cv2")
from kills import deaths

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.capture.weights import model_path
from facelift_blender.farm.shots import Shot

DEMO = Path(__file__).resolve().parents[2] / "models" / "performer" / "demo.mp4"


@pytest.mark.skipif(os.name != "posix" or not DEMO.is_file(), reason="signals, and the bundled clip")
def test_a_killed_worker_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        model_path("facelift")
    except FaceLiftError:
        pytest.skip("the regressor's weights are not there")
    found = list(deaths(Shot("shot", DEMO, end=16), tmp_path, kills=2, chunk=4, seed=3))
    assert len(found) == 2
