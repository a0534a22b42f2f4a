# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models.training.habits_fit`: learns what the networks are wont to get wrong (`capture/habits.py`).

Two kinds of heads are shown to them whose every point is known: the characters that `python -m models.performer.exercises` rendered,
and the generator's views of photographed faces, each under a lens that may be a wrong one. The two differ in what a landmark is
taken to mean, so each kind has a constant of its own, and what is taken out is midway: all else is learned from both. What a frame
has beyond its clip the characters alone tell, of each of whom there are many stills. Who is left out tells by how much the nearness
comes out too tame, which is made good, and how far it can then be trusted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.crops import box_of_landmarks
from facelift_blender.capture.habits import Habits, Sighting, beside_usual
from facelift_blender.capture.head_pose import rotation_vector
from facelift_blender.capture.second_look import LookingTwice
from facelift_blender.capture.topology import COUNT, MIRROR, region_indices
from facelift_blender.capture.types import Array, FaceLiftError, Observations
from models.performer.exercises import FOLDER

from . import expression_samples, paths
from .export import save_learned
from .frames import in_common_frame, turn_alike
from .heads import Camera
from .store import SIZE, Store, decode

AXES: Final = 60
"""Main components of shapes, and of rests."""
RIDGE, NEAR_RIDGE = 1000.0, 300.0
MIDWAY: Final = 0.5
RENDERED: Final = 4.0
"""How much more than a generated face a rendered one counts for the nearness: its lens is a lens's."""
MOVES, READ_WELL, _VIEW = 8, 0.8, 6
"""Main moves of faces, the correlation from which one counts as read well, and how many numbers describe the view."""
FOLDS: Final = 6
VIEWS: Final = ("views", "views_auto_decoder")
MOST_VIEWS, WIDEST_TURN = 1800, 60.0
"""Views of each store, and degrees to the side from which on they are not learned from."""
MISTOLD, JITTER = 0.9, 0.03
"""How wrong the told lens may be (of the logarithm), and how far the box is off, in boxes."""
_INNER: Final = np.setdiff1d(np.arange(COUNT), region_indices("contour"))
_MIRROR: Final = list(MIRROR)


@dataclass(frozen=True)
class Lesson:
    """What was said and what is true. said: S sightings. seen: (S, N, 2), shapes: (S, N, 3) metres and turns: (S, 3) radians that
    are missing in them; nearness: (S,) the true one. people: (S,) who it is; kind: (S,) 0 rendered, 1 generated.
    """

    said: Sighting
    seen: Array
    shapes: Array
    turns: Array
    nearness: Array
    people: np.ndarray
    kind: np.ndarray

    @staticmethod
    def of(raw: Observations, center: tuple[float, float], truth: Truthful, person: int, kind: int) -> Lesson:
        """One person's frames. The true shape is brought to the size that the regressor's have: no picture shows a head's size."""
        rows = np.arange(len(raw.frames))
        said = Sighting.of(raw, center, rows)
        size = _size(said.shapes) / _size(truth.landmarks)
        seen = (truth.pixels - raw.landmarks_2d) / said.scales[:, None, None] @ said.axes
        turns = rotation_vector(np.swapaxes(raw.rotations, 1, 2) @ truth.rotations)
        nearness = 1.0 / (size * np.linalg.norm(truth.translations, axis=1))
        same = np.full(len(rows), person), np.full(len(rows), kind)
        return Lesson(said, seen, size * truth.landmarks - said.shapes, turns, nearness, *same)

    @property
    def mirrored(self) -> Lesson:
        """The same in the mirror."""
        side, up = np.array([-1.0, 1.0]), np.array([-1.0, 1.0, 1.0])
        said = replace(
            self.said, views=self.said.views * up, shapes=self.said.shapes[:, _MIRROR] * up, rests=self.said.rests[:, _MIRROR] * side
        )
        parts = {"seen": self.seen[:, _MIRROR] * side, "shapes": self.shapes[:, _MIRROR] * up}
        return replace(self, said=said, turns=self.turns * [1.0, -1.0, -1.0], **parts)

    def rows(self, rows: np.ndarray) -> Lesson:
        """Some of it."""
        said = Sighting(*(getattr(self.said, part.name)[rows] for part in fields(Sighting)))
        return Lesson(said, *(getattr(self, part.name)[rows] for part in fields(Lesson)[1:]))


@dataclass(frozen=True)
class Truthful:
    """What is true of S pictures: pixels (S, N, 2), landmarks (S, N, 3), rotations (S, 3, 3), translations (S, 3)."""

    pixels: Array
    landmarks: Array
    rotations: Array
    translations: Array


def joined(lessons: Sequence[Lesson]) -> Lesson:
    """All of them as one."""
    said = Sighting(*(np.concatenate([getattr(lesson.said, part.name) for lesson in lessons]) for part in fields(Sighting)))
    return Lesson(said, *(np.concatenate([getattr(lesson, part.name) for lesson in lessons]) for part in fields(Lesson)[1:]))


def _size(shapes: Array) -> float:
    inner = shapes[:, _INNER]
    return float(np.sqrt(np.mean(np.sum((inner - inner.mean(axis=1, keepdims=True)) ** 2, axis=-1))))


