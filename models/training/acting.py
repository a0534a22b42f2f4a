# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces made to act: patches bent so that eyes turn, lids close, brows and lips move, and their landmarks move with the picture.

The labeller moves less than the face does, and photographs seldom blink or look aside. Where a picture is bent, how far each
landmark moved is known to the pixel, whatever was known of where it began.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator

from facelift_blender.capture.second_look import KINDS
from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.types import Array, Image

from .iris import CORNERS, IRIS, LOWER, UPPER, rows_of

GAZE, REACH = (0.12, 0.08), (0.34, 0.2)
"""Deviations of an iris's way to the side and down, and how far it may be from between the corners, in widths of the eye."""
SHUT = (-0.25, 0.95)
"""How far an upper lid is brought to the lower one, as a share of the gap; a lid beyond HIDES hides the iris; how
often lids move."""
HIDES, CLOSES = 0.25, 0.35
LID = 0.35
"""How far above and below the eye skin follows the lids, in widths of the eye."""
BROW, TILT, BETWEEN = 0.18, 0.1, (-0.35, 0.1)
"""Deviations of a brow's height and of the difference between its ends, and how far it goes up and down, in widths of the eye."""
PULL, STRETCH, PART = 0.09, 0.1, 0.08
"""Deviations of a mouth corner's way and of its width (in widths of the mouth), and of the lips' parting."""
APART = 0.05
"""Gap over width from which lips are apart: closed ones are not torn open, as nothing is known of what they hide."""

_UPPER = [*UPPER, *rows_of("eye_right_2", "eye_right_3")]
_LOWER = [*LOWER, *rows_of("eye_right_5", "eye_right_6")]
_BROWS = [row for row, k in enumerate(KINDS[0].landmarks) if NAMES[k].startswith("brow")]
_MOUTH_CORNERS = [KINDS[2].landmarks.index(48), KINDS[2].landmarks.index(54)]
_INNER = [KINDS[2].landmarks.index(62), KINDS[2].landmarks.index(66)]


def acted(picture: Image, kind: int, points: Array, trust: Array, random: np.random.Generator) -> tuple[Image, Array, Array]:
    """A patch of KINDS[kind] that acts: picture, its landmarks (K, 2) in pixels of it, and how far each is still to be trusted (K,)."""
    if KINDS[kind].name == "eye":
        return _eye(picture, points, trust, random)
    if KINDS[kind].name == "mouth":
        after = _mouth(points, random)
        return brought(picture, points, after, trust > 0), after, trust
    return picture, points, trust


def brought(picture: Image, before: Array, after: Array, kept: Array, step: int = 8) -> Image:
    """The picture (S, S, 3), as a thin plate: its points (K, 2) brought from `before` to `after` where they are `kept`, its border held."""
    size = len(picture)
    rim = np.array([(x, y) for x in np.linspace(0, size, 5) for y in np.linspace(0, size, 5) if {x, y} & {0.0, float(size)}])
    known, wanted = np.concatenate([after[kept], rim]), np.concatenate([before[kept], rim])
    plate = RBFInterpolator(known, wanted - known, kernel="thin_plate_spline", smoothing=0.5)
    at = np.arange(0, size, step) + (step - 1) / 2
    places = np.stack(np.meshgrid(at, at), axis=2)
    way = cv2.resize(plate(places.reshape(-1, 2)).reshape(*places.shape).astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    source = way + np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=2).astype(np.float32)
    return cv2.remap(picture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


class _Axes:
    """Coordinates along and across a line from corner to corner, in its widths from its middle; across is down."""

    def __init__(self, first: Array, last: Array) -> None:
        self.middle, along = (first + last) / 2, last - first
        self.basis = np.stack([along, [-along[1], along[0]]])

    def inside(self, points: Array) -> Array:
        return (points - self.middle) @ np.linalg.inv(self.basis)

    def outside(self, points: Array) -> Array:
        return points @ self.basis + self.middle


def _eye(picture: Image, points: Array, trust: Array, random: np.random.Generator) -> tuple[Image, Array, Array]:
    axes = _Axes(*points[CORNERS])
    here, trust = axes.inside(points), trust.copy()
    shut = random.uniform(*SHUT) if random.random() < CLOSES else 0.0
    if shut > HIDES:
        trust[IRIS] = 0.0
    else:
        way = np.clip(here[IRIS[0]] + random.normal(0, GAZE), np.negative(REACH), REACH) - here[IRIS[0]]
        picture = glanced(picture, axes, here, way)
        here[IRIS] += way
    if shut:
        picture, here = shutting(picture, axes, here, shut, shut * random.uniform(0, 0.2))
    before = axes.outside(here)
    here[_BROWS, 1] += np.clip(random.normal(0, BROW), *BETWEEN) + random.normal(0, TILT) * here[_BROWS, 0]
    after = axes.outside(here)
    return brought(picture, before, after, trust > 0), after, trust


def shutting(picture: Image, axes: _Axes, eye: Array, upper: float, lower: float) -> tuple[Image, Array]:
    """The lids brought towards each other by shares of their gap; what lies up to LID widths above and below stretches."""
    size = len(picture)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    u, v = axes.inside(np.stack([x, y], axis=2).reshape(-1, 2)).T
    above, below = _edges(eye, u)
    gap = np.maximum(below - above, 0.0)
    after = np.stack([above - LID, above + upper * gap, below - lower * gap, below + LID])
    source = _between(v, after, np.stack([above - LID, above, below, below + LID]))
    places = axes.outside(np.stack([u, np.where(np.abs(u) < 0.5, source, v)], axis=1)).reshape(size, size, 2).astype(np.float32)
    moved = eye.copy()
    tops, floors = _edges(eye, eye[:, 0])
    opening = np.maximum(floors - tops, 0.0)
    moved[_UPPER, 1] += upper * opening[_UPPER]
    moved[_LOWER, 1] -= lower * opening[_LOWER]
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), moved


