# SPDX-License-Identifier: GPL-3.0-or-later
"""A talking, turning head made of numbers alone: truth for the tests and for scripts that need a take without footage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facelift_blender.capture import topology
from facelift_blender.capture.types import Array, Clip, Lens, Observations, Take
from facelift_blender.rigs import arkit

FRONTAL = np.diag([1.0, -1.0, -1.0])
"""Canonical axes (y up, z out of the face) to OpenCV's (y down, z into the scene), for a head that looks at the camera."""

_HALF_68 = {
    0: (-71, 5, -75), 1: (-70, -15, -72), 2: (-68, -33, -66), 3: (-64, -52, -55), 4: (-56, -70, -38), 5: (-45, -86, -18),
    6: (-31, -98, 2), 7: (-16, -105, 15), 8: (0, -107, 20),
    17: (-56, 22, 8), 18: (-49, 29, 17), 19: (-39, 31, 23), 20: (-28, 29, 27), 21: (-17, 25, 29),
    27: (0, 6, 24), 28: (0, -8, 32), 29: (0, -21, 40), 30: (0, -33, 46), 31: (-13, -42, 28), 32: (-7, -45, 33), 33: (0, -47, 36),
    36: (-46, -1, 5), 37: (-38, 4, 12), 38: (-28, 4, 13), 39: (-17, -2, 9), 40: (-27, -5, 12), 41: (-38, -5, 11),
    48: (-25, -69, 16), 49: (-16, -63, 26), 50: (-6, -60, 31), 51: (0, -62, 32), 57: (0, -81, 30), 58: (-7, -80, 29), 59: (-16, -76, 25),
    60: (-21, -69, 18), 61: (-9, -67, 27), 62: (0, -67.5, 29), 66: (0, -70.5, 28), 67: (-9, -70, 27),
}  # fmt: skip

_HALF_MESH = {
    "iris_center": [(-31.5, 0, 14)],
    "iris_ring": [(-26, 0, 13.5), (-31.5, 5.5, 13.5), (-37, 0, 13), (-31.5, -5.5, 13.5)],
    "lid_upper": [(-43, 2, 9), (-40, 3.5, 11), (-33, 5, 13.5), (-25, 3, 12.5), (-21, 0.5, 11)],
    "lid_lower": [(-22, -4, 11), (-25, -5, 12), (-33, -5.5, 12.5), (-40, -4, 9.5), (-43, -3, 7)],
    "brow_lower": [(-55, 17, 6), (-48, 22, 15), (-38, 24, 20), (-28, 22, 24), (-17, 18, 27)],
    "lip_outer": [(-21, -65, 22), (-11, -61, 29), (-11, -79, 28), (-20, -74, 22)],
    "lip_inner": [(-16, -68, 23), (-6, -67, 28), (-6, -70.5, 27.5), (-16, -70, 23)],
    "cheek": [(-43, -32, 12), (-40, -48, 10), (-47, -60, -2), (-28, -38, 18), (-38, -16, 12), (-58, -26, -12), (-33, -55, 15)],
    "nose_wing": [(-17, -36, 22), (-14, -43, 25)],
    "forehead": [(-25, 48, 26), (-14, 38, 31)],
}
_MIDDLE = {"forehead": [(0, 50, 33), (0, 22, 30)], "chin": [(0, -92, 26), (0, -86, 25)]}
_FLIP = np.array([-1.0, 1.0, 1.0])


def face() -> Array:
    """A generic neutral face: (150, 3) canonical metres, eyeballs 63 mm apart, exactly symmetric."""
    points = np.full((topology.COUNT, 3), np.nan)
    for index, point in _HALF_68.items():
        points[index] = point
    for row in range(68, topology.COUNT):
        part, side = topology.NAMES[row].split("_mesh_")
        table = _HALF_MESH if part.endswith("_right") else _MIDDLE
        if not part.endswith("_left"):
            points[row] = table[part.removesuffix("_right")][int(side) - 1]
    missing = np.isnan(points[:, 0])
    points[missing] = points[np.array(topology.MIRROR)[missing]] * _FLIP
    return points * 1e-3


def _jaw(neutral: Array) -> Array:
    lower = (neutral[:, 1] < -0.068) | np.isin(np.arange(len(neutral)), range(4, 13))
    share = np.where(lower, np.clip((-0.055 - neutral[:, 1]) / 0.02, 0.0, 1.0), 0.0)
    arm = neutral - np.array([0.0, -0.02, -0.065])
    turned = np.stack([arm[:, 0], np.cos(0.3) * arm[:, 1] - np.sin(0.3) * arm[:, 2], np.sin(0.3) * arm[:, 1] + np.cos(0.3) * arm[:, 2]], 1)
    return (turned - arm) * share[:, None]