def fit(lesson: Lesson) -> Habits:
    """The habits that fit the lesson, which has its mirror pictures in it."""
    habits = _to_describe(lesson)
    told = habits.described(lesson.said)
    told = beside_usual(told, _usual(told, lesson.people))
    goals = np.concatenate([part.reshape(len(told), -1) for part in (lesson.seen, lesson.shapes, lesson.turns)], axis=1)
    matrix = ridge(told, goals, lesson.kind, RIDGE) + _stretch(habits, lesson, told, goals)
    return replace(habits, matrix=matrix, nearness=_nearness(habits, lesson))


def _stretch(habits: Habits, lesson: Lesson, told: Array, goals: Array) -> Array:
    """(2 D - 1, G) what brings the moves that are read well to their full size: what is learned from noise is too tame."""
    count, own = lesson.said.shapes.shape[1], (told.shape[1] + 1) // 2
    shapes = slice(2 * count, 5 * count)
    found, true = _moves_left_out(lesson, told, goals[:, shapes])
    matrix, extra = ridge(told, goals[:, shapes], lesson.kind, RIDGE), np.zeros((told.shape[1], goals.shape[1]))
    made = np.zeros((own - 1, 3 * count))
    made[_VIEW - 1 :][: habits.shape_axes.shape[1]] = habits.shape_axes.T
    extra[own:, shapes] = (made + matrix[1:own] + matrix[own:]) @ _gain(found, true)
    extra[own:, : 2 * count] = extra[own:, shapes].reshape(own - 1, count, 3)[..., :2].reshape(own - 1, -1)
    return extra


def _moves_left_out(lesson: Lesson, told: Array, shapes: Array) -> tuple[Array, Array]:
    """(R, 3 N) what the rendered characters' pictures have beyond their person's others, as the others' maps have it, and in truth."""
    found, true, everyone = [], [], np.unique(lesson.people)
    for fold in range(FOLDS):
        out = np.isin(lesson.people, everyone[fold::FOLDS])
        matrix, rows = ridge(told[~out], shapes[~out], lesson.kind[~out], RIDGE), out & (lesson.kind == 0)
        said, people = lesson.said.shapes[rows].reshape(int(rows.sum()), -1), lesson.people[rows]
        for moved, corrections in ((found, told[rows] @ matrix), (true, shapes[rows])):
            moved.append(said + corrections - _usual(said + corrections, people))
    return np.concatenate(found), np.concatenate(true)


def _gain(found: Array, true: Array) -> Array:
    """(3 N, 3 N) what is missing of the main moves that are read well, from moves (R, 3 N) as they are found and in truth."""
    moves = np.linalg.eigh(true.T @ true)[1][:, : -MOVES - 1 : -1]
    found, true = found @ moves, true @ moves
    both = np.sum(found * true, axis=0)
    slope, alike = both / np.sum(true**2, axis=0), both / np.sqrt(np.sum(found**2, axis=0) * np.sum(true**2, axis=0))
    return (moves * np.where(alike > READ_WELL, 1.0 / slope - 1.0, 0.0)) @ moves.T


def _to_describe(lesson: Lesson) -> Habits:
    """Habits that know what faces are made of, and nothing else yet."""
    return Habits(*_components(lesson.said.shapes), *_components(lesson.said.rests), np.empty(0), np.empty(0))


def _nearness(habits: Habits, lesson: Lesson) -> Array:
    """(E,), of what a person's pictures have in common: what one has beyond the others is noise that would tame it, and is left out."""
    told = habits.described_nearness(lesson.said)
    both = np.concatenate([told, told - _usual(told, lesson.people)], axis=1)
    weights = np.where(lesson.kind == 0, RENDERED, 1.0)
    return ridge(both, lesson.nearness[:, None], lesson.kind, NEAR_RIDGE, weights)[: told.shape[1], 0]


def _usual(told: Array, people: np.ndarray) -> Array:
    """(S, D) of each picture: the mean of its person's pictures that stand together; the mirrored ones are another's."""
    _, runs, counts = np.unique(np.cumsum(np.diff(people, prepend=people[:1]) != 0), return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), told.shape[1]))
    np.add.at(sums, runs, told)
    return (sums / counts[:, None])[runs]


def ridge(told: Array, goals: Array, kind: np.ndarray, strength: float, weights: Array | None = None) -> Array:
    """(D, G): one map for both kinds but for its constant, the first row, which is midway between the kinds' own."""
    spread = np.where(np.arange(told.shape[1]) == 0, 1.0, told.std(axis=0) + 1e-12)
    both = np.concatenate([told / spread, kind[:, None].astype(float)], axis=1)
    weighted = both if weights is None else both * weights[:, None]
    penalty = np.full(both.shape[1], strength)
    penalty[[0, -1]] = 1e-3
    matrix = np.linalg.solve(weighted.T @ both + np.diag(penalty), weighted.T @ goals)
    matrix[0] += MIDWAY * matrix[-1]
    return matrix[:-1] / spread[:, None]


