# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the second look: `python -m models.training.second_look_evaluate [open|research]` prints the table of its card.

On hand-labelled photographs that training never saw: the first look, the second by itself, both weighed by their covariances (as
shipped), and the labeller. Unrest on the speakers' clips, calibration, and milliseconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from facelift_blender.capture.landmarks import Estimate, Regressor, box_of_landmarks
from facelift_blender.capture.second_look import REGIONS, SecondLook
from facelift_blender.capture.types import Array, Image

from . import labeller as labelling
from . import measures, paths
from .evaluate import Row, estimate, milliseconds
from .labels import HandLabelled, labelled68, read_image
from .samples import OPEN_CLIPS, FaceFinder, clip_frames, unseen_photographs

PARTS = ("inner", "brows", "nose", "eyes", "mouth")
_REGIONS = sorted({k for region in REGIONS for k in region.landmarks})
Refine = Callable[[Image, Estimate], Estimate]


def first(_image: Image, seen: Estimate) -> Estimate:
    return seen


def by_itself(look: SecondLook) -> Refine:
    """What the second look sees, put in the first one's place."""

    def refine(image: Image, seen: Estimate) -> Estimate:
        points, covariances = seen.landmarks_2d.copy(), seen.covariances.copy()
        (sight,) = look.measure(image, [seen])
        points[sight.landmarks], covariances[sight.landmarks] = sight.points, sight.covariances
        return replace(seen, landmarks_2d=points, covariances=covariances)

    return refine


def focal_of(image: Image) -> float:
    return 1.2 * max(image.shape[:2])


def photographs(regressor: Regressor, looks: dict[str, Refine], labeller: labelling.Labeller, faces: Sequence[HandLabelled]) -> list[Row]:
    """NME by the distance of the outer eye corners, by part; and how the errors of the inner landmarks stand to the covariances."""
    errors: dict[str, list[Array]] = {who: [] for who in (*looks, "labeller")}
    lengths: dict[str, list[Array]] = {who: [] for who in looks}
    for face in faces:
        image, box = face.image(), labelling.box_of_points(face.points)
        seen = estimate(regressor, image, box, focal_of(image))
        for who, look in looks.items():
            found = look(image, seen)
            errors[who].append(measures.by_eyes(found.landmarks_2d, face.points))
            lengths[who].append(measures.sigmas(found.landmarks_2d[17:68] - face.points[17:], found.covariances[17:68]))
        errors["labeller"].append(measures.by_eyes(labeller(image, box).points, face.points))
    rows = []
    for source in ("helen", "afw"):
        kept = [face.source == source for face in faces]
        for part in PARTS:
            columns = measures.PARTS[part]
            rows += [
                Row(f"{source}, {part}, {who}", 100 * np.array(e)[kept][:, columns].mean(), "% of the eyes") for who, e in errors.items()
            ]
    return rows + [row for who, values in lengths.items() for row in within(f"hand labels, inner, {who}", values)]


def within(of: str, lengths: Sequence[Array]) -> list[Row]:
    shares = zip((1, 2, 3), measures.within(np.array(lengths)), strict=True)
    return [Row(f"within {k} sigma, {of}", 100 * share, "% (of the loss's Laplacian: 52, 86, 97)") for k, share in shares]


def unseen(regressor: Regressor, looks: dict[str, Refine], labeller: labelling.Labeller, files: Sequence[Path]) -> list[Row]:
    """On photographs kept from training, against the labeller: mean distance in the regions, and calibration."""
    finder = FaceFinder()
    errors: dict[str, list[float]] = {who: [] for who in looks}
    lengths: dict[str, list[Array]] = {who: [] for who in looks}
    for file in files:
        image = read_image(file)
        box = finder(image)
        if box is None:
            continue
        truth = labeller(image, box).points[_REGIONS]
        seen = estimate(regressor, image, box, focal_of(image))
        for who, look in looks.items():
            found = look(image, seen)
            off = found.landmarks_2d[_REGIONS] - truth
            eyes = np.linalg.norm(np.subtract(*(found.landmarks_2d[[36, 45]])))
            errors[who].append(float(np.linalg.norm(off, axis=1).mean() / eyes))
            lengths[who].append(measures.sigmas(off, found.covariances[_REGIONS]))
    rows = [Row(f"from the labeller, regions, unseen photographs, {who}", 100 * np.mean(e), "% of the eyes") for who, e in errors.items()]
    return rows + [row for who, values in lengths.items() for row in within(f"labeller, regions, {who}", values)]


def unrest(regressor: Regressor, looks: dict[str, Refine], clips: Sequence[str]) -> list[Row]:
    """Acceleration of the eyes, nose and brows about each other, frame by frame and unsmoothed."""
    inner, finder = np.arange(17, 48), FaceFinder()
    kept: dict[str, list[float]] = {who: [] for who in looks}
    for name in clips:
        frames = list(clip_frames([name], 1))[:75]
        box, rows = finder(frames[0]), []
        for frame in frames:
            seen = estimate(regressor, frame, box, focal_of(frame), 1)
            box = box_of_landmarks(seen.landmarks_2d)
            rows.append([look(frame, seen).landmarks_2d[:68] for look in looks.values()])
        for who, points in zip(looks, np.array(rows).transpose(1, 0, 2, 3), strict=True):
            size = float(np.linalg.norm(points[0, 36] - points[0, 45]))
            kept[who].append(measures.unrest(measures.aligned(points, inner)[:, inner], size))
    return [
        Row(f"unrest of a speaker's upper face, {who}", 100 * float(np.median(e)), "% of the eyes a frame^2") for who, e in kept.items()
    ]


def speed(regressor: Regressor, look: SecondLook, image: Image, seen: Estimate) -> list[Row]:
    """ms of one face, cutting included: what the second look adds to the first."""
    box = box_of_landmarks(seen.landmarks_2d)
    named = {"first look": lambda: regressor(image, [box], focal_of(image)), "second look": lambda: look(image, [seen])}
    return [Row(f"one face, 1 thread, {who}", milliseconds(run), "ms") for who, run in named.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="open", choices=("open", "research"))
    parser.add_argument("--weights", type=Path, help="an .onnx file other than the shipped one")
    parser.add_argument("--every", type=int, default=1, help="take every so many photographs, for a quick look")
    arguments = parser.parse_args()
    ending = "" if arguments.name == "open" else "_research"
    regressor = Regressor(paths.WEIGHTS / f"facelift{ending}.onnx", 1)
    look = SecondLook(arguments.weights or paths.WEIGHTS / f"second_look{ending}.onnx", 1)
    looks: dict[str, Refine] = {"first look": first, "second look": by_itself(look), "both": lambda image, seen: look(image, [seen])[0]}
    labeller, faces = labelling.Labeller(arguments.name), labelled68()[1][:: arguments.every]
    rows = photographs(regressor, looks, labeller, faces)
    rows += unseen(regressor, looks, labeller, unseen_photographs(arguments.name)[:: arguments.every])
    rows += unrest(regressor, looks, OPEN_CLIPS[2 :: arguments.every])
    image = faces[0].image()
    seen = estimate(regressor, image, labelling.box_of_points(faces[0].points), focal_of(image))
    print("\n".join(map(str, rows + speed(regressor, look, image, seen))))


if __name__ == "__main__":
    main()
