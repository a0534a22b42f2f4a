# SPDX-License-Identifier: GPL-3.0-or-later
"""What heads of two kinds teach, when all of it is made up."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from facelift_blender.capture.expression import head_basis
from facelift_blender.capture.habits import Habits, beside_usual
from facelift_blender.capture.head_pose import rotation_matrix
from facelift_blender.capture.types import Observations
from models.training.habits_fit import Lesson, Truthful, fair, fit, joined, ridge, told_nearness

FACE = head_basis().neutral
FOCAL, CENTER = 900.0, (400.0, 300.0)


def lesson_of(person: int, kind: int, count: int = 24) -> Lesson:
    """A person whom a regressor sees two millimetres too far to the right for each unit of turning, and one to three too high by kind;
    it takes the true distance for what the lower face's length shows, half as much as it ought to.
    """
    random = np.random.default_rng([person, 3])
    face = FACE * [1.0, random.uniform(0.9, 1.1), 1.0]
    rotations = rotation_matrix(random.normal(0, 0.3, (count, 3))) @ np.diag([1.0, -1.0, -1.0])
    distance = random.uniform(0.4, 2.0)
    translations = np.tile([0.0, 0.0, distance], (count, 1)) + random.normal(0, 0.02, (count, 3))
    landmarks = face + random.normal(0, 0.0005, (count, *face.shape))
    seen = landmarks @ np.swapaxes(rotations, 1, 2) + translations[:, None]
    pixels = FOCAL * seen[..., :2] / seen[..., 2:] + CENTER
    up = rotations[:, :2, 1] / np.linalg.norm(rotations[:, :2, 1], axis=1, keepdims=True)
    right = np.stack([-up[:, 1], up[:, 0]], axis=1)
    view = -rotations[:, 2, 0]
    off = (0.002 * view[:, None] * right + (0.001 + 0.002 * kind) * up) * (FOCAL / translations[:, 2:])
    shapes = landmarks * [1.0, 1.0, 1.0 - 0.2 / distance]
    raw = Observations(
        np.arange(1, count + 1), np.ones(count, bool), pixels + off[:, None], np.tile(np.eye(2), (*pixels.shape[:2], 1, 1)), shapes,
        rotations, translations / distance, np.ones(count), FOCAL / distance,
    )  # fmt: skip
    return Lesson.of(raw, CENTER, Truthful(pixels, landmarks, rotations, translations), person, kind)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    lessons = [lesson_of(person, person // 20) for person in range(40)]
    return joined([*lessons, *(one.mirrored for one in lessons)])


@pytest.fixture(scope="module")
def habits(lesson: Lesson) -> Habits:
    return fit(lesson)


def corrections(habits: Habits, lesson: Lesson) -> np.ndarray:
    told = habits.described(lesson.said)
    return (beside_usual(told, told.mean(axis=0)) @ habits.matrix)[:, : 2 * len(FACE)].reshape(-1, len(FACE), 2)


def test_the_slide_with_the_view_is_learned(habits: Habits) -> None:
    """Of someone who was not learned from, three quarters of it."""
    other = lesson_of(100, 0)
    left = other.seen - corrections(habits, other)
    assert np.ptp(left[..., 0].mean(axis=1)) < 0.25 * np.ptp(other.seen[..., 0].mean(axis=1))


def test_what_the_kinds_take_a_landmark_for_is_met_midway(habits: Habits) -> None:
    other = lesson_of(100, 0)
    assert corrections(habits, other)[..., 1].mean() == pytest.approx(-0.002, abs=2e-4)


def test_the_mirror_of_a_lesson_is_the_lesson_of_the_mirror(lesson: Lesson) -> None:
    twice = lesson.mirrored.mirrored
    np.testing.assert_allclose(twice.seen, lesson.seen, atol=1e-12)
    np.testing.assert_allclose(twice.turns, lesson.turns, atol=1e-12)
    np.testing.assert_allclose(twice.said.rests, lesson.said.rests, atol=1e-12)


def test_the_nearness_is_read_from_the_face_that_the_regressor_makes_of_it(lesson: Lesson) -> None:
    """To half of its spread, and by then neither too tame nor too wild."""
    told, true = told_nearness(lesson)
    habits, doubt = fair(fit(lesson), told, true)
    assert doubt < 0.5 * np.std(lesson.nearness)
    other = [lesson_of(person, 0) for person in range(100, 130)]
    near = [float((habits.described_nearness(one.said) @ habits.nearness).mean()) for one in other]
    assert np.polyfit([one.nearness.mean() for one in other], near, 1)[0] == pytest.approx(1.0, abs=0.3)


def test_a_ridge_with_one_kind_alone_keeps_its_constant() -> None:
    random = np.random.default_rng(0)
    told = np.concatenate([np.ones((400, 1)), random.normal(size=(400, 2))], axis=1)
    goals = told @ np.array([[0.5], [1.0], [-2.0]])
    np.testing.assert_allclose(ridge(told, goals, np.zeros(400), 1e-6), [[0.5], [1.0], [-2.0]], atol=1e-3)


def test_a_lesson_of_one_person_can_be_taken_apart(lesson: Lesson) -> None:
    one = lesson.rows(lesson.people == 30)
    assert set(one.people) == {30}
    assert len(one.said.views) == len(one.seen)
