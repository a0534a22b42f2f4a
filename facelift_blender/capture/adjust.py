# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator turns after the solve: smoothing, the face at rest, the scale. The solved take under it stays as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .corrections import Corrections
from .expression import read_weights
from .refine import refine
from .smoothing import Smoothing
from .solve import resmooth, smoothing_of
from .topology import IRIS_CENTERS
from .types import FaceLiftError, Take

_SAME = 1e-7
"""Metres between the pupils that are no difference."""


@dataclass(frozen=True)
class Adjustments:
    """None leaves a thing as it was solved.

    rest: clip frame on which the face counts as at rest. interpupillary: metres between the pupils, which is the scale.
    corrected: with what a person corrected.
    """

    smoothing: Smoothing | None = None
    rest: int | None = None
    interpupillary: float | None = None
    corrected: bool = True

    def text(self) -> str:
        """The adjustments as one line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> Adjustments:
        """What `text` wrote."""
        told: Mapping[str, Any] = json.loads(text)
        smoothing = told["smoothing"]
        return Adjustments(**{**told, "smoothing": smoothing and Smoothing(**smoothing)})


def adjust(take: Take, wanted: Adjustments) -> Take:
    """A solved take with the adjustments. Raises FaceLiftError for a frame at rest without a face."""
    if not wanted.corrected and take.corrections:
        take = refine(take, Corrections())
    if wanted.smoothing is not None and wanted.smoothing != smoothing_of(take):
        take = resmooth(take, wanted.smoothing)
    if wanted.rest is not None:
        take = _resting(take, wanted.rest)
    same = wanted.interpupillary is None or abs(wanted.interpupillary - interpupillary(take)) < _SAME
    return take if same else scaled(take, wanted.interpupillary)


def _resting(take: Take, frame: int) -> Take:
    """The take with every expression counted from the face of one frame."""
    rows = np.flatnonzero((take.frames == frame) & take.valid)
    if not len(rows):
        raise FaceLiftError(f"Frame {frame} has no face of {take.actor} to take as the one at rest; go to a frame that has.")
    neutral = take.landmarks[rows[0]].copy()
    return replace(take, neutral=neutral, weights=read_weights(take.landmarks, neutral))


def interpupillary(take: Take) -> float:
    """Metres between the actor's pupils."""
    return float(np.linalg.norm(np.subtract(*take.neutral[list(IRIS_CENTERS)])))


def scaled(take: Take, metres: float) -> Take:
    """The take with the pupils so far apart: face and distance grow alike, the picture and the expression stay."""
    factor = metres / interpupillary(take)
    poses = take.camera_poses.copy()
    poses[:, :3, 3] *= factor
    parts = {name: getattr(take, name) * factor for name in ("neutral", "landmarks", "translations")}
    return replace(take, camera_poses=poses, **parts)
