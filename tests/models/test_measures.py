# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures of the method say nothing of a perfect model and the right thing of a flawed one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from models.training import measures


def meshes(random: np.random.Generator) -> np.ndarray:
    """(20, 400, 2) one cloud of vertices seen in twenty places and sizes."""
    mesh = random.uniform(-1, 1, (400, 2))
    return mesh * random.uniform(40, 90, (20, 1, 1)) + random.uniform(100, 300, (20, 1, 2))


def test_a_landmark_that_stays_on_the_face_is_consistent_wherever_it_is() -> None:
    seen = meshes(np.random.default_rng(0))
    assert measures.localisation_consistency(seen[:, [5, 77, 300]], seen).max() == 0.0


def test_a_landmark_that_slides_is_not() -> None:
    random = np.random.default_rng(1)
    seen = meshes(random)
    size = np.sqrt(np.prod(np.ptp(seen, axis=1), axis=1))[:, None]
    sliding = seen[:, 5] + np.where(np.arange(20)[:, None] % 2, [0.05, 0.0], [-0.05, 0.0]) * size
    found = measures.localisation_consistency(sliding[:, None], seen)[0]
    assert 0.025 < found <= 0.0501


@given(st.integers(0, 1000))
def test_rigid_alignment_undoes_a_rigid_motion(seed: int) -> None:
    random = np.random.default_rng(seed)
    points, turn = random.normal(0, 0.05, (30, 3)), Rotation.random(random_state=seed).as_matrix()
    assert measures.canonical_error(points @ turn.T + random.normal(0, 1, 3), points) < 1e-9
    assert measures.canonical_error(points * 1.1, points) > 1e-3


def test_errors_drawn_from_the_losses_laplacian_lie_within_its_sigmas() -> None:
    random = np.random.default_rng(2)
    radius, angle = random.gamma(2.0, 1.0 / np.sqrt(3.0), 50_000), random.uniform(0, 2 * np.pi, 50_000)
    root = np.array([[2.0, 0.0], [0.7, 0.5]])
    errors = (radius * np.stack([np.cos(angle), np.sin(angle)])).T @ root.T
    shares = measures.within(measures.sigmas(errors, np.broadcast_to(root @ root.T, (50_000, 2, 2))))
    assert np.allclose(shares, (0.517, 0.860, 0.966), atol=0.01)


def test_unrest_sees_neither_the_heads_motion_nor_a_steady_one() -> None:
    random = np.random.default_rng(3)
    face = random.uniform(-50, 50, (31, 2))
    turns = [Rotation.from_euler("z", angle).as_matrix()[:2, :2] for angle in np.linspace(0, 0.5, 40) ** 2]
    moving = np.stack([face @ turn.T * (1 + 0.01 * k) + [3 * k, k * k] for k, turn in enumerate(turns)])
    anchor = np.arange(31)
    assert measures.unrest(measures.aligned(moving, anchor), 100.0) < 1e-10
    shaken = moving + random.normal(0, 0.5, moving.shape)
    assert measures.unrest(measures.aligned(shaken, anchor), 100.0) > 0.005


def test_photograph_errors_are_shares_of_the_face() -> None:
    truth = np.random.default_rng(4).uniform(0, 100, (68, 2))
    shifted = truth + [3.0, 4.0]
    assert np.allclose(measures.by_eyes(shifted, truth), 5.0 / np.linalg.norm(truth[36] - truth[45]))
    assert np.allclose(measures.by_box(shifted, truth), 5.0 / np.sqrt(np.prod(np.ptp(truth, axis=0))))


@pytest.mark.parametrize(("colour", "least", "most"), [((235, 205, 185), 41, 91), ((190, 145, 115), 10, 41), ((95, 62, 48), -91, 10)])
def test_skin_tone_tells_light_from_dark(colour: tuple[int, int, int], least: float, most: float) -> None:
    points = np.zeros((68, 2))
    points[[41, 31, 48, 3]], points[[46, 35, 54, 13]] = [30.0, 50.0], [70.0, 50.0]
    points[36], points[45] = [20.0, 30.0], [80.0, 30.0]
    image = np.random.default_rng(0).integers(0, 255, (100, 100, 3)).astype(np.uint8)
    image[40:60, 20:80] = colour
    assert least < measures.skin_tone(image, points) < most


def test_a_grey_photograph_has_no_tone() -> None:
    assert np.isnan(measures.skin_tone(np.full((100, 100, 3), 120, np.uint8), np.full((68, 2), 50.0)))
