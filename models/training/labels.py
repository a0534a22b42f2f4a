# SPDX-License-Identifier: GPL-3.0-or-later
"""Hand labels: the iBUG-68 set, and a 189 point portrait template carried over to the same definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.types import Array, Image

from . import paths


@dataclass(frozen=True)
class HandLabelled:
    """One photograph with its 68 hand-labelled points in pixels: (68, 2)."""

    path: Path
    points: Array
    source: str

    def image(self) -> Image:
        return read_image(self.path)


def read_image(path: Path) -> Image:
    """(H, W, 3) RGB. Raises FileNotFoundError if the file is not a picture."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise FileNotFoundError(f"{path} is not a picture that can be read.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


HELD_OUT_HELEN = 150
HELD_OUT_AFW = 80


def labelled68() -> tuple[list[HandLabelled], list[HandLabelled]]:
    """(training, held out): every k-th of each source by name is held out, 150 of HELEN and 80 of AFW, always the same."""
    table = np.load(paths.DATA / "labelled68" / "labels.npz")
    folder = paths.DATA / "labelled68" / "images"
    faces = [
        HandLabelled(folder / str(name), points.astype(float), str(source).lower())
        for name, points, source in zip(table["names"], table["landmarks"], table["source"], strict=True)
    ]
    held_out: list[HandLabelled] = []
    for source, count in (("helen", HELD_OUT_HELEN), ("afw", HELD_OUT_AFW)):
        of_source = sorted((face for face in faces if face.source == source), key=lambda face: face.path.name)
        held_out += [of_source[k] for k in np.linspace(0, len(of_source) - 1, count).astype(int)]
    kept = {face.path for face in held_out}
    return [face for face in faces if face.path not in kept], held_out


def labelled189() -> list[HandLabelled]:
    """Studio portraits, their 189 delineated points carried over to the iBUG-68."""
    folder = paths.DATA / "labelled189" / "images"
    faces = []
    for text in sorted(folder.glob("*.txt")):
        if text.stem.startswith(("lisa", "zoom")):
            continue
        points = np.loadtxt(text)
        if points.shape == (189, 2):
            faces.append(HandLabelled(text.with_suffix(".jpg"), ibug_of_template(points), "portrait"))
    return faces


def along(points: Array, count: int) -> Array:
    """`count` points evenly spaced along a polyline, its ends among them: (K, 2) -> (count, 2)."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, lengths[-1], count)
    return np.stack([np.interp(at, lengths, points[:, axis]) for axis in (0, 1)], axis=1)


_JAW_RIGHT = (109, 185, 110, 186, 111, 125, 126, 127, 128, 129)
_JAW_LEFT = (129, 130, 131, 132, 133, 114, 188, 113, 187, 112)
_OUTER_LIP = (87, 88, 89, 90, 91, 92, 93, 108, 107, 106, 105, 104)


def ibug_of_template(points: Array) -> Array:
    """(189, 2) of the portrait template -> (68, 2) in iBUG order: curves resampled, single points taken as they are."""

    def curve(indices: Sequence[int], count: int) -> Array:
        return along(points[list(indices)], count)

    def brow(upper: Sequence[int], lower: Sequence[int]) -> Array:
        return 0.65 * curve(upper, 5) + 0.35 * curve(lower, 5)

    def eye(corner: int, upper: Sequence[int], far: int, lower: Sequence[int]) -> Array:
        above, below = curve((corner, *upper, far), 4), curve((corner, *lower, far), 4)
        return np.stack([above[0], above[1], above[2], above[3], below[2], below[1]])

    def inner_corner(corner: int, *inner: int) -> Array:
        return 0.75 * points[corner] + 0.25 * points[list(inner)].mean(axis=0)

    bridge = (points[[50, 51, 52, 53, 54]] + points[[56, 57, 58, 59, 60]]) / 2
    nostrils = [points[64], points[[65, 180]].mean(axis=0), points[55], points[[70, 181]].mean(axis=0), points[69]]
    inner = [inner_corner(87, 94, 99), *points[95:98], inner_corner(93, 98, 103), *points[[102, 101, 100]]]
    return np.concatenate(
        [
            curve(_JAW_RIGHT, 9), curve(_JAW_LEFT, 9)[1:],
            brow((71, 72, 73, 74, 75), (71, 83, 84, 76)), brow((78, 79, 80, 81, 82), (77, 85, 86, 82)),
            along(bridge, 4), nostrils,
            eye(18, (19, 20, 21), 22, (28, 29, 30)), eye(23, (24, 25, 26), 27, (31, 32, 33)),
            points[list(_OUTER_LIP)], inner,
        ]
    )  # fmt: skip
