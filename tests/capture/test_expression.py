# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit weights from landmarks, on bases whose truth is known."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from synthetic import face, shapes, talking

from facelift_blender.capture import expression, topology
from facelift_blender.capture.expression import Basis
from facelift_blender.rigs import arkit

SYNTHETIC = Basis(face(), shapes())
TIMES = np.arange(240) / 24


def perform(basis: Basis, weights: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    moves = np.einsum("tk,knd->tnd", weights, basis.shapes)
    return basis.neutral + moves + np.random.default_rng(seed).normal(0, noise, moves.shape)


def one(name: str, value: float = 1.0) -> np.ndarray:
    weights = np.zeros((1, 52))
    weights[0, arkit.INDEX[name]] = value
    return weights


@pytest.fixture(scope="module", params=["synthetic", "head"])
def basis(request: pytest.FixtureRequest) -> Basis:
    return SYNTHETIC if request.param == "synthetic" else expression.head_basis()


@pytest.mark.parametrize(("noise", "error"), [(0.0, 0.005), (0.0005, 0.02), (0.0015, 0.07)])
def test_weights_are_recovered(basis: Basis, noise: float, error: float) -> None:
    """Mean absolute error of the observable weights by landmark noise, metres."""
    truth, seen = talking(TIMES), expression.observable(basis.neutral, basis)
    found = expression.fit_weights(perform(basis, truth, noise), basis.neutral, basis=basis)
    assert np.abs(found - truth)[:, seen].mean() < error
    assert found.min() >= 0
    assert found.max() <= 1
    assert not found[:, ~seen].any()


def test_rest_is_zero(basis: Basis) -> None:
    found = expression.fit_weights(basis.neutral[None], basis.neutral, basis=basis)
    assert not found.any()


@pytest.mark.parametrize("name", ["jawOpen", "eyeBlinkLeft", "mouthSmileRight", "browInnerUp", "mouthPucker", "browDownLeft"])
def test_one_shape_alone(basis: Basis, name: str) -> None:
    """0.5 of it gives 0.5 of it within 0.1, and nothing else above 0.2."""
    found = expression.fit_weights(perform(basis, one(name, 0.5)), basis.neutral, basis=basis)[0]
    others = np.delete(found, arkit.INDEX[name])
    assert abs(found[arkit.INDEX[name]] - 0.5) < 0.1
    assert others.max() < 0.2


def test_left_and_right_are_independent(basis: Basis) -> None:
    found = expression.fit_weights(perform(basis, one("eyeBlinkLeft")), basis.neutral, basis=basis)[0]
    assert found[arkit.INDEX["eyeBlinkLeft"]] > 0.9
    assert found[arkit.INDEX["eyeBlinkRight"]] < 0.05


def test_mirrored_landmarks_give_the_twins_weights(basis: Basis) -> None:
    symmetric = Basis(0.5 * (basis.neutral + mirror(basis.neutral)), 0.5 * (basis.shapes + mirror(basis.shapes)[list(arkit.MIRROR)]))
    landmarks = perform(symmetric, talking(TIMES)[::8], 0.0005)
    one_way = expression.fit_weights(landmarks, symmetric.neutral, basis=symmetric)
    other = expression.fit_weights(mirror(landmarks), symmetric.neutral, basis=symmetric)
    np.testing.assert_allclose(other[:, list(arkit.MIRROR)], one_way, atol=2e-3)


def mirror(points: np.ndarray) -> np.ndarray:
    return points[..., list(topology.MIRROR), :] * [-1.0, 1.0, 1.0]


def test_a_larger_face_with_other_proportions_has_the_same_weights(basis: Basis) -> None:
    """An actor 12 % larger and 10 % narrower: within 0.05 of the truth on average."""
    size = 1.12 * np.array([0.9, 1.0, 1.0])
    actor = Basis(basis.neutral * size, basis.shapes * size)
    truth, seen = talking(TIMES), expression.observable(actor.neutral, basis)
    found = expression.fit_weights(perform(actor, truth), actor.neutral, basis=basis)
    assert np.abs(found - truth)[:, seen].mean() < 0.02


def test_blink_has_exact_timing_and_amplitude(basis: Basis) -> None:
    truth = talking(TIMES)
    found = expression.fit_weights(perform(basis, truth, 0.0004), basis.neutral, basis=basis)
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        column = arkit.INDEX[name]
        closed = np.flatnonzero(truth[:, column] > 0.9)
        assert np.all(found[closed, column] > 0.85)
        assert np.corrcoef(found[:, column], truth[:, column])[0, 1] > 0.98


def test_gaze_follows_the_irises(basis: Basis) -> None:
    truth = np.zeros((41, 52))
    look = np.linspace(-0.8, 0.8, 41)
    for name, value in (("InLeft", look), ("OutRight", look), ("OutLeft", -look), ("InRight", -look)):
        truth[:, arkit.INDEX["eyeLook" + name]] = np.clip(value, 0, None)
    found = expression.fit_weights(perform(basis, truth), basis.neutral, basis=basis)
    side = found[:, arkit.INDEX["eyeLookInLeft"]] - found[:, arkit.INDEX["eyeLookOutLeft"]]
    assert np.corrcoef(side, look)[0, 1] > 0.99
    assert np.abs(side - look).max() < 0.15


def test_what_landmarks_cannot_show_is_said(basis: Basis) -> None:
    seen = expression.observable(basis.neutral, basis)
    for name in ("tongueOut", "cheekPuff"):
        assert not seen[arkit.INDEX[name]]
    for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft", "mouthPucker", "browInnerUp", "browDownRight"):
        assert seen[arkit.INDEX[name]]


def test_shapes_that_move_nothing_are_not_observable() -> None:
    seen = expression.observable(face(), SYNTHETIC)
    assert not seen[~np.any(shapes(), axis=(1, 2))].any()


def test_frames_without_landmarks_have_no_weights() -> None:
    landmarks = perform(SYNTHETIC, talking(TIMES[:5]))
    landmarks[2] = np.nan
    found = expression.fit_weights(landmarks, face(), basis=SYNTHETIC)
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[[0, 1, 3, 4]]).all()


