# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the shipped weights: `python -m models.training.evaluate [open|research]` prints the table of the card.

Photographs: hand-labelled ones that training never saw, found by the detector, cropped twice as the tracker does.
Heads: renders of photographs that training never saw, posed exactly; their lifted landmarks are the truth.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelift_blender.capture.landmarks import Estimate, Regressor, box_of_landmarks
from facelift_blender.capture.types import Array, Image

from . import labeller as labelling
from . import paths
from .heads import Camera
from .labels import HandLabelled, labelled68
from .store import SIZE, Store, decode


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what:58} {self.value:8.2f} {self.unit}"


def estimate(regressor: Regressor, image: Image, box: tuple[float, float, float, float], focal: float, passes: int = 2) -> Estimate:
    """The regressor on a picture, the second crop from the first one's landmarks."""
    for _ in range(passes):
        found = regressor(image, [box], focal)[0]
        box = box_of_landmarks(found.landmarks_2d)
    return found


def photographs(regressor: Regressor, faces: Sequence[HandLabelled], name: str) -> list[Row]:
    """NME by the distance of the outer eye corners: the regressor's, the labeller's."""
    labeller = labelling.Labeller(name)
    ours, theirs = [], []
    for face in faces:
        image = face.image()
        box = labelling.box_of_points(face.points)
        found = estimate(regressor, image, box, 1.2 * max(image.shape[:2]))
        ours.append(labelling.normalised_error(found.landmarks_2d, face.points))
        theirs.append(labelling.normalised_error(labeller(image, box).points, face.points))
    rows = []
    for who, errors in (("model", np.array(ours)), ("labeller", np.array(theirs))):
        for source in ("helen", "afw"):
            kept = 100 * errors[[face.source == source for face in faces]]
            for part, columns in (("full", slice(None)), ("inner", slice(17, None)), ("contour", slice(0, 17))):
                rows.append(Row(f"{who}, {source}, NME {part}", float(kept[:, columns].mean()), "% inter-ocular"))
    return rows


def rigid(moving: Array, fixed: Array) -> tuple[Array, Array]:
    """The rotation (3, 3) and translation (3,) that lay points (N, 3) best onto others (Kabsch)."""
    a, b = moving.mean(axis=0), fixed.mean(axis=0)
    u, _, vt = np.linalg.svd((fixed - b).T @ (moving - a))
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return turn, b - turn @ a


def heads(regressor: Regressor, folder: Path) -> list[Row]:
    """Errors on held-out heads by yaw: rotation, place, depth, canonical shape, 2.5D."""
    pictures, table = Store(folder).open()
    names = ("rotation, degrees", "depth, %", "canonical after rigid alignment, mm", "2.5D, % of the face")
    errors: dict[str, list[float]] = {name: [] for name in names}
    yaws = []
    for index in range(len(table["ends"]) - 1):
        image, focal = decode(pictures, table["ends"], index), float(table["focal"][index])
        rotation, translation, truth = (table[name][index].astype(float) for name in ("rotation", "translation", "landmarks"))
        points = Camera(focal, (SIZE / 2, SIZE / 2), rotation, translation).project(truth)
        found = estimate(regressor, image, box_of_landmarks(points), focal, 1)
        turn, offset = rigid(found.landmarks_3d, truth)
        angle = np.degrees(np.arccos(np.clip((np.trace(found.rotation.T @ rotation) - 1) / 2, -1, 1)))
        yaws.append(abs(np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2] * -1))))
        values = (
            angle, 100 * abs(found.translation[2] / translation[2] - 1),
            1000 * np.linalg.norm(found.landmarks_3d @ turn.T + offset - truth, axis=1).mean(),
            100 * np.linalg.norm(found.landmarks_2d - points, axis=1).mean() / np.sqrt(np.prod(np.ptp(points, axis=0))),
        )  # fmt: skip
        for name, value in zip(errors, values, strict=True):
            errors[name].append(float(value))
    bins = np.digitize(yaws, (30, 60))
    return [
        Row(f"held-out heads, yaw {span}, {name}", float(np.median(np.array(values)[bins == k])), "(median)")
        for name, values in errors.items()
        for k, span in enumerate(("0-30", "30-60", "60-90"))
    ]


def speed(regressor: Regressor, threads: int) -> Row:
    """ms a face of the network alone, the median of 50 runs."""
    session = Regressor(paths.WEIGHTS / f"{regressor.name}.onnx", threads).session
    picture = np.random.default_rng(0).random((1, 3, regressor.size, regressor.size), np.float32)
    feeds = {"picture": picture, "focal": np.array([[2.0]], np.float32)}
    times = []
    for _ in range(50):
        start = time.perf_counter()
        session.run(None, feeds)
        times.append(time.perf_counter() - start)
    return Row(f"network alone, {threads} thread{'s'[: threads > 1]}", 1000 * float(np.median(times)), "ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="open", choices=("open", "research"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    regressor = Regressor(paths.WEIGHTS / f"facelift{'' if arguments.name == 'open' else '_research'}.onnx", 2)
    rows = photographs(regressor, labelled68()[1], arguments.name) + heads(regressor, paths.RUNS / arguments.name / "held_out_views")
    rows += [speed(regressor, 1), speed(regressor, 2)]
    print("\n".join(map(str, rows)))
    if arguments.json:
        arguments.json.write_text(json.dumps({row.what: round(row.value, 3) for row in rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