def _bump(neutral: Array, center: tuple[float, float], radius: float, move: tuple[float, float, float]) -> Array:
    distance = np.linalg.norm(neutral[:, :2] - np.array(center) * 1e-3, axis=1) * 1e3
    return np.exp(-0.5 * (distance / radius) ** 2)[:, None] * np.array(move) * 1e-3


def _lids(neutral: Array) -> Array:
    upper = [37, 38] + [topology.NAMES.index(f"lid_upper_right_mesh_{k}") for k in range(1, 6)]
    shape = np.zeros_like(neutral)
    opening = np.clip(neutral[upper, 1] + 0.005, 0.0, None)
    shape[upper] = np.stack([0 * opening, -opening, 0.15 * opening], 1)
    return shape


def _right_shapes(neutral: Array) -> dict[str, Array]:
    irises = np.array(["iris" in name and "right" in name for name in topology.NAMES], dtype=float)[:, None]
    return {
        "eyeBlink": _lids(neutral), "eyeWide": -0.25 * _lids(neutral),
        "eyeLookUp": irises * [0, 0.006, -0.001], "eyeLookDown": irises * [0, -0.006, -0.001],
        "eyeLookIn": irises * [0.006, 0, -0.001], "eyeLookOut": irises * [-0.006, 0, -0.001],
        "mouthSmile": _bump(neutral, (-25, -69), 12, (-9, 9, -4)), "mouthFrown": _bump(neutral, (-25, -69), 10, (-2, -8, -2)),
        "browDown": _bump(neutral, (-28, 26), 13, (3, -8, 1)), "browOuterUp": _bump(neutral, (-50, 26), 11, (0, 9, 0)),
        "noseSneer": _bump(neutral, (-15, -40), 9, (0, 6, 0)), "mouthUpperUp": _bump(neutral, (-9, -63), 6, (0, 6, 1)),
        "mouthLowerDown": _bump(neutral, (-9, -77), 6, (0, -7, 0)), "cheekSquint": _bump(neutral, (-38, -20), 10, (0, 5, 2)),
    }  # fmt: skip


def shapes() -> Array:
    """An expression basis in the order of `arkit.NAMES`: (52, 150, 3) metres; shapes that this face lacks are zero."""
    neutral, basis = face(), np.zeros((52, topology.COUNT, 3))
    for name, shape in _right_shapes(neutral).items():
        basis[arkit.INDEX[name + "Right"]] = shape
        basis[arkit.INDEX[name + "Left"]] = shape[np.array(topology.MIRROR)] * _FLIP
    basis[arkit.INDEX["jawOpen"]] = _jaw(neutral)
    basis[arkit.INDEX["browInnerUp"]] = _bump(neutral, (0, 26), 18, (0, 9, 0))
    around = np.exp(-0.5 * (np.linalg.norm(neutral[:, :2] - [0, -0.07], axis=1) / 0.02) ** 2)[:, None]
    basis[arkit.INDEX["mouthPucker"]] = around * np.stack([-0.45 * neutral[:, 0], 0 * neutral[:, 0], 0.006 + 0 * neutral[:, 0]], 1)
    basis[arkit.INDEX["mouthLeft"]] = around * [0.008, 0, 0]
    basis[arkit.INDEX["mouthRight"]] = around * [-0.008, 0, 0]
    return basis


def talking(times: Array) -> Array:
    """Expression weights of somebody who talks, blinks, frowns and smiles: (T, 52), 0 to 1."""
    weights = np.zeros((len(times), 52))

    def pulses(period: float, width: float, start: float) -> Array:
        phase = (times - start + period / 2) % period - period / 2
        return np.exp(-0.5 * (phase / width) ** 2)

    weights[:, arkit.INDEX["jawOpen"]] = 0.6 * np.clip(np.sin(7.0 * times) * np.sin(1.1 * times), 0, None)
    weights[:, arkit.INDEX["mouthPucker"]] = 0.7 * pulses(2.3, 0.12, 1.2)
    weights[:, arkit.INDEX["browInnerUp"]] = 0.8 * pulses(3.1, 0.25, 2.0)
    for side, late in (("Left", 0.0), ("Right", 0.01)):
        weights[:, arkit.INDEX["eyeBlink" + side]] = pulses(1.7, 0.05, 0.8 + late)
        weights[:, arkit.INDEX["mouthSmile" + side]] = 0.9 * pulses(3.7, 0.35, 2.9)
        weights[:, arkit.INDEX["browDown" + side]] = 0.6 * pulses(4.3, 0.3, 3.6)
    look = 0.5 * np.sin(0.9 * times)
    for name, value in (("InLeft", look), ("OutRight", look), ("OutLeft", -look), ("InRight", -look)):
        weights[:, arkit.INDEX["eyeLook" + name]] = np.clip(value, 0, None)
    return weights


