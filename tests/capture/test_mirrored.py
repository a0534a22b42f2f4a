# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import synthetic

from facelift_blender.capture.crops import Box
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.mirrored import Mirrored, turned_back
from facelift_blender.capture.types import Image

WIDTH, FOCAL = 320, 350.0
CENTER = (WIDTH / 2, 90.0)


def truth(x: float) -> Estimate:
    """The synthetic face, turned by an angle, with its middle at a place left or right of the picture's."""
    rotation = synthetic.FRONTAL @ synthetic.rotation(np.array([0.1, 0.3, 0.05]))
    face = synthetic.face() + synthetic.shapes()[14 + 0] * 0.3
    place = np.array([(x - WIDTH / 2) / FOCAL, 0.02, 1.0]) * 0.7
    pixels = synthetic.project(face[None], rotation[None], place[None], FOCAL, CENTER)[0]
    covariances = np.tile(np.array([[1.0, 0.4], [0.4, 2.0]]), (len(face), 1, 1))
    return Estimate(pixels, covariances, face, rotation, place, 0.9)


class Lopsided:
    """Tells the truth of a picture, or of its mirror picture, but everything three pixels too far to the right."""

    name, sha256, provider = "lopsided", "none", "CPU"

    def __init__(self) -> None:
        self.boxes: list[Box] = []

    def __call__(self, image: Image, boxes: Sequence[Box], _focal: float) -> list[Estimate]:
        self.boxes += boxes
        seen = truth(200.0) if image[0, 0, 0] else turned_back(truth(200.0), WIDTH)
        return [Estimate(seen.landmarks_2d + [3.0, 0.0], *list(vars(seen).values())[1:]) for _ in boxes]


def test_what_is_wrong_to_one_side_cancels() -> None:
    image = np.zeros((180, WIDTH, 3), np.uint8)
    image[:, : WIDTH // 2] = 255
    regress = Lopsided()
    (estimate,) = Mirrored(regress)(image, [(180.0, 60.0, 50.0, 50.0)], FOCAL)
    expected = truth(200.0)
    for name in ("landmarks_2d", "covariances", "landmarks_3d", "rotation", "translation", "score"):
        assert np.allclose(getattr(estimate, name), getattr(expected, name), atol=1e-9), name
    assert regress.boxes == [(180.0, 60.0, 50.0, 50.0), (90.0, 60.0, 50.0, 50.0)]


def test_turned_twice_it_is_itself_and_its_pixels_are_its_pose() -> None:
    one = truth(200.0)
    mirrored = turned_back(one, WIDTH)
    assert np.allclose(turned_back(mirrored, WIDTH).landmarks_2d, one.landmarks_2d)
    pixels = synthetic.project(mirrored.landmarks_3d[None], mirrored.rotation[None], mirrored.translation[None], FOCAL, CENTER)[0]
    assert np.allclose(pixels, mirrored.landmarks_2d)
    assert np.isclose(np.linalg.det(mirrored.rotation), 1.0)


def test_it_is_known_by_its_regressor() -> None:
    assert (Mirrored(Lopsided()).name, Mirrored(Lopsided()).provider) == ("lopsided", "CPU")
