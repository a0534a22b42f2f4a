# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture.types import Take
from facelift_blender.exports.json_take import write_json
from facelift_blender.rigs import arkit


def _written(take: Take, folder: Path) -> dict:
    write_json(take, folder / "a.json")
    return json.loads((folder / "a.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_the_performance_comes_back(synthetic_take: Take, tmp_path: Path) -> None:
    read = _written(synthetic_take, tmp_path)
    for name, values in (("weights", "weights"), ("landmarks", "landmarks"), ("rotation", "rotations"), ("translation", "translations")):
        assert np.array([frame[name] for frame in read["frames"]]) == pytest.approx(getattr(synthetic_take, values), abs=1e-7)
    assert tuple(read["weight_names"]) == arkit.NAMES
    assert read["clip"]["fps"] == 24.0


def test_what_is_not_known_is_null_or_left_out(synthetic_take: Take, tmp_path: Path) -> None:
    valid, residuals = synthetic_take.valid.copy(), synthetic_take.residuals.copy()
    valid[3], residuals[4] = False, np.nan
    odd = {"figure": float("inf"), "deep": [np.float32(1.5), {"nan": float("nan")}]}
    read = _written(replace(synthetic_take, valid=valid, residuals=residuals, provenance=odd), tmp_path)
    assert read["frames"][3] == {"frame": 4, "time": pytest.approx(3 / 24), "valid": False}
    assert read["frames"][4]["residual"] is None
    assert read["provenance"] == {"figure": None, "deep": [1.5, {"nan": None}]}
