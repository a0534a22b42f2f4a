# SPDX-License-Identifier: GPL-3.0-or-later
"""A character in the flesh: head and shoulders of its identity, brows and hair, and how they follow a performance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from facelift_blender.capture.types import Array
from facelift_blender.rigs.head import PARTS, Head, load_head

from . import groom
from .character import Character
from .head import build_head
from .makehuman import Assets
from .performance import PIVOT
from .surface import limit_stencil, on_limit, vertex_normals

_SHOULDERS: Final = 3.6
"""Height, in the base mesh's decimetres, at which the body is cut."""
_NECK_LENGTH: Final = 0.075


@dataclass(frozen=True)
class Actor:
    """body: cage of head and shoulders; average: the average identity's on the same faces, on which brows and hair are drawn.

    head: the identity's head as `rigs.head` has it, on its limit surface, with the landmarks: what the truth is taken from.
    head_share: (V,) 1 where the body moves with the head, 0 where it stands still. masks: (V,) each, for the shaders.
    """

    character: Character
    body: Head
    average: Head
    head: Head
    stencil: csr_matrix
    head_share: Array
    masks: dict[str, Array]
    brows: groom.Strands
    hair: groom.Strands
    rest_brows: Array
    rest_hair: Array

    def posed(self, weights: Array, rotation: Array, translation: Array) -> Array:
        """(V, 3) cage on the stage: expression weights (52,), head rotation (3, 3) and translation (3,)."""
        vertices = self.body.pose(weights)
        turn = Rotation.from_matrix(rotation).as_rotvec()
        turns = Rotation.from_rotvec(self.head_share[:, None] * turn)
        shift = translation - PIVOT + rotation @ PIVOT
        return turns.apply(vertices - PIVOT) + PIVOT + self.head_share[:, None] * shift

    def posed_brows(self, cage: Array, rotation: Array) -> Array:
        """(K, points, 3) on the stage, on a posed cage."""
        surface = self.stencil @ cage
        return self.brows.turned(rotation).grow(surface, vertex_normals(surface, self.body.faces))


def cast(assets: Assets, character: Character, seed: int) -> Actor:
    """The actor who plays a character; `seed` draws the hairs."""
    generator = np.random.default_rng([seed, 4])
    body = build_head(assets, character.identity, neck=_SHOULDERS)
    average = build_head(assets, neck=_SHOULDERS)
    smooth, smooth_average = on_limit(body), on_limit(average)
    embedded = load_head()
    head = on_limit(build_head(assets, character.identity)).with_landmarks(embedded.landmark_vertices, embedded.landmark_weights)
    normals = vertex_normals(smooth.vertices, body.faces)
    brows = groom.brows(smooth_average, generator, thickness=character.brow_thickness)
    hair = groom.hair(smooth_average, generator, character.hair_length)
    return Actor(
        character, body, average, head, limit_stencil(body.faces, len(body.vertices)), head_share(body.vertices),
        _masks(smooth_average), brows, hair, brows.grow(smooth.vertices, normals), hair.grow(smooth.vertices, normals),
    )  # fmt: skip


def head_share(points: Array) -> Array:
    """(...) how much points (..., 3) at rest follow the head: all above the jaw, less and less down the neck."""
    below = -0.085 - 0.55 * (points[..., 2] + 0.045) - points[..., 1] - 0.012
    share = 1.0 - np.clip(below / _NECK_LENGTH, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _masks(average: Head) -> dict[str, Array]:
    """What the skin's shader asks of a vertex of the average body: lips, scalp, flush and stubble, each 0 to 1."""
    x, y, z = average.vertices.T
    on_lips = np.zeros(len(x))
    on_lips[np.unique(average.faces[average.parts == PARTS.index("lips")])] = 1.0
    scalp = np.clip(groom.hairline_margin(average.vertices) / 6e-3 + 0.3, 0.0, 1.0)
    cheeks = _blob(average.vertices, (0.043, -0.035, 0.02), 0.024) + _blob(average.vertices, (-0.043, -0.035, 0.02), 0.024)
    flush = cheeks + _blob(average.vertices, (0.0, -0.04, 0.055), 0.016)
    jaw = np.clip((-0.052 - y) / 0.02, 0.0, 1.0) * np.clip((y + 0.15) / 0.02, 0.0, 1.0) * np.clip((z + 0.05) / 0.03, 0.0, 1.0)
    return {"lips": on_lips, "scalp": scalp, "flush": np.clip(flush, 0.0, 1.0), "stubble": jaw}


def _blob(points: Array, center: tuple[float, float, float], radius: float) -> Array:
    return np.exp(-((points - np.array(center)) ** 2).sum(axis=1) / (2.0 * radius**2))
