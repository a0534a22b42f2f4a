# SPDX-License-Identifier: GPL-3.0-or-later
"""Second looks beside the tracker: all of them arrive, whoever is faster, and the crops never wait for them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from drawn_plates import SIZE, Eye, Gaze, draw

from facelift_blender.capture.actors import Actor
from facelift_blender.capture.crops import Box
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.solve import SolveSettings
from facelift_blender.capture.tracker import Tracker
from facelift_blender.capture.trailing import Trailing
from facelift_blender.capture.types import Clip, Image

PICTURES = [draw([(100 + 3 * k, 90, 30, 100)]) for k in range(12)]
PICTURES.insert(6, PICTURES[5])


class Twice:
    """The exact first look, and a second one that moves every landmark by a pixel, slower or faster than the next frame's first."""

    def __init__(self, seconds: float) -> None:
        self.regress, self.seconds, self.looks = Gaze(), seconds, 0

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        return self.look(image, self.regress(image, boxes, focal))

    def look(self, _image: Image, estimates: Sequence[Estimate]) -> list[Estimate]:
        self.looks += 1
        time.sleep(self.seconds * (self.looks % 3))
        return [replace(estimate, landmarks_2d=estimate.landmarks_2d + [1.0, 0.0]) for estimate in estimates]


def followed(regress: Twice | Gaze) -> Actor:
    tracker = Tracker(Clip("plates", *SIZE, fps=24.0, frame_count=len(PICTURES)), SolveSettings(), Eye(), regress)
    for frame, image in enumerate(PICTURES, 1):
        tracker.step(frame, image)
    tracker.catch_up()
    (actor,) = tracker.actors
    return actor


@pytest.mark.parametrize("seconds", [0.0, 0.02])
def test_every_frame_gets_its_second_look_and_crops_follow_the_first(seconds: float) -> None:
    once, regress = followed(Gaze()), Twice(seconds)
    twice = followed(regress)
    assert sorted(twice.estimates) == list(range(1, len(PICTURES) + 1))
    for frame, estimate in once.estimates.items():
        assert np.array_equal(twice.estimates[frame].landmarks_2d, estimate.landmarks_2d + [1.0, 0.0])
    assert twice.box == once.box
    assert regress.looks == len(set(map(id, PICTURES)))


def test_a_copy_has_the_second_looks_that_were_still_being_taken() -> None:
    tracker = Tracker(Clip("plates", *SIZE, fps=24.0, frame_count=2), SolveSettings(), Eye(), Twice(0.05))
    first = Gaze()(PICTURES[0], [(80, 70, 60, 60)], tracker.focal)
    tracker.step(1, PICTURES[0])
    (actor,) = tracker.copy().actors
    assert np.allclose(actor.estimates[1].landmarks_2d, first[0].landmarks_2d + [1.0, 0.0])
    assert tracker.seconds["second look"] > 0.02


def test_few_frames_wait_and_what_fails_is_told() -> None:
    begun = []

    def fail(_image: Image, estimates: Sequence[Estimate]) -> list[Estimate]:
        begun.append(len(estimates))
        time.sleep(0.02)
        raise ValueError("no picture")

    actor = Actor((0.0, 0.0, 1.0, 1.0))
    actor.estimates.update({frame: Gaze()(PICTURES[0], [(80, 70, 60, 60)], 400.0)[0] for frame in range(1, 4)})
    trailing = Trailing(fail)
    trailing.follow(1, PICTURES[0], [actor])
    trailing.follow(2, PICTURES[0], [actor])
    with pytest.raises(ValueError, match="no picture"):
        trailing.follow(3, PICTURES[0], [actor])
    assert begun[0] == 1
