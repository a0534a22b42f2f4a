# SPDX-License-Identifier: GPL-3.0-or-later
"""The detector on drawn faces, whose place is known."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from drawn_face import plate_with_faces

from facelift_blender.capture.actors import overlap
from facelift_blender.capture.faces import Detector
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.capture.weights import weights_folder


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.parametrize("size", [64, 128, 256, 512, 700])
def test_small_and_large_faces(detector: Detector, size: int) -> None:
    image, (box,) = plate_with_faces(1280, 720, (300, 10, size))
    (face,) = detector(image)
    assert overlap(face.box, box) > 0.7
    assert 0.6 < face.score <= 1


@pytest.mark.parametrize(
    ("width", "height", "size"), [(200, 200, 200), (200, 150, 60), (7680, 4320, 4000), (7680, 4320, 400), (320, 1280, 200)]
)
def test_plates_of_any_size(detector: Detector, width: int, height: int, size: int) -> None:
    image, (box,) = plate_with_faces(width, height, (width // 2 - size // 2, height // 2 - size // 2, size))
    assert overlap(detector(image)[0].box, box) > 0.6


def test_the_largest_face_comes_first(detector: Detector) -> None:
    image, boxes = plate_with_faces(1280, 720, (50, 300, 150), (400, 100, 300), (900, 200, 220))
    faces = detector(image)
    assert [max(range(3), key=lambda k: overlap(face.box, boxes[k])) for face in faces] == [1, 2, 0]


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_where_nothing_is(detector: Detector, seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (180, 320, 3), dtype=np.uint8)
    assert detector(noise) == []
    assert detector(np.full((90, 160, 3), 90 + seed, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 300, 3), (5, 4000, 3)])
def test_the_smallest_pictures_do_no_harm(detector: Detector, shape: tuple[int, int, int]) -> None:
    assert detector(np.zeros(shape, np.uint8)) == []


def test_the_picture_is_left_as_it_was(detector: Detector) -> None:
    image, _ = plate_with_faces(640, 360, (100, 50, 200))
    before = image.copy()
    detector(image)
    assert np.array_equal(image, before)


def test_weights_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "detector.onnx").write_bytes(b"no network")
    with pytest.raises(FaceLiftError, match="weights cannot be loaded"):
        Detector(tmp_path / "detector.onnx")


def test_the_card_names_the_file_that_ships() -> None:
    folder = weights_folder()
    digest = hashlib.sha256((folder / "detector.onnx").read_bytes()).hexdigest()
    assert digest == json.loads((folder / "weights.json").read_text(encoding="utf-8"))["detector"]["sha256"]
    card = folder / "detector.md"
    assert not card.is_file() or digest in card.read_text(encoding="utf-8")