def rotation(vector: Array) -> Array:
    """Rodrigues: (..., 3) rotation vectors to (..., 3, 3)."""
    x, y, z = np.moveaxis(np.asarray(vector, float), -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    angle = np.sqrt(x * x + y * y + z * z)[..., None, None]
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / (2 * np.pi)) ** 2 * (cross @ cross)


@dataclass(frozen=True)
class Performance:
    """What is to be filmed: sizes in pixels, metres and degrees; `noise` is the standard deviation of the 2D landmarks in pixels.

    depth_error: the regressor's canonical depth is too large by this share. assumed: the focal length that it believes in.
    """

    frames: int = 48
    width: int = 1280
    height: int = 720
    fps: float = 24.0
    focal: float = 1400.0
    distance: float = 0.7
    yaw: float = 25.0
    pitch: float = 12.0
    roll: float = 6.0
    expression: float = 1.0
    noise: float = 0.7
    canonical_noise: float = 0.0005
    depth_error: float = 0.0
    assumed: float = 1400.0
    seed: int = 0


def motion(performance: Performance) -> tuple[Array, Array]:
    """The head's true pose: rotations (T, 3, 3) and translations (T, 3), canonical to camera."""
    times = np.arange(performance.frames) / performance.fps
    angles = np.stack(
        [performance.pitch * np.sin(1.7 * times + 0.4), performance.yaw * np.sin(1.1 * times), performance.roll * np.sin(0.8 * times)], -1
    )
    rotations = FRONTAL @ rotation(np.radians(angles))
    sway = np.stack([0.04 * np.sin(0.7 * times), 0.02 * np.cos(1.3 * times), 0.04 * np.sin(0.9 * times)], -1)
    return rotations, np.array([0.0, 0.0, performance.distance]) + sway * performance.distance / 0.7


def project(points: Array, rotations: Array, translations: Array, focal: float, center: tuple[float, float]) -> Array:
    """Pinhole: canonical (T, N, 3) to pixels (T, N, 2)."""
    camera = points @ np.swapaxes(rotations, 1, 2) + translations[:, None]
    return camera[..., :2] / camera[..., 2:] * focal + np.array(center)


def make_take(performance: Performance = Performance()) -> Take:
    """The whole truth as a Take; its `raw` is what a noisy regressor would have said of it."""
    count = performance.frames
    times = np.arange(count) / performance.fps
    weights = talking(times) * performance.expression
    landmarks = face() + np.einsum("tk,knd->tnd", weights, shapes())
    rotations, translations = motion(performance)
    clip = Clip("synthetic.mp4", performance.width, performance.height, performance.fps, count)
    center = (performance.width / 2, performance.height / 2)
    lens = Lens(performance.width, performance.height, np.full(count, performance.focal), (performance.focal,) * 2, center)
    covariances = np.broadcast_to(np.eye(2) * max(performance.noise, 1e-3) ** 2, (count, topology.COUNT, 2, 2)).copy()
    raw = _observe(performance, landmarks, rotations, translations, covariances, center)
    return Take(
        "Actor 1", clip, raw.frames, times, np.ones(count, bool), lens, np.tile(np.eye(4), (count, 1, 1)), rotations, translations,
        face(), landmarks, covariances, np.ones((count, topology.COUNT)), weights, np.any(shapes(), axis=(1, 2)), np.zeros(count), raw,
        {"program": "synthetic", "warnings": []},
    )  # fmt: skip


def _observe(
    performance: Performance, landmarks: Array, rotations: Array, translations: Array, covariances: Array, center: tuple[float, float]
) -> Observations:
    random = np.random.default_rng(performance.seed)
    count, assumed = performance.frames, performance.assumed
    pixels = project(landmarks, rotations, translations, performance.focal, center)
    pixels = pixels + random.normal(0, performance.noise, pixels.shape)
    canonical = landmarks * [1.0, 1.0, 1.0 + performance.depth_error] + random.normal(0, performance.canonical_noise, landmarks.shape)
    guessed = translations * [1.0, 1.0, assumed / performance.focal]
    return Observations(
        np.arange(1, count + 1), np.ones(count, bool), pixels, covariances, canonical, rotations, guessed, np.full(count, 0.95), assumed,
    )  # fmt: skip


def make_observations(performance: Performance = Performance()) -> Observations:
    """What a noisy regressor would say of the performance."""
    return make_take(performance).raw
