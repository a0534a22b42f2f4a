# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from facelift_blender.capture import track
from facelift_blender.capture.footage import probe


@pytest.fixture(autouse=True)
def _looks_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Footage of the tests is not looked at in a process of its own, which takes a while; test_apart does so."""
    monkeypatch.setattr(track, "probe_apart", probe)
