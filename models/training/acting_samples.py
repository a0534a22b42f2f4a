# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches for the second look of rendered characters who act: `python -m models.training.acting_samples open`.

`python -m models.performer.exercises -o models/runs/acting --seeds 346 389` (then 390 398) renders them. Photographs' labels move
less than the face does: lids, lips and eyes do there what they do here, but to the pixel. What a landmark marks stays as the
photographs have it: a label is where the character's own point is seen, and beside it lies by what the second look, as it is, puts
the landmark there on average, which depends on the character and on the view. The irises alone are taken as they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture.crops import box_of_landmarks
from facelift_blender.capture.landmarks import Estimate, Regressor
from facelift_blender.capture.second_look import COLUMNS, KINDS, OUTPUTS, REGIONS, Patch, Region, SecondLook, Sight, facing, placed
from facelift_blender.capture.tracker import USUAL_FOCAL
from facelift_blender.capture.types import Array, Image
from facelift_blender.rigs import arkit
from models.performer.truth import Truth, load_truth

from . import paths
from .expression_samples import jittered, seeds, stills
from .iris import IRIS
from .run_folder import say
from .second_look_samples import CONTEXT, CUT, Patches, opening, turned_here

FOLDER: Final = paths.RUNS / "acting"
PART: Final = "acting"
JITTER: Final = 0.04
"""How far the regressor's box is off, in boxes."""
SHRUNK: Final = (0.5, 1.0)
"""How large the stills are looked at, by the size they were rendered at."""
FARTHEST: Final = 0.12
"""From the character's own point, in sides of the patch: what the second look says beyond that is a miss, not a habit."""
HIDDEN: Final = 0.6
"""A lid shut so far hides the iris."""


@dataclass(frozen=True)
class Acted:
    """One region of one still. truth, told: (K, 2) sides of the patch, the character's own points and the second look's; trust: (K,).

    view: (3,) canonical, unit, from the head to the camera, in the mirror if the region is.
    """

    cut: Image
    region: Region
    seed: int
    view: Array
    truth: Array
    told: Array
    trust: Array


def acted_regions(seed: int, folder: Path, regressor: Regressor, look: SecondLook) -> Iterator[Acted]:
    """All regions of a character's stills that can be seen."""
    truth = load_truth(folder / f"{seed}_truth.json.gz")
    random = np.random.default_rng([seed, 25])
    scale = float(random.uniform(*SHRUNK))
    size = 2 * round(truth.shot.width * scale / 2)
    scale = size / truth.shot.width
    for row, image in enumerate(stills(seed, folder, len(truth), size, random)):
        box = jittered(box_of_landmarks(truth.pixels[row] * scale), random, JITTER)
        (estimate,) = regressor(image, [box], USUAL_FOCAL * size)
        (sight,) = look.measure(image, [estimate])
        for region, patch, towards in zip(REGIONS, placed(estimate), facing(estimate), strict=True):
            if towards > 0.1:
                yield _acted(seed, truth, row, scale, image, estimate, sight, region, patch)


def _acted(
    seed: int, truth: Truth, row: int, scale: float, image: Image, estimate: Estimate, sight: Sight, region: Region, patch: Patch
) -> Acted:
    rows = region.landmarks
    told = np.full((len(truth.pixels[row]), 2), np.nan)
    told[sight.landmarks] = sight.points
    trust = truth.visible[row][rows] * turned_here(estimate)[rows]
    if region.kind.name == "eye":
        blink = "eyeBlinkLeft" if region.mirrored else "eyeBlinkRight"
        trust[IRIS] *= truth.weights[row, arkit.INDEX[blink]] < HIDDEN
    towards = -estimate.rotation.T @ estimate.translation
    view = towards / np.linalg.norm(towards) * [-1.0 if region.mirrored else 1.0, 1.0, 1.0]
    cut = replace(patch, side=patch.side * CONTEXT).cut(image, CUT)
    inside = patch.to_patch(truth.pixels[row][rows] * scale)
    return Acted(cut, region, seed, view, inside, patch.to_patch(told[rows]), trust)


def labels(acted: Sequence[Acted]) -> Array:
    """(P, K, 2) of regions of one kind: the characters' own points, and beside each what is usual for the character and the view."""
    truth, told, trust = (np.stack([getattr(one, name) for one in acted]) for name in ("truth", "told", "trust"))
    usual = np.zeros_like(truth)
    known = (trust > 0.3) & (np.abs(told - truth).max(axis=2) < FARTHEST)
    design = _design(acted)
    for landmark in range(truth.shape[1]):
        rows = known[:, landmark]
        usual[:, landmark] = design @ np.linalg.lstsq(design[rows], (told - truth)[rows, landmark], rcond=1e-6)[0]
    if acted[0].region.kind.name == "eye":
        usual[:, IRIS] = 0.0
    return truth + usual


def _design(acted: Sequence[Acted]) -> Array:
    """(P, D): which character and side, and the view with its squares."""
    who = [(one.seed, one.region.mirrored) for one in acted]
    whose = np.array([[mine == other for other in sorted(set(who))] for mine in who], float)
    x, y, _ = np.stack([one.view for one in acted]).T
    return np.concatenate([whose, np.stack([x, y, x * x, y * y, x * y], axis=1)], axis=1)


def collected(acted: Sequence[Acted]) -> Patches:
    """The patches of all regions; what lies outside the stored cut is left out."""
    kinds = [[one for one in acted if one.region.kind == kind] for kind in KINDS]
    rows = [
        (one.cut, k, *_spread(one, label), opening(label) if KINDS[k].name == "eye" else 1.0)
        for k, kind in enumerate(kinds)
        if kind
        for one, label in zip(kind, labels(kind), strict=True)
        if np.abs(label - 0.5).max() <= 0.5 * CONTEXT
    ]
    return Patches(*(np.stack(column) for column in zip(*rows, strict=True)))


def _spread(one: Acted, label: Array) -> tuple[Array, Array]:
    """A region's labels and their trust among those of all kinds: (OUTPUTS, 2) and (OUTPUTS,)."""
    points, trust, columns = np.zeros((OUTPUTS, 2), np.float32), np.zeros(OUTPUTS, np.float32), COLUMNS[one.region.kind.name]
    points[columns], trust[columns] = label, one.trust
    return points, trust


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--stills", type=Path, default=FOLDER, help="folder with the rendered characters")
    arguments = parser.parse_args()
    everyone = seeds(arguments.stills)
    if not everyone:
        parser.error(f"{arguments.stills} has no characters: render them with `python -m models.performer.exercises`.")
    ending = "" if arguments.name == "open" else "_research"
    regressor = Regressor(paths.WEIGHTS / f"facelift{ending}.onnx", 1)
    look = SecondLook(paths.WEIGHTS / f"second_look{ending}.onnx", 1)
    patches = collected([one for seed in everyone for one in acted_regions(seed, arguments.stills, regressor, look)])
    patches.save(paths.RUNS / arguments.name / "second_look_patches" / PART)
    say(f"{len(everyone)} characters: {np.bincount(patches.kind).tolist()} of {[kind.name for kind in KINDS]}")


if __name__ == "__main__":
    main()
