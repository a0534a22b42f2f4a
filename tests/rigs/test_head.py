# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from facelift_blender.capture import topology
from facelift_blender.capture.types import Array, FaceLiftError
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import FOLDER, PARTS, Head, load_head, save_head

MIRROR = np.array([-1.0, 1.0, 1.0])
LIDS = {
    "left": ((43, 44), (47, 46)),
    "right": ((38, 37), (40, 41)),
}
"""Upper and lower landmarks of each eye, pairwise above one another."""


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def expression(head: Head, **weights: float) -> Array:
    vector = np.zeros(len(arkit.NAMES))
    for name, weight in weights.items():
        vector[arkit.INDEX[name]] = weight
    return head.landmarks + np.tensordot(vector, head.landmark_shapes, axes=1)


def test_canonical_frame(head: Head) -> None:
    irises = head.landmarks[list(topology.IRIS_CENTERS)]
    assert np.linalg.norm(irises[0] - irises[1]) == pytest.approx(0.063, abs=1e-3)
    assert irises[0, 0] < 0.0 < irises[1, 0]
    assert np.abs(irises.mean(axis=0)[:2]).max() < 1e-3
    nose_tip, chin = head.landmarks[30], head.landmarks[8]
    assert nose_tip[2] > head.landmarks[[36, 45]].max(axis=0)[2]
    assert chin[1] < head.landmarks[33, 1] < 0.0


def test_eyeballs_are_63_mm_apart_with_the_origin_between(head: Head) -> None:
    centers = []
    for side in (-1.0, 1.0):
        faces = head.faces[np.isin(head.parts, [PARTS.index("sclera")])]
        points = head.vertices[np.unique(faces)]
        points = points[side * points[:, 0] > 0.0]
        system = np.column_stack([2.0 * points, np.ones(len(points))])
        centers.append(np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][:3])
    assert np.linalg.norm(centers[1] - centers[0]) == pytest.approx(0.063, abs=3e-4)
    assert np.abs(np.add(*centers) / 2.0).max() < 6e-4


def test_shapes_are_bounded_and_each_moves_something(head: Head) -> None:
    reach = np.linalg.norm(head.shapes, axis=2).max(axis=1)
    assert head.shapes.shape == (52, *head.vertices.shape)
    assert reach.max() < 0.045
    assert reach.min() > 0.002


def test_landmarks_are_symmetric(head: Head) -> None:
    twins = head.landmarks[list(topology.MIRROR)] * MIRROR
    assert np.linalg.norm(head.landmarks - twins, axis=1).max() < 1e-3


def test_shapes_are_each_others_mirror_images(head: Head) -> None:
    """Every vertex has a twin across the middle plane, and twin shapes move it alike. Within the modelling's own liberties."""
    distance, twin = cKDTree(head.vertices).query(head.vertices * MIRROR)
    sure = distance < 1e-5
    assert sure.mean() > 0.9
    for index, mirrored in enumerate(arkit.MIRROR):
        gap = head.shapes[index, sure] - head.shapes[mirrored, twin[sure]] * MIRROR
        assert np.linalg.norm(gap, axis=1).max() < 2e-3, arkit.NAMES[index]


@pytest.mark.parametrize(("side", "shape"), [("left", "eyeBlinkLeft"), ("right", "eyeBlinkRight")])
def test_a_blink_closes_its_eye_and_leaves_the_other(head: Head, side: str, shape: str) -> None:
    upper, lower = (list(lids) for lids in LIDS[side])
    other_upper, other_lower = (list(lids) for lids in LIDS["right" if side == "left" else "left"])
    rest, shut = head.landmarks, expression(head, **{shape: 1.0})
    assert (rest[upper, 1] - rest[lower, 1]).min() > 6e-3
    assert np.abs(shut[upper, 1] - shut[lower, 1]).max() < 2.5e-3
    assert np.allclose(shut[other_upper], rest[other_upper], atol=1e-4)
    assert np.allclose(shut[other_lower], rest[other_lower], atol=1e-4)


def test_lips_meet_at_rest_and_part_with_the_jaw(head: Head) -> None:
    upper, lower = [61, 62, 63], [67, 66, 65]
    rest, wide = head.landmarks, expression(head, jawOpen=1.0)
    assert np.abs(rest[upper, 1] - rest[lower, 1]).max() < 3e-3
    assert (wide[upper, 1] - wide[lower, 1]).min() > 0.02
    closed = expression(head, jawOpen=0.5, mouthClose=0.5)
    assert np.abs(closed[upper, 1] - closed[lower, 1]).max() < 5e-3


def test_the_jaw_takes_the_lower_teeth_along_and_leaves_the_upper(head: Head) -> None:
    teeth = np.unique(head.faces[head.parts == PARTS.index("teeth")])
    falls = -head.shapes[arkit.INDEX["jawOpen"], teeth, 1]
    lower = falls > 1e-3
    assert 0.4 < lower.mean() < 0.6
    assert falls[lower].min() > 5e-3
    assert head.vertices[teeth[lower], 1].max() < head.vertices[teeth[~lower], 1].min()


@pytest.mark.parametrize(("shape", "axis", "sign"), [("eyeLookOutLeft", 0, 1.0), ("eyeLookInLeft", 0, -1.0), ("eyeLookOutRight", 0, -1.0),
                                                     ("eyeLookUpLeft", 1, 1.0), ("eyeLookDownRight", 1, -1.0)])  # fmt: skip
def test_gaze_turns_the_iris(head: Head, shape: str, axis: int, sign: float) -> None:
    iris = topology.IRIS_CENTERS[1 if shape.endswith("Left") else 0]
    moved = expression(head, **{shape: 1.0})[iris] - head.landmarks[iris]
    assert 3e-3 < sign * moved[axis] < 9e-3


def test_the_embedding_lies_on_single_faces_of_the_surface(head: Head) -> None:
    assert head.landmarks.shape == (topology.COUNT, 3)
    assert np.allclose(head.landmark_weights.sum(axis=1), 1.0, atol=1e-5)
    assert head.landmark_weights.min() >= 0.0
    faces = {frozenset(face) for face in head.faces.tolist()}
    halves = {face - {corner} for face in faces for corner in face}
    assert all(frozenset(triangle) in halves for triangle in head.landmark_vertices.tolist())


def test_irises_lie_on_eyeballs_and_all_else_on_skin(head: Head) -> None:
    eye = np.unique(head.faces[np.isin(head.parts, [PARTS.index(name) for name in ("sclera", "iris", "pupil")])])
    on_eye = np.isin(head.landmark_vertices, eye).all(axis=1)
    assert set(np.flatnonzero(on_eye)) == set(topology.region_indices("irises"))


def test_head_survives_its_files(head: Head, tmp_path: Path) -> None:
    save_head(head, tmp_path)
    again = load_head(tmp_path)
    assert np.allclose(again.shapes, head.shapes, atol=1e-6)
    assert (again.faces == head.faces).all()
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npy")) < 4e6


def test_a_missing_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="install the add-on again"):
        load_head(tmp_path)
