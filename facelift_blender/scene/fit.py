# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped head bent to an actor's neutral landmarks: numbers alone, no Blender."""

from __future__ import annotations

import numpy as np

from ..capture.types import Array
from ..rigs.head import PARTS, Head
from ..rigs.proportions import Spline, bend_between, similarity

__all__ = ["Spline", "fit_head", "similarity"]


def fit_head(head: Head, neutral: Array) -> tuple[Array, Array]:
    """The head's vertices (V, 3) and shape offsets (52, V, 3) for an actor with this neutral face (N, 3), canonical metres.

    The expressions are bent as `rigs.proportions` has it; eyeballs stay round.
    """
    bend = bend_between(head.landmarks, neutral)
    placed, vertices = bend.place(head.vertices), bend(head.vertices)
    shapes = np.array([bend.offsets(head.vertices, shape) for shape in head.shapes])
    for eyeball in _eyeballs(head):
        size, turn, move = similarity(placed[eyeball], vertices[eyeball])
        vertices[eyeball] = size * placed[eyeball] @ turn.T + move
        shapes[:, eyeball] = size * bend.scale * head.shapes[:, eyeball] @ (turn @ bend.rotation).T
    return vertices, shapes


def _eyeballs(head: Head) -> list[np.ndarray]:
    """Vertex indices of the right and of the left eyeball."""
    parts = [PARTS.index(name) for name in ("sclera", "iris", "pupil")]
    vertices = np.unique(head.faces[np.isin(head.parts, parts)])
    right = head.vertices[vertices, 0] < 0.0
    return [side for side in (vertices[right], vertices[~right]) if len(side) > 3]
