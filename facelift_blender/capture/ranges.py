# SPDX-License-Identifier: GPL-3.0-or-later
"""A long shot in ranges of frames, each tracked by itself, and the ranges joined to what one tracker would have seen.

A range begins to track a little before its own first frame: by then its crops, each cut where the frame before was seen, have
come to what they would be without the split, and the frames that two ranges share tell which actor is which.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from .actors import REJOIN_SECONDS, SAME_FACE, Actor, is_near, overlap
from .crops import box_of_landmarks
from .tracker import Tracker


@dataclass(frozen=True)
class Range:
    """Clip frames `start` to `end`, both included, tracked from `lead` on."""

    start: int
    end: int
    lead: int


def split(start: int, end: int, parts: int, fps: float) -> list[Range]:
    """`parts` ranges, as even as can be; fewer where they would be shorter than what each tracks twice."""
    total, before = end - start + 1, math.ceil(REJOIN_SECONDS * fps)
    parts = max(1, min(parts, total // before))
    edges = [start + total * part // parts for part in range(parts + 1)]
    return [Range(first, last - 1, max(start, first - before)) for first, last in pairwise(edges)]


def join(trackers: Sequence[Tracker], ranges: Sequence[Range]) -> Tracker:
    """One tracker that has seen what the trackers of the ranges have, in their order."""
    whole = trackers[0].copy()
    for tracker, part in zip(trackers[1:], ranges[1:], strict=True):
        _add(whole.actors, tracker.actors, part.start, REJOIN_SECONDS * tracker.clip.fps)
        again = sum(frame not in tracker.clip.missing for frame in range(part.lead, part.start))
        whole.read += max(tracker.read - again, 0)
        whole.frame, whole.spent = tracker.frame, whole.spent + tracker.spent
        whole.seconds = {station: spent + tracker.seconds.get(station, 0.0) for station, spent in whole.seconds.items()}
    return whole


def _add(actors: list[Actor], later: Sequence[Actor], start: int, horizon: float) -> None:
    """Give each later actor's frames from `start` on to the actor whose face it is, or take it up as a new one."""
    free = list(actors)
    for actor in sorted(later, key=lambda actor: actor.seen, reverse=True):
        new = actor.estimates.since(start)
        same = next((other for other in free if _is_same(actor, other)), None)
        same = same or next((other for other in free if _comes_back(actor, other, horizon)), None)
        if same is not None:
            free.remove(same)
            same.estimates = same.estimates.joined(new)
            same.box, same.last_frame, same.lost, same.closed = actor.box, max(same.last_frame, actor.last_frame), actor.lost, actor.closed
        elif new:
            actors.append(replace(actor, estimates=new))


def _is_same(actor: Actor, other: Actor) -> bool:
    """On the last frame that both were seen on, it was one face."""
    shared = np.intersect1d(actor.estimates.frames, other.estimates.frames)
    if not len(shared):
        return False
    boxes = [box_of_landmarks(one.estimates[int(shared[-1])].landmarks_2d) for one in (actor, other)]
    return overlap(*boxes) > SAME_FACE


def _comes_back(actor: Actor, other: Actor, horizon: float) -> bool:
    """The actor enters soon after the other one was lost, about where it went, as in `Tracker`."""
    if not actor.estimates or other.closed:
        return False
    first = min(actor.estimates)
    return 0 < first - other.last_frame <= horizon and is_near(other.box, box_of_landmarks(actor.estimates[first].landmarks_2d))