def _edges(eye: Array, along: Array) -> tuple[Array, Array]:
    """How high the upper and the lower lid's edge are at places along the eye, (P,) each."""
    upper, lower = (eye[sorted([*CORNERS, *rows], key=lambda k: eye[k, 0])] for rows in (_UPPER, _LOWER))
    return np.interp(along, *upper.T), np.interp(along, *lower.T)


def _between(value: Array, knots: Array, images: Array) -> Array:
    """(P,) values through the line from each of knots (K, P), rising, to its image; beyond them unchanged."""
    out = value.copy()
    for low, high, first, last in zip(knots, knots[1:], images, images[1:], strict=False):
        inside = (value >= low) & (value < high)
        out[inside] = (first + (value - low) / np.maximum(high - low, 1e-9) * (last - first))[inside]
    return out


def glanced(picture: Image, axes: _Axes, eye: Array, way: Array) -> Image:
    """The iris moved by `way` under lids that stay. eye: (K, 2) its landmarks, in the same `axes`.

    Between the lids the picture slides sideways, all of it where the iris is and none of it in the corners; up and down it slides all.
    """
    size = len(picture)
    lids = np.concatenate([eye[rows][np.argsort(sign * eye[rows, 0])] for rows, sign in (([*CORNERS, *_UPPER], 1), (_LOWER, -1))])
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(axes.outside(lids) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    u = axes.inside(np.stack([x, y], axis=2).reshape(-1, 2))[:, 0]
    iris, radius = eye[IRIS[0], 0] + way[0], np.linalg.norm(eye[IRIS[1:]] - eye[IRIS[0]], axis=1).mean()
    slide = np.interp(u, [-0.5, iris - 1.1 * radius, iris + 1.1 * radius, 0.5], [0.0, 1.0, 1.0, 0.0])
    moves = np.stack([slide * way[0], np.full_like(slide, way[1])], axis=1) @ axes.basis
    source = (np.stack([x, y], axis=2) - moves.reshape(size, size, 2)).astype(np.float32)
    slid = cv2.remap(picture, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    share = mask[:, :, None] / np.float32(255)
    return np.rint(picture + share * (slid.astype(np.float32) - picture)).astype(np.uint8)


def _mouth(points: Array, random: np.random.Generator) -> Array:
    axes = _Axes(*points[_MOUTH_CORNERS])
    here = axes.inside(points)
    before = here.copy()
    gap = before[_INNER[1], 1] - before[_INNER[0], 1]
    for side in (-0.5, 0.5):
        near = np.exp(-(((before[:, 0] - side) / 0.3) ** 2))[:, None]
        here += near * random.normal(0, PULL, 2)
    here[:, 0] += before[:, 0] * random.normal(0, STRETCH)
    arch = 1 - np.clip(2 * before[:, 0], -1, 1) ** 2
    here[:, 1] += random.normal(0, PART) * arch
    if gap > APART:
        centre = (before[_INNER[0], 1] + before[_INNER[1], 1]) / 2
        lower = np.tanh((before[:, 1] - centre) / (gap / 2))
        here[:, 1] += lower * max(random.normal(0, 2 * PART), -0.45 * gap) * arch
    return axes.outside(here)
