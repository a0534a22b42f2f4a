# SPDX-License-Identifier: GPL-3.0-or-later
"""A second look at eyes, brows, nose and mouth: what the picture shows of them, measured in pixels.

The regressor's landmarks are the projection of its own face under the lens that it was told. Here one small network looks at
upright patches of the original picture, where the first look puts each region, and measures the region's landmarks in them. It
knows no lens and no head. The left eye is looked at in the mirror, so that both are of one kind. Training cuts its patches
here, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np

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

_TURNED_AWAY, _SEEN = 0.15, 0.4
"""Cosines between a region's normal and the way to the camera: up to the first it is not looked at, from the second it counts in full."""

_FIRST_DOUBT, _IRIS_DOUBT = 4.0, 100.0
"""By how much the first look's covariances are too small beside the second's (its landmarks err together), and those of its irises,
which hardly move: measured on hand-labelled photographs and rendered clips.
"""


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
        c, s = np.cos(self.roll), np.sin(self.roll)
        return np.diag([-1.0 if self.mirrored else 1.0, 1.0]) @ np.array([[c, s], [-s, c]])

    def to_patch(self, points: Array) -> Array:
        """(..., 2) pixels of the picture -> sides of the patch."""
        return (points - [self.x, self.y]) @ self.turn.T / self.side + 0.5

    def to_picture(self, points: Array) -> Array:
        """(..., 2) sides of the patch -> pixels of the picture."""
        return (points - 0.5) * self.side @ self.turn + [self.x, self.y]

    def matrix(self, size: int) -> Array:
        """(2, 3) pixels of the picture to those of a cut `size` pixels wide."""
        linear = self.turn * (size / self.side)
        return np.hstack([linear, (np.full(2, size / 2) - linear @ [self.x, self.y])[:, None]])

    def cut(self, image: Image, size: int) -> Image:
        """(size, size, 3); what is much larger is first shrunk by whole factors, so that it does not alias."""
        matrix, step = self.matrix(size), int(self.side / size / 1.5)
        if step > 1:
            image, shrink = shrunk_window(image, self.to_picture(_CORNERS), step)
            matrix = (np.vstack([matrix, [0.0, 0.0, 1.0]]) @ np.linalg.inv(shrink))[:2]
        return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def patch_of(estimate: Estimate, region: Region) -> Patch:
    """Where to look for a region: about the middle of its landmarks, as upright as the head, as large as the head is there."""
    rows = region.landmarks
    seen, shape = estimate.landmarks_2d[rows], (estimate.landmarks_3d[rows] @ estimate.rotation.T)[:, :2]
    scale = np.sqrt(np.var(seen, axis=0).sum() / max(np.var(shape, axis=0).sum(), 1e-12))
    roll = float(np.arctan2(estimate.rotation[0, 1], -estimate.rotation[1, 1]))
    upright = Patch(0.0, 0.0, 1.0, roll, region.mirrored)
    level = upright.to_patch(seen)
    x, y = upright.to_picture((level.min(axis=0) + level.max(axis=0)) / 2)
    return Patch(float(x), float(y), float(scale) * region.kind.side, roll, region.mirrored)


def facing(estimate: Estimate, region: Region) -> float:
    """Cosine between the region's normal and the way from it to the camera."""
    centre = estimate.rotation @ estimate.landmarks_3d[region.landmarks].mean(axis=0) + estimate.translation
    return float(-(estimate.rotation @ region.normal) @ centre / max(float(np.linalg.norm(centre)), 1e-9))


def trust(estimate: Estimate, region: Region, patch: Patch, image: Image) -> float:
    """0 to 1: nothing for a region that is turned away, less than 4 pixels large or whose middle is off the picture."""
    height, width = image.shape[:2]
    inside = 0 <= patch.x <= width and 0 <= patch.y <= height
    if not inside or not 4.0 <= patch.side < 1e6:
        return 0.0
    level = float(np.clip((facing(estimate, region) - _TURNED_AWAY) / (_SEEN - _TURNED_AWAY), 0.0, 1.0))
    return level * level * (3.0 - 2.0 * level)


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
        refined = list(estimates)
        for sight in self.measure(image, estimates):
            refined[sight.face] = fused(refined[sight.face], sight)
        return refined

    def measure(self, image: Image, estimates: Sequence[Estimate]) -> list[Sight]:
        """What it sees of each region that can be seen, by itself."""
        looks = [
            (k, region, patch, share)
            for k, estimate in enumerate(estimates)
            for region in REGIONS
            if (share := trust(estimate, region, patch := patch_of(estimate, region), image)) > 0.0
        ]
        if not looks:
            return []
        pictures = np.stack([patch.cut(image, self.size).transpose(2, 0, 1) for _, _, patch, _ in looks]).astype(np.float32)
        points, cholesky = self.session.run(("points", "cholesky"), {"pictures": pictures * np.float32(1 / 255)})
        return [
            Sight(k, region, share, *measured(patch, *(part[row, COLUMNS[region.kind.name]].astype(float) for part in (points, cholesky))))
            for row, (k, region, patch, share) in enumerate(looks)
        ]


@dataclass(frozen=True)
class Sight:
    """A region of the `face`-th estimate as measured: points (K, 2) and covariances (K, 2, 2) in pixels; share: 1 counts in full."""

    face: int
    region: Region
    share: float
    points: Array
    covariances: Array


def measured(patch: Patch, points: Array, cholesky: Array) -> tuple[Array, Array]:
    """What the network says of a patch, (K, 2) sides and (K, 3) of L as l11, l21, l22, in the picture: (K, 2) and (K, 2, 2)."""
    lower = np.zeros((len(points), 2, 2))
    lower[:, 0, 0], lower[:, 1, 0], lower[:, 1, 1] = (cholesky * patch.side).T
    root = patch.turn.T @ lower
    return patch.to_picture(points), root @ root.transpose(0, 2, 1)


def fused(estimate: Estimate, sight: Sight) -> Estimate:
    """The estimate with the region's landmarks drawn to what was measured, weighed by both covariances."""
    rows = sight.region.landmarks
    doubt = np.where(np.isin(rows, region_indices("irises")), _IRIS_DOUBT, _FIRST_DOUBT)
    before = estimate.covariances[rows] * doubt[:, None, None]
    gain = before @ _inverse(before + sight.covariances / sight.share)
    landmarks_2d, covariances = estimate.landmarks_2d.copy(), estimate.covariances.copy()
    landmarks_2d[rows] += np.einsum("nij,nj->ni", gain, sight.points - landmarks_2d[rows])
    covariances[rows] = before - gain @ before
    return replace(estimate, landmarks_2d=landmarks_2d, covariances=covariances)


def _inverse(matrices: Array) -> Array:
    """Of matrices (K, 2, 2), written out: LAPACK's takes a hundred times as long for ones as small."""
    (a, b), (c, d) = np.moveaxis(matrices, 0, 2)
    return np.moveaxis(np.array([[d, -b], [-c, a]]) / (a * d - b * c), 2, 0)


class LookingTwice:
    """A regressor whose every estimate gets a second look."""

    def __init__(self, regress: Callable[[Image, Sequence[Box], float], list[Estimate]], look: SecondLook) -> None:
        self.regress, self.look = regress, look
        self.name, self.sha256 = (getattr(regress, name, "") for name in ("name", "sha256"))
        self.provider = getattr(regress, "provider", "")

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        return self.look(image, self.regress(image, boxes, focal))
