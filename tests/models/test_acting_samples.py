# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of characters who act: they move as far as the face does, about where the photographs' labels would lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from facelift_blender.capture.second_look import COLUMNS, KINDS, OUTPUTS, REGIONS
from facelift_blender.capture.types import Array
from models.training.acting_samples import Acted, collected, labels
from models.training.iris import IRIS
from models.training.second_look_samples import CUT, Patches

AWAY = {(1, False): (0.03, -0.01), (1, True): (-0.02, 0.02), (2, False): (0.0, 0.015), (2, True): (0.01, 0.01)}
"""By how much the second look puts the landmarks of a character's eye, right and left, beside the character's own points."""
SEEN_OF_MOVES = 0.4


def acted(count: int = 120) -> list[Acted]:
    """Eyes of two characters, whose moves the second look sees in part."""
    random = np.random.default_rng(0)
    rest, face = random.uniform(0.3, 0.7, (len(KINDS[0].landmarks), 2)), []
    for k in range(count):
        seed, region = 1 + k % 2, REGIONS[k // 2 % 2]
        view = random.normal(size=3) * [0.3, 0.2, 0.0] + [0.0, 0.0, 1.0]
        move = random.normal(0.0, 0.02, rest.shape)
        told = rest + SEEN_OF_MOVES * move + AWAY[seed, region.mirrored] + 0.02 * view[0]
        face.append(Acted(np.zeros((CUT, CUT, 3), np.uint8), region, seed, view, rest + move, told, np.ones(len(rest))))
    return face


def beside(face: list[Acted]) -> Array:
    """(P, K, 2) how far the labels lie from the characters' own points."""
    return labels(face) - np.stack([one.truth for one in face])


def test_labels_move_as_far_as_the_face_does() -> None:
    face = acted()
    truth, label = np.stack([one.truth for one in face]), labels(face)
    for landmark in (k for k in range(truth.shape[1]) if k not in IRIS):
        own = [k for k, one in enumerate(face) if one.seed == 1 and not one.region.mirrored]
        slope = np.polyfit(truth[own, landmark, 0], label[own, landmark, 0] - 0.02 * np.array([face[k].view[0] for k in own]), 1)[0]
        assert slope == pytest.approx(1.0, abs=0.25)


def test_labels_lie_where_the_second_look_is_wont_to_see_the_character() -> None:
    face = acted()
    outside = [k for k in range(len(KINDS[0].landmarks)) if k not in IRIS]
    for (seed, mirrored), away in AWAY.items():
        own = [k for k, one in enumerate(face) if (one.seed, one.region.mirrored) == (seed, mirrored)]
        found = beside(face)[own][:, outside] - 0.02 * np.array([face[k].view[0] for k in own])[:, None, None]
        assert found.mean(axis=(0, 1)) == pytest.approx(away, abs=0.004)


def test_irises_are_taken_as_they_are() -> None:
    assert np.all(beside(acted())[:, IRIS] == 0.0)


def test_a_miss_teaches_no_habit() -> None:
    face = acted()
    face[0].told[:] += 0.5
    assert np.abs(beside(face)[1:] - beside(acted())[1:]).max() < 0.01


def test_patches_hold_their_own_kind_alone(tmp_path: Path) -> None:
    patches = collected(acted(40))
    assert np.bincount(patches.kind, minlength=3).tolist() == [40, 0, 0]
    assert patches.points.shape == (40, OUTPUTS, 2)
    assert not patches.trust[:, COLUMNS["eye"].stop :].any()
    patches.save(tmp_path)
    assert np.array_equal(Patches.load(tmp_path).points, patches.points)
