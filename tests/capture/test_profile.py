# SPDX-License-Identifier: GPL-3.0-or-later
"""Actors who smile less than the known face does, and rest otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_take, rotation, talking

from facelift_blender.capture import expression, topology
from facelift_blender.capture.profile import Profile, calibrate, load_profile, save_profile, with_profile
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.rigs import arkit

SMILE, OTHER, JAW = (arkit.INDEX[name] for name in ("mouthSmileLeft", "mouthSmileRight", "jawOpen"))
RANGE = 0.5
"""What this actor reaches of the known face's smile."""


def actor(weights: np.ndarray) -> Take:
    """A take of the shipped head's face that performs `weights` (48, 52), its smile at half the range."""
    basis = expression.head_basis()
    shown = weights.copy()
    shown[:, [SMILE, OTHER]] *= RANGE
    landmarks = basis.neutral + np.tensordot(shown, basis.shapes, axes=1)
    take = replace(make_take(), landmarks=landmarks, neutral=basis.neutral)
    return replace(take, weights=expression.fit_weights(landmarks, basis.neutral))


@pytest.fixture(scope="module")
def first() -> Take:
    weights = np.zeros((48, 52))
    weights[9, SMILE] = weights[9, OTHER] = weights[19, JAW] = 1.0
    return actor(weights)


@pytest.fixture(scope="module")
def second() -> Take:
    return actor(talking(np.arange(48) / 12))


def test_the_actors_own_extreme_is_one_on_the_next_clip(first: Take, second: Take) -> None:
    profile = calibrate(first, rest=[1, 2], extremes={"mouthSmileLeft": 10})
    smile, other = profile.gains[[SMILE, OTHER]]
    assert smile == other, "its twin follows"
    assert 1 / RANGE < smile < 3.5, "what is read cautiously is read less, and so has a larger gain"
    truth = talking(np.arange(48) / 12)
    before, after = (np.abs(take.weights - truth)[:, SMILE].mean() for take in (second, with_profile(second, profile)))
    assert after < 0.65 * before


def test_a_named_twin_has_its_own_range(first: Take) -> None:
    profile = calibrate(first, extremes={"mouthSmileLeft": 10, "jawOpen": 20})
    assert profile.gains[JAW] == pytest.approx(1.0, abs=0.1)


def test_a_face_at_rest_that_a_person_named_counts_as_zero(first: Take) -> None:
    half = replace(first, landmarks=first.landmarks + 0.3 * expression.head_basis().shapes[JAW])
    assert with_profile(half, calibrate(half)).weights[0, JAW] > 0.15
    assert with_profile(half, calibrate(half, rest=[1, 2, 3])).weights[:5].max() < 0.05


def test_another_canonical_frame_makes_no_difference(first: Take, second: Take) -> None:
    profile = calibrate(first, extremes={"mouthSmileLeft": 10})
    turned = profile.neutral @ rotation(np.array([0.1, -0.2, 0.05])).T * 1.07 + [0.01, 0.0, -0.02]
    plain, moved = (with_profile(second, found).weights for found in (profile, replace(profile, neutral=turned)))
    np.testing.assert_allclose(moved, plain, atol=0.01)


def test_a_profile_survives_its_file(first: Take, tmp_path: Path) -> None:
    profile = calibrate(first, rest=[1], extremes={"jawOpen": 20, "mouthSmileRight": 10})
    save_profile(profile, tmp_path / "ada.json")
    back = load_profile(tmp_path / "ada.json")
    assert back.actor == profile.actor
    np.testing.assert_allclose(back.neutral, profile.neutral, atol=1e-6)
    np.testing.assert_allclose(back.gains, profile.gains, atol=1e-5)


def test_what_cannot_be_is_one_sentence(first: Take, tmp_path: Path) -> None:
    for call, words in (
        (lambda: calibrate(first, rest=[999]), "Frame 999 has no face"), (lambda: calibrate(first, extremes={"grin": 1}), "no ARKit shape"),
        (lambda: calibrate(first, extremes={"jawOpen": 1}), "does not show jawOpen"),
        (lambda: load_profile(tmp_path / "x"), "cannot be read"),
    ):  # fmt: skip
        with pytest.raises(FaceLiftError, match=words):
            call()


@pytest.mark.parametrize("spoiled", [
    [], {}, {"version": 2}, {"neutral": []}, {"neutral": [[0, 0, "x"]] * topology.COUNT}, {"neutral": [[0, 0, 1e9]] * topology.COUNT},
    {"gains": {"nose": 1}}, {"gains": {"jawOpen": float("inf")}}, {"gains": {"jawOpen": 10**400}}, {"gains": []}, {"actor": 3},
])  # fmt: skip
def test_unsound_files_are_refused(spoiled: object, first: Take, tmp_path: Path) -> None:
    save_profile(Profile("Ada", first.neutral, np.ones(52)), tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text())
    (tmp_path / "a.json").write_text(json.dumps({**content, **spoiled} if spoiled else spoiled))
    with pytest.raises(FaceLiftError, match="not a profile"):
        load_profile(tmp_path / "a.json")
