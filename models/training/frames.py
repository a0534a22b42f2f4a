# SPDX-License-Identifier: GPL-3.0-or-later
"""One canonical frame for every head: turned about the point between its eyeballs until its firm points lie best on the mean face's.

Face models draw their heads each in a frame of its own, whose "ahead" differs from the next by some degrees of nodding. No picture
shows that, so a network that is asked for it can only guess.
"""

from __future__ import annotations

import numpy as np

from facelift_blender.capture.types import Array

from .measures import rigid

FIRM = (0, 1, 2, 14, 15, 16, *range(27, 36), 36, 39, 42, 45)
"""Of the 68 points: beside the ears, the nose, the corners of the eyes. No expression moves them far."""


def turn_alike(points: Array, mean: Array) -> Array:
    """(3, 3) the rotation that brings a head's own 68 points (68, 3) to lie as the mean face's (N, 3) do [Kabsch]."""
    firm = list(FIRM)
    return rigid(points[firm], mean[firm])[0]


def in_common_frame(table: dict[str, Array], mean: Array) -> dict[str, Array]:
    """A store's columns with landmarks and rotations in the common frame; those of a store that knows no heads as they are.

    The mesh's own points tell how a head is turned; what its landmarks are is not changed, nor where they are seen.
    """
    if "truth68" not in table or "landmarks" not in table:
        return table
    heads, which = np.unique(table["truth68"].reshape(len(table["truth68"]), -1), axis=0, return_inverse=True)
    turns = np.stack([turn_alike(head.reshape(68, 3).astype(float), mean) for head in heads])[which.ravel()].swapaxes(1, 2)
    return table | {"landmarks": table["landmarks"] @ turns, "rotation": table["rotation"] @ turns}
