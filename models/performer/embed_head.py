# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's head: the average identity, with the landmarks where the labeller sees them on its pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from facelift_blender.capture.topology import COUNT
from facelift_blender.capture.types import Image
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import FOLDER, Head, save_head
from models.training.labeller import Labeller

from .actor import cast
from .character import Character
from .embedding import View, embed
from .head import AVERAGE, build_head
from .makehuman import Assets
from .performance import PIVOT, Performance, Shot
from .render import Light, Studio
from .surface import on_limit

_SHOT: Final = Shot(width=640, height=640, lens=100.0, frame_count=1)
_LIGHT: Final = Light(azimuth=-30.0, elevation=30.0, size=1.0, power=16.0, fill=0.5, warmth=0.0)
_FACE_CORNERS: Final = np.array([[-0.07, 0.04, 0.02], [0.07, 0.04, 0.02], [0.0, -0.115, 0.02]])
_POSES: Final = ((0, 0, 0.0), (20, 0, 0.0), (-20, 0, 0.0), (0, 0, 0.35), (18, 0, 0.35), (-18, 0, 0.35), (0, 8, 0.0), (0, -8, 0.0))
"""Degrees of yaw and pitch, and how far the jaw is open; the first is the frontal view at rest."""
_PLAIN: Final = Character(
    identity=AVERAGE, skin=(0.5, 0.3, 0.22), lips=(0.4, 0.15, 0.13), hair=(0.03, 0.017, 0.01), iris=(0.16, 0.24, 0.3),
    shirt=(0.3, 0.3, 0.3), hair_length=0.02, brow_thickness=1.0, stubble=0.0, age=0.0,
)  # fmt: skip


def embed_head(assets: Assets, folder: Path = FOLDER) -> Head:
    """Cut, label, embed, save to the add-on's assets. Deterministic; needs the labeller's files (`FACELIFT_DATA`, `FACELIFT_RUNS`)."""
    head = on_limit(build_head(assets))
    save_head(head, folder)
    performance = _poses()
    head = embed(head, list(_views(performance, _pictures(assets, performance))))
    save_head(head, folder)
    return head


def _poses() -> Performance:
    angles = np.array([(yaw, -pitch) for yaw, pitch, _ in _POSES], dtype=float)
    rotations = Rotation.from_euler("yx", angles, degrees=True).as_matrix()
    weights = np.zeros((len(_POSES), len(arkit.NAMES)))
    weights[:, arkit.INDEX["jawOpen"]] = [jaw for _, _, jaw in _POSES]
    camera = np.tile(np.diag([1.0, -1.0, -1.0]), (len(_POSES), 1, 1))
    place = np.array([0.0, -0.025, _SHOT.distance])
    return Performance(_SHOT, weights, rotations, PIVOT - rotations @ PIVOT, camera, -np.einsum("tij,j->ti", camera, place))


def _pictures(assets: Assets, performance: Performance) -> Iterator[Image]:
    studio = Studio(cast(assets, _PLAIN, seed=0), _SHOT, _LIGHT, samples=12)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(len(performance)):
            studio.pose(performance, index)
            yield studio.picture(Path(folder) / "view.png")


def _views(performance: Performance, pictures: Iterator[Image]) -> Iterator[View]:
    labeller = Labeller("open")
    poses: Sequence = list(zip(performance.weights, *performance.head_poses(), strict=True))
    for index, (picture, (weights, rotation, translation)) in enumerate(zip(pictures, poses, strict=True)):
        view = View(weights, _SHOT.intrinsics, rotation, translation, np.zeros((COUNT, 2)), frontal=index == 0)
        low, high = (extreme(view.project(_FACE_CORNERS), axis=0) for extreme in (np.min, np.max))
        labels = labeller(picture, (float(low[0]), float(low[1]), *(float(side) for side in high - low)))
        yield View(weights, _SHOT.intrinsics, rotation, translation, labels.points, view.frontal)
