# SPDX-License-Identifier: GPL-3.0-or-later
"""What exercises teach, on a tracker that is made up: it sees half of the motion, and errs in all landmarks together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from facelift_blender.capture import expression
from facelift_blender.capture.expression import Reading, described, head_basis
from facelift_blender.rigs import arkit
from models.performer.exercises import draw_exercises, draw_shot
from models.training import expression_fit
from models.training.export import save_learned
from models.training.expression_fit import Samples, fit, mirrored, ridge

HEAD = head_basis()
SEEN = expression.observable(HEAD.neutral)


def seen_by_half(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (T, N, 3) and the true weights (T, 52) of a character's exercises."""
    weights, random = draw_exercises(seed, draw_shot(seed)[0]).weights, np.random.default_rng(seed)
    together = random.normal(0, 0.002, (len(weights), 1, 3))
    noise = together + random.normal(0, 0.0005, (len(weights), len(HEAD.neutral), 3))
    return HEAD.neutral + 0.5 * np.tensordot(weights, HEAD.shapes, axes=1) + noise, weights


@pytest.fixture(scope="module")
def samples() -> Samples:
    rows = [(*seen_by_half(seed), seed) for seed in range(300, 312)]
    found = [(described(landmarks, HEAD.neutral), weights, np.full(len(weights), seed)) for landmarks, weights, seed in rows]
    return Samples(*(np.concatenate(column) for column in zip(*found, strict=True)))


@pytest.fixture(scope="module")
def reading(samples: Samples) -> Reading:
    return fit(samples)


def test_the_reading_beats_least_squares_on_what_it_has_not_seen(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is under two thirds of theirs."""
    monkeypatch.setattr(expression, "load_reading", lambda: reading)
    landmarks, weights = seen_by_half(320)
    read, fitted = (solver(landmarks, HEAD.neutral) for solver in (expression.read_weights, expression.fit_weights))
    ours, theirs = (np.abs(found - weights)[:, SEEN].mean() for found in (read, fitted))
    assert ours < 0.67 * theirs


def test_the_other_eye_tells_nothing_of_a_lid(samples: Samples) -> None:
    matrix = ridge(samples.described, samples.weights)
    wink = np.zeros((1, 52))
    wink[0, arkit.INDEX["eyeBlinkLeft"]] = 1.0
    found = (described(HEAD.neutral + np.tensordot(wink, HEAD.shapes, axes=1), HEAD.neutral) @ matrix)[0]
    assert found[arkit.INDEX["eyeBlinkLeft"]] > 0.3
    assert abs(found[arkit.INDEX["eyeBlinkRight"]]) < 0.02


def test_twins_doubt_alike_and_no_gain_shrinks(reading: Reading) -> None:
    twins = list(arkit.MIRROR)
    assert np.allclose(reading.doubt, reading.doubt[twins])
    assert np.allclose(reading.gain, reading.gain[twins])
    assert reading.gain.min() >= 1.0
    assert reading.doubt.min() >= 0.0


def test_what_is_saved_is_what_is_loaded(reading: Reading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "expression.npz"
    save_learned("expression", reading, path, "a test")
    monkeypatch.setattr(expression, "model_path", path.with_stem)
    loaded = expression.load_reading.__wrapped__()
    np.testing.assert_allclose(loaded.matrix, reading.matrix, atol=1e-6)
    assert '"expression"' in (tmp_path / "weights.json").read_text()


def test_a_face_mirrored_twice_is_the_face() -> None:
    np.testing.assert_array_equal(mirrored(mirrored(HEAD.neutral)), HEAD.neutral)


def test_without_exercises_a_sentence_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert expression_fit.main(["--exercises", str(tmp_path), "-o", str(tmp_path / "expression.npz")]) == 1
    assert "models.performer.exercises" in capsys.readouterr().err
