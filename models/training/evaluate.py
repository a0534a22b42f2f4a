# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure weights: `python -m models.training.evaluate [open|research]` prints the table of the card and keeps it beside the weights.

Photographs: hand-labelled ones that training never saw, from the box of their points, cropped twice as the tracker does.
Heads: renders of photographs that training never saw, posed exactly; their lifted landmarks are the truth of shape and pose, and
the mesh is that of NMLC. Clips: six speakers of the training clips, frame by frame. The mesh net runs on the same pixels.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelift_blender.capture.habits import without_habits
from facelift_blender.capture.landmarks import Box, Estimate, Regressor, box_of_landmarks
from facelift_blender.capture.second_look import SecondLook
from facelift_blender.capture.types import Array, Image

from . import labeller as labelling
from . import measures, paths
from .expression_samples import observations
from .frames import turn_alike
from .heads import FACE, Camera, FaceModel
from .label_map import LabelMap
from .labels import HandLabelled, labelled68, read_image
from .peers import FaceMesh, face_mesh_feeds, face_mesh_session
from .samples import OPEN_CLIPS, FaceFinder, clip_frames, unseen_photographs
from .store import SIZE, Store, decode

PHOTO_PARTS = ("full", "inner", "contour")


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.what:58} {self.value:8.2f} {self.unit}"


def estimate(regressor: Regressor, image: Image, box: Box, focal: float, passes: int = 2) -> Estimate:
    """The regressor on a picture, the second crop from the first one's landmarks."""
    for _ in range(passes):
        found = regressor(image, [box], focal)[0]
        box = box_of_landmarks(found.landmarks_2d)
    return found


Points = Callable[[Image, Box], Array]
"""A picture and a face box to (N >= 68, 2) pixels."""


def photographs(rivals: Mapping[str, Points], faces: Sequence[HandLabelled]) -> list[Row]:
    """NME on hand-labelled photographs: by the distance of the outer eye corners, by part, and by the box; and by groups of faces."""
    by_eyes: dict[str, list[Array]] = {who: [] for who in rivals}
    by_box: dict[str, list[Array]] = {who: [] for who in rivals}
    tones = []
    for face in faces:
        image, box = face.image(), labelling.box_of_points(face.points)
        tones.append(measures.skin_tone(image, face.points))
        for who, find in rivals.items():
            points = find(image, box)
            by_eyes[who].append(measures.by_eyes(points, face.points))
            by_box[who].append(measures.by_box(points, face.points))
    rows = []
    for who in rivals:
        for source in ("helen", "afw"):
            kept = [face.source == source for face in faces]
            of_source = np.array(by_eyes[who])[kept]
            rows += [
                Row(f"{source}, {part}, {who}", 100 * of_source[:, measures.PARTS[part]].mean(), "% of the eyes") for part in PHOTO_PARTS
            ]
            rows.append(Row(f"{source}, by the box, {who}", 100 * np.array(by_box[who])[kept].mean(), "% of the box"))
    groups = by_tone(np.array(tones)) | by_look([face.path.stem for face in faces])
    return rows + by_group(groups, {who: np.array(errors)[:, measures.PARTS["inner"]] for who, errors in by_eyes.items()})


TONES = {"light": (41.0, 91.0), "middling": (10.0, 41.0), "dark": (-91.0, 10.0)}
"""Spans of the skin's individual typology angle as photographed, in degrees: a dim light darkens a face, so that groups overlap."""


LOOKS = Path(__file__).with_name("held_out_looks.json")
"""Held-out photographs by name whose faces wear glasses, are children's (to about 12) or old (from about 60): judged by eye."""


def by_tone(tones: Array) -> dict[str, Array]:
    """(M,) who is in each group, from skin tones (M,) in degrees."""
    return {f"skin photographed {name}": (tones >= low) & (tones < high) for name, (low, high) in TONES.items()}


def by_look(names: Sequence[str]) -> dict[str, Array]:
    """(M,) who is in each group, from photographs' names: glasses or none, and three ages."""
    glasses, child, old = (np.isin(names, listed) for listed in json.loads(LOOKS.read_text(encoding="utf-8")).values())
    return {"with glasses": glasses, "without glasses": ~glasses, "children": child, "neither young nor old": ~child & ~old, "old": old}


def by_group(groups: Mapping[str, Array], errors: Mapping[str, Array]) -> list[Row]:
    """Median error of each group of faces that has any: who is in it (M,); errors (M, K) by who made them."""
    return [
        Row(f"inner, {name} ({kept.sum()}), {who}", 100 * float(np.median(values[kept].mean(axis=1))), "% of the eyes (median)")
        for name, kept in groups.items()
        if kept.any()
        for who, values in errors.items()
    ]


