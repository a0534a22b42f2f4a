# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped regressor on a frame of the bundled clip, and weights that are not its own."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facelift_blender.capture import landmarks
from facelift_blender.capture.crops import box_of_landmarks
from facelift_blender.capture.faces import Detector
from facelift_blender.capture.landmarks import shrunk_window
from facelift_blender.capture.topology import COUNT, MIRROR
from facelift_blender.capture.types import FaceLiftError, Image
from facelift_blender.capture.weights import model_path

CLIP = Path(__file__).resolve().parents[2] / "models" / "performer" / "demo.mp4"
FOCAL = 1500.0


@pytest.fixture(scope="module")
def frame() -> Image:
    return cv2.cvtColor(cv2.VideoCapture(str(CLIP)).read()[1], cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def regressor() -> landmarks.Regressor:
    return landmarks.Regressor(threads=1)


@pytest.fixture(scope="module")
def found(regressor: landmarks.Regressor, frame: Image) -> landmarks.Estimate:
    first = regressor(frame, [Detector()(frame)[0].box], FOCAL)[0]
    return regressor(frame, [box_of_landmarks(first.landmarks_2d)], FOCAL)[0]


def face_size(estimate: landmarks.Estimate) -> float:
    return float(np.ptp(estimate.landmarks_2d, axis=0).max())


def test_landmarks_are_the_projection_of_the_posed_head(found: landmarks.Estimate, frame: Image) -> None:
    seen = found.landmarks_3d @ found.rotation.T + found.translation
    middle = np.array(frame.shape[1::-1]) / 2
    assert found.landmarks_3d.shape == (COUNT, 3)
    assert np.allclose(FOCAL * seen[:, :2] / seen[:, 2:] + middle, found.landmarks_2d, atol=0.01)
    assert np.allclose(found.rotation @ found.rotation.T, np.eye(3), atol=1e-5)


def test_it_knows_a_face_from_a_wall(found: landmarks.Estimate, regressor: landmarks.Regressor, frame: Image) -> None:
    wall = regressor(frame, [(20.0, 20.0, 200.0, 200.0)], FOCAL)[0]
    assert found.score > 0.6
    assert wall.score < 0.4


def test_covariances_are_covariances(found: landmarks.Estimate) -> None:
    assert np.allclose(found.covariances, found.covariances.transpose(0, 2, 1))
    assert np.linalg.eigvalsh(found.covariances).min() > 0
    assert np.sqrt(np.linalg.eigvalsh(found.covariances).max(axis=1)).mean() < 0.1 * face_size(found)


def test_the_mirrored_picture_gives_the_mirrored_face(found: landmarks.Estimate, regressor: landmarks.Regressor, frame: Image) -> None:
    x, y, w, h = box_of_landmarks(found.landmarks_2d)
    mirrored = regressor(np.ascontiguousarray(frame[:, ::-1]), [(frame.shape[1] - x - w, y, w, h)], FOCAL)[0]
    back = (mirrored.landmarks_2d * [-1, 1] + [frame.shape[1], 0])[list(MIRROR)]
    assert np.linalg.norm(back - found.landmarks_2d, axis=1).mean() < 0.03 * face_size(found)


@pytest.mark.parametrize("scale", [0.3, 6.0])
def test_a_small_and_an_enormous_plate_give_the_same_face(
    scale: float, found: landmarks.Estimate, regressor: landmarks.Regressor, frame: Image
) -> None:
    plate = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    box = tuple(scale * side for side in box_of_landmarks(found.landmarks_2d))
    scaled = regressor(plate, [box], scale * FOCAL)[0]
    assert np.linalg.norm(scaled.landmarks_2d / scale - found.landmarks_2d, axis=1).mean() < 0.02 * face_size(found)


def test_several_faces_at_once_are_the_same_as_one_by_one(regressor: landmarks.Regressor, frame: Image) -> None:
    boxes = [(500.0, 200.0, 250.0, 300.0), (450.0, 150.0, 350.0, 350.0)]
    together = regressor(frame, boxes, FOCAL)
    for box, estimate in zip(boxes, together, strict=True):
        assert np.allclose(regressor(frame, [box], FOCAL)[0].landmarks_2d, estimate.landmarks_2d, atol=0.02)
    assert regressor(frame, [], FOCAL) == []


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="are not FaceLift's"):
        landmarks.Regressor(model_path("detector"))
    (tmp_path / "noise.onnx").write_bytes(b"noise" * 100)
    with pytest.raises(FaceLiftError, match="are not FaceLift's"):
        landmarks.Regressor(tmp_path / "noise.onnx")


@pytest.mark.parametrize("step", [2, 3, 4, 6])
def test_a_shrunk_window_lies_where_its_matrix_says(step: int) -> None:
    x, y = np.meshgrid(np.arange(97.0), np.arange(83.0))
    image = np.rint(np.stack([2.0 * x, 2.5 * y, x + y], axis=-1)).astype(np.uint8)
    small, matrix = shrunk_window(image, np.array([[21.3, 13.1], [70.2, 60.7]]), step)
    height, width = small.shape[:2]
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    place = np.linalg.inv(matrix) @ np.stack([columns, rows, np.ones_like(rows)]).reshape(3, -1)
    seen = (place[:2] - 0.5).reshape(2, height, width)
    assert np.abs(small[..., 0] - 2.0 * seen[0]).max() < 1.5
    assert np.abs(small[..., 1] - 2.5 * seen[1]).max() < 1.5
    assert width >= 49 // step
    assert height >= 47 // step


def test_a_picture_narrower_than_the_step_is_one_pixel_wide() -> None:
    small, matrix = shrunk_window(np.full((40, 3, 3), 9, np.uint8), np.array([[0.0, 0.0], [3.0, 40.0]]), 4)
    assert small.shape == (10, 1, 3)
    assert np.allclose(matrix @ [3.0, 40.0, 1.0], [1.0, 10.0, 1.0])


def test_threads_change_nothing() -> None:
    image = np.random.default_rng(2).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    boxes = [(90.0, 60.0, 110.0, 120.0), (20.0, 30.0, 60.0, 60.0)]
    one, *others = (landmarks.Regressor(threads=threads)(image, boxes, 400.0) for threads in (1, 2, 4))
    for other in others:
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.landmarks_2d, b.landmarks_2d)
            assert np.array_equal(a.covariances, b.covariances)