def test_neutral_is_found_in_somebody_who_talks_and_blinks() -> None:
    """Inner face within 0.6 mm RMS though the lips are open in more than a third of the frames."""
    truth = talking(TIMES)
    assert (truth[:, arkit.INDEX["jawOpen"]] > 0.1).mean() > 0.3
    found = expression.find_neutral(perform(SYNTHETIC, truth, 0.0003))
    inner = [index for index, landmark in enumerate(topology.TABLE) if landmark.region != "irises"]
    assert np.sqrt(np.mean(np.sum((found - face())[inner] ** 2, axis=1))) < 6e-4


@pytest.mark.parametrize("count", [1, 2, 3])
def test_neutral_of_few_frames(count: int) -> None:
    skin = [index for index, landmark in enumerate(topology.TABLE) if landmark.region != "irises"]
    np.testing.assert_allclose(expression.find_neutral(np.tile(face(), (count, 1, 1)))[skin], face()[skin], atol=1e-12)


def test_neutral_looks_ahead_though_the_actor_looks_aside() -> None:
    """Irises within half a millimetre of straight ahead in somebody who looks to one side and down all the time."""
    basis = expression.head_basis()
    aside = one("eyeLookInLeft", 0.7) + one("eyeLookOutRight", 0.7) + one("eyeLookDownLeft", 0.3) + one("eyeLookDownRight", 0.3)
    found = expression.find_neutral(perform(basis, np.repeat(aside, 20, axis=0), 0.0002))
    irises = list(topology.IRIS_CENTERS)
    assert np.abs(found[irises] - basis.neutral[irises])[:, :2].max() < 5e-4


def test_a_face_that_rests_is_left_as_it_is() -> None:
    """Within half a millimetre."""
    neutral = expression.head_basis().neutral
    assert np.linalg.norm(expression.relaxed(neutral) - neutral, axis=1).max() < 5e-4


def test_who_smiles_all_along_is_seen_to_smile() -> None:
    """Half of a smile that never ends is taken off, on both sides alike."""
    neutral = expression.head_basis().neutral
    smiling = neutral + expression.moves(one("mouthSmileLeft", 0.6) + one("mouthSmileRight", 0.6), neutral)[0]
    before, after = (np.linalg.norm(found - neutral, axis=1).max() for found in (smiling, expression.relaxed(smiling)))
    assert after < 0.5 * before
    turned = expression.relaxed(smiling)[list(topology.MIRROR)] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(turned, expression.relaxed(smiling), atol=3e-4)


def test_where_somebody_looks_is_no_matter_of_rest() -> None:
    neutral = expression.head_basis().neutral
    aside = neutral + expression.moves(one("eyeLookInLeft", 0.8) + one("eyeLookOutRight", 0.8), neutral)[0]
    assert np.linalg.norm(expression.relaxed(aside) - aside, axis=1).max() < 5e-4


def test_a_weight_a_frame_costs_little() -> None:
    landmarks = np.tile(perform(SYNTHETIC, talking(TIMES), 0.0005), (4, 1, 1))
    expression.fit_weights(landmarks[:10], face(), basis=SYNTHETIC)
    started = process_time()
    expression.fit_weights(landmarks, face(), basis=SYNTHETIC)
    assert (process_time() - started) / len(landmarks) < 1e-3


def smiles(frames: int, share: float, value: float) -> np.ndarray:
    """Weights of somebody who smiles in a share of the frames, a little more or less in each."""
    pair = one("mouthSmileLeft", value) + one("mouthSmileRight", value)
    size = np.random.default_rng(5).uniform(0.9, 1.1, (frames, 1)) * (np.arange(frames) < share * frames)[:, None]
    return size * pair


def test_who_smiles_most_of_the_time_rests_without_a_smile() -> None:
    """Half a smile in 70 of 100 frames: their commonest look has it, the face at rest less than a quarter of it."""
    neutral = expression.head_basis().neutral
    shown = perform(expression.head_basis(), smiles(100, 0.7, 0.5), 0.0002)
    corners, smiling = [48, 54], np.linalg.norm(shown[0] - neutral, axis=1)[[48, 54]].mean()
    off = {rest: np.linalg.norm(rest(shown) - neutral, axis=1)[corners].mean() for rest in (expression.find_neutral, expression.at_rest)}
    assert off[expression.find_neutral] > 0.8 * smiling
    assert off[expression.at_rest] < 0.25 * smiling


@pytest.mark.parametrize("name", ["mouthFrown", "mouthPress", "mouthPucker", "browDown"])
def test_who_does_something_else_is_given_no_smile(name: str) -> None:
    """A third of the frames show it, and the face at rest stays within 1.2 mm: a tenth of a smile."""
    basis = expression.head_basis()
    sides = [one(shape, 0.6) for shape in arkit.NAMES if shape in (name, f"{name}Left", f"{name}Right")]
    shown = perform(basis, (np.arange(99) % 3 == 0)[:, None] * np.sum(sides, axis=0), 0.0002)
    neutral = expression.find_neutral(shown)
    assert np.linalg.norm(expression.unsmiling(neutral, shown) - neutral, axis=1).max() < 1.2e-3