def headline(regressor: Regressor, count: int = 20) -> Row:
    """The first held-out photographs alone: quick enough for a test to repeat."""
    faces = labelled68()[1][:count]
    errors = [
        measures.by_eyes(estimate(regressor, image, labelling.box_of_points(face.points), portrait_focal(image)).landmarks_2d, face.points)
        for face in faces
        for image in (face.image(),)
    ]
    return Row(f"first {count} photographs, full, model", 100 * float(np.mean(errors)), "% of the eyes")


def calibration(regressor: Regressor, faces: Sequence[HandLabelled], labeller: labelling.Labeller, unseen: Sequence[Path]) -> list[Row]:
    """Fractions of errors within 1, 2 and 3 sigma of what the regressor says of itself: the inner landmarks of the hand-labelled
    photographs, and all landmarks of unseen photographs against the labeller's, which are in the definition it was taught.
    """
    by_hand, by_labeller = [], []
    for face in faces:
        image = face.image()
        found = estimate(regressor, image, labelling.box_of_points(face.points), portrait_focal(image))
        by_hand.append(measures.sigmas(found.landmarks_2d[17:68] - face.points[17:], found.covariances[17:68]))
    finder = FaceFinder()
    for file in unseen:
        image = read_image(file)
        box = finder(image)
        if box is not None:
            points = labeller(image, box).points
            found = estimate(regressor, image, box_of_landmarks(points), portrait_focal(image), 1)
            by_labeller.append(measures.sigmas(found.landmarks_2d - points, found.covariances))
    return [
        Row(f"within {k} sigma, {of}", 100 * share, "% (of the loss's Laplacian: 52, 86, 97)")
        for of, lengths in (("hand labels, inner", by_hand), ("the labeller's points, unseen photographs", by_labeller))
        for k, share in zip((1, 2, 3), measures.within(np.array(lengths)), strict=True)
    ]


def portrait_focal(image: Image) -> float:
    return 1.2 * max(image.shape[:2])


@dataclass(frozen=True)
class Seen:
    """One held-out view. points (68, 2) and mesh (V, 2) pixels, what the truth is; errors by name, of the regressor."""

    yaw: float
    mesh: Array
    found: dict[str, Array]
    errors: dict[str, float]


def held_out(regressor: Regressor, rivals: Mapping[str, Points], folder: Path) -> list[Seen]:
    """Every view of the held-out store, looked at by the regressor and its rivals."""
    pictures, table = Store(folder).open()
    model = FaceModel()
    views = []
    for index in range(len(table["ends"]) - 1):
        image, focal = decode(pictures, table["ends"], index), float(table["focal"][index])
        rotation, translation, truth = (table[name][index].astype(float) for name in ("rotation", "translation", "landmarks"))
        camera = Camera(focal, (SIZE / 2, SIZE / 2), rotation, translation)
        mesh = camera.project(model.vertices(table["identity"][index], table["expression"][index])[:FACE:3].astype(float))
        points = camera.project(truth)
        turn = turn_alike(table["truth68"][index].astype(float), regressor.mean)
        rotation, truth = rotation @ turn.T, truth @ turn.T
        box = box_of_landmarks(points)
        own = estimate(regressor, image, box, focal, 1)
        yaw = abs(float(np.degrees(np.arctan2(rotation[0, 2], -rotation[2, 2]))))
        errors = {
            "rotation, degrees": measures.geodesic_degrees(own.rotation, rotation),
            "translation, %": 100 * float(np.linalg.norm(own.translation - translation) / np.linalg.norm(translation)),
            "canonical, mm": 1000 * measures.canonical_error(own.landmarks_3d, truth),
        }
        found = {"model": own.landmarks_2d[:68]} | {
            who: find(image, labelling.box_of_points(points[:68]))[:68] for who, find in rivals.items()
        }
        views.append(Seen(yaw, mesh, found, errors))
    return views


def heads(views: Sequence[Seen]) -> list[Row]:
    """NMLC of all, and the regressor's errors by yaw."""
    meshes = np.stack([view.mesh for view in views])
    rows = []
    for who in views[0].found:
        consistency = 100 * measures.localisation_consistency(np.stack([view.found[who] for view in views]), meshes)
        rows += [
            Row(f"NMLC, {part}, {who}", consistency[columns].mean(), "") for part, columns in measures.PARTS.items() if part != "inner"
        ]
    bins = np.digitize([view.yaw for view in views], (30, 60))
    for name in views[0].errors:
        values = np.array([view.errors[name] for view in views])
        rows += [Row(f"{name}, yaw {span}", np.median(values[bins == k]), "(median)") for k, span in enumerate(("0-30", "30-60", "60-90"))]
    return rows


