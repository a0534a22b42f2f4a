# SPDX-License-Identifier: GPL-3.0-or-later
"""The landmark table: 150 points, the iBUG 68 first and in their order, then what expression needs beside them.

Each has a name, a region, a mirror twin and a definition: `ibug:k` is a hand-labelled point, `mesh:k` a vertex of
the 468 + 10 point face mesh in common use. Right and left are the subject's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Landmark:
    """One row of the table. `mirror` is the index of its twin, its own for a point of the middle."""

    name: str
    region: str
    mirror: int
    definition: str


_IBUG_MIRROR: Final = (
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
)  # fmt: skip

_IBUG_PARTS: Final = (
    ("contour", 17, "contour"), ("brow_right", 5, "brows"), ("brow_left", 5, "brows"), ("nose_bridge", 4, "nose"),
    ("nose_base", 5, "nose"), ("eye_right", 6, "eyes"), ("eye_left", 6, "eyes"), ("lip_outer", 12, "mouth"), ("lip_inner", 8, "mouth"),
)  # fmt: skip

_PAIRS: Final = (
    ("iris_center", "irises", ((468, 473),)),
    ("iris_ring", "irises", ((469, 476), (470, 475), (471, 474), (472, 477))),
    ("lid_upper", "eyes", ((246, 466), (161, 388), (159, 386), (157, 384), (173, 398))),
    ("lid_lower", "eyes", ((155, 382), (154, 381), (145, 374), (163, 390), (7, 249))),
    ("brow_lower", "brows", ((46, 276), (53, 283), (52, 282), (65, 295), (55, 285))),
    ("lip_outer", "mouth", ((185, 409), (39, 269), (181, 405), (146, 375))),
    ("lip_inner", "mouth", ((191, 415), (81, 311), (178, 402), (95, 324))),
    ("cheek", "cheeks", ((50, 280), (205, 425), (187, 411), (36, 266), (117, 346), (123, 352), (206, 426))),
    ("nose_wing", "nose", ((129, 358), (48, 278))),
    ("forehead", "forehead", ((69, 299), (104, 333))),
)  # fmt: skip
"""Vertices of the mesh, (right, left), after the 68."""

_MIDDLE: Final = (("forehead", "forehead", (151, 9)), ("chin", "chin", (199, 18)))


def _ibug_rows() -> list[Landmark]:
    parts = [(f"{part}_{k + 1}", region) for part, count, region in _IBUG_PARTS for k in range(count)]
    return [Landmark(name, region, _IBUG_MIRROR[k], f"ibug:{k}") for k, (name, region) in enumerate(parts)]


def _mesh_rows(first: int) -> list[Landmark]:
    rows: list[Landmark] = []
    for part, region, pairs in _PAIRS:
        for k, (right, left) in enumerate(pairs):
            index = first + len(rows)
            rows.append(Landmark(f"{part}_right_mesh_{k + 1}", region, index + 1, f"mesh:{right}"))
            rows.append(Landmark(f"{part}_left_mesh_{k + 1}", region, index, f"mesh:{left}"))
    for part, region, vertices in _MIDDLE:
        for k, vertex in enumerate(vertices):
            rows.append(Landmark(f"{part}_mesh_{k + 1}", region, first + len(rows), f"mesh:{vertex}"))
    return rows


TABLE: Final[tuple[Landmark, ...]] = (*_ibug_rows(), *_mesh_rows(68))
COUNT: Final = len(TABLE)
NAMES: Final = tuple(landmark.name for landmark in TABLE)
MIRROR: Final = tuple(landmark.mirror for landmark in TABLE)
REGIONS: Final = tuple(dict.fromkeys(landmark.region for landmark in TABLE))


def region_indices(*regions: str) -> tuple[int, ...]:
    """Indices of the landmarks that belong to any of the regions."""
    return tuple(index for index, landmark in enumerate(TABLE) if landmark.region in regions)


IRIS_CENTERS: Final = (NAMES.index("iris_center_right_mesh_1"), NAMES.index("iris_center_left_mesh_1"))
EYE_CORNERS: Final = ((36, 39), (45, 42))
"""(outer, inner) of the right and of the left eye."""

CONTOUR_LINES: Final[tuple[tuple[int, ...], ...]] = (
    tuple(range(17)), tuple(range(17, 22)), tuple(range(22, 27)), tuple(range(27, 31)), tuple(range(31, 36)),
    (*range(36, 42), 36), (*range(42, 48), 42), (*range(48, 60), 48), (*range(60, 68), 60),
)  # fmt: skip
"""Polylines through the 68, for drawing a face."""
