# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the second look: `python -m models.training.second_look open`. Goes on from its checkpoint; writes the weights at its end.

Its patches are those of second_look_samples and acting_samples, each placed anew: off by as much as the first look is, worn as footage is.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from facelift_blender.capture.second_look import COLUMNS, KINDS, OUTPUTS
from facelift_blender.capture.topology import MIRROR
from facelift_blender.capture.types import Array, Image

from . import paths
from .acting import acted
from .batches import wear
from .export import register
from .export_look import export
from .iris import IRIS
from .losses import laplacian_likelihood
from .run_folder import Progress, follow, keep_training, save_whole, say, write_config
from .second_look_network import Look, LookConfig, Measured, load_weights
from .second_look_samples import CONTEXT, CUT, SHUT, Patches, in_cut
from .shipped import save_tensors

PLACE, SIZE, ROLL, SHAPE = 0.04, 0.08, 0.06, 0.04
"""Deviations of a patch's place (in sides), size (logarithm), roll (radians), and of the shear and stretch of what it shows."""
SHUT_COUNTS = 4.0
"""How often a shut eye is drawn for an open one."""
ACTED = 0.6
"""How many of the patches that face the camera are made to act."""
SHARES: Mapping[str, float] = {
    "photographs": 0.3, "clips": 0.12, "views": 0.08, "views_portraits_b": 0.05, "portraits_near": 0.05, "acting": 0.4,
}  # fmt: skip
"""How much each part of the patches counts."""
LIFTED, STILL_IRISES = ("views", "views_portraits_b", "portraits_near"), 0.05
"""Parts with lifted landmarks, and how much their irises count: the labeller's hardly move in their eyes."""
IRISES_COUNT = 4.0
"""How much an iris's landmark counts beside one of a lid: few, and the slowest to be learned."""


@dataclass(frozen=True)
class LookTraining:
    """One run. `batch` patches of all kinds a step; `minutes_between` checkpoints."""

    name: str = "open"
    steps: int = 10000
    batch: int = 96
    rate: float = 2e-3
    decay: float = 0.02
    warm_up: int = 100
    average: float = 0.998
    report: int = 100
    minutes_between: float = 3.0
    seed: int = 0
    workers: int = 1
    bfloat16: bool = True
    network: LookConfig = field(default_factory=LookConfig)


def mirror_order(kind: int) -> Array:
    """(OUTPUTS,) where each of a kind's landmarks stands in the mirror; the other kinds' stay."""
    order, columns, landmarks = np.arange(OUTPUTS), COLUMNS[KINDS[kind].name], KINDS[kind].landmarks
    if set(landmarks) == {MIRROR[k] for k in landmarks}:
        order[columns] = columns.start + np.array([landmarks.index(MIRROR[k]) for k in landmarks])
    return order


