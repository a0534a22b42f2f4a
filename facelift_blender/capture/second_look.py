# SPDX-License-Identifier: GPL-3.0-or-later
"""A second look at eyes, brows, nose and mouth: what the picture shows of them, measured in pixels.

The regressor's landmarks are the projection of its own face under the lens that it was told. Here one small network looks at
upright patches of the original picture, where the first look puts each region, and measures the region's landmarks in them. It
knows no lens and no head. The left eye is looked at in the mirror, so that both are of one kind. Training cuts its patches
here, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from .crops import Box
from .landmarks import Estimate, shrunk_window
from .session import foreign, open_session
from .topology import MIRROR, NAMES, region_indices
from .types import Array, FaceLiftError, Image
from .weights import model_path, sha256_of


@dataclass(frozen=True)
class Kind:
    """What patches of one kind show. landmarks: of the table, as the right side has them; side: of the patch, canonical metres.

    normal: (3,) canonical, where the region faces.
    """

    name: str
    landmarks: tuple[int, ...]
    side: float
    normal: tuple[float, float, float]


KINDS: Final = (
    Kind("eye", tuple(k for k in region_indices("eyes", "irises", "brows") if "right" in NAMES[k]), 0.066, (-0.5, 0.0, 0.866)),
    Kind("nose", region_indices("nose"), 0.068, (0.0, 0.0, 1.0)),
    Kind("mouth", region_indices("mouth"), 0.080, (0.0, 0.0, 1.0)),
)
_ENDS: Final = tuple(int(end) for end in np.cumsum([0, *(len(kind.landmarks) for kind in KINDS)]))
COLUMNS: Final = {kind.name: slice(a, b) for kind, a, b in zip(KINDS, _ENDS, _ENDS[1:], strict=False)}
"""Where each kind's landmarks stand in the network's output."""
OUTPUTS: Final = _ENDS[-1]


@dataclass(frozen=True)
class Region:
    """A kind, as it is or in the mirror."""

    kind: Kind
    mirrored: bool

    @property
    def landmarks(self) -> list[int]:
        """Indices in the table, in the order of the network's output."""
        return [MIRROR[k] for k in self.kind.landmarks] if self.mirrored else list(self.kind.landmarks)

    @property
    def normal(self) -> Array:
        return np.array(self.kind.normal) * [-1.0 if self.mirrored else 1.0, 1.0, 1.0]


REGIONS: Final = (Region(KINDS[0], False), Region(KINDS[0], True), Region(KINDS[1], False), Region(KINDS[2], False))

_COUNTS: Final = np.array([len(region.landmarks) for region in REGIONS])
_ROWS: Final = np.concatenate([region.landmarks for region in REGIONS])
_FIRST: Final = np.cumsum(_COUNTS) - _COUNTS
_OF: Final = np.repeat(np.arange(len(REGIONS)), _COUNTS)
_COLUMNS: Final = np.concatenate([np.arange(OUTPUTS)[COLUMNS[region.kind.name]] for region in REGIONS])
"""The regions' landmarks, one region after the other: where each begins, whose each is, and where the network tells of it."""
_NORMALS: Final = np.array([region.normal for region in REGIONS])

_TURNED_AWAY, _SEEN = 0.15, 0.4
"""Cosines between a region's normal and the way to the camera: up to the first it is not looked at, from the second it counts in full."""

_FIRST_DOUBT, _IRIS_DOUBT = 4.0, 100.0
"""By how much the first look's covariances are too small beside the second's (its landmarks err together), and those of its irises,
which hardly move: measured on hand-labelled photographs and rendered clips.
"""
_DOUBTS: Final = np.where(np.isin(_ROWS, region_indices("irises")), _IRIS_DOUBT, _FIRST_DOUBT)


