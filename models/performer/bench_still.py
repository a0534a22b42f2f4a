# SPDX-License-Identifier: GPL-3.0-or-later
"""How much landmarks tremble where the face is still, beside how much they are seen to by two nets that know nothing of a solve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facelift_blender.capture import topology
from facelift_blender.capture.types import Array

_QUICK, _SLOW, _STILL, _STRAY, _AROUND = 1.5, 6.0, 0.0025, 0.006, 4
"""Frames over which quick and slow motion are averaged; in widths of the face, how fast a landmark that is still moves at most in
a frame and how far its quick motion strays from its slow; and how many frames before and after must be as still.
"""
_ENOUGH, _ENOUGH_OF_PART = 1000, 200
"""Landmarks times frames that tell the jitter of a clip, and of a part of the face."""


def still(sources: list[Array]) -> NDArray[np.bool_]:
    """(T, N) which landmarks rest on which frames, as all sources (T, N, 2) in their mean see it: no speech, no blink near."""
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    middle = np.mean(sources, axis=0)
    middle = middle / width(middle)
    quick, slow = (gaussian_filter1d(middle, deviation, axis=0) for deviation in (_QUICK, _SLOW))
    speed = np.linalg.norm(np.gradient(gaussian_filter1d(middle, 2 * _QUICK, axis=0), axis=0), axis=-1)
    moves = ~((speed < _STILL) & (np.linalg.norm(quick - slow, axis=-1) < _STRAY))
    moves[:2] = moves[-2:] = True
    return ~maximum_filter1d(moves, 2 * _AROUND + 1, axis=0)


def jitter(pixels: Array, rest: NDArray[np.bool_], enough: int = _ENOUGH) -> float:
    """RMS acceleration of landmarks (T, N, 2) where they rest, % of the face's width; NaN where hardly any does."""
    if rest.sum() < enough:
        return float("nan")
    bend = pixels[:-2] - 2.0 * pixels[1:-1] + pixels[2:]
    return 100 * float(np.sqrt(np.nanmean(np.sum(bend**2, axis=-1)[rest[1:-1]]))) / width(pixels)


def jitter_of_parts(pixels: Array, rest: NDArray[np.bool_]) -> Array:
    """(R,) the same of each region of the table by itself."""
    parts = ([landmark.region == region for landmark in topology.TABLE] for region in topology.REGIONS)
    return np.array([jitter(pixels, rest & np.array(part), _ENOUGH_OF_PART) for part in parts])


def width(pixels: Array) -> float:
    """Median width in pixels of what landmarks (T, N, 2) span."""
    return float(np.nanmedian(np.ptp(pixels[..., 0], axis=1)))
