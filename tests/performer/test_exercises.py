# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest

from facelift_blender.rigs import arkit
from models.performer.bench_cases import CASES
from models.performer.exercises import (
    COUNT,
    COUNT_TURNING,
    FIRST,
    FIRST_TURNING,
    STILLS,
    draw_exercises,
    draw_mouths,
    draw_shot,
    draw_turning,
)


@pytest.mark.parametrize("seed", [300, 301, 307])
def test_every_shape_is_tried_somewhere_and_none_beyond_its_range(seed: int) -> None:
    drawn = np.concatenate([draw_exercises(k, draw_shot(k)[0]).weights for k in range(seed, seed + 8)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert np.all(drawn.max(axis=0) > 0.1)
    assert np.all(drawn[:, arkit.INDEX["mouthClose"]] <= drawn[:, arkit.INDEX["jawOpen"]] + 1e-9)
    gaze = np.array([name.startswith("eyeLook") for name in arkit.NAMES])
    assert 0.1 < np.mean(~drawn[:, ~gaze].any(axis=1)) < 0.35, "some are at rest but for the eyes"


def test_a_seed_is_always_the_same_exercise() -> None:
    shot, width = draw_shot(310)
    assert (shot, width) == draw_shot(310)
    assert np.array_equal(draw_exercises(310, shot).weights, draw_exercises(310, shot).weights)


def test_mouths_try_what_speech_is_made_of_and_leave_the_brows() -> None:
    drawn = np.concatenate([draw_mouths(seed, draw_shot(seed)[0]).weights for seed in range(3000, 3004)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    for name, often in (("mouthPucker", 0.06), ("mouthFunnel", 0.1), ("jawOpen", 0.4)):
        assert np.mean(drawn[:, arkit.INDEX[name]] > 0.05) > often
    assert not drawn[:, [name.startswith("brow") for name in arkit.NAMES]].any()


def test_turning_is_all_that_a_turning_face_does() -> None:
    turning = draw_turning(FIRST_TURNING, draw_shot(FIRST_TURNING)[0])
    assert len(turning) == STILLS
    assert not turning.weights.any()
    ahead = turning.rotations[:, :, 2]
    yaw, pitch = np.degrees(np.arctan2(ahead[:, 0], ahead[:, 2])), np.degrees(np.arcsin(ahead[:, 1]))
    assert np.ptp(yaw) == pytest.approx(70, abs=1)
    assert np.ptp(pitch) == pytest.approx(40, abs=1)


def test_nobody_is_learned_from_who_is_measured_on() -> None:
    learned, measured = set(range(FIRST, FIRST + COUNT)), {case.seed for case in CASES}
    assert not learned & (measured | set(range(FIRST_TURNING, FIRST_TURNING + COUNT_TURNING)) | {7})
