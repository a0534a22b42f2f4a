# SPDX-License-Identifier: GPL-3.0-or-later
"""Portraits for training: a character who holds an expression, seen from many known sides, cut out of any background."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit
from models.training.heads import Camera, random_camera

from .actor import cast
from .character import draw_character
from .makehuman import Assets
from .performance import Performance, Shot, draw_performance
from .render import Studio, draw_light

WIDEST = 1.4
"""Radians that the camera stands to the side at most."""


def portray(
    assets: Assets,
    seed: int,
    folder: Path,
    expressions: int = 3,
    views: int = 12,
    size: int = 192,
    samples: int = 4,
    widest: float = WIDEST,
) -> None:
    """Render the character of a seed: `SEED_E_V.png` (RGBA) and, last, `SEED.npz` with what is known of them.

    weights (E, 52); landmarks (E, N, 3) canonical metres, the mesh's own, for measuring; for each view focal (E, V) px,
    rotation (E, V, 3, 3), translation (E, V, 3): canonical to OpenCV camera. What `folder` has already is left.
    """
    if (folder / f"{seed}.npz").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng([seed, 9])
    actor = cast(assets, draw_character(seed), seed)
    studio = Studio(actor, Shot(size, size), draw_light(seed), samples, cut_out=True)
    weights = draw_expressions(seed, expressions, random)
    cameras = [[random_camera(random, yaw, size) for yaw in widest * _yaws(views, random)] for _ in range(expressions)]
    for k, row in enumerate(cameras):
        held = _held(weights[k], row, studio.shot)
        for view, camera in enumerate(row):
            studio.pose(held, view)
            studio.camera.data.lens = camera.focal / size * studio.camera.data.sensor_width
            studio.write(folder / f"{seed}_{k}_{view}.png")
    known = {
        name: np.array([[getattr(camera, name) for camera in row] for row in cameras]) for name in ("focal", "rotation", "translation")
    }
    landmarks = actor.head.landmarks + np.tensordot(weights, actor.head.landmark_shapes, axes=1)
    part = folder / f"{seed}.part.npz"
    np.savez(part, weights=weights, landmarks=landmarks, **known)
    os.replace(part, folder / f"{seed}.npz")


def draw_expressions(seed: int, count: int, random: np.random.Generator) -> Array:
    """(count, 52) moments of the seed's performance, every other one with lids that are somewhere on their way."""
    performance = draw_performance(seed, replace(Shot(), frame_count=240))
    weights = performance.weights[random.choice(240, count, replace=False)].copy()
    lids = [arkit.INDEX["eyeBlinkLeft"], arkit.INDEX["eyeBlinkRight"]]
    for row in weights[::2]:
        row[lids] = random.uniform(0.0, 1.0) + random.normal(0.0, 0.03, 2)
    return np.clip(weights, 0.0, 1.0)


def _yaws(count: int, random: np.random.Generator) -> Array:
    """(count,) from -1 to 1, spread over both sides, closer together near the front."""
    even = (np.arange(count) + random.uniform(0, 1, count)) / count * 2 - 1
    return np.sign(even) * np.abs(even) ** 1.25


def _held(weights: Array, cameras: list[Camera], shot: Shot) -> Performance:
    """The expression held at rest before every camera."""
    count = len(cameras)
    still = np.broadcast_to(np.eye(3), (count, 3, 3)), np.zeros((count, 3))
    rotations, translations = (np.stack([getattr(camera, name) for camera in cameras]) for name in ("rotation", "translation"))
    return Performance(shot, np.broadcast_to(weights, (count, 52)), *still, rotations, translations)
