# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances: smooth curves of expression, gaze, head and camera, drawn from a seed.

Stage axes are the canonical frame's when the head is at rest: x to the viewer's right, y up, z towards the camera; metres.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from facelift_blender.capture.types import Array
from facelift_blender.rigs import arkit

PIVOT: Final = np.array([0.0, -0.075, -0.075])
"""Where the head turns on the neck."""
YAW, PITCH, ROLL = 35.0, 20.0, 12.0
"""Degrees that the head turns at most to each side."""
GAZE: Final = (24.0, 18.0, 20.0)
"""Degrees that an eye turns at weight 1: sideways, up, down."""

VISEMES: Final[tuple[Mapping[str, float], ...]] = (
    {"jawOpen": 0.55, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    {"jawOpen": 0.3, "mouthStretchLeft": 0.3, "mouthStretchRight": 0.3, "mouthUpperUpLeft": 0.2, "mouthUpperUpRight": 0.2},
    {"jawOpen": 0.15, "mouthSmileLeft": 0.25, "mouthSmileRight": 0.25, "mouthLowerDownLeft": 0.35, "mouthLowerDownRight": 0.35},
    {"jawOpen": 0.3, "mouthFunnel": 0.6},
    {"jawOpen": 0.12, "mouthPucker": 0.75, "mouthFunnel": 0.15},
    {"mouthPressLeft": 0.35, "mouthPressRight": 0.35, "mouthRollLower": 0.3, "mouthRollUpper": 0.25},
    {"jawOpen": 0.1, "mouthRollLower": 0.5, "mouthUpperUpLeft": 0.25, "mouthUpperUpRight": 0.25},
    {"jawOpen": 0.2, "tongueOut": 0.12, "mouthLowerDownLeft": 0.25, "mouthLowerDownRight": 0.25},
    {"jawOpen": 0.1, "mouthShrugUpper": 0.25, "mouthFunnel": 0.3},
    {"jawOpen": 0.35, "mouthClose": 0.12, "jawForward": 0.15},
)
"""Mouths of speech: a, e, i, o, u, m/b/p, f/v, l/th, sh, and a neutral vowel."""

_GESTURES: Final[tuple[Mapping[str, float], ...]] = (
    {"mouthSmileLeft": 0.75, "mouthSmileRight": 0.7, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5, "eyeSquintLeft": 0.35,
     "eyeSquintRight": 0.35, "mouthDimpleLeft": 0.2, "mouthDimpleRight": 0.2},
    {"browInnerUp": 0.8, "browOuterUpLeft": 0.7, "browOuterUpRight": 0.7, "eyeWideLeft": 0.5, "eyeWideRight": 0.5},
    {"browDownLeft": 0.8, "browDownRight": 0.8, "eyeSquintLeft": 0.4, "eyeSquintRight": 0.4, "noseSneerLeft": 0.25, "noseSneerRight": 0.25},
    {"mouthSmileRight": 0.6, "mouthDimpleRight": 0.4, "browOuterUpRight": 0.5},
    {"mouthFrownLeft": 0.6, "mouthFrownRight": 0.6, "browInnerUp": 0.5, "mouthShrugLower": 0.5},
    {"noseSneerLeft": 0.7, "noseSneerRight": 0.65, "mouthUpperUpLeft": 0.4, "mouthUpperUpRight": 0.4, "browDownLeft": 0.4,
     "browDownRight": 0.4},
    {"cheekPuff": 0.7, "mouthPressLeft": 0.3, "mouthPressRight": 0.3},
    {"mouthLeft": 0.5, "jawLeft": 0.4, "browOuterUpLeft": 0.6},
)  # fmt: skip
"""What a face does beside speaking: the first three in every performance."""


@dataclass(frozen=True)
class Shot:
    """How a performance is filmed. `distance` runs from the lens to the eyes, metres; `handheld` scales a hand's unrest."""

    width: int = 1280
    height: int = 720
    fps: float = 24.0
    frame_count: int = 240
    lens: float = 50.0
    sensor: float = 36.0
    distance: float = 0.9
    handheld: float = 0.0

    @property
    def intrinsics(self) -> Array:
        """(3, 3) pinhole, pixels, principal point in the middle."""
        focal = self.lens / self.sensor * self.width
        return np.array([[focal, 0.0, self.width / 2.0], [0.0, focal, self.height / 2.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Performance:
    """weights: (T, 52). rotations: (T, 3, 3), translations: (T, 3), canonical to stage.

    camera_rotations: (T, 3, 3), camera_translations: (T, 3): stage to OpenCV camera.
    """

    shot: Shot
    weights: Array
    rotations: Array
    translations: Array
    camera_rotations: Array
    camera_translations: Array

    def __len__(self) -> int:
        return len(self.weights)

    def head_poses(self) -> tuple[Array, Array]:
        """Rotations (T, 3, 3) and translations (T, 3), canonical to OpenCV camera."""
        rotations = self.camera_rotations @ self.rotations
        return rotations, np.einsum("tij,tj->ti", self.camera_rotations, self.translations) + self.camera_translations


def draw_performance(seed: int, shot: Shot) -> Performance:
    """The performance of a seed: the same curves for the same frame count and rate, however they are filmed."""
    generator = np.random.default_rng([seed, 1])
    times = np.arange(shot.frame_count) / shot.fps
    angles = _head_angles(times, generator)
    rotations = Rotation.from_euler("yxz", angles * [1.0, -1.0, 1.0], degrees=True).as_matrix()
    sway = _wander(times, generator, (0.012, 0.006, 0.012), period=3.0)
    translations = PIVOT - rotations @ PIVOT + sway
    weights = _expression(times, angles, generator)
    cameras = _camera(times, shot, generator)
    return Performance(shot, weights, rotations, translations, *cameras)


def _head_angles(times: Array, generator: np.random.Generator) -> Array:
    """(T, 3) degrees of yaw, pitch (up is positive) and roll: held looks with swift turns between, and a little unrest."""
    looks = np.array([[YAW, 2, 3], [-YAW, -3, -4], [8, PITCH, 0], [-6, -PITCH, 2], [18, -9, ROLL], [-18, 8, -ROLL]]) * 0.95
    looks = looks[generator.permutation(len(looks))] * generator.choice([-1.0, 1.0], size=(1, 3))
    end = max(times[-1], 4.0)
    count = max(2, round((end - 0.8) / 1.5))
    stops = np.vstack([np.zeros(3), looks[np.arange(count) % len(looks)], generator.normal(0.0, 3.0, 3)])
    arrivals = np.linspace(0.8, end, len(stops))
    arrivals[1:-1] += generator.uniform(-0.25, 0.25, len(stops) - 2)
    knots = np.concatenate([[0.0], np.repeat(arrivals, 2)])
    knots[1::2] -= 0.12
    knots[2::2] += 0.12
    held = np.vstack([stops[0], np.repeat(stops, 2, axis=0)])
    angles = np.column_stack([PchipInterpolator(knots, column)(np.minimum(times, knots[-1])) for column in held.T])
    angles = gaussian_filter1d(angles, 0.1 / _step(times), axis=0, mode="nearest") + _wander(times, generator, (1.2, 1.0, 0.8), 1.2)
    return np.clip(angles, [-YAW, -PITCH, -ROLL], [YAW, PITCH, ROLL])


def _expression(times: Array, angles: Array, generator: np.random.Generator) -> Array:
    """(T, 52) weights between 0 and 1."""
    gestures, quiet = _gestures(times, generator)
    weights = np.maximum(_speech(times, generator) * (1.0 - 0.7 * quiet)[:, None], gestures)
    weights[:, _of("mouthClose")] = np.minimum(weights[:, _of("mouthClose")], weights[:, _of("jawOpen")])
    weights += _gaze(times, angles, generator) + _resting(times, generator)
    blinks = _blinks(times, generator)
    for side in ("Left", "Right"):
        weights[:, _of(f"eyeBlink{side}")] = np.maximum(weights[:, _of(f"eyeBlink{side}")], blinks)
        weights[:, _of(f"eyeWide{side}")] *= 1.0 - blinks
        weights[:, _of(f"eyeSquint{side}")] *= 1.0 - blinks
    return np.clip(weights, 0.0, 1.0)


def _speech(times: Array, generator: np.random.Generator) -> Array:
    """(T, 52): visemes of 90 to 190 ms in phrases with pauses between."""
    weights = np.zeros((len(times), len(arkit.NAMES)))
    clock = float(generator.uniform(0.4, 0.8))
    while clock < times[-1]:
        phrase_end = clock + generator.uniform(1.4, 2.6)
        while clock < phrase_end:
            length = generator.uniform(0.09, 0.19)
            shape = vector(VISEMES[generator.integers(len(VISEMES))]) * generator.uniform(0.6, 1.15)
            weights[(times >= clock) & (times < clock + length)] = shape
            clock += length
        clock += generator.uniform(0.3, 0.9)
    return gaussian_filter1d(weights, 0.045 / _step(times), axis=0, mode="nearest")


def _gestures(times: Array, generator: np.random.Generator) -> tuple[Array, Array]:
    """(T, 52) weights and (T,) how much the mouth is taken up by them."""
    weights, quiet = np.zeros((len(times), len(arkit.NAMES))), np.zeros(len(times))
    count = max(3, round(times[-1] / 1.25))
    chosen = np.concatenate([[0, 1, 2], generator.integers(0, len(_GESTURES), count - 3)])
    centers = np.linspace(0.6, max(times[-1] - 0.5, 1.0), count) + generator.uniform(-0.2, 0.2, count)
    for kind, center in zip(generator.permutation(chosen), centers, strict=True):
        rise, hold = generator.uniform(0.18, 0.3), generator.uniform(0.25, 0.6)
        shape = vector(_GESTURES[kind]) * generator.uniform(0.8, 1.2)
        swell = _swell(times - center, rise, hold)
        weights = np.maximum(weights, swell[:, None] * shape)
        quiet = np.maximum(quiet, swell * float(any(name.startswith(("mouth", "cheekPuff")) for name in _GESTURES[kind])))
    return np.clip(weights, 0.0, 1.0), quiet


def _blinks(times: Array, generator: np.random.Generator) -> Array:
    """(T,) lids shut within 90 ms, shut for one frame at least, open again within 160 ms."""
    closed = np.zeros(len(times))
    clock = float(generator.uniform(0.8, 1.6))
    while clock < times[-1]:
        shut = round(clock / _step(times)) * _step(times)
        since = times - shut
        lid = np.where(since < 0, 1.0 + since / 0.1, 1.0 - np.maximum(since - _step(times), 0.0) / 0.17)
        closed = np.maximum(closed, np.clip(lid, 0.0, 1.0))
        clock += generator.uniform(1.4, 3.2)
    return closed * closed * (3.0 - 2.0 * closed)


def _gaze(times: Array, angles: Array, generator: np.random.Generator) -> Array:
    """(T, 52): eyes that stay on the camera for a part while the head turns, with glances away."""
    marks = np.cumsum(generator.uniform(0.5, 1.4, int(times[-1] / 0.5) + 4))
    glances = generator.normal(0.0, 1.0, (len(marks) + 1, 2)) * [9.0, 5.0] * (generator.uniform(size=(len(marks) + 1, 1)) < 0.7)
    target = glances[np.searchsorted(marks, times)]
    target = gaussian_filter1d(target, 0.02 / _step(times), axis=0, mode="nearest")
    sideways = np.clip((target[:, 0] - 0.6 * angles[:, 0]) / GAZE[0], -1.0, 1.0)
    upwards = target[:, 1] - 0.5 * angles[:, 1]
    weights = np.zeros((len(times), len(arkit.NAMES)))
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        weights[:, _of(f"eyeLookOut{side}")] = np.clip(outwards * sideways, 0.0, 1.0)
        weights[:, _of(f"eyeLookIn{side}")] = np.clip(-outwards * sideways, 0.0, 1.0)
        weights[:, _of(f"eyeLookUp{side}")] = np.clip(upwards / GAZE[1], 0.0, 1.0)
        weights[:, _of(f"eyeLookDown{side}")] = np.clip(-upwards / GAZE[2], 0.0, 1.0)
    return weights


def _resting(times: Array, generator: np.random.Generator) -> Array:
    """(T, 52): the small unrest of a living face."""
    names = ("browInnerUp", "browDownLeft", "browDownRight", "mouthSmileLeft", "mouthSmileRight", "eyeSquintLeft", "eyeSquintRight")
    weights = np.zeros((len(times), len(arkit.NAMES)))
    weights[:, [_of(name) for name in names]] = np.maximum(0.0, _wander(times, generator, (0.08,) * len(names), 1.5))
    return weights


def _camera(times: Array, shot: Shot, generator: np.random.Generator) -> tuple[Array, Array]:
    """Stage to OpenCV camera: rotations (T, 3, 3), translations (T, 3)."""
    place = np.array([0.0, -0.02, shot.distance]) + shot.handheld * _wander(times, generator, (0.05, 0.025, 0.03), 4.0)
    unrest = shot.handheld * _wander(times, generator, (1.2, 1.2, 0.8), 1.5)
    aim = np.array([0.0, -0.035, 0.0]) - place
    look = np.stack([_look_at(direction) for direction in (aim if shot.handheld else aim[:1].repeat(len(times), axis=0))])
    rotations = Rotation.from_euler("yxz", unrest, degrees=True).as_matrix() @ look
    return rotations, -np.einsum("tij,tj->ti", rotations, place)


def _look_at(direction: Array) -> Array:
    """(3, 3) stage to OpenCV camera that looks along a direction, y of the stage up."""
    forward = direction / np.linalg.norm(direction)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def _wander(times: Array, generator: np.random.Generator, sizes: Sequence[float], period: float) -> Array:
    """(T, K) sums of three slow sines, each column within its size."""
    phases = generator.uniform(0.0, 2.0 * np.pi, (3, len(sizes)))
    periods = period * generator.uniform(0.6, 1.8, (3, len(sizes)))
    waves = np.sin(2.0 * np.pi * times[:, None, None] / periods + phases)
    return (waves * np.array([0.5, 0.3, 0.2])[:, None]).sum(axis=1) * np.asarray(sizes)


def _swell(since: Array, rise: float, hold: float) -> Array:
    """(T,) smoothly up before -hold/2 and down after hold/2."""
    level = np.clip((hold / 2.0 + rise - np.abs(since)) / rise, 0.0, 1.0)
    return level * level * (3.0 - 2.0 * level)


def vector(weights: Mapping[str, float]) -> Array:
    vector = np.zeros(len(arkit.NAMES))
    vector[[_of(name) for name in weights]] = list(weights.values())
    return vector


def _of(name: str) -> int:
    return arkit.INDEX[name]


def _step(times: Array) -> float:
    return float(times[1] - times[0]) if len(times) > 1 else 1.0
