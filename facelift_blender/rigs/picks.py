# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmarks that a person is asked to point at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PICKS: Final[Mapping[str, str]] = {
    "eye_right_1": "Right eye, outer corner", "eye_right_4": "Right eye, inner corner", "eye_left_1": "Left eye, inner corner",
    "eye_left_4": "Left eye, outer corner", "nose_bridge_4": "Tip of the nose", "lip_outer_1": "Right corner of the mouth",
    "lip_outer_7": "Left corner of the mouth", "lip_outer_4": "Upper lip, its upper edge in the middle",
    "lip_outer_10": "Lower lip, its lower edge in the middle", "contour_9": "Tip of the chin",
}  # fmt: skip
"""Landmarks to point at, and what a person reads. Right and left are the character's own."""
FEWEST: Final = 6
