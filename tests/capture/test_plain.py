# SPDX-License-Identifier: GPL-3.0-or-later
"""Out of JSON comes what a type says, or nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from facelift_blender.capture.corrections import Corrections, Mute, Pin
from facelift_blender.capture.plain import typed
from facelift_blender.capture.types import Clip, Distortion

REFUSALS = (ValueError, TypeError, KeyError, OverflowError)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=5), inner, max_size=4),
)


@pytest.mark.parametrize(
    "whole",
    [
        Clip("a.mov", 64, 48, 24.0, 9, missing=(2, 3)), Clip("b", 1, 1, 0.5, 1, focal_mm=28.0), Distortion("NUKE", (0.1, 0.2)),
        Corrections((Pin(1, 2, (3.0, 4.5)),), (Mute("mouth", 1, 2),), (5,)),
    ],
)  # fmt: skip
def test_what_was_written_comes_back(whole: Any) -> None:
    assert typed(type(whole), json.loads(json.dumps(asdict(whole)))) == whole


@given(JSON)
def test_anything_else_is_refused(told: Any) -> None:
    for hint, kind in ((int, int), (float, float), (str, str), (bool, bool), (tuple[int, ...], tuple), (Corrections, Corrections)):
        try:
            made = typed(hint, told)
        except REFUSALS:
            continue
        assert type(made) is kind


@pytest.mark.parametrize("told", [True, 10**400, float("inf"), float("nan"), "1", None, [1]])
def test_no_number(told: Any) -> None:
    for hint in (int, float):
        with pytest.raises(REFUSALS):
            typed(hint, told)
