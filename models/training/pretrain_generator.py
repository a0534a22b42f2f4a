# SPDX-License-Identifier: GPL-3.0-or-later
"""First stage of the generator, an auto-decoder: `python -m models.training.pretrain_generator open`. Goes on from its checkpoint.

Every identity of the multi-view store has a code of its own, free to move; codes and network learn together to render the
store's views: colour (L1 and structure, on patches of rays), outline and depth. At each checkpoint the codes' own normal
distribution goes into the network, so that new identities can be drawn.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from facelift_blender.capture.types import Array

from . import paths
from .generator import CENTRE, Cameras, Generator, GeneratorConfig, Rendered, pixel_places
from .plots import curves
from .run_folder import Progress, as_picture, follow, keep_training, save_whole, write_config, write_sheet
from .view_set import ViewSet, shrink, view_set

PICTURE = 64
"""Pixels a side of the views that are learned."""
BACKDROP = 0.5
"""What stands behind a head that is looked at on its own."""


@dataclass(frozen=True)
class PretrainConfig:
    """One run. A step takes `patch`^2 rays of each of `views` views of `identities` heads. `depth` is a weight per centimetre."""

    steps: int = 20000
    identities: int = 4
    views: int = 3
    patch: int = 24
    rate: float = 2e-3
    code_rate: float = 5e-3
    structure: float = 0.1
    opacity: float = 1.0
    depth: float = 0.1
    prior: float = 1e-4
    average: float = 0.998
    report: int = 20
    minutes_between: float = 3.0
    seed: int = 0
    bfloat16: bool = True
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)


class Batch(NamedTuple):
    """K heads, V views, p x p rays: places (K, V, p^2, 2) in picture sides, colour (K, V, p^2, 3) in 0..1, depth (K, V, p^2)."""

    identity: Tensor
    cameras: Cameras
    places: Tensor
    colour: Tensor
    depth: Tensor


class Patches:
    """Draws patches of the views, every pixel or every second one."""

    def __init__(self, views: ViewSet, config: PretrainConfig) -> None:
        self.views, self.config = views, config
        self.rows = [np.flatnonzero(views.identity == k) for k in range(len(views.landmarks))]
        self.places = pixel_places(views.pictures.shape[1]).numpy()

    def draw(self, random: np.random.Generator) -> Batch:
        config, views = self.config, self.views
        heads = random.choice(len(self.rows), config.identities, replace=len(self.rows) < config.identities)
        rows = np.stack([random.choice(self.rows[k], config.views) for k in heads])
        pixels = np.stack([self._patch(random) for _ in rows.flat]).reshape(*rows.shape, -1)
        flat = rows[..., None] * len(self.places) + pixels
        colour = views.pictures.reshape(-1, 3)[flat].astype(np.float32) / 255
        depth = views.depth.reshape(-1)[flat].astype(np.float32)
        return Batch(torch.from_numpy(heads), cameras_of(views, rows), *(torch.from_numpy(x) for x in (self.places[pixels], colour, depth)))

    def _patch(self, random: np.random.Generator) -> Array:
        """(p^2,) indices of pixels."""
        side, patch = self.views.pictures.shape[1], self.config.patch
        step = int(random.integers(1, max(1, min(2, side // patch)) + 1))
        y, x = random.integers(0, side - step * (patch - 1), 2)
        return ((y + step * np.arange(patch))[:, None] * side + x + step * np.arange(patch)).ravel()


def cameras_of(views: ViewSet, rows: Array) -> Cameras:
    """The cameras of some rows (...,)."""
    return Cameras(*(torch.from_numpy(x[rows].astype(np.float32)) for x in (views.rotation, views.translation, views.focal)))


def structure(one: Tensor, other: Tensor, mask: Tensor, patch: int) -> Tensor:
    """1 - structural similarity of patches (M, p^2, 3) over 5 x 5 windows, where the mask (M, p^2) covers the window."""

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x.transpose(1, 2).unflatten(2, (patch, patch)), 5, 1)

    a, b = mean(one), mean(other)
    spread = mean(one**2) + mean(other**2) - a**2 - b**2
    common = mean(one * other) - a * b
    similarity = (2 * a * b + 1e-4) * (2 * common + 9e-4) / ((a**2 + b**2 + 1e-4) * (spread + 9e-4))
    whole = (mean(mask[..., None]) > 0.99).float()
    return ((1 - similarity) * whole).sum() / (3 * whole.sum() + 1)


def reconstruction(seen: Rendered, batch: Batch, start: Tensor, config: PretrainConfig) -> dict[str, Tensor]:
    """The terms of the loss. start: (K, R, 3) where the rays begin, for the depth's zero."""
    depth, truth = batch.depth.flatten(1), batch.colour.flatten(1, 2)
    known, head = ~torch.isinf(depth), torch.isfinite(depth)
    count = head.sum() + 1
    distance = torch.nan_to_num(depth, 0.0, 0.0) + (start - start.new_tensor(CENTRE)).norm(dim=-1)
    away = (seen.weights * (seen.distances - distance[..., None]).abs()).sum(dim=2) / (seen.opacity + 1e-3)
    patches = [x.unflatten(1, (-1, config.patch**2)).flatten(0, 1) for x in (seen.colour, truth, head.float())]
    return {
        "colour": ((seen.colour - truth).abs().mean(dim=2) * head).sum() / count,
        "structure": config.structure * structure(*patches, config.patch),
        "opacity": config.opacity * ((seen.opacity - head.float()).abs() * known).sum() / known.sum(),
        "depth": config.depth * 100 * (away * head).sum() / count,
    }


