# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the regressor: `python -m models.training.train open --steps 6000`. Goes on from its checkpoint.

Under `torchrun --nproc_per_node K -m models.training.train ...` K processes each take a K-th of the samples and average their
gradients; the first one reports and saves.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from . import paths, processes
from .batches import Half, prefetched
from .export import load_weights
from .losses import LossConfig, multi_frame_loss, multi_view_loss
from .regressor import Prediction, Regressor, RegressorConfig
from .store import Store


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
        self.history: list[dict[str, float]] = []

    def begin(self, views: Path, weights: Path | None = None) -> None:
        """From the checkpoint if there is one, else from `weights`, else from scratch with the multi-view store's mean face."""
        checkpoint = self.folder / "regressor.pt"
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.history = state["step"], state["history"]
            return
        if weights is not None:
            self.network.load_state_dict(load_weights(weights).state_dict())
        self.network.mean.copy_(torch.from_numpy(Store(views).open()[1]["landmarks"].mean(axis=0)))
        self.average.load_state_dict(self.network.state_dict())

    def report(self, terms: list[dict[str, float]], seconds: float) -> None:
        """Keep and print the means of the last steps' terms, with the pace and the time that is left."""
        mean = {name: float(np.mean([term[name] for term in terms])) for name in terms[-1] if name in terms[0]}
        self.history.append({"step": self.step} | mean)
        pace = 2 * self.config.batch * len(terms) * processes.count() / seconds
        left = (self.config.steps - self.step) * seconds / len(terms) / 60
        say(f"step {self.step} {pace:.0f} img/s, {left:.0f} min left " + " ".join(f"{name}={value:.3f}" for name, value in mean.items()))

    def save(self) -> None:
        """Write the checkpoint whole or not at all; the first process alone."""
        if processes.rank() > 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"network": self.network.state_dict(), "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict()}
        torch.save(state | {"step": self.step, "history": self.history}, self.folder / "regressor.pt.part")
        os.replace(self.folder / "regressor.pt.part", self.folder / "regressor.pt")
        (self.folder / "regressor.json").write_text(json.dumps(asdict(self.config), indent=1))

    def rate(self) -> float:
        """Warm-up, then half a cosine down to nothing."""
        config = self.config
        if self.step < config.warm_up:
            return config.rate * (self.step + 1) / config.warm_up
        return config.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, (self.step - config.warm_up) / max(1, config.steps - config.warm_up))))

    def advance(self, views: dict[str, torch.Tensor], frames: dict[str, torch.Tensor]) -> dict[str, float]:
        """One step on a mixed batch; the first steps learn from views alone so that the masks are sane."""
        config = self.config
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
        self._follow()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()} | {"loss": float(loss.detach())}

    def _terms(self, both: Prediction, views: dict[str, torch.Tensor], frames: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The losses of the halves that count; frames wait until the views have taught sane poses, if there are views."""
        config, count = self.config, len(views["focal"])
        terms: dict[str, torch.Tensor] = {}
        if config.halves != "frames":
            terms |= multi_view_loss(part_of(both, slice(count)), views, config.losses)
        if config.halves == "frames" or (config.halves == "both" and self.step >= config.views_only):
            terms |= multi_frame_loss(part_of(both, slice(count, None)), frames, config.losses)
        return terms

    def _first(self, guess: Prediction, views: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of the first guess, which has no covariance to judge its points by."""
        if self.config.halves == "frames":
            return guess.landmarks.new_zeros(())
        known = multi_view_loss(part_of(guess, slice(len(views["focal"]))), views, self.config.losses)
        return known["mv_landmarks"] + known["mv_translation"] + known["mv_rotation"]

    @torch.no_grad()
    def _follow(self) -> None:
        keep = min(self.config.average, (self.step + 1) / (self.step + 10))
        for slow, fast in zip(self.average.parameters(), self.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)
        for slow, fast in zip(self.average.buffers(), self.network.buffers(), strict=True):
            slow.copy_(fast)


def train(config: TrainConfig, data: Path, folder: Path, weights: Path | None = None) -> Run:
    """Train until `steps`; `data` holds the stores `views*` and `frames*`, `folder` takes the checkpoint and its history."""
    run = Run(config, folder)
    run.begin(data / "views", weights)
    seed = config.seed + run.step + 1000 * processes.rank()
    views = Half(sorted(data.glob("views*")), config.regressor.picture, seed + 1, share=processes.share(), identities=config.identities)
    frames = Half(sorted(data.glob("frames*")), config.regressor.picture, seed + 2, negatives=0.08, share=processes.share())
    say(f"{len(views.index)} views, {len(frames.index)} frames, from step {run.step}")
    saved = reported = time.monotonic()
    terms: list[dict[str, float]] = []
    for view_batch, frame_batch in prefetched(views, frames, config.batch, config.workers):
        if run.step >= config.steps:
            break
        terms.append(run.advance(view_batch, frame_batch))
        now = time.monotonic()
        if run.step % 50 == 0 or run.step == config.steps:
            run.report(terms, now - reported)
            terms, reported = [], now
        if now - saved > 60 * config.minutes_between:
            run.save()
            saved = now
    run.save()
    return run


def say(text: str) -> None:
    """Print, in the first process alone."""
    if processes.rank() == 0:
        print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--rate", type=float, default=TrainConfig.rate)
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--halves", choices=("both", "views", "frames"), default="both")
    parser.add_argument("--identities", type=int, default=0, help="of the views; 0 for all")
    parser.add_argument("--run", default="regressor", help="folder of the run, under the set's")
    parser.add_argument("--from-weights", type=Path, help="a .safetensors file to start from where there is no checkpoint")
    arguments = parser.parse_args()
    chosen = {name: getattr(arguments, name) for name in ("name", "steps", "rate", "batch", "halves", "identities")}
    config = TrainConfig(**chosen)
    data = paths.RUNS / arguments.name
    with processes.joined():
        train(config, data, data / arguments.run, arguments.from_weights)


if __name__ == "__main__":
    main()
