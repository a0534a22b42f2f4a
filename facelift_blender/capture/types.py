# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that pass from one station of the road to the next.

Axes are OpenCV's (x right, y down, z into the scene), lengths metres, times seconds,
picture positions pixels with the origin at the top left corner of the top left pixel.
Frames are counted as Blender counts the frames of a clip: the first is 1.
The canonical frame of a head has x to the right of who looks at the face, y up, z out of
the face, and its origin midway between the eyeballs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .corrections import Corrections

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
"""(H, W, 3) red, green, blue."""


class FaceLiftError(Exception):
    """Something the user can act on; the message is the sentence that the user reads."""


@dataclass(frozen=True)
class Clip:
    """What a footage file says of itself, turned upright and with square or given pixels.

    `fps` is never 0: a sequence that names no rate gets the caller's, or 24.
    """

    path: str
    width: int
    height: int
    fps: float
    frame_count: int
    first_frame: int = 1
    pixel_aspect: float = 1.0
    missing: tuple[int, ...] = ()
    """Clip frames that an image sequence lacks."""
    focal_mm: float | None = None
    """Focal length that the footage's metadata names, in 35 mm equivalent."""


@dataclass(frozen=True)
class Distortion:
    """A lens distortion model as Blender's MovieClip names and parametrises it.

    `model` is NONE, POLYNOMIAL, DIVISION, NUKE or BROWN; `coefficients` in Blender's order
    (k1 k2 k3; division_k1 k2; nuke_k1 k2; brown_k1 k2 k3 k4 p1 p2).
    """

    model: str = "NONE"
    coefficients: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lens:
    """Intrinsics of a clip: pinhole, in pixels, and what bends the picture.

    pixel_aspect: a pixel's width over its height, as Blender's MovieClip has it.
    focal: (T,) pixels along x, one value a frame (all equal for a prime lens).
    focal_interval: 90 % interval of the clip's focal length, pixels.
    """

    width: int
    height: int
    focal: Array
    focal_interval: tuple[float, float]
    center: tuple[float, float]
    sensor_width: float = 36.0
    pixel_aspect: float = 1.0
    distortion: Distortion = field(default_factory=Distortion)
    focal_source: str = "solved"
    """solved, prior (the motion did not determine it), metadata or user."""

    def matrix(self, index: int) -> Array:
        """Intrinsics of one frame: (3, 3)."""
        focal = float(self.focal[index])
        return np.array([[focal, 0.0, self.center[0]], [0.0, focal * self.pixel_aspect, self.center[1]], [0.0, 0.0, 1.0]])


@dataclass(frozen=True)
class Observations:
    """What the regressor said of one actor, frame by frame, before any solve: the raw take.

    frames: (T,) clip frames, rising, gaps allowed. Where `found` is False the rest of the row is NaN.
    landmarks_2d: (T, N, 2) pixels of the picture (2.5D landmarks, seen through the lens as it is).
    covariances: (T, N, 2, 2) pixels squared.
    landmarks_3d: (T, N, 3) canonical, metres, in the mean face's scale.
    rotations: (T, 3, 3) and translations: (T, 3) canonical to camera, under `assumed_focal` pixels.
    scores: (T,) 0 to 1, that this is a face.
    nearness: (T,) 1 / metres, in the mean face's scale, what the face's own perspective tells of its distance, whatever focal
    length was assumed; NaN or empty where that is not known.
    """

    frames: NDArray[np.int64]
    found: NDArray[np.bool_]
    landmarks_2d: Array
    covariances: Array
    landmarks_3d: Array
    rotations: Array
    translations: Array
    scores: Array
    assumed_focal: float
    nearness: Array = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Take:
    """One actor's performance: the one value that every later station reads.

    times: (T,) seconds from the clip's first frame; `valid` (T,): the pose is known on this frame.
    lens: intrinsics. camera_poses: (T, 4, 4) world from camera, identity for a camera that stands still.
    rotations: (T, 3, 3), translations: (T, 3): canonical to camera, smoothed.
    neutral: (N, 3) canonical, metres, the actor's face at rest.
    landmarks: (T, N, 3) canonical, metres: what the face does, the head's motion removed.
    covariances: (T, N, 2, 2) pixels squared. confidence: (T, N) 0 to 1.
    weights: (T, 52) expression in the order of `rigs.arkit.NAMES`, 0 to 1; observable: (52,).
    residuals: (T,) RMS distance in pixels between the observed and the reprojected landmarks.
    raw: what the regressor said, so that the solve and the smoothing can be done again.
    provenance: JSON-like: program, model and clip hashes, settings, ms per frame by station, warnings.
    corrections: what a person has corrected, all of it contained in the fields above.
    """

    actor: str
    clip: Clip
    frames: NDArray[np.int64]
    times: Array
    valid: NDArray[np.bool_]
    lens: Lens
    camera_poses: Array
    rotations: Array
    translations: Array
    neutral: Array
    landmarks: Array
    covariances: Array
    confidence: Array
    weights: Array
    observable: NDArray[np.bool_]
    residuals: Array
    raw: Observations
    provenance: Mapping[str, Any] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)

    def __len__(self) -> int:
        return len(self.frames)
