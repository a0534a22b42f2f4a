# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from synthetic import make_take

from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import Head, load_head
from facelift_blender.rigs.matcher import match
from models.performer.three_heads import boy, cartoon, gaunt, models, telling_frames


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


def test_two_speak_dialects_and_one_has_no_shapes(head: Head) -> None:
    cast = models(head)
    assert [match({"face": list(model.keys)}).dialect for model in cast] == ["VRM 1.0", "Daz Genesis 8.1", ""]
    blink = cast[0].keys["blink"]
    np.testing.assert_allclose(blink, head.shapes[arkit.INDEX["eyeBlinkLeft"]] + head.shapes[arkit.INDEX["eyeBlinkRight"]])


@pytest.mark.parametrize("form", [cartoon, gaunt, boy])
def test_a_form_does_not_fold_the_face(head: Head, form: Callable[[np.ndarray], np.ndarray]) -> None:
    """No edge of the head shrinks to less than a third, and left stays left."""
    edges = np.concatenate([head.faces[:, [k, (k + 1) % 4]] for k in range(4)])
    lengths = [np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) for points in (head.vertices, form(head.vertices))]
    assert (lengths[1] / lengths[0]).min() > 0.33
    far = np.abs(head.vertices[:, 0]) > 1e-3
    assert (np.sign(form(head.vertices)[far, 0]) == np.sign(head.vertices[far, 0])).all()


def test_the_frames_chosen_differ() -> None:
    take = make_take()
    frames = telling_frames(take, 5)
    assert len(set(frames)) == 5
    apart = np.linalg.norm(take.weights[frames[0] - 1] - take.weights[frames[-1] - 1])
    assert apart > 0.2
