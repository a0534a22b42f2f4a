# SPDX-License-Identifier: GPL-3.0-or-later
"""What a regressor says of the benchmark's clips, kept from run to run for as long as its weights are the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.solve import SolveSettings
from facelift_blender.capture.types import Distortion, Observations
from facelift_blender.capture.weights import model_path, sha256_of

MODELS: Final = ("facelift", "second_look", "detector", "habits")


def tracked_observations(path: Path, folder: Path, distortion: Distortion = Distortion(), most: int = 10_000) -> Observations:
    """What the extension's models say of a clip's first frames; kept in a folder under the weights' own hash."""
    from facelift_blender.capture.footage import probe
    from facelift_blender.capture.track import TrackSettings, track

    settings = TrackSettings(end=min(most, probe(path).frame_count), solve=SolveSettings(distortion=distortion))
    return _kept(folder / f"{path.stem}_{weights_hash()}.npz", lambda: track(path, settings)[0].raw)


def mesh_observations(path: Path, boxes: Observations, folder: Path) -> Observations:
    """What the face mesh net in common use says of the same frames, its 478 points brought to the table."""
    return _kept(folder / f"{path.stem}_mesh_{len(boxes.frames)}.npz", lambda: _mesh(path, boxes))


@cache
def weights_hash() -> str:
    """Of all models of the road together, short."""
    return hashlib.sha256("".join(sha256_of(model_path(name)) for name in MODELS).encode()).hexdigest()[:10]


def _kept(path: Path, make: Callable[[], Observations]) -> Observations:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        raw, part = make(), path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **{field.name: getattr(raw, field.name) for field in fields(Observations)})
        os.replace(part, path)
    with np.load(path, allow_pickle=False) as file:
        told = {field.name: file[field.name] for field in fields(Observations) if field.name in file}
    return Observations(**{**told, "assumed_focal": float(told["assumed_focal"])})


def _mesh(path: Path, boxes: Observations) -> Observations:
    """Where the net says what it sees; all else is what the boxes came with. Each frame's crop is about the points before it."""
    from facelift_blender.capture.footage import probe, read_frames
    from models.training.labeller import Labeller, crop_of_points, mesh_points, settle

    labeller, crop = Labeller(), None
    pixels, found = np.full_like(boxes.landmarks_2d, np.nan), boxes.found.copy()
    rows = {int(frame): row for row, frame in enumerate(boxes.frames)}
    for frame, image in read_frames(probe(path), int(boxes.frames[0]), int(boxes.frames[-1])):
        row = rows.get(frame)
        if row is None or not found[row]:
            crop = None
            continue
        low, high = boxes.landmarks_2d[row].min(axis=0), boxes.landmarks_2d[row].max(axis=0)
        crop = crop or settle(image, (*low, *(high - low)))
        points = mesh_points(image, [crop])[0][0, :, :2]
        crop, pixels[row] = crop_of_points(points), labeller.map(points)
    return replace(boxes, landmarks_2d=pixels)
