# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from synthetic import face, shapes

from facelift_blender.capture import topology
from facelift_blender.rigs import arkit
from facelift_blender.rigs.proportions import bend_between, scale_by_part


def test_the_same_face_keeps_its_shapes() -> None:
    np.testing.assert_allclose(scale_by_part(shapes(), face(), face()), shapes(), atol=1e-12)
    bend = bend_between(face(), face())
    np.testing.assert_allclose(bend.offsets(face(), shapes()[arkit.INDEX["jawOpen"]]), shapes()[arkit.INDEX["jawOpen"]], atol=1e-9)


def test_a_larger_face_moves_as_much_more() -> None:
    np.testing.assert_allclose(scale_by_part(shapes(), face(), 1.2 * face()), 1.2 * shapes(), atol=1e-12)
    bend, jaw = bend_between(face(), 1.2 * face()), shapes()[arkit.INDEX["jawOpen"]]
    np.testing.assert_allclose(bend.offsets(face(), jaw), 1.2 * jaw, atol=1e-9)


def test_a_wide_mouth_smiles_wider_and_leaves_the_eyes_alone() -> None:
    wide = face()
    mouth = list(topology.region_indices("mouth"))
    wide[mouth, 0] *= 1.3
    scaled, smile = scale_by_part(shapes(), face(), wide), arkit.INDEX["mouthSmileLeft"]
    assert scaled[smile, 54, 0] == pytest.approx(1.3 * shapes()[smile, 54, 0])
    blink = arkit.INDEX["eyeBlinkLeft"]
    np.testing.assert_allclose(scaled[blink], shapes()[blink], atol=1e-12)


def test_one_eye_alone() -> None:
    odd = face()
    left = [row for row in topology.region_indices("eyes") if odd[row, 0] > 0]
    odd[left, 1] *= 1.4
    scaled = scale_by_part(shapes(), face(), odd)
    for side, ratio in (("Left", 1.0), ("Right", 0.0)):
        change = np.abs(scaled - shapes())[arkit.INDEX[f"eyeBlink{side}"]].max()
        assert (change > 1e-4) == bool(ratio)


def test_lids_that_meet_still_meet_on_wide_eyes() -> None:
    odd = face() * [1.0, 1.0, 1.0]
    eye = [row for row in topology.region_indices("eyes") if odd[row, 0] > 0]
    odd[eye, 1] = 1.5 * (odd[eye, 1] - odd[eye, 1].mean()) + odd[eye, 1].mean()
    bend = bend_between(face(), odd, stiffness=1e-6)
    below, above = face()[[46]], face()[[44]]
    closing = below - above
    np.testing.assert_allclose(bend(above) + bend.offsets(above, closing), bend(below), atol=1e-6)
