# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes carried to heads whose true shapes are known, because they are the shipped head bent, cut anew, turned and scaled."""

from __future__ import annotations

from dataclasses import dataclass
from time import process_time

import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import PARTS, Head, load_head
from facelift_blender.rigs.transfer import PICKS, Surface, Transferred, transfer_shapes


@dataclass(frozen=True)
class Stranger:
    """A head of another topology, unit and orientation, and what is true of it."""

    surface: Surface
    shapes: np.ndarray
    picks: dict[str, np.ndarray]
    skin: np.ndarray
    unit: float


TURN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def bent(points: np.ndarray) -> np.ndarray:
    """A cartoonish face: narrower below, longer nose, wider above."""
    x, y, z = points.T
    wider = 1.0 + 2.2 * y
    nose = 0.008 * np.exp(-((x / 0.012) ** 2) - ((y + 0.03) / 0.02) ** 2)
    return np.stack([x * wider, 1.08 * y, z + nose], axis=1)


def subdivided(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A middle point for each quad: (V + F) vertices and 4 F triangles; no vertex of the quads keeps its neighbours."""
    middle = len(vertices) + np.arange(len(faces))
    corners = [np.stack([faces[:, k], faces[:, (k + 1) % 4], middle], axis=1) for k in range(4)]
    return np.concatenate([vertices, vertices[faces].mean(axis=1)]), np.concatenate(corners)


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head()


@pytest.fixture(scope="module")
def stranger(head: Head) -> Stranger:
    kept = np.isin(head.parts, [PARTS.index(part) for part in ("skin", "lips", "mouth", "sclera", "iris", "pupil")])
    faces = head.faces[kept]
    vertices, triangles = subdivided(head.vertices, faces)
    place = 17.0 * bent(vertices) @ TURN.T + [3.0, 2.0, 1.0]
    shapes = []
    for shape in head.shapes:
        moved = subdivided(head.vertices + shape, faces)[0]
        shapes.append(17.0 * bent(moved) @ TURN.T + [3.0, 2.0, 1.0] - place)
    picks = {name: 17.0 * bent(head.landmarks[[topology.NAMES.index(name)]])[0] @ TURN.T + [3.0, 2.0, 1.0] for name in PICKS}
    used = np.zeros(len(vertices), bool)
    skin = np.isin(head.parts[kept], [PARTS.index("skin"), PARTS.index("lips")])
    used[np.unique(faces[skin])] = True
    return Stranger(Surface(place, triangles), np.array(shapes), picks, used, 17.0)


@pytest.fixture(scope="module")
def carried(head: Head, stranger: Stranger) -> Transferred:
    return transfer_shapes(head, stranger.surface, stranger.picks)


def test_every_shape_moves_as_the_true_one(stranger: Stranger, carried: Transferred) -> None:
    """By shape: direction and size of the motion, over all vertices of the skin; and what is left of it."""
    for name in arkit.NAMES:
        if name == "tongueOut" or name.startswith("eyeLook"):
            continue
        true, found = stranger.shapes[arkit.INDEX[name], stranger.skin], carried.shapes[arkit.INDEX[name], stranger.skin]
        along = np.sum(true * found) / np.sqrt(np.sum(true**2) * np.sum(found**2))
        assert along > 0.95, name
        assert 0.8 < np.linalg.norm(found) / np.linalg.norm(true) < 1.25, name


def test_errors_are_small_beside_the_motion(stranger: Stranger, carried: Transferred) -> None:
    shown = [k for k, name in enumerate(arkit.NAMES) if name != "tongueOut" and not name.startswith("eyeLook")]
    true, found = stranger.shapes[shown][:, stranger.skin], carried.shapes[shown][:, stranger.skin]
    left = np.linalg.norm(found - true, axis=(1, 2)) / np.linalg.norm(true, axis=(1, 2))
    assert np.median(left) < 0.2
    assert carried.fit < 1.0, "millimetres between the two surfaces"


def test_points_that_are_picked_three_millimetres_off_do(head: Head, stranger: Stranger) -> None:
    random = np.random.default_rng(0)
    rough = {name: place + random.normal(0, 0.003 * stranger.unit / np.sqrt(3), 3) for name, place in stranger.picks.items()}
    found = transfer_shapes(head, stranger.surface, rough).shapes
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "browInnerUp", "mouthPucker"):
        true, moved = stranger.shapes[arkit.INDEX[name], stranger.skin], found[arkit.INDEX[name], stranger.skin]
        assert np.sum(true * moved) / np.sqrt(np.sum(true**2) * np.sum(moved**2)) > 0.85, name


def test_eyeballs_turn_and_do_nothing_else(stranger: Stranger, carried: Transferred) -> None:
    balls = np.flatnonzero(np.abs(carried.shapes[arkit.INDEX["eyeLookOutLeft"]]).max(axis=1) > 0.05)
    assert len(balls) > 100
    arms = stranger.surface.vertices[balls] - stranger.surface.vertices[balls].mean(axis=0)
    moved = arms + carried.shapes[arkit.INDEX["eyeLookOutLeft"]][balls]
    assert np.abs(np.linalg.norm(moved - moved.mean(0), axis=1) - np.linalg.norm(arms - arms.mean(0), axis=1)).max() < 0.05
    front = stranger.surface.vertices[balls, 1].argmin()
    assert carried.shapes[arkit.INDEX["eyeLookOutLeft"], balls[front], 0] > 0, "outwards is the character's left"
    assert np.abs(carried.shapes[arkit.INDEX["jawOpen"]][balls]).max() < 1e-9


def test_left_stays_left(stranger: Stranger, carried: Transferred) -> None:
    middle = stranger.picks["nose_bridge_4"][0]
    for name, sign in (("eyeBlinkLeft", 1), ("eyeBlinkRight", -1), ("mouthSmileLeft", 1), ("browDownRight", -1)):
        sizes = np.linalg.norm(carried.shapes[arkit.INDEX[name]], axis=1)
        assert sign * (np.average(stranger.surface.vertices[:, 0], weights=sizes) - middle) > 0, name


def test_it_takes_seconds(head: Head, stranger: Stranger) -> None:
    started = process_time()
    transfer_shapes(head, stranger.surface, stranger.picks)
    assert process_time() - started < 60


def test_too_few_points_or_wrong_ones_are_one_sentence(head: Head, stranger: Stranger) -> None:
    few = dict(list(stranger.picks.items())[:4])
    with pytest.raises(FaceLiftError, match="4 points are too few"):
        transfer_shapes(head, stranger.surface, few)
    with pytest.raises(FaceLiftError, match="no landmark 'nose'"):
        transfer_shapes(head, stranger.surface, {**stranger.picks, "nose": np.zeros(3)})
    muddled = dict(zip(stranger.picks, np.roll(np.array(list(stranger.picks.values())), 3, axis=0), strict=True))
    with pytest.raises(FaceLiftError, match="do not lie like a face"):
        transfer_shapes(head, stranger.surface, muddled)
