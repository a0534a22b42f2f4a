# SPDX-License-Identifier: GPL-3.0-or-later
"""A second look at every face in the mirror: what a regressor gets wrong to one side, it gets wrong to the other there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .crops import Box
from .topology import MIRROR
from .types import Array, Image

if TYPE_CHECKING:
    from .landmarks import Estimate

_FLIP = np.diag([-1.0, 1.0, 1.0])


class Mirrored:
    """A regressor that looks at a picture and at its mirror picture and tells what lies midway."""

    def __init__(self, regress: Callable[[Image, Sequence[Box], float], list[Estimate]]) -> None:
        self.regress = regress
        self.name, self.sha256 = (getattr(regress, name, "") for name in ("name", "sha256"))
        self.provider = getattr(regress, "provider", "")

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        width = image.shape[1]
        direct = self.regress(image, boxes, focal)
        mirror = self.regress(np.ascontiguousarray(image[:, ::-1]), [(width - x - w, y, w, h) for x, y, w, h in boxes], focal)
        return [midway(one, turned_back(other, width)) for one, other in zip(direct, mirror, strict=True)]


def turned_back(estimate: Estimate, width: int) -> Estimate:
    """What an estimate in the mirror picture says of the picture, `width` pixels wide, itself."""
    twin = list(MIRROR)
    flat = _FLIP[:2, :2]
    return replace(
        estimate,
        landmarks_2d=estimate.landmarks_2d[twin] @ flat + [width, 0.0],
        covariances=flat @ estimate.covariances[twin] @ flat,
        landmarks_3d=estimate.landmarks_3d[twin] @ _FLIP,
        rotation=_FLIP @ estimate.rotation @ _FLIP,
        translation=_FLIP @ estimate.translation,
    )


def midway(one: Estimate, other: Estimate) -> Estimate:
    """The mean of two estimates. Their errors are not counted as independent: the covariances are the mean too."""
    names = ("landmarks_2d", "covariances", "landmarks_3d", "translation", "score")
    means = {name: (getattr(one, name) + getattr(other, name)) / 2 for name in names}
    return replace(one, rotation=_middle(one.rotation, other.rotation), **means)


def _middle(one: Array, other: Array) -> Array:
    """The rotation (3, 3) halfway between two."""
    left, _, right = np.linalg.svd(one + other)
    return left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