@dataclass(frozen=True)
class Patch:
    """A square of the picture: centre and side in pixels, roll in radians, in the mirror or not. Its own units are sides, 0 to 1."""

    x: float
    y: float
    side: float
    roll: float
    mirrored: bool

    @property
    def turn(self) -> Array:
        """(2, 2) the picture's directions to the patch's, no scale."""
        c, s, flip = math.cos(self.roll), math.sin(self.roll), -1.0 if self.mirrored else 1.0
        return np.array([[flip * c, flip * s], [-s, c]])

    def to_patch(self, points: Array) -> Array:
        """(..., 2) pixels of the picture -> sides of the patch."""
        return (points - [self.x, self.y]) @ self.turn.T / self.side + 0.5

    def to_picture(self, points: Array) -> Array:
        """(..., 2) sides of the patch -> pixels of the picture."""
        return (points - 0.5) * self.side @ self.turn + [self.x, self.y]

    def matrix(self, size: int) -> Array:
        """(2, 3) pixels of the picture to those of a cut `size` pixels wide."""
        matrix = np.empty((2, 3))
        matrix[:, :2] = self.turn * (size / self.side)
        matrix[:, 2] = size / 2 - matrix[:, :2] @ (self.x, self.y)
        return matrix

    def cut(self, image: Image, size: int) -> Image:
        """(size, size, 3); what is much larger is first shrunk by whole factors, so that it does not alias."""
        matrix, step = self.matrix(size), int(self.side / size / 1.5)
        if step > 1:
            image, shrink = shrunk_window(image, self.to_picture(_CORNERS), step)
            matrix = (np.vstack([matrix, [0.0, 0.0, 1.0]]) @ np.linalg.inv(shrink))[:2]
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def placed(estimate: Estimate) -> list[Patch]:
    """Where to look for each region: about the middle of its landmarks, as upright as the head, as large as the head is there."""
    roll = math.atan2(estimate.rotation[0, 1], -estimate.rotation[1, 1])
    upright = Patch(0.0, 0.0, 1.0, roll, False)
    seen, shape = estimate.landmarks_2d[_ROWS], estimate.landmarks_3d[_ROWS] @ estimate.rotation[:2].T
    scales = np.sqrt(_spread(seen) / np.maximum(_spread(shape), 1e-12))
    level = upright.to_patch(seen)
    middles = upright.to_picture((np.minimum.reduceat(level, _FIRST) + np.maximum.reduceat(level, _FIRST)) / 2)
    return [
        Patch(x, y, scale * region.kind.side, roll, region.mirrored)
        for region, (x, y), scale in zip(REGIONS, middles.tolist(), scales.tolist(), strict=True)
    ]


def _means(values: Array) -> Array:
    """(R, D) means of the regions' rows (M, D)."""
    return np.add.reduceat(values, _FIRST) / _COUNTS[:, None]


def _spread(points: Array) -> Array:
    """(R,) variance of each region's points (M, D), all axes together."""
    return _means((points - _means(points)[_OF]) ** 2).sum(axis=1)


def facing(estimate: Estimate) -> Array:
    """(R,) cosines between the regions' normals and the way from each to the camera."""
    centres = _means(estimate.landmarks_3d[_ROWS]) @ estimate.rotation.T + estimate.translation
    towards = -np.sum(_NORMALS @ estimate.rotation.T * centres, axis=1)
    return towards / np.maximum(np.linalg.norm(centres, axis=1), 1e-9)


def trust(estimate: Estimate, patches: Sequence[Patch], image: Image) -> Array:
    """(R,) 0 to 1: nothing for a region that is turned away, less than 4 pixels large or whose middle is off the picture."""
    height, width = image.shape[:2]
    good = [0 <= patch.x <= width and 0 <= patch.y <= height and 4.0 <= patch.side < 1e6 for patch in patches]
    level = np.clip((facing(estimate) - _TURNED_AWAY) / (_SEEN - _TURNED_AWAY), 0.0, 1.0)
    return good * level * level * (3.0 - 2.0 * level)


class SecondLook:
    """The network in an onnxruntime session.

    Raises FaceLiftError if the weights are missing, altered or made for other landmarks.
    """

    def __init__(self, path: Path | None = None, threads: int = 0, device: str = "AUTO") -> None:
        path = path or model_path("second_look")
        self.session, card = open_session(path, threads, device)
        try:
            self.size, told = int(card["patch"]), json.loads(card["kinds"])
        except (KeyError, ValueError) as error:
            raise foreign(path) from error
        if told != [[kind.name, list(kind.landmarks), kind.side] for kind in KINDS]:
            raise FaceLiftError(f"The weights {path.name} were made for another version of the landmarks: install FaceLift again.")
        self.name, self.sha256 = path.stem, sha256_of(path)

    def __call__(self, image: Image, estimates: Sequence[Estimate]) -> list[Estimate]:
        """The estimates with regions looked at again; all patches of all faces go through the network together."""
        return [fused(estimate, sight) for estimate, sight in zip(estimates, self.measure(image, estimates), strict=True)]

    def measure(self, image: Image, estimates: Sequence[Estimate]) -> list[Sight]:
        """For each estimate what it sees of the regions that can be seen, by itself."""
        patches = [placed(estimate) for estimate in estimates]
        shares = [trust(estimate, four, image) for estimate, four in zip(estimates, patches, strict=True)]
        seen = [(face, k) for face, share in enumerate(shares) for k in np.flatnonzero(share)]
        told = np.full((len(estimates), len(REGIONS)), -1)
        for row, place in enumerate(seen):
            told[place] = row
        points, cholesky = self._run(image, [patches[face][k] for face, k in seen])
        return [_sight(*one, points, cholesky) for one in zip(patches, shares, told, strict=True)]

    def _run(self, image: Image, patches: Sequence[Patch]) -> tuple[Array, Array]:
        """(P, OUTPUTS, 2) and (P, OUTPUTS, 3) of P patches, in their sides."""
        if not patches:
            return np.empty((0, OUTPUTS, 2)), np.empty((0, OUTPUTS, 3))
        pictures = np.stack([patch.cut(image, self.size) for patch in patches])
        points, cholesky = self.session.run(("points", "cholesky"), {"pictures": pictures})
        return points.astype(float), cholesky.astype(float)


