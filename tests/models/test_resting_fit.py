# SPDX-License-Identifier: GPL-3.0-or-later
"""What characters at rest teach: a smile in a face that passes for one at rest, whosever it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from facelift_blender.capture import expression
from facelift_blender.capture.expression import Resting, head_basis, moves
from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit
from models.performer.exercises import draw_exercises, draw_shot
from models.training import resting_fit
from models.training.export import save_learned
from models.training.resting_fit import Shapes, described_wholly, fit

HEAD = head_basis()
SMILE = [arkit.INDEX["mouthSmileLeft"], arkit.INDEX["mouthSmileRight"]]


def somebody(seed: int) -> Array:
    """The known head, stretched a little: (N, 3)."""
    return HEAD.neutral * np.random.default_rng(seed).normal(1.0, 0.02, 3)


def character(seed: int) -> Shapes:
    weights = draw_exercises(seed, draw_shot(seed)[0]).weights
    noise = np.random.default_rng(seed).normal(0.0, 0.0005, (len(weights), *HEAD.neutral.shape))
    return Shapes(somebody(seed) + 0.7 * np.tensordot(weights, HEAD.shapes, axes=1) + noise, weights)


@pytest.fixture(scope="module")
def resting() -> Resting:
    return fit({seed: character(seed) for seed in range(300, 314)})


def test_a_smile_is_told_from_a_face_at_rest_of_somebody_else(resting: Resting) -> None:
    smile = np.zeros((1, 52))
    smile[0, SMILE] = 0.6
    for seed in (330, 331, 332):
        faces = np.stack([somebody(seed), somebody(seed) + 0.7 * moves(smile, HEAD.neutral)[0]])
        rest, smiling = (described_wholly(faces) @ resting.matrix - resting.least)[:, SMILE].mean(axis=1)
        assert rest < 0.05
        assert smiling > 0.25


def test_twins_count_alike(resting: Resting) -> None:
    np.testing.assert_allclose(resting.least, resting.least[list(arkit.MIRROR)])


def test_what_is_saved_is_what_is_loaded(resting: Resting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_learned("resting", resting, tmp_path / "resting.npz", "a test")
    monkeypatch.setattr(expression, "model_path", (tmp_path / "resting.npz").with_stem)
    np.testing.assert_allclose(expression.load_resting.__wrapped__().matrix, resting.matrix, atol=1e-6)


def test_without_exercises_a_sentence_says_so(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert resting_fit.main(["--exercises", str(tmp_path), "-o", str(tmp_path / "resting.npz")]) == 1
    assert "models.performer.exercises" in capsys.readouterr().err
