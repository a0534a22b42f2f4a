# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from facelift_blender.rigs import arkit
from models.performer.truth import Truth, load_truth
from models.performer.weights_bench import FOLDER, good_weights, mean_scores, report, score, subset_points, summary


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(FOLDER / "demo_truth.json.gz")


def test_the_truth_itself_is_without_fault(truth: Truth) -> None:
    told = summary(score(truth.weights, truth), np.ones(52, bool))
    assert told["mean absolute error"] == 0
    assert told["correlation of jaw, blinks, smiles, brows, pucker"] == pytest.approx(1)
    assert told["false activation at rest"] < 0.02


def test_what_is_wrong_shows_in_its_own_figure(truth: Truth) -> None:
    everything = np.ones(52, bool)
    raised = truth.weights.copy()
    raised[:, arkit.INDEX["browInnerUp"]] += 0.2
    told = score(raised, truth)
    assert told.false[arkit.INDEX["browInnerUp"]] == pytest.approx(0.2, abs=0.02)
    assert told.turned[arkit.INDEX["browInnerUp"]] == pytest.approx(0.2, abs=0.03)
    assert told.along[arkit.INDEX["browInnerUp"]] == pytest.approx(1)
    still = score(np.zeros_like(truth.weights), truth)
    assert summary(still, everything)["correlation of jaw, blinks, smiles, brows, pucker"] == 0
    late = score(np.roll(truth.weights, 6, axis=0), truth)
    assert late.along[arkit.INDEX["jawOpen"]] < 0.7


def test_frames_that_were_not_found_are_not_counted(truth: Truth) -> None:
    gone = truth.weights.copy()
    gone[50:90] = np.nan
    assert summary(score(gone, truth), np.ones(52, bool))["mean absolute error"] == 0


def test_a_shape_that_one_clip_lacks_is_averaged_over_the_others(truth: Truth) -> None:
    one = score(truth.weights, truth)
    along = one.along.copy()
    along[3] = np.nan
    both = mean_scores([one, replace(one, along=along)])
    assert both.along[3] == pytest.approx(one.along[3], nan_ok=True)
    assert "shapes with the smaller error" in report(both, both, np.ones(52, bool))


def test_good_landmarks_give_the_weights_that_are_asked_for(truth: Truth) -> None:
    """Solve and fit without the regressor, on an identity that they do not know."""
    weights, observable = good_weights(FOLDER / "demo.mp4", truth)
    told = summary(score(weights, truth), observable)
    assert told["mean absolute error"] < 0.06
    assert told["correlation of jaw, blinks, smiles, brows, pucker"] > 0.9
    assert told["false activation at rest"] < 0.03
    assert told["95th percentile at rest, head turned"] < 0.08
    assert told["the same of the brows"] < 0.08


def test_the_net_reads_146_points() -> None:
    assert len(subset_points()) == 146
    assert sorted(set(subset_points())) == subset_points()
