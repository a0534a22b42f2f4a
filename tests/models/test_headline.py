# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped network still does what the table beside it says."""

from __future__ import annotations

import json

import pytest

from models.training import paths

pytestmark = pytest.mark.skipif(not (paths.DATA / "labelled68").exists(), reason="needs the hand-labelled photographs")


def test_the_tables_headline_is_repeated() -> None:
    from facelift_blender.capture.landmarks import Regressor
    from models.training.evaluate import headline

    figures = json.loads((paths.WEIGHTS / "facelift.json").read_text())
    row = headline(Regressor(paths.WEIGHTS / "facelift.onnx", 1))
    assert row.value == pytest.approx(figures[row.what], abs=0.05)
