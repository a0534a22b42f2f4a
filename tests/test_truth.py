# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole road on the bundled clip against its exact truth: what is reached now, to be tightened as the parts get better."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.types import Clip, FaceLiftError, Observations, Take
from models.performer import compare
from models.performer.truth import Truth, load_truth

PERFORMER = Path(compare.__file__).parent
CLIP, TRUTH = PERFORMER / "demo.mp4", next(iter(PERFORMER.glob("demo_truth.json*")), PERFORMER / "demo_truth.json")

SOLVER = {
    "focal length": 9.0, "head rotation": 1.0, "depth, given the focal": 1.0, "inner face": 1.5, "inner face, motion only": 1.2,
    "weights, observable": 0.07, "on the plate": 0.5,
}  # fmt: skip
"""Limits of the errors from true pixels with noise (1 px, correlated in space and time): the solver alone. Weights are read as from
the tracker's landmarks, which these are not.
"""

ROAD = {
    "focal length": 25.0, "head rotation": 2.3, "depth, given the focal": 1.6, "inner face": 3.0, "inner face, motion only": 1.7,
    "weights, observable": 0.06, "on the plate": 1.5,
}  # fmt: skip
"""Limits of the errors from the clip's pixels: the whole road with the weights as they are."""


@pytest.fixture(scope="module")
def truth() -> Truth:
    if not TRUTH.exists():
        pytest.skip("the demo clip has not been rendered")
    return load_truth(TRUTH)


def noisy(truth: Truth, assumed: float, deviation: float = 1.0) -> Observations:
    """A regressor that sees well: true pixels with noise, and canonical landmarks a millimetre off."""
    random, count = np.random.default_rng(0), len(truth)
    smooth = np.exp(-0.5 * np.sum((truth.neutral[:, None] - truth.neutral) ** 2, axis=-1) / 0.02**2) + 1e-6 * np.eye(len(truth.neutral))
    noise = random.normal(0, deviation, truth.pixels.shape)
    for row in range(1, count):
        noise[row] = 0.6 * noise[row - 1] + 0.8 * noise[row]
    noise = 0.5 * noise + 0.87 * np.einsum("nm,tmd->tnd", np.linalg.cholesky(smooth), noise[::-1])
    landmarks = truth.landmarks + random.normal(0, 0.001, truth.landmarks.shape)
    covariances = np.tile(np.eye(2) * deviation**2, (*truth.pixels.shape[:2], 1, 1))
    translations = truth.translations * [1.0, 1.0, assumed / truth.intrinsics[0, 0]]
    return Observations(
        np.arange(1, count + 1), np.ones(count, bool), truth.pixels + noise, covariances, landmarks, truth.rotations, translations,
        np.full(count, 0.95), assumed,
    )  # fmt: skip


def solved(truth: Truth, raw: Observations, settings: SolveSettings = SolveSettings()) -> Take:
    return solve(raw, Clip(CLIP.name, truth.shot.width, truth.shot.height, truth.shot.fps, len(truth)), settings)


def held(figures: dict[str, compare.Figure], limits: dict[str, float]) -> None:
    sys.stdout.write(f"\n{compare.table(figures)}\n")
    over = {name: figures[name].value for name, limit in limits.items() if not abs(figures[name].value) <= limit}
    assert not over
    assert figures["focal interval holds it"].value == 1.0


@pytest.mark.parametrize("wrong", [0.7, 1.4])
def test_solver_alone(truth: Truth, wrong: float) -> None:
    """True landmarks with noise, whatever focal length the regressor assumed."""
    held(compare.compare(solved(truth, noisy(truth, wrong * truth.intrinsics[0, 0])), truth), SOLVER)


def test_whole_road(truth: Truth) -> None:
    if not CLIP.exists():
        pytest.skip("the demo clip has not been rendered")
    try:
        from facelift_blender.capture.track import track
        from facelift_blender.capture.weights import model_path

        model_path("facelift")
    except FaceLiftError:
        pytest.skip("the regressor's weights are not there")
    take = track(CLIP)[0]
    assert take.valid.mean() > 0.99
    figures = compare.compare(take, truth)
    held(figures, ROAD)
    assert figures["weights, correlation"].value > 0.8


def test_a_perfect_take_has_no_errors(truth: Truth) -> None:
    raw = noisy(truth, truth.intrinsics[0, 0], 1e-6)
    take = solved(truth, raw, SolveSettings(focal_mm=truth.shot.lens, sensor_width=truth.shot.sensor))
    perfect = replace(
        take, rotations=truth.rotations, translations=truth.translations, neutral=truth.neutral, landmarks=truth.landmarks,
        weights=truth.weights,
    )  # fmt: skip
    figures = compare.compare(perfect, truth)
    off = [figure.value for name, figure in figures.items() if name not in ("focal interval holds it", "weights, correlation")]
    assert max(map(abs, off)) < 0.01
    assert figures["weights, correlation"].value == pytest.approx(1.0)


def test_a_take_of_another_clip_is_refused(truth: Truth) -> None:
    take = solved(truth, noisy(truth, 1500.0))
    with pytest.raises(FaceLiftError, match="no valid frame"):
        compare.compare(replace(take, frames=take.frames + 10_000), truth)
