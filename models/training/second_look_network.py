# SPDX-License-Identifier: GPL-3.0-or-later
"""The second look's network: a patch to the landmarks of its region, each with a covariance.

Convolutions down to 4 x 4 and up again to 16 x 16, where each landmark is the mean place of a map of its own [Sun et al. 2018],
moved a little by what the whole patch shows: so a landmark follows what is seen, and stays sane where little is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from facelift_blender.capture.second_look import OUTPUTS

from .shipped import read_tensors


@dataclass(frozen=True)
class LookConfig:
    """patch: side of the input in pixels, a multiple of 16. widths: channels at a half, a quarter, an eighth and a sixteenth of it."""

    patch: int = 64
    widths: tuple[int, int, int, int] = (16, 32, 64, 128)


class Measured(NamedTuple):
    """points: (B, OUTPUTS, 2) in sides of the patch; cholesky: (B, OUTPUTS, 3) of the covariance L L^T as l11, l21, l22."""

    points: Tensor
    cholesky: Tensor


def convolution(a: int, b: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())


class Look(nn.Module):
    """pictures (B, 3, S, S) RGB in 0..1 -> Measured, the landmarks of all kinds side by side."""

    places: Tensor

    def __init__(self, config: LookConfig = LookConfig()) -> None:
        super().__init__()
        self.config = config
        half, fine, middle, coarse = config.widths
        self.fine = nn.Sequential(convolution(3, half, 2), convolution(half, fine, 2), convolution(fine, fine))
        self.middle = nn.Sequential(convolution(fine, middle, 2), convolution(middle, middle))
        self.coarse = nn.Sequential(convolution(middle, coarse, 2), convolution(coarse, coarse))
        self.from_coarse, self.from_middle = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.up_middle, self.up_fine = convolution(middle, middle), convolution(fine, fine)
        self.maps = nn.Conv2d(fine, OUTPUTS, 1)
        cells = (config.patch // 16) ** 2
        self.whole = nn.Sequential(nn.Conv2d(coarse, 32, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * cells, 5 * OUTPUTS))
        nn.init.zeros_(self.whole[-1].weight)
        nn.init.zeros_(self.whole[-1].bias)
        at = (torch.arange(config.patch // 4) + 0.5) / (config.patch // 4)
        self.register_buffer("places", torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=2).reshape(-1, 2))

    def forward(self, pictures: Tensor) -> Measured:
        fine = self.fine(pictures * 4.0 - 2.0)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.up_middle(middle + functional.interpolate(self.from_coarse(coarse), scale_factor=2.0))
        fine = self.up_fine(fine + functional.interpolate(self.from_middle(middle), scale_factor=2.0))
        shares = self.maps(fine).flatten(2).float().softmax(dim=2)
        rest = self.whole(coarse).float().unflatten(1, (OUTPUTS, 5))
        scale = torch.exp(rest[..., 2:5:2].clamp(-4.0, 4.0)) * 0.02
        cholesky = torch.stack([scale[..., 0], 0.02 * rest[..., 3], scale[..., 1]], dim=-1)
        return Measured(shares @ self.places + 0.02 * rest[..., :2], cholesky)


def load_weights(path: Path) -> Look:
    """The network whose tensors were saved (`shipped`)."""
    told, tensors = read_tensors(path)
    network = Look(LookConfig(**told | {"widths": tuple(told["widths"])}))
    network.load_state_dict(tensors)
    return network.eval()
