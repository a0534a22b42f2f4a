# SPDX-License-Identifier: GPL-3.0-or-later
"""From stores to batches: every sample is looked at through a new virtual camera, mirrored or not, and worn by augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from facelift_blender.capture.crops import MARGIN, FaceCrop, box_of_landmarks, look_through
from facelift_blender.capture.topology import MIRROR
from facelift_blender.capture.types import Array, Image

from .frames import in_common_frame
from .heads import Camera
from .store import SIZE, Store, decode
from .turning import turned

_ACROSS = np.diag([-1.0, 1.0, 1.0])
Row = dict[str, Array]
KNOWN = ("points", "focal", "rotation", "translation", "landmarks")


class Half:
    """One half of the training set: samples of one store or several, or a `share` of them, drawn at random.

    A store counts by the square root of its size: a small one of another kind is not drowned by a large one. `identities`: only
    the first so many lifted faces, 0 for all. `mean`: (N, 3) canonical, by whose depth faces known in 2D are turned, and whose frame
    lifted heads are brought to; none to leave both.
    """

    def __init__(
        self,
        folders: list[Path],
        picture: int,
        seed: int,
        negatives: float = 0.0,
        share: slice = slice(None),
        identities: int = 0,
        mean: Array | None = None,
    ) -> None:
        stores = [Store(folder).open() for folder in folders]
        self.pictures = [pictures for pictures, _ in stores]
        self.tables = [table if mean is None else in_common_frame(table, mean) for _, table in stores]
        index = [(k, i) for k, table in enumerate(self.tables) for i in range(len(table["ends"]) - 1)]
        self.index = (index if identities == 0 else self._of_identities(index, identities))[share]
        owners = np.array([store for store, _ in self.index])
        self.chances = np.cumsum(np.bincount(owners)[owners] ** -0.5)
        self.picture, self.negatives, self.mean = picture, negatives, mean
        self.seed, self.random = seed, np.random.default_rng(seed)

    def _of_identities(self, index: list[tuple[int, int]], count: int) -> list[tuple[int, int]]:
        faces = [self.tables[store]["landmarks"][i].tobytes() for store, i in index]
        first = set(list(dict.fromkeys(faces))[:count])
        return [place for place, face in zip(index, faces, strict=True) if face in first]

    def draw(self) -> Row:
        """One sample, augmented: picture (3, S, S), focal (1,), points (N, 2) in crop sides and what else the store knows."""
        random = self.random
        store, index = self.index[np.searchsorted(self.chances, random.uniform(0, self.chances[-1]))]
        table = self.tables[store]
        image = decode(self.pictures[store], table["ends"], index)
        row = {name: table[name][index].astype(float) for name in KNOWN if name in table}
        if "landmarks" in row:
            camera = Camera(float(row["focal"]), (SIZE / 2, SIZE / 2), row["rotation"], row["translation"])
            row["points"] = camera.project(row["landmarks"])
        else:
            if self.mean is not None and random.random() < 0.4:
                image, row["points"] = turned(image, row["points"], float(row["focal"]), self.mean, random)
            row["focal"] = row["focal"] * np.exp(random.uniform(-0.2, 0.2))
            if random.random() < 0.7:
                image, row["points"] = bent(image, row["points"], random)
        if random.random() < 0.5:
            image, row = mirrored(image, row)
        negative = random.random() < self.negatives
        crop = random_crop(row, self.picture, random, negative)
        border = cv2.BORDER_REFLECT_101 if random.random() < 0.7 else cv2.BORDER_CONSTANT
        image = cv2.warpPerspective(image, crop.homography, (self.picture,) * 2, flags=cv2.INTER_LINEAR, borderMode=border)
        out = through(crop, row)
        out["picture"] = wear(image, random).transpose(2, 0, 1) / np.float32(255.0)
        out["face"] = np.array(0.0 if negative else 1.0)
        return out

    def batch(self, count: int) -> dict[str, Tensor]:
        """`count` samples, stacked as float32."""
        rows = [self.draw() for _ in range(count)]
        return {name: torch.from_numpy(np.stack([row[name] for row in rows]).astype(np.float32)) for name in rows[0]}


def mirrored(image: Image, row: Row) -> tuple[Image, Row]:
    """The sample in a mirror: left becomes right in the picture, in the head and in the table."""
    twin, out = list(MIRROR), dict(row)
    out["points"] = (row["points"] * [-1, 1] + [SIZE, 0])[twin]
    if "landmarks" in row:
        out["landmarks"] = (row["landmarks"] * [-1, 1, 1])[twin]
        out["rotation"] = _ACROSS @ row["rotation"] @ _ACROSS
        out["translation"] = row["translation"] * [-1, 1, 1]
    return np.ascontiguousarray(image[:, ::-1]), out


def random_crop(row: Row, size: int, random: np.random.Generator, negative: bool) -> FaceCrop:
    """A crop as the tracker makes it: off by some percent in place and size, rolled; a negative one misses the face."""
    x, y, w, h = box_of_landmarks(row["points"])
    side = max(w, h) * MARGIN
    if negative:
        angle, away = random.uniform(0, 2 * np.pi), random.uniform(0.7, 1.2) * side
        x, y, side = x + away * np.cos(angle), y + away * np.sin(angle), side * random.uniform(0.5, 1.2)
    x, y = np.array([x + w / 2, y + h / 2]) + np.clip(random.normal(0, 0.045, 2), -0.12, 0.12) * side
    side *= np.exp(np.clip(random.normal(0, 0.1), -0.25, 0.25))
    roll = random.normal(0, 0.12) if random.random() < 0.6 else random.uniform(-0.8, 0.8)
    return look_through(float(x), float(y), float(side), float(row["focal"]), (SIZE / 2, SIZE / 2), size, float(roll))


def through(crop: FaceCrop, row: Row) -> Row:
    """The sample's knowledge in the crop's camera."""
    out = {"points": crop.to_crop(row["points"]) / crop.size, "focal": np.array([crop.focal])}
    if "landmarks" in row:
        out["landmarks"] = row["landmarks"]
        out["rotation"] = crop.rotation @ row["rotation"]
        out["translation"] = crop.rotation @ row["translation"]
    return out


def bent(image: Image, points: Array, random: np.random.Generator, cells: int = 5) -> tuple[Image, Array]:
    """A face of other proportions: the picture and its points (N, 2) moved by one smooth field. For pictures known in 2D alone."""
    amount = SIZE * random.uniform(0.0, 0.03)
    coarse = random.normal(0, amount, (cells, cells, 2)).astype(np.float32)
    field = cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    middle, stretch = points.mean(axis=0), np.exp(random.normal(0, 0.06, 2))
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    source = (np.stack([x, y], axis=2) - middle) * stretch + middle + field
    moved = points
    for _ in range(4):
        here = [
            cv2.remap(field[..., k], *moved.astype(np.float32).T[:, :, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for k in (0, 1)
        ]
        moved = (points - np.concatenate(here, axis=1) - middle) / stretch + middle
    return cv2.remap(image, source.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101), moved


def wear(image: Image, random: np.random.Generator) -> Array:
    """Light, colour, blur, noise, compression and things in the way: (S, S, 3) float32 in 0..255."""
    if random.random() < 0.3:
        image = occluded(image, random)
    return noisy(tinted(lit(transmitted(image, random).astype(np.float32), random), random), random)


def transmitted(image: Image, random: np.random.Generator) -> Image:
    """Out of focus, small, compressed."""
    if random.random() < 0.35:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 2.2))
    if random.random() < 0.25:
        small = int(image.shape[0] * random.uniform(0.25, 0.7))
        image = cv2.resize(cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA), image.shape[1::-1])
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.uniform(15, 70))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR)
    return image


def lit(worn: Array, random: np.random.Generator) -> Array:
    """Light from a side, uneven light, a shadow with an edge."""
    size = len(worn)
    if random.random() < 0.5:
        cells = int(random.integers(2, 6))
        light = cv2.resize(
            random.normal(0, random.uniform(0.1, 0.6), (cells, cells)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
        )
        worn = worn * np.exp(light)[:, :, None]
    if random.random() < 0.25:
        angle, soft = random.uniform(0, 2 * np.pi), random.uniform(0.01, 0.15) * size
        y, x = np.mgrid[:size, :size].astype(np.float32) - np.float32(size / 2)
        across = x * np.cos(angle) + y * np.sin(angle) - random.normal(0, 0.2) * size
        worn = worn * (1 - random.uniform(0.3, 0.8) / (1 + np.exp(-across / soft, dtype=np.float32)))[:, :, None].astype(np.float32)
    return np.clip(worn, 0, 255)


def tinted(worn: Array, random: np.random.Generator) -> Array:
    """Grey or of another saturation, another gamma, white and black."""
    grey = worn.mean(axis=2, keepdims=True)
    saturation = 0.0 if random.random() < 0.15 else np.exp(random.normal(0, 0.3))
    worn = 255.0 * (np.clip(grey + (worn - grey) * np.float32(saturation), 0, 255) / 255.0) ** np.float32(np.exp(random.normal(0, 0.35)))
    return worn * random.normal(1, 0.12, 3).astype(np.float32) * np.float32(random.uniform(0.45, 1.3)) + np.float32(random.normal(0, 10))


def noisy(worn: Array, random: np.random.Generator) -> Array:
    """Noise of the sensor; what is too bright or too dark is cut off."""
    if random.random() < 0.4:
        worn = worn + random.normal(0, random.uniform(1, 14), worn.shape).astype(np.float32)
    return np.clip(worn, 0, 255)


def occluded(image: Image, random: np.random.Generator) -> Image:
    """A disc, a bar or a rectangle of some colour over part of the face: hand, hair, microphone, glasses frame."""
    image, size = image.copy(), image.shape[0]
    colour = random.integers(0, 256, 3) if random.random() < 0.5 else image[size // 2, size // 2]
    colour = tuple(int(c) for c in colour)
    x, y = (int(v) for v in random.uniform(0, size, 2))
    kind = random.integers(3)
    if kind == 0:
        axes = tuple(int(v) for v in random.uniform(0.06, 0.28, 2) * size)
        cv2.ellipse(image, (x, y), axes, random.uniform(0, 180), 0, 360, colour, -1)
    elif kind == 1:
        far = tuple(int(v) for v in random.uniform(0, size, 2))
        cv2.line(image, (x, y), far, colour, max(1, int(random.uniform(0.02, 0.12) * size)))
    else:
        cv2.rectangle(image, (x, y), (x + int(random.uniform(0.1, 0.45) * size), y + int(random.uniform(0.1, 0.45) * size)), colour, -1)
    return image


class Mixed(IterableDataset):
    """Pairs of batches of `count` each, views and frames, without end. `workers`: processes that make them; 0 for none."""

    def __init__(self, views: Half, frames: Half, count: int) -> None:
        self.views, self.frames, self.count = views, frames, count

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        worker = get_worker_info()
        if worker is not None:
            cv2.setNumThreads(1)
            for half in (self.views, self.frames):
                half.random = np.random.default_rng([half.seed, worker.id])
        while True:
            yield self.views.batch(self.count), self.frames.batch(self.count)


def prefetched(views: Half, frames: Half, count: int, workers: int) -> DataLoader:
    """Pairs of batches made ahead by other processes."""
    ahead = {"prefetch_factor": 4} if workers else {}
    return DataLoader(Mixed(views, frames, count), batch_size=None, num_workers=workers, **ahead)