@dataclass(frozen=True)
class Sight:
    """What was measured of a face: landmarks (M,) of the table, their points (M, 2) and covariances (M, 2, 2) in pixels.

    shares: (M,) 1 counts in full. doubts: (M,) by how much the first look's covariances are too small beside these.
    """

    landmarks: NDArray[np.int64]
    shares: Array
    doubts: Array
    points: Array
    covariances: Array


def _sight(patches: Sequence[Patch], shares: Array, told: NDArray[np.int64], points: Array, cholesky: Array) -> Sight:
    """Of a face with its patches (R), their shares (R,) and rows (R,) in what the network told of all, -1 where it was not asked."""
    rows = np.flatnonzero(told[_OF] >= 0)
    of, here = _OF[rows], (told[_OF[rows]], _COLUMNS[rows])
    return Sight(_ROWS[rows], shares[of], _DOUBTS[rows], *measured(patches, of, points[here], cholesky[here]))


def measured(patches: Sequence[Patch], of: NDArray[np.int64], points: Array, cholesky: Array) -> tuple[Array, Array]:
    """What the network says, (M, 2) sides and (M, 3) of L as l11, l21, l22, each `of` a patch, in the picture: (M, 2) and (M, 2, 2)."""
    placed = np.array([(patch.x, patch.y) for patch in patches])[of]
    turned = np.array([patch.turn * patch.side for patch in patches])[of]
    lower = np.zeros((len(points), 2, 2))
    lower[:, 0, 0], lower[:, 1, 0], lower[:, 1, 1] = cholesky.T
    root = turned.transpose(0, 2, 1) @ lower
    return ((points - 0.5)[:, None] @ turned)[:, 0] + placed, root @ root.transpose(0, 2, 1)


def fused(estimate: Estimate, sight: Sight) -> Estimate:
    """The estimate with the landmarks that were measured drawn to where they were, weighed by both covariances."""
    rows = sight.landmarks
    before = estimate.covariances[rows] * sight.doubts[:, None, None]
    gain = before @ _inverse(before + sight.covariances / sight.shares[:, None, None])
    landmarks_2d, covariances = estimate.landmarks_2d.copy(), estimate.covariances.copy()
    landmarks_2d[rows] += (gain @ (sight.points - landmarks_2d[rows])[..., None])[..., 0]
    covariances[rows] = before - gain @ before
    return replace(estimate, landmarks_2d=landmarks_2d, covariances=covariances)


def _inverse(matrices: Array) -> Array:
    """Of matrices (K, 2, 2), written out: LAPACK's takes a hundred times as long for ones as small."""
    (a, b), (c, d) = np.moveaxis(matrices, 0, 2)
    return np.moveaxis(np.array([[d, -b], [-c, a]]) / (a * d - b * c), 2, 0)


def opened(device: str = "AUTO") -> SecondLook:
    """The extension's own, opened once a process and again when its weights were replaced; on one thread, as it runs beside the first look.

    Raises FaceLiftError if the weights are missing or altered.
    """
    path = model_path("second_look")
    return _opened(path, sha256_of(path), device)


@lru_cache(maxsize=1)
def _opened(path: Path, _sha256: str, device: str) -> SecondLook:
    return SecondLook(path, 1, device)


class LookingTwice:
    """A regressor whose every estimate gets a second look. A tracker takes its two parts apart, and lets them run side by side."""

    def __init__(self, regress: Callable[[Image, Sequence[Box], float], list[Estimate]], look: SecondLook) -> None:
        self.regress, self.look = regress, look
        self.name, self.sha256 = (getattr(regress, name, "") for name in ("name", "sha256"))
        self.provider = getattr(regress, "provider", "")

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        return self.look(image, self.regress(image, boxes, focal))
