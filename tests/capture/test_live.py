# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview: stiller than what comes in, hardly late, the same wherever the head is turned."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import Performance, face, make_take, rotation

from facelift_blender.capture.head_pose import rotation_vector
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.live import Live, LiveFrame
from facelift_blender.capture.types import Take
from facelift_blender.rigs import arkit


def played(take: Take, turns: np.ndarray, places: np.ndarray, faces: np.ndarray) -> list[LiveFrame]:
    live, raw = Live(face()), take.raw
    return [
        live(Estimate(raw.landmarks_2d[row], raw.covariances[row], faces[row], turns[row], places[row], 0.9), 1 / 24)
        for row in range(len(take))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def take() -> Take:
    return make_take(Performance(frames=96))


def test_it_follows_and_is_stiller(take: Take) -> None:
    noise = rotation(np.random.default_rng(0).normal(0, 0.01, (len(take), 3)))
    frames = played(take, take.rotations @ noise, take.translations, take.raw.landmarks_3d)
    turned = np.stack([frame.rotation for frame in frames])
    errors = [rotation_vector(np.swapaxes(take.rotations, 1, 2) @ one) for one in (turned, take.rotations @ noise)]
    assert np.degrees(np.abs(errors[0]).max()) < 6.0
    jitter = [np.sqrt(np.mean(np.diff(error, 2, axis=0) ** 2)) for error in errors]
    assert jitter[0] < 0.6 * jitter[1]


def test_a_blink_is_seen(take: Take) -> None:
    weights = np.stack([frame.weights for frame in played(take, take.rotations, take.translations, take.raw.landmarks_3d)])
    blink = arkit.INDEX["eyeBlinkLeft"]
    assert np.corrcoef(weights[:, blink], take.weights[:, blink])[0, 1] > 0.8


def test_the_side_that_the_head_is_turned_to_does_not_matter(take: Take) -> None:
    turn = rotation(np.array([0.0, 3.0, 0.0]))
    one, other = (played(take, side @ take.rotations, take.translations, take.raw.landmarks_3d) for side in (np.eye(3), turn))
    np.testing.assert_allclose(np.stack([frame.rotation for frame in other]), turn @ np.stack([frame.rotation for frame in one]), atol=1e-9)
