# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from synthetic import face, rotation

from facelift_blender.capture import topology
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, load_head
from facelift_blender.scene.fit import Spline, fit_head, similarity


def test_a_similarity_is_found_again() -> None:
    points, turn = face(), rotation(np.array([0.3, -0.5, 0.2]))
    scale, found, shift = similarity(points, 1.3 * points @ turn.T + [0.1, 0.2, 0.3])
    assert scale == pytest.approx(1.3)
    assert found == pytest.approx(turn)
    assert shift == pytest.approx([0.1, 0.2, 0.3])


def test_a_spline_carries_an_affine_field_everywhere() -> None:
    points, far = face(), np.array([[0.5, -0.4, 0.3], [0.0, 0.0, -1.0]])
    matrix, shift = np.array([[0.1, 0.02, 0.0], [0.0, -0.1, 0.03], [0.01, 0.0, 0.2]]), np.array([0.01, 0.0, -0.02])
    assert Spline(points, points @ matrix + shift)(far) == pytest.approx(far @ matrix + shift, abs=1e-9)


def test_the_head_lies_on_a_face_that_is_quite_another() -> None:
    head, neutral = load_head(), face()
    scale, turn, shift = similarity(head.landmarks, neutral)
    before = np.linalg.norm(scale * head.landmarks @ turn.T + shift - neutral, axis=1)
    after = np.linalg.norm(head.on_surface(fit_head(head, neutral)[0]) - neutral, axis=1)
    assert after.mean() < 0.3 * before.mean()
    assert np.median(after) < 1.5e-3


def test_the_heads_own_landmarks_leave_it_as_it_is() -> None:
    head = load_head()
    vertices, shapes = fit_head(head, head.landmarks)
    assert vertices == pytest.approx(head.vertices, abs=1e-9)
    assert shapes == pytest.approx(head.shapes, abs=1e-9)


def test_eyes_that_are_wider_open_than_the_heads_close_all_the_same() -> None:
    head = load_head()
    neutral = head.landmarks.copy()
    for side in (1.0, -1.0):
        rows = [row for row in topology.region_indices("eyes", "irises") if side * neutral[row, 0] > 0]
        middle = neutral[rows].mean(axis=0)
        neutral[rows] = middle + (neutral[rows] - middle) * [1.0, 1.35, 1.0]
    vertices, shapes = fit_head(head, neutral)
    lids = [topology.NAMES.index(f"lid_{part}_left_mesh_3") for part in ("upper", "lower")]
    gaps = [np.diff(head.on_surface(points)[lids, 1])[0] for points in (vertices, vertices + shapes[arkit.INDEX["eyeBlinkLeft"]])]
    plain = np.diff((neutral + head.landmark_shapes[arkit.INDEX["eyeBlinkLeft"]])[lids, 1])[0]
    assert abs(gaps[1]) < 0.15 * abs(gaps[0])
    assert abs(gaps[1]) < 0.5 * abs(plain)


def test_eyeballs_stay_round() -> None:
    head = load_head()
    vertices, _ = fit_head(head, face())
    eye = np.unique(head.faces[head.parts == PARTS.index("sclera")])
    eye = eye[head.vertices[eye, 0] > 0]
    before, after = (np.linalg.norm(v[eye] - v[eye].mean(axis=0), axis=1) for v in (head.vertices, vertices))
    assert after / before == pytest.approx(np.full(len(eye), after.mean() / before.mean()), rel=1e-6)
