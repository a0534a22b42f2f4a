# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tracker sees of the exercises (`models.performer.exercises`), solved as a clip of each character."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facelift_blender.capture.crops import Box, box_of_landmarks
from facelift_blender.capture.habits import without_habits
from facelift_blender.capture.landmarks import Estimate, Regressor
from facelift_blender.capture.second_look import LookingTwice, SecondLook
from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.tracker import USUAL_FOCAL
from facelift_blender.capture.types import Array, Clip, FaceLiftError, Image, Observations, Take
from models.performer.clip import recorded
from models.performer.truth import Truth, load_truth

_SHRUNK: Final = (0.45, 1.0)
"""How large the stills are looked at, by the size they were rendered at."""
_JITTER: Final = 0.04
"""How far the box is off, in boxes."""


def seeds(folder: Path) -> list[int]:
    """Characters whose stills are all there."""
    return sorted(int(path.name.split("_")[0]) for path in folder.glob("*_truth.json.gz"))


def everyone(folder: Path) -> list[int]:
    """The characters, one at least. Raises FaceLiftError if there is none."""
    found = seeds(folder)
    if not found:
        raise FaceLiftError(f"{folder} has no exercises: render them with `python -m models.performer.exercises`.")
    return found


def observe(seed: int, folder: Path, look: LookingTwice) -> tuple[Take, Truth]:
    """The take of a character's stills, one a frame, as the extension's tracker would have it, and their truth."""
    raw, truth, whole = tracked(seed, folder, look)
    return solve(raw, Clip(f"{seed}", whole, whole, 24.0, len(truth)), SolveSettings(smoothing=0.0)), truth


def tracked(seed: int, folder: Path, look: LookingTwice) -> tuple[Observations, Truth, int]:
    """What the tracker says of a character's stills, the networks' habits taken out; the truth, and how wide the picture is, in pixels."""
    raw, truth, _, whole = seen(seed, folder, look)
    return without_habits(raw, (whole / 2, whole / 2), look.sha256, look.look.sha256), truth, whole


def seen(seed: int, folder: Path, look: LookingTwice) -> tuple[Observations, Truth, Array, int]:
    """What the networks say of a character's stills, one a frame; the truth, where its landmarks are seen (T, N, 2), and how wide the
    picture is, in pixels.
    """
    told = folder / f"{seed}_truth.json.gz"
    truth, width = load_truth(told), json.loads(gzip.decompress(told.read_bytes()))["about"]["width"]
    random = np.random.default_rng([seed, 22])
    scale = float(random.uniform(*_SHRUNK))
    size = 2 * round(truth.shot.width * scale / 2)
    scale, whole = size / truth.shot.width, 2 * round(width * scale / 2)
    focal = USUAL_FOCAL * whole
    estimates = [
        look(image, [jittered(box_of_landmarks(truth.pixels[row] * scale), random, _JITTER)], focal)[0]
        for row, image in enumerate(stills(seed, folder, len(truth), size, random))
    ]
    margin = (whole - size) / 2
    return observations(estimates, focal, margin), truth, truth.pixels * scale + margin, whole


def stills(seed: int, folder: Path, count: int, size: int, random: np.random.Generator) -> Iterator[Image]:
    """A character's (size, size, 3), as a camera and a codec leave them."""
    quality = int(random.integers(45, 95))
    for still in range(count):
        image = cv2.resize(cv2.imread(str(folder / f"{seed}_{still}.png"))[..., :3], (size, size), interpolation=cv2.INTER_AREA)
        kept = cv2.imencode(".jpg", recorded(image, random), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        yield cv2.cvtColor(cv2.imdecode(kept, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def jittered(box: Box, random: np.random.Generator, jitter: float) -> Box:
    """A box as the last frame's landmarks would have it."""
    x, y, w, h = box
    dx, dy, grown = random.normal(0.0, jitter, 3)
    side = np.exp(grown)
    return (x + dx * w + (1 - side) * w / 2, y + dy * h + (1 - side) * h / 2, w * side, h * side)


def observations(estimates: list[Estimate], focal: float, margin: float) -> Observations:
    """Of a window in the middle of a picture that is wider by a margin on each side."""
    names = ("covariances", "landmarks_3d", "translations", "rotations", "scores")
    parts = {
        name: np.array([getattr(estimate, name.removesuffix("s") if name in names[2:] else name) for estimate in estimates])
        for name in names
    }
    seen = np.array([estimate.landmarks_2d for estimate in estimates]) + margin
    frames = np.arange(1, len(estimates) + 1)
    return Observations(frames=frames, found=np.ones(len(frames), bool), landmarks_2d=seen, assumed_focal=focal, **parts)


def looking_twice() -> LookingTwice:
    return LookingTwice(Regressor(threads=1, device="CPU"), SecondLook(threads=1, device="CPU"))
