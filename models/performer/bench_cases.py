# SPDX-License-Identifier: GPL-3.0-or-later
"""The performances on which the solve is measured: who, through which lens, from how far, and what befalls the picture."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from facelift_blender.capture.types import Array, Distortion

from .performance import Performance, Shot, draw_performance

WIDTH, HEIGHT, FPS, FRAMES = 512, 288, 24.0, 48
FIRST_CHARACTER: Final = 100
"""Seeds of characters from here on are kept for measuring; training draws lower ones."""
_DRAWN: Final = 240
"""Frames of the performance from which the window that turns most (or least) is cut."""


@dataclass(frozen=True)
class Case:
    """One clip. distance in metres; handheld as in `Shot`; turning: the head turns 20 degrees or more; noise: standard
    deviation in grey levels; blur: share of the frame time that the shutter is open; quality: H.264's, larger is worse.
    occluder: hand, glasses or none. resting: the face does nothing, the head alone moves.
    """

    name: str
    lens: float
    distance: float
    handheld: float = 0.0
    turning: bool = True
    noise: float = 0.0
    blur: float = 0.0
    quality: int = 18
    occluder: str = ""
    distortion: Distortion = field(default_factory=Distortion)
    seed: int = 0
    resting: bool = False

    @property
    def shot(self) -> Shot:
        return Shot(WIDTH, HEIGHT, FPS, FRAMES, self.lens, 36.0, self.distance, self.handheld)

    def performance(self) -> Performance:
        """The window of the seed's performance in which the head turns most, or least."""
        whole = draw_performance(self.seed, replace(self.shot, frame_count=_DRAWN))
        spread = [_turn(whole.rotations[start : start + FRAMES]) for start in range(_DRAWN - FRAMES)]
        start = int(np.argmax(spread) if self.turning else np.argmin(spread))
        rows = slice(start, start + FRAMES)
        names = ("weights", "rotations", "translations", "camera_rotations", "camera_translations")
        window = {name: getattr(whole, name)[rows] for name in names}
        if self.resting:
            window["weights"] = np.zeros_like(window["weights"])
        return replace(whole, shot=self.shot, **window)


def _turn(rotations: Array) -> float:
    """How far the face's direction strays over some frames."""
    return float(np.sum(np.var(rotations[..., 2], axis=0)))


_BARREL, _PINCUSHION = Distortion("POLYNOMIAL", (-0.12, 0.02, 0.0)), Distortion("DIVISION", (0.08, 0.0))
_BROWN = Distortion("BROWN", (-0.08, 0.01, 0.0, 0.0, 0.002, -0.001))

_DRAFTS: Final = (
    Case("24_near", 24, 0.4), Case("24_noise", 24, 0.5, noise=6.0), Case("24_barrel", 24, 0.45, distortion=_BARREL),
    Case("24_handheld", 24, 0.6, handheld=1.0), Case("35_near", 35, 0.45), Case("35_blur", 35, 0.6, blur=0.5),
    Case("35_glasses", 35, 0.7, occluder="glasses"), Case("35_brown", 35, 0.6, distortion=_BROWN), Case("35_pressed", 35, 0.8, quality=34),
    Case("50_near", 50, 0.6), Case("50_far", 50, 1.4), Case("50_handheld", 50, 0.8, handheld=1.0),
    Case("50_hand", 50, 0.7, occluder="hand"), Case("50_division", 50, 0.9, distortion=_PINCUSHION),
    Case("50_still", 50, 0.8, turning=False), Case("85_near", 85, 0.95), Case("85_noise", 85, 1.2, noise=6.0),
    Case("85_handheld", 85, 1.6, handheld=0.7), Case("85_glasses", 85, 1.0, occluder="glasses"),
    Case("85_pressed", 85, 2.0, quality=32), Case("135_near", 135, 1.7), Case("135_far", 135, 3.0),
    Case("135_hand", 135, 2.0, occluder="hand"), Case("135_still", 135, 1.8, turning=False),
)  # fmt: skip

_RESTING_DRAFTS: Final = (
    Case("24_resting", 24, 0.5, turning=False), Case("35_resting", 35, 0.7, turning=False, noise=6.0),
    Case("50_resting", 50, 0.8, turning=False), Case("50_resting_turning", 50, 0.8),
    Case("85_resting", 85, 1.2, turning=False, handheld=1.0), Case("85_resting_pressed", 85, 1.6, turning=False, quality=32),
    Case("135_resting", 135, 1.9, turning=False), Case("135_resting_turning", 135, 2.2),
)  # fmt: skip

_UNFIT: Final = (118,)
"""Characters whose lids the groom does not find."""
_SEEDS: Final = (seed for seed in range(FIRST_CHARACTER, FIRST_CHARACTER + 100) if seed not in _UNFIT)

CASES: Final = tuple(replace(case, seed=seed) for case, seed in zip(_DRAFTS, _SEEDS, strict=False))
RESTING: Final = tuple(replace(case, seed=seed, resting=True) for case, seed in zip(_RESTING_DRAFTS, _SEEDS, strict=False))
"""Faces that rest, on characters of their own: all that trembles there is noise."""
