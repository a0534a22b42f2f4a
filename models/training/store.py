# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples on disk. A sample is a JPEG of 192 px about a face with what is known of it; a store is one folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.types import Array, Image

SIZE = 192
Samples = Iterator[tuple[Image, dict[str, Array]]]
"""A picture of SIZE and what is known of it, by the columns of a Store."""


@dataclass
class Store:
    """`pictures.bin` and `table.npz`, written once and read at random.

    Columns: points (S, N, 2) px of the sample, covariances (S, N, 2, 2), score (S,), focal (S,) px, and for multi-view samples
    rotation (S, 3, 3), translation (S, 3), landmarks (S, N, 3), truth68 (S, 68, 3) the mesh's own points, for measuring only.
    """

    folder: Path

    def write(self, samples: Samples) -> int:
        """Write every sample, the table last and whole; returns how many."""
        self.folder.mkdir(parents=True, exist_ok=True)
        columns: dict[str, list[Array]] = {}
        ends = [0]
        with open(self.folder / "pictures.bin", "wb") as pictures:
            for image, row in samples:
                encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
                pictures.write(encoded.tobytes())
                ends.append(ends[-1] + len(encoded))
                for name, value in row.items():
                    columns.setdefault(name, []).append(np.asarray(value, dtype=np.float32))
        np.savez(self.folder / "table.npz", ends=np.array(ends), **{name: np.stack(values) for name, values in columns.items()})
        return len(ends) - 1

    def open(self) -> tuple[bytes, dict[str, Array]]:
        """All pictures' bytes (small: tens of megabytes) and the table."""
        table = np.load(self.folder / "table.npz")
        return (self.folder / "pictures.bin").read_bytes(), {name: table[name] for name in table.files}


def decode(pictures: bytes, ends: Array, index: int) -> Image:
    """One sample's picture, (SIZE, SIZE, 3) RGB."""
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(pictures[ends[index] : ends[index + 1]], np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
