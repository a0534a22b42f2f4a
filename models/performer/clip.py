# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered frames to a movie that looks as if a camera had recorded it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.types import Array, FaceLiftError, Image


def write_clip(frames: Iterable[Image], path: Path, fps: float, seed: int = 0, quality: int = 21) -> None:
    """H.264 in an .mp4, yuv420p, every frame (H, W, 3) softened and grained. Raises FaceLiftError for no frames."""
    import av

    part = path.with_name(f"{path.stem}.part.mp4")
    generator = np.random.default_rng([seed, 5])
    stream = None
    with av.open(str(part), "w") as container:
        for frame in frames:
            if stream is None:
                stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": str(quality), "preset": "slow"}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(recorded(frame, generator), format="rgb24")))
        if stream is None:
            raise FaceLiftError("A clip needs at least one frame.")
        container.mux(stream.encode())
    os.replace(part, path)


def recorded(frame: Image, generator: np.random.Generator, softness: float = 0.55, grain: float = 1.2) -> Image:
    """A frame through lens and sensor: a little blur, grain that is stronger in the shadows, in half size as sensors' codecs leave it."""
    soft = cv2.GaussianBlur(frame, (0, 0), softness).astype(np.float32)
    height, width = frame.shape[:2]
    noise: Array = generator.normal(0.0, grain, (height // 2, width // 2, 1)).astype(np.float32)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.clip(soft + noise * (1.3 - soft / 400.0) + 0.5, 0.0, 255.0).astype(np.uint8)
