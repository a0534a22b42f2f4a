# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the regressor: `python -m models.training.train open --steps 6000`. Goes on from its checkpoint.

Under `torchrun --nproc_per_node K -m models.training.train ...` K processes each take a K-th of the samples and average their
gradients; the first one reports and saves.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from . import paths, processes
from .batches import Half, prefetched
from .export import load_weights
from .losses import LossConfig, multi_frame_loss, multi_view_loss
from .regressor import SIZES, Prediction, Regressor, RegressorConfig
from .run_folder import Progress, follow, keep_training, save_whole, say, write_config
from .store import Store

Rows = dict[str, torch.Tensor]
"""A batch of one half, by the names of batches.Half."""


@dataclass(frozen=True)
class TrainConfig:
    """One run. `batch` is of each half. `minutes_between` checkpoints.

    For the paper's ablations: `halves` that count (views, frames, both), `identities` of the views (0 for all).
    """

    name: str = "open"
    steps: int = 6000
    batch: int = 32
    rate: float = 1e-3
    decay: float = 0.05
    warm_up: int = 100
    views_only: int = 40
    average: float = 0.998
    report: int = 50
    minutes_between: float = 3.0
    seed: int = 0
    workers: int = 1
    bfloat16: bool = True
    halves: str = "both"
    identities: int = 0
    regressor: RegressorConfig = field(default_factory=RegressorConfig)
    losses: LossConfig = field(default_factory=LossConfig)


def part_of(prediction: Prediction, rows: slice) -> Prediction:
    """Some rows of a batch's prediction."""
    return Prediction(*(part[rows] for part in prediction))


class Run:
    """A network in training, its average, and where it stands."""

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self.config, self.folder, self.step = config, folder, 0
        torch.manual_seed(config.seed)
        self.network = Regressor(config.regressor).to(memory_format=torch.channels_last)
        self.average = Regressor(config.regressor)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.rate, weight_decay=config.decay, betas=(0.9, 0.98))
        self.progress = Progress(config.steps, config.report)

    def begin(self, views: Path, weights: Path | None = None) -> None:
        """From the checkpoint if there is one, else from `weights`, else from scratch with the multi-view store's mean face."""
        checkpoint = self.folder / "regressor.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.progress.history = state["step"], state["history"]
            return
        if weights is not None:
            self.network.load_state_dict(load_weights(weights).state_dict())
        self.network.mean.copy_(torch.from_numpy(Store(views).open()[1]["landmarks"].mean(axis=0)))
        self.average.load_state_dict(self.network.state_dict())

    def save(self) -> None:
        """Write the checkpoint whole or not at all; the first process alone."""
        if processes.rank() > 0:
            return
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict()}
        save_whole(state | {"step": self.step, "history": self.progress.history}, self.folder / "regressor.pt")
        write_config(asdict(self.config), self.folder / "regressor.json")

    def rate(self) -> float:
        """Warm-up, then half a cosine down to nothing."""
        config = self.config
        if self.step < config.warm_up:
            return config.rate * (self.step + 1) / config.warm_up
        return config.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (self.step - config.warm_up) / max(1, config.steps - config.warm_up))))

    def advance(self, batch: tuple[Rows, Rows]) -> dict[str, float]:
        """One step on a mixed batch, views and frames; the first steps learn from views alone so that the masks are sane."""
        config, (views, frames) = self.config, batch
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        pictures = torch.cat([views["picture"], frames["picture"]]).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            first, *others, last = self.network.guesses(pictures, torch.cat([views["focal"], frames["focal"]]))
        terms = self._terms(last, views, frames)
        earlier = [term for guess in others for name, term in self._terms(guess, views, frames).items() if name != "mf_presence"]
        terms["earlier"] = config.losses.earlier * torch.stack([*earlier, self._first(first, views)]).sum()
        loss = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        processes.average_gradients(self.network)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        if torch.isfinite(norm):
            self.optimiser.step()
        follow(self.average, self.network, self.step, config.average)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()} | {"loss": float(loss.detach())}

    def _terms(self, both: Prediction, views: Rows, frames: Rows) -> Rows:
        """The losses of the halves that count; frames wait until the views have taught sane poses, if there are views."""
        config, count = self.config, len(views["focal"])
        terms: Rows = {}
        if config.halves != "frames":
            terms |= multi_view_loss(part_of(both, slice(count)), views, config.losses)
        if config.halves == "frames" or (config.halves == "both" and self.step >= config.views_only):
            terms |= multi_frame_loss(part_of(both, slice(count, None)), frames, config.losses)
        return terms

    def _first(self, guess: Prediction, views: Rows) -> torch.Tensor:
        """The loss of the first guess, which has no covariance to judge its points by."""
        if self.config.halves == "frames":
            return guess.landmarks.new_zeros(())
        known = multi_view_loss(part_of(guess, slice(len(views["focal"]))), views, self.config.losses)
        return known["mv_landmarks"] + known["mv_translation"] + known["mv_rotation"]


def train(config: TrainConfig, data: Path, folder: Path, weights: Path | None = None) -> Run:
    """Train until `steps`; `data` holds the stores `views*` and `frames*`, `folder` takes the checkpoint and its history."""
    run = Run(config, folder)
    run.begin(data / "views", weights)
    seed = config.seed + run.step + 1000 * processes.rank()
    mean, stores = run.network.mean.double().numpy(), sorted(data.glob("views*"))
    views = Half(stores, config.regressor.picture, seed + 1, share=processes.share(), identities=config.identities, mean=mean)
    frames = Half(sorted(data.glob("frames*")), config.regressor.picture, seed + 2, 0.08, processes.share(), mean=mean)
    say(f"{len(views.index)} views, {len(frames.index)} frames, from step {run.step}")
    keep_training(run, iter(prefetched(views, frames, config.batch, config.workers)), config.minutes_between)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--rate", type=float, default=TrainConfig.rate)
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--halves", choices=("both", "views", "frames"), default="both")
    parser.add_argument("--identities", type=int, default=0, help="of the views; 0 for all")
    parser.add_argument("--size", choices=tuple(SIZES), default="compact", help="of the network")
    parser.add_argument("--run", default="regressor", help="folder of the run, under the set's")
    parser.add_argument("--from-weights", type=Path, help="a .safetensors file to start from where there is no checkpoint")
    arguments = parser.parse_args()
    chosen = {name: getattr(arguments, name) for name in ("name", "steps", "rate", "batch", "halves", "identities")}
    config = TrainConfig(**chosen, regressor=SIZES[arguments.size])
    data = paths.RUNS / arguments.name
    with processes.joined():
        train(config, data, data / arguments.run, arguments.from_weights)


if __name__ == "__main__":
    main()
