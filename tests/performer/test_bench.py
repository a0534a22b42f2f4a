# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's own arithmetic: what it casts, degrades and reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture.types import Distortion
from models.performer import bench_measure, compare, degrade
from models.performer.bench_cases import CASES, FIRST_CHARACTER
from models.performer.truth import Truth, load_truth

DEMO = Path(compare.__file__).with_name("demo_truth.json.gz")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(DEMO)


def test_the_cases_span_what_the_solve_must_bear() -> None:
    assert len(CASES) >= 24
    assert {case.lens for case in CASES} == {24, 35, 50, 85, 135}
    assert min(case.distance for case in CASES) <= 0.4
    assert max(case.distance for case in CASES) >= 3.0
    assert len({case.seed for case in CASES}) == len(CASES)
    assert min(case.seed for case in CASES) >= FIRST_CHARACTER
    for trouble in ("handheld", "noise", "blur", "occluder"):
        assert any(getattr(case, trouble) for case in CASES)


def test_a_turning_case_turns_and_a_still_one_hardly() -> None:
    angles = [np.degrees(np.ptp(np.arcsin(case.performance().rotations[:, 0, 2]))) for case in (CASES[0], CASES[14])]
    assert angles[0] > 20.0 > angles[1]


def test_a_bent_truth_is_where_the_bent_picture_shows_it(truth: Truth) -> None:
    """A dot on every landmark of the first frame: bent with the picture, it lies where the truth says."""
    case = replace(CASES[0], distortion=Distortion("POLYNOMIAL", (-0.2, 0.03, 0.0)))
    pixels = np.array([[[200.0, 100.0], [1000.0, 600.0], [640.0, 300.0]]])
    few = replace(truth, pixels=np.repeat(pixels, len(truth), axis=0))
    image = np.zeros((truth.shot.height, truth.shot.width, 3), np.uint8)
    for x, y in pixels[0].astype(int):
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
    bent = next(iter(degrade.degraded([image], truth, replace(case, occluder=""))))
    for x, y in degrade.degraded_truth(few, case).pixels[0]:
        rows, columns = np.nonzero(bent[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9, 0])
        assert np.hypot(columns.mean() - 8 + int(x) - x, rows.mean() - 8 + int(y) - y) < 1.2


def test_the_hand_hides_the_mouth_in_the_truth(truth: Truth) -> None:
    case = replace(CASES[0], occluder="hand")
    hidden = degrade.degraded_truth(truth, case).visible
    assert not hidden[25, 48:68].any()
    assert np.array_equal(hidden[0], truth.visible[0])


def test_events_of_the_truth_are_whole_and_in_time(truth: Truth) -> None:
    raw = bench_measure.true_observations(truth, 0)
    take = bench_measure.solve(raw, bench_measure.clip_of(truth, "demo"), bench_measure.SolveSettings(focal_mm=truth.shot.lens))
    told = bench_measure.events(replace(take, landmarks=truth.landmarks), truth)
    assert told["blink amplitude"] == pytest.approx(1.0)
    assert told["jaw timing"] == pytest.approx(0.0)
    late = bench_measure.events(replace(take, landmarks=np.roll(truth.landmarks, 1, axis=0)), truth)
    assert late["blink timing"] == pytest.approx(1.0, abs=0.3)