def unrest(regressor: Regressor, label_map: LabelMap, clips: Sequence[str]) -> list[Row]:
    """Acceleration of the eyes, nose and brows about each other, frame by frame and unsmoothed: ours and the mesh net's."""
    inner, finder = np.arange(17, 48), FaceFinder()
    ours, theirs = [], []
    for name in clips:
        frames = list(clip_frames([name], 1))[:75]
        box = first = finder(frames[0])
        peer, rows = FaceMesh(label_map), []
        for frame in frames:
            found = estimate(regressor, frame, box, portrait_focal(frame), 1)
            box = box_of_landmarks(found.landmarks_2d)
            rows.append((found.landmarks_2d[:68], peer.follow(frame, first)))
        for points, kept in zip(np.array(rows).transpose(1, 0, 2, 3), (ours, theirs), strict=True):
            size = float(np.linalg.norm(points[0, 36] - points[0, 45]))
            kept.append(measures.unrest(measures.aligned(points, inner)[:, inner], size))
    return [
        Row(f"unrest of a speaker's upper face, {who}", 100 * float(np.median(kept)), "% of the eyes a frame^2")
        for who, kept in (("model", ours), ("face mesh", theirs))
    ]


def milliseconds(run: Callable[[], object], count: int = 50) -> float:
    """The median time of a call."""
    times = []
    for _ in range(count):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def speed(regressor: Regressor, threads: int) -> list[Row]:
    """ms a face of the network alone, and of the mesh net beside it."""
    session = Regressor(paths.WEIGHTS / f"{regressor.name}.onnx", threads).session
    picture = np.random.default_rng(0).integers(0, 256, (1, regressor.size, regressor.size, 3), np.uint8)
    feeds = {"picture": picture, "focal": np.array([[2.0]], np.float32)}
    peer, peer_feeds = face_mesh_session(threads), face_mesh_feeds()
    named = {"model": lambda: session.run(None, feeds), "face mesh": lambda: peer.run(None, peer_feeds)}
    return [Row(f"network alone, {threads} thread{'s'[: threads > 1]}, {who}", milliseconds(run), "ms") for who, run in named.items()]


def table(regressor: Regressor, name: str) -> list[Row]:
    """Every row of the card."""
    labeller = labelling.Labeller(name)
    second = SecondLook(threads=2)

    def twice(image: Image, box: Box) -> Estimate:
        return second(image, [estimate(regressor, image, box, portrait_focal(image))])[0]

    def tracked(image: Image, box: Box) -> Array:
        height, width = image.shape[:2]
        told = observations([twice(image, box)], portrait_focal(image), 0.0)
        return without_habits(told, (width / 2, height / 2), regressor.sha256, second.sha256).landmarks_2d[0]

    rivals: dict[str, Points] = {
        "model": lambda image, box: estimate(regressor, image, box, portrait_focal(image)).landmarks_2d,
        "model with its second look": lambda image, box: twice(image, box).landmarks_2d,
        "the same without their habits": tracked,
        "labeller": lambda image, box: labeller(image, box).points,
        "face mesh with the labeller's map": FaceMesh(labeller.map),
        "face mesh, nearest vertices": FaceMesh(),
    }
    faces = labelled68()[1]
    views = held_out(regressor, {who: rivals[who] for who in rivals if who.startswith("face mesh")}, paths.RUNS / name / "held_out_views")
    rows = (
        [headline(regressor), *photographs(rivals, faces)]
        + calibration(regressor, faces, labeller, unseen_photographs(name))
        + heads(views)
    )
    return rows + unrest(regressor, labeller.map, OPEN_CLIPS[2:]) + speed(regressor, 1) + speed(regressor, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="?", default="open", choices=("open", "research"))
    parser.add_argument("--weights", type=Path, help="an .onnx file other than the shipped one")
    arguments = parser.parse_args()
    shipped = paths.WEIGHTS / f"facelift{'' if arguments.name == 'open' else '_research'}.onnx"
    rows = table(Regressor(arguments.weights or shipped, 2), arguments.name)
    print("\n".join(map(str, rows)))
    if arguments.weights is None:
        figures = {row.what: round(float(row.value), 3) for row in rows}
        shipped.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
