# SPDX-License-Identifier: GPL-3.0-or-later
"""Stills into JSON, with the real detector on drawn faces and a regressor that puts the synthetic face into each box."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic
from drawn_face import plate_with_faces

from facelift_blender.capture.actors import overlap
from facelift_blender.capture.crops import Box
from facelift_blender.capture.faces import Detector
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.predict import predict
from facelift_blender.capture.types import Image

FACE = synthetic.face()
KEYS = {"box", "score", "landmarks_2d", "landmarks_3d", "covariance", "rotation", "translation", "intrinsics"}


def fill_boxes(image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
    """The synthetic face in each box, looking at the camera."""
    height, width = image.shape[:2]
    estimates = []
    for x, y, w, h in boxes:
        depth = focal * np.ptp(FACE[:, 1]) / h
        middle = FACE.mean(axis=0) @ synthetic.FRONTAL.T
        place = depth * np.array([(x + w / 2 - width / 2) / focal, (y + h / 2 - height / 2) / focal, 1.0]) - middle
        seen = FACE @ synthetic.FRONTAL.T + place
        pixels = focal * seen[:, :2] / seen[:, 2:] + np.array([width, height]) / 2
        estimates.append(Estimate(pixels, np.tile(np.eye(2), (len(FACE), 1, 1)), FACE, synthetic.FRONTAL, place, 0.9))
    return estimates


def write(path: Path, image: Image) -> Path:
    path.write_bytes(cv2.imencode(path.suffix, image[:, :, ::-1])[1].tobytes())
    return path


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def test_every_face_with_all_that_is_told_of_it(detector: Detector, tmp_path: Path) -> None:
    image, boxes = plate_with_faces(1280, 720, (50, 300, 150), (400, 100, 300))
    found = predict([write(tmp_path / "two.png", image)], detector, fill_boxes)
    (entry,) = json.loads(json.dumps(found))["images"]
    assert (entry["file"], entry["width"], entry["height"]) == (str(tmp_path / "two.png"), 1280, 720)
    assert [set(face) for face in entry["faces"]] == [KEYS, KEYS]
    assert [overlap(face["box"], box) > 0.5 for face, box in zip(entry["faces"], boxes[::-1], strict=True)] == [True, True]


def test_the_pose_carries_the_landmarks_onto_the_picture(detector: Detector, tmp_path: Path) -> None:
    image, _ = plate_with_faces(640, 360, (300, 50, 200))
    face = predict([write(tmp_path / "one.png", image)], detector, fill_boxes)["images"][0]["faces"][0]
    seen = np.array(face["landmarks_3d"]) @ np.array(face["rotation"]).T + face["translation"]
    pixels = seen @ np.array(face["intrinsics"]).T
    assert np.allclose(pixels[:, :2] / pixels[:, 2:], face["landmarks_2d"], atol=0.02)
    assert np.array(face["covariance"]).shape == (len(FACE), 2, 2)


def test_a_picture_without_a_face_has_an_empty_list(detector: Detector, tmp_path: Path) -> None:
    path = write(tmp_path / "wall.jpg", np.full((200, 300, 3), 120, np.uint8))
    assert predict([path], detector, fill_boxes)["images"] == [{"file": str(path), "width": 300, "height": 200, "faces": []}]


def test_a_picture_that_cannot_be_read_says_so_and_the_others_go_on(detector: Detector, tmp_path: Path) -> None:
    image, _ = plate_with_faces(320, 240, (40, 20, 200))
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8 torn")
    (tmp_path / "empty.png").touch()
    paths = [tmp_path / "torn.jpg", tmp_path / "none.png", tmp_path / "empty.png", write(tmp_path / "good.png", image)]
    torn, none, empty, good = predict(paths, detector, fill_boxes)["images"]
    assert torn["error"] == "torn.jpg is not a picture that can be read; it is damaged, of another kind or far too large."
    assert "does not exist" in none["error"]
    assert "is empty" in empty["error"]
    assert [entry["faces"] for entry in (torn, none, empty)] == [[], [], []]
    assert len(good["faces"]) == 1
    assert "error" not in good


def test_two_estimates_of_one_face_are_one(tmp_path: Path) -> None:
    class Doubled(Detector):
        def __call__(self, image: Image) -> list:
            return super().__call__(image) * 2

    image, _ = plate_with_faces(640, 360, (300, 50, 200))
    entry = predict([write(tmp_path / "one.png", image)], Doubled(), fill_boxes)["images"][0]
    assert len(entry["faces"]) == 1


@pytest.mark.parametrize("kind", ["grey.png", "deep.png", "alpha.png", "photo.webp", "photo.bmp", "фото été.jpg"])
def test_pictures_of_any_kind(kind: str, detector: Detector, tmp_path: Path) -> None:
    image, _ = plate_with_faces(320, 240, (40, 20, 200))
    stored = {
        "grey.png": image.mean(axis=2).astype(np.uint8),
        "deep.png": image[:, :, ::-1].astype(np.uint16) * 257,
        "alpha.png": np.dstack([image[:, :, ::-1], np.full(image.shape[:2], 128, np.uint8)]),
    }.get(kind, image[:, :, ::-1])
    path = tmp_path / kind
    path.write_bytes(cv2.imencode(path.suffix, stored)[1].tobytes())
    assert len(predict([path], detector, fill_boxes)["images"][0]["faces"]) == 1
