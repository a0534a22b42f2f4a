# SPDX-License-Identifier: GPL-3.0-or-later
"""May a source of multi-view pictures teach? `python -m models.training.gates open auto_decoder` measures and prints.

Consistency: what the labeller sees on a grid of views, lifted, must project back onto it. Relief: the nose must stand out from
the eyes as a face's does. Diversity: heads must differ as people do. Likeness: the Frechet distance of what the shipped
regressor's eye makes of the pictures, to photographs by the same cameras, beside that of one half of the photographs to the other.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from facelift_blender.capture.types import Array, Image

from . import paths
from .export import load_weights
from .heads import Camera, FaceModel, look_at
from .labeller import Labeller
from .lift import lift
from .posed import Posed, posed, through_window
from .regressor import Regressor
from .run_folder import write_sheet
from .samples import label_view, mean_landmarks
from .shipped import save_tensors
from .sources import Source, TriplaneSource, as_tensors, make_source
from .store import SIZE

LEAST_VIEWS = 6
NOSE, EYE_CORNERS = 30, (36, 45)


@dataclass(frozen=True)
class Gates:
    """Bounds. residual: median, in face boxes; relief: share by which it may miss the mean face's; diversity: of photographs'."""

    residual: float = 0.02
    relief: float = 0.2
    diversity: float = 0.5


@dataclass(frozen=True)
class Measured:
    """What a source is like. refused: share of identities on which too few views were seen as faces.

    residual: median over identities and landmarks, in face boxes. relief: median depth from nose tip to eye corners over the mean
    face's. shapes: RMS distance of lifted landmarks from their mean, mm. diversity: mean distance between the features of two
    identities by one camera over that of two photographs. frechet: distance to photographs; halves: of photographs to photographs.
    """

    identities: int
    refused: float
    residual: float
    relief: float
    shapes: float
    diversity: float
    frechet: float
    halves: float

    def passed(self, gates: Gates) -> dict[str, bool]:
        return {
            "residual": self.residual <= gates.residual,
            "relief": abs(self.relief - 1) <= gates.relief,
            "diversity": self.diversity >= gates.diversity,
        }


def grid_of_cameras(size: int) -> list[Camera]:
    """Seven azimuths by five elevations without the four corners: 31 views, 1 m away."""
    aim = np.array([0.0, -0.025, 0.02])
    turns = [(yaw, pitch) for yaw in np.linspace(-45, 45, 7) for pitch in np.linspace(-24, 24, 5) if abs(yaw) < 45 or abs(pitch) < 24]
    return [look_at(*np.radians(turn), 0.0, 1.0, 0.6 * size / 0.19, size, aim) for turn in turns]


def lifted_identity(pictures: Sequence[Image], cameras: Sequence[Camera], labeller: Labeller, start: Array) -> tuple[Array, Array] | None:
    """Landmarks (N, 3) and residuals (N,) of one identity; None where it is refused."""
    labels = [label_view(labeller, picture, camera.project(start[:68])) for picture, camera in zip(pictures, cameras, strict=True)]
    points, sigmas, scores, sizes = (np.stack(column) for column in zip(*labels, strict=True))
    trust = np.clip((scores - 0.5) / 0.4, 0, 1)
    if (trust > 0.3).sum() < LEAST_VIEWS:
        return None
    lifted = lift(cameras, points, sigmas, trust, sizes, start)
    return lifted.landmarks, lifted.residual


def relief(landmarks: Array) -> float:
    """Metres by which the nose's tip stands out from the outer eye corners, (N >= 68, 3)."""
    return float(landmarks[NOSE, 2] - landmarks[list(EYE_CORNERS), 2].mean())


@torch.no_grad()
def features(regressor: Regressor, pictures: Sequence[Image], cameras: Sequence[Camera]) -> Array:
    """(M, width) the regressor's summary of the middle of each picture, seen through its camera's window."""
    rows = []
    for picture, camera in zip(pictures, cameras, strict=True):
        size = len(picture)
        colour = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None] / 127.5 - 1
        windowed = through_window(colour, as_tensors(camera, size))[0].permute(1, 2, 0).numpy() / 2 + 0.5
        edge = round(0.11 * size)
        side = regressor.config.picture
        crop = cv2.resize(windowed[edge : size - edge, edge : size - edge], (side, side), interpolation=cv2.INTER_LINEAR)
        image = torch.from_numpy(crop).permute(2, 0, 1)[None]
        rows.append(regressor.summary(regressor.coarse(regressor.middle(regressor.fine(image * 4 - 2))))[0].numpy())
    return np.stack(rows).astype(float)