class Draws(IterableDataset):
    """Batches of patches without end: pictures (B, 3, S, S), points (B, OUTPUTS, 2) in their sides, trust (B, OUTPUTS)."""

    def __init__(self, parts: Mapping[str, Patches], size: int, count: int, seed: int) -> None:
        self.parts, self.size, self.count, self.seed = list(parts.values()), size, count, seed
        self.index = [(k, i) for k, part in enumerate(self.parts) for i in range(len(part.kind))]
        chances = [SHARES.get(name, 0.1) * _chances(part) for name, part in parts.items()]
        self.chances = np.cumsum(np.concatenate(chances))
        self.irises = [IRISES_COUNT * (STILL_IRISES if name in LIFTED else 1.0) for name in parts]
        self.orders = [mirror_order(kind) for kind in range(len(KINDS))]
        self.random = np.random.default_rng(seed)

    def draw(self) -> tuple[Array, Array, Array]:
        """One patch as (3, S, S), (OUTPUTS, 2) and (OUTPUTS,)."""
        random = self.random
        part, k = self.index[np.searchsorted(self.chances, random.uniform(0, self.chances[-1]))]
        patches = self.parts[part]
        kind = int(patches.kind[k])
        matrix = _placed(random, self.size, mirrored=KINDS[kind].name != "eye" and random.random() < 0.5)
        order = self.orders[kind] if np.linalg.det(matrix[:, :2]) < 0 else np.arange(OUTPUTS)
        border = cv2.BORDER_REFLECT_101 if random.random() < 0.7 else cv2.BORDER_CONSTANT
        picture, points, trust = self._played(patches, k, kind)
        trust[IRIS] *= self.irises[part] if KINDS[kind].name == "eye" else 1.0
        picture = cv2.warpAffine(picture, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=border)
        points = (points[order] @ matrix[:, :2].T + matrix[:, 2]) / self.size
        return wear(picture, random).transpose(2, 0, 1) / np.float32(255.0), points, trust[order]

    def _played(self, patches: Patches, k: int, kind: int) -> tuple[Image, Array, Array]:
        """A stored patch, its points (OUTPUTS, 2) in pixels of it and their trust (OUTPUTS,), as it is or made to act."""
        picture, trust = np.asarray(patches.pictures[k]), np.array(patches.trust[k])
        points, columns = in_cut(np.asarray(patches.points[k], float)), COLUMNS[KINDS[kind].name]
        if trust[columns].mean() > 0.6 and self.random.random() < ACTED:
            picture, points[columns], trust[columns] = acted(picture, kind, points[columns], trust[columns], self.random)
        return picture, points, trust

    def __iter__(self) -> Iterator[list[Tensor]]:
        worker = get_worker_info()
        if worker is not None:
            cv2.setNumThreads(1)
            self.random = np.random.default_rng([self.seed, worker.id])
        while True:
            columns = zip(*(self.draw() for _ in range(self.count)), strict=True)
            yield [torch.from_numpy(np.stack(column).astype(np.float32)) for column in columns]


def _chances(part: Patches) -> Array:
    """(P,) that sum to 1: shut eyes come more often than there are."""
    chances = np.where(np.asarray(part.lids) < SHUT, SHUT_COUNTS, 1.0)
    return chances / chances.sum()


def _placed(random: np.random.Generator, size: int, mirrored: bool) -> Array:
    """(2, 3) from a stored patch's pixels to those of the network's patch, as a first look that errs would place it."""
    angle = random.normal(0, ROLL)
    scale = size / CUT * CONTEXT * np.exp(np.clip(random.normal(0, SIZE), -0.25, 0.25))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = scale * turn @ (np.eye(2) + random.normal(0, SHAPE, (2, 2))) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
    middle = size * (0.5 + np.clip(random.normal(0, PLACE, 2), -0.12, 0.12))
    return np.hstack([linear, (middle - linear @ np.full(2, CUT / 2))[:, None]])


def look_loss(found: Measured, points: Tensor, trust: Tensor) -> dict[str, Tensor]:
    """Laplacian likelihood of the labels, and for the reader alone the mean error in percent of the patch."""
    likelihood = laplacian_likelihood(found.points, points, found.cholesky)
    total = trust.sum().clamp(min=1.0)
    with torch.no_grad():
        error = 100.0 * (trust * torch.linalg.vector_norm(found.points - points, dim=2)).sum() / total
    return {"likelihood": (trust * likelihood).sum() / total, "percent": error}


