# SPDX-License-Identifier: GPL-3.0-or-later
"""Second stage of the generator, adversarial: `python -m models.training.adversarial open`. Goes on from its checkpoint.

The auto-decoder's network learns to make what passes for posed photographs, first at 32 px and then at 64. Generator and
adversary see the same cameras, and the adversary sees heads through a window that depends on the camera alone: backgrounds,
which the volume does not model, are no clue. Non-saturating loss, lazy R1, a smooth density, an average of the weights.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from . import paths
from .discriminator import Discriminator, DiscriminatorConfig, gradient_penalty, realness_loss
from .generator import CENTRE, RADII, Cameras, Generator, GeneratorConfig, pixel_places
from .plots import curves
from .posed import Posed, posed, through_window
from .pretrain_generator import PICTURE, look_at_head
from .run_folder import Progress, follow, keep_training, save_whole, write_config, write_sheet


@dataclass(frozen=True)
class AdversarialConfig:
    """One run. `coarse_steps` at half the picture's side, then the whole. Rates are as Adam's; `r1` every `lazy` steps."""

    steps: int = 20000
    coarse_steps: int = 14000
    batch: int = 8
    picture: int = PICTURE
    generator_rate: float = 5e-4
    adversary_rate: float = 4e-4
    adversary_first: int = 200
    r1: float = 0.03
    lazy: int = 16
    smooth: float = 0.05
    smooth_every: int = 4
    average: float = 0.998
    report: int = 20
    minutes_between: float = 3.0
    seed: int = 0
    bfloat16: bool = True
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)


def render_heads(generator: Generator, codes: Tensor, cameras: Cameras, size: int, bfloat16: bool) -> Tensor:
    """(B, 3, size, size) in -1..1: each head before grey, by its own camera, through its window."""
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        planes = generator.planes(codes)
    seen = generator.render(planes, cameras.rays(pixel_places(size)), jitter=True)
    pictures = seen.over(0.5).transpose(1, 2).unflatten(2, (size, size)) * 2 - 1
    return through_window(pictures, cameras)


def unevenness(generator: Generator, codes: Tensor, points: int = 1000, apart: float = 0.004) -> Tensor:
    """Mean difference of the opacity of 1 cm between points of the volume and points `apart` metres from them."""
    planes = generator.planes(codes)
    somewhere = torch.nn.functional.normalize(torch.randn(len(codes), points, 3), dim=2) * torch.rand(len(codes), points, 1) ** (1 / 3)
    place = somewhere * torch.tensor(RADII) + torch.tensor(CENTRE)
    density = generator.look_up(planes, torch.cat([place, place + apart * torch.randn_like(place)], dim=1))[0]
    one, other = (-torch.expm1(-0.01 * density)).chunk(2, dim=1)
    return (one - other).abs().mean()


class Contest:
    """Generator, its average, its adversary, and where they stand."""

    def __init__(self, config: AdversarialConfig, photographs: Posed, folder: Path) -> None:
        self.config, self.photographs, self.folder, self.step = config, photographs, folder, 0
        torch.manual_seed(config.seed)
        self.generator = Generator(config.generator).to(memory_format=torch.channels_last)
        self.average = Generator(config.generator)
        self.adversary = Discriminator(config.discriminator).to(memory_format=torch.channels_last)
        self.generator_optimiser = torch.optim.Adam(self.generator.parameters(), lr=config.generator_rate, betas=(0.0, 0.99))
        self.adversary_optimiser = torch.optim.Adam(self.adversary.parameters(), lr=config.adversary_rate, betas=(0.0, 0.99))
        self.progress = Progress(config.steps, config.report)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "adversarial.pt"

    def begin(self, auto_decoder: Path | None) -> None:
        """From the checkpoint if there is one, else from the auto-decoder's average if that is given, else from nothing."""
        parts = {"generator": self.generator, "average": self.average, "adversary": self.adversary}
        parts |= {"generator_optimiser": self.generator_optimiser, "adversary_optimiser": self.adversary_optimiser}
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.step, self.progress.history = state["step"], state["history"]
            return
        if auto_decoder is not None:
            self.generator.load_state_dict(torch.load(auto_decoder, weights_only=True)["average"])
        self.average.load_state_dict(self.generator.state_dict())

    def save(self) -> None:
        """Checkpoint, curves and a sheet."""
        parts = {"generator": self.generator, "average": self.average, "adversary": self.adversary}
        parts |= {"generator_optimiser": self.generator_optimiser, "adversary_optimiser": self.adversary_optimiser}
        state = {name: part.state_dict() for name, part in parts.items()}
        save_whole(state | {"step": self.step, "history": self.progress.history}, self.checkpoint)
        write_config(asdict(self.config), self.folder / "adversarial.json")
        curves(self.progress.history, self.folder / "adversarial_curves.png")
        self.sheet(self.folder / "adversarial.png")

    @property
    def size(self) -> int:
        """Pixels a side, now."""
        return self.config.picture // 2 if self.step < self.config.coarse_steps else self.config.picture

    def latents(self, count: int) -> Tensor:
        return torch.randn(count, self.config.generator.code)

    def advance(self, random: np.random.Generator) -> dict[str, float]:
        """The adversary's step, then the generator's; at first the adversary learns alone, so that its advice is worth something."""
        config = self.config
        real, cameras = self.photographs.draw(config.batch, self.size, random)
        terms = self._adversary_step(real, cameras)
        if self.step >= config.adversary_first:
            terms |= self._generator_step(self.photographs.draw(config.batch, self.size, random)[1])
            follow(self.average, self.generator, self.step, config.average)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _adversary_step(self, real: Tensor, cameras: Cameras) -> dict[str, Tensor]:
        config = self.config
        with torch.no_grad():
            made = render_heads(self.generator, self.generator.codes(self.latents(len(real))), cameras, self.size, config.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            of_real, of_made = self.adversary(real, cameras).float(), self.adversary(made, cameras).float()
        terms = {"adversary": realness_loss(of_real) + realness_loss(-of_made)}
        told_apart = (of_real > 0).float().mean() / 2 + (of_made < 0).float().mean() / 2
        if self.step % config.lazy == 0:
            terms["r1"] = config.r1 / 2 * config.lazy * gradient_penalty(self.adversary, real, cameras)
        minimise(terms, self.adversary_optimiser, self.adversary)
        return terms | {"told_apart": told_apart}

    def _generator_step(self, cameras: Cameras) -> dict[str, Tensor]:
        config = self.config
        codes = self.generator.codes(self.latents(len(cameras.focal)))
        made = render_heads(self.generator, codes, cameras, self.size, config.bfloat16)
        self.adversary.requires_grad_(False)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            terms = {"generator": realness_loss(self.adversary(made, cameras).float())}
        if self.step % config.smooth_every == 0:
            terms["smooth"] = config.smooth * config.smooth_every * unevenness(self.generator, codes[:4])
        minimise(terms, self.generator_optimiser, self.generator)
        self.adversary.requires_grad_(True)
        return terms

    @torch.no_grad()
    def sheet(self, path: Path, heads: int = 6) -> None:
        """A row a head: a photograph, then a head drawn at random by that camera and by two others."""
        latents = torch.randn(heads, self.config.generator.code, generator=torch.Generator().manual_seed(0))
        every = max(1, len(self.photographs.pictures) // heads)
        rows = []
        for k in range(heads):
            chosen = np.array([k * every, (k + 1) * every, (k + 2) * every]) % len(self.photographs.pictures)
            code, cameras = self.average.codes(latents[k : k + 1]), self.photographs.cameras(chosen)
            rows.append([self.photographs.pictures[chosen[0]], *look_at_head(self.average, code, cameras, self.config.picture)])
        write_sheet(rows, path)


def minimise(terms: dict[str, Tensor], optimiser: torch.optim.Optimizer, network: torch.nn.Module) -> None:
    """One step on the sum of terms, unless it is not finite."""
    optimiser.zero_grad(set_to_none=True)
    torch.stack(list(terms.values())).sum().backward()
    if torch.isfinite(torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)):
        optimiser.step()


def contend(config: AdversarialConfig, photographs: Posed, folder: Path, auto_decoder: Path | None) -> Contest:
    """Train until `steps`; `folder` takes checkpoint, curves and sheet."""
    contest = Contest(config, photographs, folder)
    contest.begin(auto_decoder)
    random = np.random.default_rng([config.seed, contest.step])
    print(f"{len(photographs.pictures)} photographs, from step {contest.step}", flush=True)
    keep_training(contest, repeat(random), config.minutes_between)
    return contest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=AdversarialConfig.steps)
    parser.add_argument("--coarse-steps", type=int, default=AdversarialConfig.coarse_steps)
    arguments = parser.parse_args()
    folder = paths.RUNS / arguments.name
    config = AdversarialConfig(steps=arguments.steps, coarse_steps=arguments.coarse_steps)
    photographs = posed([path.parent for path in sorted(folder.glob("frames*/table.npz"))], config.picture)
    contend(config, photographs, folder / "generator", folder / "generator" / "auto_decoder.pt")


if __name__ == "__main__":
    main()
