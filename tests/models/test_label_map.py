# SPDX-License-Identifier: GPL-3.0-or-later
"""The map from mesh points to hand-labelled ones: found again on invented faces, moving with the picture, modest on strange ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from facelift_blender.capture.topology import MIRROR
from facelift_blender.capture.types import FaceLiftError
from models.training import label_map
from models.training.label_map import NEAREST, LabelMap, fit_label_map

ACROSS, TWINS = np.array([-1.0, 1.0]), list(MIRROR[:68])


def mesh_mirror() -> np.ndarray:
    """Vertices behind landmarks are twins as these are, the others pair up as they come."""
    mirror = np.arange(478)
    for k, vertex in enumerate(NEAREST):
        mirror[vertex] = NEAREST[MIRROR[k]]
    rest = [vertex for vertex in range(478) if vertex not in NEAREST]
    mirror[rest] = rest[::-1]
    return mirror


def symmetric(points: np.ndarray) -> np.ndarray:
    return (points + points[..., mesh_mirror(), :] * ACROSS) / 2


@pytest.fixture(scope="module")
def faces() -> tuple[np.ndarray, np.ndarray]:
    """Meshes (300, 478, 2) of ten modes about a symmetric mean, and labels (300, 68, 2) that no affine row explains."""
    random = np.random.default_rng(0)
    modes = symmetric(random.normal(0, 0.03, (10, 478, 2)))
    strengths = random.normal(0, 1, (300, 10))
    meshes = symmetric(random.uniform(-1, 1, (478, 2))) + np.tensordot(strengths, modes, axes=1)
    lean = random.normal(0, 1, (68, 2))
    lean = (lean + lean[TWINS] * ACROSS) / 2
    labels = meshes[:, list(NEAREST)] + 0.02 * strengths[:, :1, None] * lean + 0.03 * lean
    return 80 * meshes + 200, 80 * labels + 200


@pytest.fixture(scope="module")
def fitted(faces: tuple[np.ndarray, np.ndarray]) -> LabelMap:
    meshes, labels = faces
    return fit_label_map(meshes[:250], labels[:250], np.ones((250, 68)), mesh_mirror())


def test_labels_of_new_faces_are_found(fitted: LabelMap, faces: tuple[np.ndarray, np.ndarray]) -> None:
    meshes, labels = faces
    error = np.array([fitted(mesh)[:68] - label for mesh, label in zip(meshes[250:], labels[250:], strict=True)])
    nearest = meshes[250:, list(NEAREST)] - labels[250:]
    assert np.sqrt((error**2).mean()) < 0.25 * np.sqrt((nearest**2).mean())


def test_the_map_moves_with_the_picture(fitted: LabelMap, faces: tuple[np.ndarray, np.ndarray]) -> None:
    mesh = faces[0][260]
    turn = 1.7 * Rotation.from_euler("z", 0.6).as_matrix()[:2, :2]
    assert np.allclose(fitted(mesh @ turn.T + [31, -8]), fitted(mesh) @ turn.T + [31, -8], atol=1e-6)


def test_a_strange_face_is_left_to_the_affine_rows(fitted: LabelMap, faces: tuple[np.ndarray, np.ndarray]) -> None:
    mesh = np.random.default_rng(1).uniform(0, 400, (478, 2))
    assert np.allclose(fitted(mesh), fitted.affine @ mesh)
    assert not np.allclose(fitted(faces[0][0])[:68], (fitted.affine @ faces[0][0])[:68], atol=0.05)


def test_the_map_is_kept_in_a_file(fitted: LabelMap, faces: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    fitted.save(tmp_path / "map.npz")
    assert np.array_equal(LabelMap.load(tmp_path / "map.npz")(faces[0][3]), fitted(faces[0][3]))


def test_rows_of_the_table_sum_to_one(fitted: LabelMap) -> None:
    assert np.allclose(fitted.affine.sum(axis=1), 1.0)
    assert label_map.table_rows(fitted.affine[:68]).shape == fitted.affine.shape


def test_a_map_that_was_not_fitted_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match=r"open\.npz is not there: fit it with"):
        LabelMap.load(tmp_path / "open.npz")