def first_codes(views: ViewSet, size: int) -> Tensor:
    """(I, size) codes to begin with: principal components of each head's landmarks and of its most frontal picture."""
    faces = np.stack([shrink(views.pictures[row], 16).ravel() for row in views.most_frontal]) / 255.0
    parts = [leading(x.reshape(len(x), -1), size // 2) for x in (views.landmarks, faces)]
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))


def leading(rows: Array, count: int) -> Array:
    """(I, count) scores of the first principal components over the first one's spread, zeros where there are fewer."""
    u, s, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    scores = (u * s)[:, :count] / max(s[0] / len(rows) ** 0.5, 1e-9)
    return np.pad(scores, ((0, 0), (0, count - scores.shape[1])))


class Pretraining:
    """Network, codes and their average, and where they stand."""

    def __init__(self, config: PretrainConfig, views: ViewSet, folder: Path) -> None:
        self.config, self.views, self.folder, self.step = config, views, folder, 0
        torch.manual_seed(config.seed)
        self.network = Generator(config.generator).to(memory_format=torch.channels_last)
        self.average = Generator(config.generator)
        self.average.load_state_dict(self.network.state_dict())
        self.codes = nn.Parameter(first_codes(views, config.generator.code))
        groups = [{"params": self.network.parameters()}, {"params": [self.codes], "lr": config.code_rate}]
        self.optimiser = torch.optim.Adam(groups, lr=config.rate, betas=(0.9, 0.99))
        self.progress = Progress(config.steps, config.report)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "auto_decoder.pt"

    def resume(self) -> None:
        """From the checkpoint, if there is one."""
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.codes.data.copy_(state["codes"])
        self.step, self.progress.history = state["step"], state["history"]

    def save(self) -> None:
        """Checkpoint, curves and a sheet: pictures, and what the network makes of them."""
        set_normal_codes(self.average, self.codes.detach())
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict()}
        save_whole(state | {"codes": self.codes.detach(), "step": self.step, "history": self.progress.history}, self.checkpoint)
        write_config(asdict(self.config), self.folder / "auto_decoder.json")
        curves(self.progress.history, self.folder / "auto_decoder_curves.png")
        self.sheet(self.folder / "auto_decoder.png")

    def advance(self, batch: Batch) -> dict[str, float]:
        """One step."""
        config = self.config
        rays = batch.cameras.rays(batch.places)
        rays = type(rays)(*(x.flatten(1, 2) for x in rays))
        codes = self.codes[batch.identity]
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            planes = self.network.planes(codes)
        terms = reconstruction(self.network.render(planes, rays, jitter=True), batch, rays.start, config)
        terms["prior"] = config.prior * codes.square().mean()
        loss = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        follow(self.average, self.network, self.step, config.average)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()} | {"loss": float(loss.detach())}

    @torch.no_grad()
    def sheet(self, path: Path, heads: int = 5) -> None:
        """A row a head: its most frontal view and another, each before its rendering; then heads drawn at random."""
        views = self.views
        rows = []
        for head, frontal in enumerate(views.most_frontal[:heads]):
            chosen = np.array([frontal, np.flatnonzero(views.identity == head)[0]])
            made = look_at_head(self.average, self.codes[head : head + 1].detach(), cameras_of(views, chosen), views.pictures.shape[1])
            drawn = torch.randn(1, self.codes.shape[1], generator=torch.Generator().manual_seed(head))
            new = look_at_head(self.average, self.average.codes(drawn), cameras_of(views, chosen), views.pictures.shape[1])
            rows.append([picture for k in (0, 1) for picture in (views.pictures[chosen[k]], made[k], new[k])])
        write_sheet(rows, path)


@torch.no_grad()
def look_at_head(generator: Generator, code: Tensor, cameras: Cameras, size: int) -> list[Array]:
    """One head (1, code) by V cameras: V pictures (size, size, 3) uint8 before grey."""
    planes = generator.planes(code)
    rays = cameras.rays(pixel_places(size))
    looks = [generator.render(planes, type(rays)(start[None], direction[None])) for start, direction in zip(*rays, strict=True)]
    return [as_picture(look.over(BACKDROP)[0]) for look in looks]


@torch.no_grad()
def set_normal_codes(generator: Generator, codes: Tensor) -> None:
    """Give the network the normal distribution of codes (I, C), its variances a little towards their mean."""
    away = codes - codes.mean(dim=0)
    covariance = away.T @ away / max(1, len(codes) - 1)
    shrunk = 0.98 * covariance + 0.02 * covariance.diagonal().mean() * torch.eye(codes.shape[1])
    values, vectors = torch.linalg.eigh(shrunk)
    generator.code_mean.copy_(codes.mean(dim=0))
    generator.code_root.copy_(values.clamp(min=0).sqrt()[:, None] * vectors.T)


def pretrain(config: PretrainConfig, views: ViewSet, folder: Path) -> Pretraining:
    """Train until `steps`; `folder` takes checkpoint, curves and sheet."""
    run = Pretraining(config, views, folder)
    run.resume()
    patches, random = Patches(views, config), np.random.default_rng([config.seed, run.step])
    print(f"{len(views.landmarks)} heads, {len(views.identity)} views, from step {run.step}", flush=True)
    keep_training(run, (patches.draw(random) for _ in count()), config.minutes_between)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=PretrainConfig.steps)
    parser.add_argument("--store", default="views", help="the multi-view store, under the set's folder")
    arguments = parser.parse_args()
    folder = paths.RUNS / arguments.name
    pretrain(PretrainConfig(steps=arguments.steps), view_set(folder / arguments.store, PICTURE), folder / "generator")


if __name__ == "__main__":
    main()
