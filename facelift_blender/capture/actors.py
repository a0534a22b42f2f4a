# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who: faces become actors by continuity of place and size.

An actor keeps a face as long as the landmarks of one frame lead to those of the next. A face that goes and comes back
soon, about where it went and as large, is the same actor; a new face, or any face after a cut, is a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .crops import Box, box_of_landmarks, on_grid
from .estimates import Estimates
from .roomy import roomy, windows
from .types import Image, Observations

if TYPE_CHECKING:
    from .landmarks import Estimate

SAME_FACE = 0.5
"""Overlap (intersection over union) from which two boxes are one face."""

REJOIN_DISTANCE = 1.0
REJOIN_RATIO = 1.6
REJOIN_SECONDS = 2.0
"""A lost face comes back within this many of its own widths, this much larger or smaller, within this time."""

CUT_DIFFERENCE = 0.12
"""Mean difference of two frames' thumbnails, each evened out in brightness, that a cut exceeds."""

SAME_LOOK = 0.6
"""Likeness of a face in two frames that follow one another; another face or pose in its place falls below."""


@dataclass
class Actor:
    """One face over time: the estimates by clip frame, and the box that the next crop is cut from.

    forgotten: number of earlier estimates that were written to disk and left memory.
    """

    box: Box
    estimates: Estimates = field(default_factory=Estimates)
    last_frame: int = 0
    lost: bool = False
    closed: bool = False
    forgotten: int = 0

    def see(self, frame: int, estimate: Estimate) -> None:
        self.estimates[frame] = estimate
        self.box = on_grid(box_of_landmarks(estimate.landmarks_2d))
        self.last_frame, self.lost = frame, False

    @property
    def seen(self) -> int:
        """Number of frames with an estimate."""
        return self.forgotten + len(self.estimates)

    def forget(self, before: int) -> None:
        """Drop the estimates of frames before `before`."""
        seen = self.seen
        self.estimates = self.estimates.since(before)
        self.forgotten = seen - len(self.estimates)

    @property
    def presence(self) -> float:
        """Sum of the face's size over the frames: the largest seen longest comes first."""
        return sum(float(np.sqrt(np.prod(np.ptp(e.landmarks_2d, axis=0)))) for e in self.estimates.values())

    def observations(self, focal: float) -> Observations:
        """The estimates from the first to the last frame with a face; NaN between where it was lost."""
        seen = self.estimates.frames
        frames = np.arange(seen[0], seen[-1] + 1)
        found = np.isin(frames, seen)
        names = ("landmarks_2d", "covariances", "landmarks_3d", "rotation", "translation", "score")
        first = self.estimates[int(seen[0])]
        columns = [roomy(len(frames), *np.shape(getattr(first, name)), fill=np.nan) for name in names]
        for rows in windows(len(frames)):
            for row in np.flatnonzero(found[rows]) + rows.start:
                estimate = self.estimates[int(frames[row])]
                for column, name in zip(columns, names, strict=True):
                    column[row] = getattr(estimate, name)
        return Observations(frames, found, *columns[:-1], np.nan_to_num(columns[-1]), focal)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def is_near(a: Box, b: Box) -> bool:
    """About the same place and size: what a face may do in a short time."""
    size_a, size_b = max(a[2], a[3]), max(b[2], b[3])
    away = np.hypot(a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2)
    return max(size_a, size_b) < REJOIN_RATIO * min(size_a, size_b) and away < REJOIN_DISTANCE * max(size_a, size_b)


def covers(actor: Actor, box: Box) -> bool:
    """The box shows the face that the actor is on: the two overlap, or one's middle lies in the other."""
    x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
    inside = actor.box[0] <= x <= actor.box[0] + actor.box[2] and actor.box[1] <= y <= actor.box[1] + actor.box[3]
    return inside or overlap(actor.box, box) > SAME_FACE


def continues(actor: Actor, box: Box) -> bool:
    """The box shows a face where the actor's was, as large as it was: more than a cut leaves by chance."""
    return covers(actor, box) and is_near(actor.box, box)


def doubles(actors: Sequence[Actor]) -> list[Actor]:
    """Of any two actors that have slid onto one face, the one with the shorter history."""
    ordered = sorted(actors, key=lambda actor: actor.seen, reverse=True)
    return [late for index, late in enumerate(ordered) if any(overlap(late.box, early.box) > SAME_FACE for early in ordered[:index])]


def thumbnail(image: Image) -> np.ndarray:
    """(18, 32) grey picture of a frame, brightness and contrast evened out: what `differs` compares."""
    import cv2

    step = max(1, min(image.shape[0] // 36, image.shape[1] // 64))
    small = cv2.resize(image[::step, ::step], (32, 18), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    return (grey - grey.mean()) / max(float(grey.std()), 0.05) * 0.2


def differs(before: np.ndarray, after: np.ndarray) -> bool:
    """Two thumbnails as unlike as on both sides of a cut."""
    return float(np.abs(before - after).mean()) > CUT_DIFFERENCE


def likeness(image: Image, box: Box, other: Image, other_box: Box) -> float:
    """Correlation, -1 to 1, of the faces that two boxes hold in two pictures."""
    return float((_look(image, box) * _look(other, other_box)).sum())


def _look(image: Image, box: Box, size: int = 24) -> np.ndarray:
    """(size, size) grey picture of the face in a box, of mean 0 and length 1."""
    import cv2

    scale = size / max(box[2], box[3], 1.0)
    half, fine = size / 2, 4
    middle = box[0] + box[2] / 2, box[1] + box[3] / 2
    matrix = np.array([[scale, 0.0, half - scale * middle[0]], [0.0, scale, half - scale * middle[1]]]) * fine
    cut = cv2.warpAffine(image, matrix, (size * fine, size * fine), borderMode=cv2.BORDER_REPLICATE)
    grey = cv2.cvtColor(cv2.resize(cut, (size, size), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY).astype(np.float64)
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-6)
