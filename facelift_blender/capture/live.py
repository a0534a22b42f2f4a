# SPDX-License-Identifier: GPL-3.0-or-later
"""A face frame by frame, for previews only: what the regressor says, filtered as it comes, with no look ahead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import expression
from .head_pose import rotation_matrix, rotation_vector
from .smoothing import OneEuro
from .types import Array

if TYPE_CHECKING:
    from .landmarks import Estimate

_CALIBRATION = 0.02
"""Share by which each calm frame draws the neutral face towards itself."""
_CALM = 0.0015
"""Metres, RMS over the face, within which a frame is taken for the face at rest."""


@dataclass(frozen=True)
class LiveFrame:
    """rotation (3, 3), translation (3,) canonical to camera; landmarks (N, 3) canonical metres; weights (52,)."""

    rotation: Array
    translation: Array
    landmarks: Array
    weights: Array


class Live:
    """One actor's preview. `neutral`: (N, 3) canonical, where the face is thought to rest at first; it follows calm frames."""

    def __init__(self, neutral: Array) -> None:
        self.neutral = np.array(neutral, dtype=float)
        self._turn, self._place, self._face = OneEuro(), OneEuro(), OneEuro(cutoff=3.0, speed=60.0)
        self._base: Array | None = None

    def __call__(self, estimate: Estimate, seconds: float) -> LiveFrame:
        """A frame, `seconds` after the last, filtered by a One-Euro filter (Casiez et al. 2012)."""
        rotation = self._turned(estimate.rotation, seconds)
        translation = self._place(estimate.translation, seconds)
        landmarks = self._face(estimate.landmarks_3d, seconds)
        apart = landmarks - self.neutral
        if np.sqrt(np.mean(np.sum((apart - apart.mean(axis=0)) ** 2, axis=-1))) < _CALM:
            self.neutral = self.neutral + _CALIBRATION * apart
        weights = expression.fit_weights(landmarks[None], self.neutral)[0]
        return LiveFrame(rotation, np.array(translation), np.array(landmarks), weights)

    def _turned(self, rotation: Array, seconds: float) -> Array:
        """The filter works on the turn away from the last frame's rotation, where no chart breaks."""
        if self._base is None:
            self._base = np.array(rotation)
        vector = self._turn(rotation_vector(self._base.T @ rotation), seconds)
        turned = self._base @ rotation_matrix(vector)
        self._turn.rebase(-vector)
        self._base = turned
        return turned
