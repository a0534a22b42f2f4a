# SPDX-License-Identifier: GPL-3.0-or-later
"""What every run of training has: its steps, its progress, and what it leaves in its folder as it goes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from facelift_blender.capture.types import Array, Image

from . import processes

Terms = dict[str, float]


def save_whole(state: Mapping[str, Any], path: Path) -> None:
    """torch.save, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


@dataclass
class Progress:
    """Collects the terms of each step; every `every` steps it keeps their mean and tells how long the rest will take."""

    steps: int
    every: int
    history: list[Terms] = field(default_factory=list)
    pending: list[Terms] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def note(self, step: int, terms: Terms) -> None:
        self.pending.append(terms)
        if step % self.every and step != self.steps:
            return
        names = {name for terms in self.pending for name in terms}
        mean = {name: float(np.mean([terms[name] for terms in self.pending if name in terms])) for name in sorted(names)}
        self.history.append({"step": float(step)} | mean)
        now = time.monotonic()
        each = (now - self.since) / len(self.pending)
        told = " ".join(f"{name}={value:.4f}" for name, value in mean.items())
        say(f"step {step} {each:.2f} s a step, {each * (self.steps - step) / 60:.0f} min left {told}")
        self.pending, self.since = [], now


class Training(Protocol):
    """A network in training: where it stands, one step on a batch, its checkpoint."""

    step: int
    progress: Progress

    def advance(self, batch: Any) -> Terms: ...

    def save(self) -> None: ...


def keep_training(run: Training, batches: Iterator[Any], minutes_between: float) -> None:
    """Step by step until the progress' last, saved now and then and at the end."""
    saved = time.monotonic()
    while run.step < run.progress.steps:
        terms = run.advance(next(batches))
        run.progress.note(run.step, terms)
        if time.monotonic() - saved > 60 * minutes_between:
            run.save()
            saved = time.monotonic()
    run.save()


def say(text: str) -> None:
    """Print, in the first process alone."""
    if processes.rank() == 0:
        print(text, flush=True)


def write_sheet(rows: Sequence[Sequence[Image]], path: Path) -> None:
    """Pictures of one size in a grid."""
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def as_picture(colour: Array | torch.Tensor) -> Image:
    """(P, 3) in 0..1 -> (sqrt P, sqrt P, 3) uint8."""
    side = round(len(colour) ** 0.5)
    return np.rint(np.clip(np.asarray(colour), 0, 1) * 255).astype(np.uint8).reshape(side, side, 3)


def write_config(config: Mapping[str, Any], path: Path) -> None:
    """As JSON, to be read by whoever wonders what a run was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config, indent=1))


@torch.no_grad()
def follow(average: torch.nn.Module, network: torch.nn.Module, step: int, keep: float) -> None:
    """Move the average towards the network; at the start it follows closely."""
    keep = min(keep, (step + 1) / (step + 10))
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - keep)
    for slow, fast in zip(average.buffers(), network.buffers(), strict=True):
        slow.copy_(fast)