class Run:
    """A network in training, its average, and where it stands."""

    def __init__(self, config: LookTraining, folder: Path) -> None:
        self.config, self.folder, self.step = config, folder, 0
        torch.manual_seed(config.seed)
        self.network = Look(config.network).to(memory_format=torch.channels_last)
        self.average = Look(config.network)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.rate, weight_decay=config.decay, betas=(0.9, 0.98))
        self.progress = Progress(config.steps, config.report)

    def begin(self, weights: Path | None = None) -> None:
        """From the checkpoint if there is one, else from `weights`, else from scratch."""
        if weights is not None:
            for network in (self.network, self.average):
                network.load_state_dict(load_weights(weights).state_dict())
        if (self.folder / "second_look.pt").exists():
            state = torch.load(self.folder / "second_look.pt", weights_only=True)
            for name in ("network", "average", "optimiser"):
                getattr(self, name).load_state_dict(state[name])
            self.step, self.progress.history = state["step"], state["history"]

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        state = {name: getattr(self, name).state_dict() for name in ("network", "average", "optimiser")}
        save_whole(state | {"step": self.step, "history": self.progress.history}, self.folder / "second_look.pt")
        write_config(asdict(self.config), self.folder / "second_look.json")

    def rate(self) -> float:
        """Warm-up, then half a cosine down to nothing."""
        config = self.config
        done = max(0, self.step - config.warm_up) / max(1, config.steps - config.warm_up)
        return config.rate * min(1.0, (self.step + 1) / config.warm_up) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))

    def advance(self, batch: list[Tensor]) -> dict[str, float]:
        """One step."""
        pictures, points, trust = batch
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            found = self.network(pictures.contiguous(memory_format=torch.channels_last))
        terms = look_loss(found, points, trust)
        self.optimiser.zero_grad(set_to_none=True)
        terms["likelihood"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        follow(self.average, self.network, self.step, self.config.average)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}


def loaded(data: Path) -> dict[str, Patches]:
    """The parts of the patches, by name."""
    return {part.name: Patches.load(part) for part in sorted(data.iterdir()) if (part / "pictures.npy").exists()}


def samples(config: LookTraining) -> Tensor:
    """(B, 3, S, S) patches as the training draws them."""
    parts = loaded(paths.RUNS / config.name / "second_look_patches")
    return next(iter(Draws(parts, config.network.patch, 96, config.seed)))[0]


def train(config: LookTraining, data: Path, folder: Path, weights: Path | None = None) -> Run:
    """Train until `steps`; `data` holds the parts of the patches, `folder` takes the checkpoint and its history."""
    run = Run(config, folder)
    run.begin(weights)
    parts = loaded(data)
    draws = Draws(parts, config.network.patch, config.batch, config.seed + run.step)
    say(f"{', '.join(f'{len(part.kind)} {name}' for name, part in parts.items())}; from step {run.step}")
    ahead = {"prefetch_factor": 8} if config.workers else {}
    keep_training(run, iter(DataLoader(draws, batch_size=None, num_workers=config.workers, **ahead)), config.minutes_between)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=LookTraining.steps)
    parser.add_argument("--rate", type=float, default=LookTraining.rate)
    parser.add_argument("--batch", type=int, default=LookTraining.batch)
    parser.add_argument("--run", default="second_look", help="folder of the run, under the set's")
    parser.add_argument("--from-weights", type=Path, help="a .safetensors file to start from where there is no checkpoint")
    parser.add_argument("--only-export", action="store_true", help="write the weights of the checkpoint as it is")
    arguments = parser.parse_args()
    config = LookTraining(arguments.name, arguments.steps, arguments.batch, arguments.rate)
    data = paths.RUNS / arguments.name
    if arguments.only_export:
        run = Run(config, data / arguments.run)
        run.begin()
    else:
        run = train(config, data / "second_look_patches", data / arguments.run, arguments.from_weights)
    ship(run)


def ship(run: Run) -> None:
    """The averaged network beside the other weights, and a picture of the curves."""
    from .plots import curves

    curves(run.progress.history, run.folder / "curves.png")
    name = "second_look" if run.config.name == "open" else "second_look_research"
    path = paths.WEIGHTS / f"{name}.onnx"
    moved = export(run.average, path, samples(run.config))
    save_tensors(run.average, path.with_suffix(".safetensors"))
    terms = "CC-BY-4.0" if run.config.name == "open" else "research, non-commercial"
    register(name, path, terms, f"python -m models.training.second_look {run.config.name}")
    say(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, points {moved:.1e} of the patch from torch's")


if __name__ == "__main__":
    main()
