# SPDX-License-Identifier: GPL-3.0-or-later
"""What lens, shutter, sensor and props do to rendered pinhole frames, and to the truth of where the landmarks are seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import cv2
import numpy as np

from facelift_blender.capture import camera, topology
from facelift_blender.capture.types import Array, Image, Lens

from .bench_cases import Case
from .truth import Truth

_HAND_FRAMES = (14, 36)
"""Frames (from 0) on which the hand lies over the mouth; it comes and goes within three."""


def degraded(frames: Iterable[Image], truth: Truth, case: Case) -> Iterator[Image]:
    """The frames as the case's camera would have recorded them."""
    generator, lens = np.random.default_rng([case.seed, 9]), lens_of(truth, case)
    for index, image in enumerate(frames):
        shown = _through_lens(_occluded(image, truth.pixels[index], case, index), truth, case, lens, index)
        yield np.clip(shown + generator.normal(0.0, case.noise, shown.shape) + 0.5, 0, 255).astype(np.uint8) if case.noise else shown


def _occluded(image: Image, pixels: Array, case: Case, index: int) -> Image:
    if case.occluder == "glasses":
        return _with_glasses(image, pixels)
    return _with_hand(image, pixels, hand_share(index)) if case.occluder == "hand" else image


def _through_lens(image: Image, truth: Truth, case: Case, lens: Lens, index: int) -> Image:
    shut = _blurred(image, _motion(truth, index) * case.blur) if case.blur else image
    return _bent(shut, lens) if case.distortion.model != "NONE" else shut


def degraded_truth(truth: Truth, case: Case) -> Truth:
    """The truth with pixels as the lens bends them, and without what the hand hides."""
    pixels = truth.pixels
    if case.distortion.model != "NONE":
        lens = lens_of(truth, case)
        pixels = camera.to_pixels((pixels - np.array(lens.center)) / lens.focal[:, None, None], lens)
    visible = truth.visible.copy()
    if case.occluder == "hand":
        hidden = list(topology.region_indices("mouth", "chin"))
        for index in range(len(truth)):
            visible[index, hidden] &= hand_share(index) < 0.5
    return replace(truth, pixels=pixels, visible=visible)


def lens_of(truth: Truth, case: Case) -> Lens:
    """The case's lens on every frame of the truth."""
    shot, focal = truth.shot, float(truth.intrinsics[0, 0])
    center = (shot.width / 2, shot.height / 2)
    return Lens(shot.width, shot.height, np.full(len(truth), focal), (focal, focal), center, shot.sensor, distortion=case.distortion)


def hand_share(index: int) -> float:
    """How far the hand has come on a frame, 0 away to 1 over the mouth."""
    first, last = _HAND_FRAMES
    return float(np.clip(min(index - first, last - index) / 3.0 + 1.0, 0.0, 1.0))


def _bent(image: Image, lens: Lens) -> Image:
    grid = np.stack(np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5), axis=-1)
    one = replace(lens, focal=lens.focal[:1])
    straight = camera.to_rays(grid[None], one)[0] * one.focal[0] + np.array(lens.center) - 0.5
    straight = np.nan_to_num(straight, nan=-1.0).astype(np.float32)
    return cv2.remap(image, straight[..., 0], straight[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _motion(truth: Truth, index: int) -> Array:
    """Pixels (2,) that the inner face moves in this frame's time."""
    ahead, behind = truth.pixels[min(index + 1, len(truth) - 1)], truth.pixels[max(index - 1, 0)]
    return 0.5 * np.median(ahead - behind, axis=0)


def _blurred(image: Image, motion: Array) -> Image:
    steps = int(np.ceil(np.abs(motion).max())) + 1
    moved = np.zeros(image.shape)
    for share in np.linspace(-0.5, 0.5, steps) if steps > 1 else (0.0,):
        matrix = np.array([[1.0, 0.0, share * motion[0]], [0.0, 1.0, share * motion[1]]])
        moved += cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.rint(moved / steps).astype(np.uint8)


def _with_glasses(image: Image, pixels: Array) -> Image:
    """Dark rims about the eyes, their bridge and temples, and a faint tint with a reflection in each glass."""
    across = float(np.linalg.norm(pixels[45] - pixels[36]))
    rim, tint, fine = image.copy(), image.copy(), 4
    middles = []
    for outer, inner in topology.EYE_CORNERS:
        middle, half = (pixels[outer] + pixels[inner]) / 2, (pixels[outer] - pixels[inner]) / 2
        axes = (max(np.linalg.norm(half) * 1.35, 2.0), across * 0.21)
        angle = float(np.degrees(np.arctan2(half[1], half[0])))
        box = (tuple(middle + [0.0, across * 0.03]), (2 * axes[0], 2 * axes[1]), angle)
        cv2.ellipse(tint, box, (210, 220, 235), -1, cv2.LINE_AA)
        cv2.ellipse(rim, box, (25, 22, 20), max(1, round(across * 0.035)), cv2.LINE_AA)
        middles.append((middle, half / np.maximum(np.linalg.norm(half), 1.0) * axes[0]))
    shift = 1 << fine
    ends = [(middles[0][0] - middles[0][1], middles[1][0] - middles[1][1])]
    ends += [(middle + half, pixels[side]) for (middle, half), side in zip(middles, (0, 16), strict=True)]
    for one, other in ends:
        a, b = (tuple(int(v) for v in point * shift) for point in (one, other))
        cv2.line(rim, a, b, (25, 22, 20), max(1, round(across * 0.03)), cv2.LINE_AA, fine)
    clear = np.any(rim != image, axis=-1, keepdims=True)
    return np.where(clear, rim, cv2.addWeighted(image, 0.88, tint, 0.12, 0.0))


def _with_hand(image: Image, pixels: Array, share: float) -> Image:
    """A palm and four fingers over mouth and chin, come up from below by `share`."""
    if share <= 0.0:
        return image
    width = float(np.linalg.norm(pixels[12] - pixels[4]))
    place = pixels[list(topology.region_indices("mouth"))].mean(axis=0) + [0.0, (1.0 - share) * 2.0 * width]
    skin, mask = _skin(image, pixels), np.zeros(image.shape[:2], np.float32)
    for finger in range(4):
        base = place + np.array([(finger - 1.5) * 0.2, 0.25]) * width
        tip = base + np.array([(finger - 1.5) * 0.03, -0.55 + 0.06 * abs(finger - 1.4)]) * width
        cv2.line(mask, tuple(base.astype(int)), tuple(tip.astype(int)), 0.78 + 0.06 * finger, max(2, round(0.19 * width)), cv2.LINE_AA)
    cv2.ellipse(mask, (tuple(place + [0.0, 0.5 * width]), (0.85 * width, 0.8 * width), 0.0), 0.95, -1, cv2.LINE_AA)
    shade = cv2.GaussianBlur(mask, (0, 0), 0.03 * width)[..., None] * skin
    solid = np.clip(cv2.GaussianBlur((mask > 0.3).astype(np.float32), (0, 0), 0.7), 0.0, 1.0)[..., None]
    return np.clip(image * (1.0 - solid) + shade * solid + 0.5, 0, 255).astype(np.uint8)


def _skin(image: Image, pixels: Array) -> Array:
    """The colour (3,) of this face's cheeks and nose."""
    places = np.rint(pixels[list(topology.region_indices("cheeks", "nose"))]).astype(int)
    places = np.clip(places, 0, [image.shape[1] - 1, image.shape[0] - 1])
    return np.median(image[places[:, 1], places[:, 0]].astype(float), axis=0)
