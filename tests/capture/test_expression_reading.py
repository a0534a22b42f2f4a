# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights as they are read from the tracker's landmarks, on a known head that moves as the tracker sees it: less than it does."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import talking

from facelift_blender.capture import expression, topology
from facelift_blender.rigs import arkit

SEEN = 0.8
"""Share of a face's motion that is left in the landmarks here."""
TIMES = np.arange(240) / 24
HEAD = expression.head_basis()


def perform(weights: np.ndarray, noise: float = 0.0) -> np.ndarray:
    moves = SEEN * np.einsum("tk,knd->tnd", weights, HEAD.shapes)
    return HEAD.neutral + moves + np.random.default_rng(0).normal(0, noise, moves.shape)


def one(name: str, value: float = 0.9) -> np.ndarray:
    weights = np.zeros((1, 52))
    weights[0, arkit.INDEX[name]] = value
    return weights


def read(weights: np.ndarray, noise: float = 0.0) -> np.ndarray:
    return expression.read_weights(perform(weights, noise), HEAD.neutral)


def test_rest_is_zero() -> None:
    assert not read(np.zeros((1, 52))).any()


@pytest.mark.parametrize(
    ("name", "least"),
    [("jawOpen", 0.3), ("eyeBlinkLeft", 0.45), ("mouthSmileRight", 0.4), ("browInnerUp", 0.3), ("browDownLeft", 0.4)],
)
def test_what_a_face_does_is_what_is_read_most(name: str, least: float) -> None:
    """Of 0.9 at least so much."""
    found = read(one(name))[0]
    index = arkit.INDEX[name]
    assert found[index] > least
    assert found[index] >= 0.9 * found.max()


@pytest.mark.parametrize("name", ["eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthSmileRight", "browDownLeft"])
def test_left_and_right_are_told_apart(name: str) -> None:
    """A wink, half a smile: the side that acts is twice the other, and 0.2 above it."""
    found = read(one(name))[0]
    this, other = found[arkit.INDEX[name]], found[arkit.MIRROR[arkit.INDEX[name]]]
    assert this > 2 * other
    assert this > other + 0.2


def test_lids_and_jaw_keep_their_time() -> None:
    """Nothing but the same frame fits best, with noise on the landmarks."""
    truth = talking(TIMES)
    found = read(truth, 0.0004)
    for name in ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen"):
        column = arkit.INDEX[name]
        fits = [np.corrcoef(np.roll(found[:, column], shift)[9:-9], truth[9:-9, column])[0, 1] for shift in range(-3, 4)]
        assert np.argmax(fits) == 3
        assert fits[3] > 0.95


def test_the_mirrored_face_has_the_twins_weights() -> None:
    landmarks = perform(talking(TIMES)[::8], 0.0004)
    one_way = expression.read_weights(landmarks, HEAD.neutral)
    other = expression.read_weights(mirror(landmarks), mirror(HEAD.neutral))
    np.testing.assert_allclose(other[:, list(arkit.MIRROR)], one_way, atol=0.05)


def mirror(points: np.ndarray) -> np.ndarray:
    return points[..., list(topology.MIRROR), :] * [-1.0, 1.0, 1.0]


def test_a_larger_narrower_face_is_read_alike() -> None:
    size = 1.12 * np.array([0.9, 1.0, 1.0])
    landmarks = perform(talking(TIMES)[::8])
    known = expression.read_weights(landmarks, HEAD.neutral)
    np.testing.assert_allclose(expression.read_weights(landmarks * size, HEAD.neutral * size), known, atol=0.06)


def test_what_is_not_seen_is_not_invented() -> None:
    landmarks = perform(talking(TIMES[:5]))
    landmarks[2] = np.nan
    found = expression.read_weights(landmarks, HEAD.neutral)
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[[0, 1, 3, 4]]).all()
    assert not found[[0, 1, 3, 4]][:, ~expression.observable(HEAD.neutral)].any()