def frechet(one: Array, other: Array, reference: Array, components: int = 24) -> float:
    """Frechet distance of two sets of features (M, C), in standard deviations of the reference along its principal components."""
    mean = reference.mean(axis=0)
    _, s, axes = np.linalg.svd(reference - mean, full_matrices=False)
    count = min(components, len(s), len(one) - 1, len(other) - 1)
    a, b = ((x - mean) @ (axes[:count] / (s[:count, None] / len(reference) ** 0.5)).T for x in (one, other))
    first, second = np.cov(a.T).reshape(count, count), np.cov(b.T).reshape(count, count)
    mixed = np.sqrt(np.maximum(np.linalg.eigvals(first @ second).real, 0)).sum()
    return float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * mixed)


def spread(rows: Array) -> float:
    """Mean distance between two of them, (M, C)."""
    return float(np.mean([np.linalg.norm(rows[k + 1 :] - row, axis=1).mean() for k, row in enumerate(rows[:-1])]))


def measure(source: Source, count: int, labeller: Labeller, start: Array, photographs: Posed, regressor: Regressor, seed: int) -> Measured:
    """Draw `count` identities and look at each from the grid, and as the photographs' cameras do."""
    random = np.random.default_rng(seed)
    cameras, taken = grid_of_cameras(SIZE), photograph_cameras(photographs, random.permutation(len(photographs.pictures))[: 2 * count])
    landmarks, residuals, frontal, made = [], [], [], []
    ahead = look_at(0.0, 0.0, 0.0, 1.0, 0.6 * SIZE / 0.19, SIZE, np.array([0.0, -0.025, 0.02]))
    for k in range(count):
        code = source.draw(random)
        *pictures, front, one, two = source.render(code, [*cameras, ahead, taken[0][2 * k], taken[0][2 * k + 1]], SIZE)
        frontal.append(front)
        made += [one, two]
        lifted = lifted_identity(pictures, cameras, labeller, start)
        if lifted is not None:
            landmarks.append(lifted[0])
            residuals.append(lifted[1])
    real, fake = features(regressor, taken[1], taken[0]), features(regressor, made, taken[0])
    shapes = np.array(landmarks)
    return Measured(
        identities=count,
        refused=1 - len(landmarks) / count,
        residual=float(np.median(residuals)) if landmarks else 1.0,
        relief=float(np.median([relief(x) for x in landmarks]) / relief(start)) if landmarks else 0.0,
        shapes=1000 * float(np.sqrt(((shapes - shapes.mean(axis=0)) ** 2).sum(axis=2).mean())) if landmarks else 0.0,
        diversity=spread(fake[::2]) / spread(real[::2]),
        frechet=frechet(fake, real, real),
        halves=frechet(real[::2], real[1::2], real),
    )


def photograph_cameras(photographs: Posed, rows: Array) -> tuple[list[Camera], list[Image]]:
    """Cameras and pictures of some photographs, at SIZE."""
    chosen = [(photographs.focal[k] * SIZE, photographs.rotation[k], photographs.translation[k]) for k in rows]
    cameras = [Camera(float(focal), (SIZE / 2, SIZE / 2), rotation, translation) for focal, rotation, translation in chosen]
    return cameras, [cv2.resize(photographs.pictures[k], (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for k in rows]


def sheet(source: Source, path: Path, heads: int = 6, seed: int = 0) -> None:
    """A row a head, from side to side."""
    random = np.random.default_rng(seed)
    cameras = [camera for camera in grid_of_cameras(SIZE) if abs(camera.rotation[2, 1]) < 1e-6]
    write_sheet([source.render(source.draw(random), cameras, SIZE) for _ in range(heads)], path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("kind", choices=("mesh", "auto_decoder", "adversarial"))
    parser.add_argument("--identities", type=int, default=30)
    parser.add_argument("--photographs", type=int, help="at most so many for textures and backgrounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ship", action="store_true", help="put the generator and these figures beside the shipped weights")
    arguments = parser.parse_args()
    folder = paths.RUNS / arguments.name
    labeller = Labeller(arguments.name)
    source = make_source(arguments.name, arguments.kind, labeller, arguments.photographs)
    photographs = posed([path.parent for path in sorted(folder.glob("frames*/table.npz"))], 64)
    regressor = load_weights(paths.WEIGHTS / "facelift.safetensors")
    start = mean_landmarks(FaceModel())
    measured = measure(source, arguments.identities, labeller, start, photographs, regressor, arguments.seed)
    verdict = measured.passed(Gates())
    for name, value in asdict(measured).items():
        print(f"{arguments.kind:14} {name:12} {value:8.3f} {('passed' if verdict[name] else 'MISSED') if name in verdict else ''}")
    sheet(source, folder / f"gates_{arguments.kind}.png")
    figures = json.dumps(asdict(measured) | {"passed": verdict}, indent=1) + "\n"
    (folder / f"gates_{arguments.kind}.json").write_text(figures)
    if arguments.ship and isinstance(source, TriplaneSource):
        save_tensors(source.generator, paths.WEIGHTS / f"generator_{arguments.kind}.safetensors")
        (paths.WEIGHTS / f"generator_{arguments.kind}.json").write_text(figures)


if __name__ == "__main__":
    main()