def _components(values: Array) -> tuple[Array, Array]:
    """Middle (K,) and main components (K, AXES) of (S, ...) values."""
    flat = values.reshape(len(values), -1)
    middle = flat.mean(axis=0)
    return middle, np.linalg.eigh((flat - middle).T @ (flat - middle))[1][:, : -AXES - 1 : -1]


def left_out(lesson: Lesson) -> Iterator[tuple[Habits, Lesson]]:
    """What the others taught of nearness, and those who were left out."""
    everyone, habits = np.unique(lesson.people), _to_describe(lesson)
    for fold in range(FOLDS):
        out = np.isin(lesson.people, everyone[fold::FOLDS])
        yield replace(habits, nearness=_nearness(habits, lesson.rows(~out))), lesson.rows(out)


def told_nearness(lesson: Lesson) -> tuple[Array, Array]:
    """1 / metres (P,) of each rendered character: what is told of those who were not learned from, and what is true."""
    told, true = [], []
    for habits, others in left_out(lesson):
        rendered = others.rows(others.kind == 0)
        said = habits.described_nearness(rendered.said) @ habits.nearness
        for person in np.unique(rendered.people):
            rows = rendered.people == person
            told.append(float(said[rows].mean()))
            true.append(float(rendered.nearness[rows].mean()))
    return np.array(told), np.array(true)


def fair(habits: Habits, told: Array, true: Array) -> tuple[Habits, float]:
    """The habits with a nearness that is as large on average as it truly is, told (P,) of people that are not known; and its doubt,
    1 / metres, RMS.
    """
    slope, constant = np.polyfit(true, told, 1)
    nearness = habits.nearness.copy()
    nearness[0] -= constant
    doubt = float(np.sqrt(np.mean(((told - constant) / slope - true) ** 2)))
    return replace(habits, nearness=nearness / slope), doubt


def rendered(folder: Path, look: LookingTwice) -> list[Lesson]:
    """Of every character's stills."""
    lessons = []
    for seed in expression_samples.seeds(folder):
        raw, truth, pixels, side = expression_samples.seen(seed, folder, look)
        turn = turn_alike(truth.neutral[:68], look.regress.mean)
        true = Truthful(pixels, truth.landmarks @ turn.T, truth.rotations @ turn.T, truth.translations)
        lessons.append(Lesson.of(raw, (side / 2, side / 2), true, seed, 0))
    return lessons


def generated(folder: Path, look: LookingTwice, first: int) -> list[Lesson]:
    """Of views in a generator's store, each told a lens that may be wrong; `first` is the first one's number among people."""
    pictures, table = Store(folder).open()
    table = in_common_frame(table, look.regress.mean)
    random, lessons = np.random.default_rng([first, 25]), []
    for index in np.linspace(0, len(table["ends"]) - 2, min(MOST_VIEWS, len(table["ends"]) - 1)).astype(int):
        image, focal = decode(pictures, table["ends"], index), float(table["focal"][index])
        rotation, translation, landmarks = (table[name][index].astype(float) for name in ("rotation", "translation", "landmarks"))
        told = focal * float(np.exp(random.uniform(-MISTOLD, MISTOLD)))
        pixels = Camera(focal, (SIZE / 2, SIZE / 2), rotation, translation).project(landmarks)
        if abs(np.degrees(np.arctan2(rotation[0, 2], -rotation[2, 2]))) < WIDEST_TURN:
            (estimate,) = look(image, [expression_samples.jittered(box_of_landmarks(pixels), random, JITTER)], told)
            true = Truthful(*(part[None] for part in (pixels, landmarks, rotation, translation)))
            raw = expression_samples.observations([estimate], told, 0.0)
            lessons.append(Lesson.of(raw, (SIZE / 2, SIZE / 2), true, first + int(index), 1))
    return lessons


def taught(exercises: Path, views: Path) -> list[Lesson]:
    """All there is to learn from. Raises FaceLiftError if there are no exercises."""
    look = expression_samples.looking_twice()
    lessons = rendered(exercises, look)
    if not lessons:
        raise FaceLiftError(f"{exercises} has no exercises: render them with `python -m models.performer.exercises`.")
    for place, name in enumerate(VIEWS, 1):
        lessons += generated(views / name, look, 10_000 * place)
    return lessons


def save(habits: Habits, path: Path) -> None:
    """Write the file and its hash."""
    save_learned("habits", habits, path, "python -m models.training.habits_fit")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.training.habits_fit", description=__doc__)
    parser.add_argument("--exercises", type=Path, default=FOLDER, help="folder with the rendered stills")
    parser.add_argument("--views", type=Path, default=paths.RUNS / "open", help="folder with the generator's stores of views")
    parser.add_argument("-o", "--output", type=Path, default=paths.WEIGHTS / "habits.npz")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        lessons = taught(options.exercises, options.views)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    whole = joined([*lessons, *(lesson.mirrored for lesson in lessons)])
    habits, doubt = fair(fit(whole), *told_nearness(whole))
    save(habits, options.output)
    sys.stdout.write(f"{options.output}: nearness of who is not known within {doubt:.2f} / m\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
