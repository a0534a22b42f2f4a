# SPDX-License-Identifier: GPL-3.0-or-later
"""The adversary: is this a photograph, as this camera would take it? [StyleGAN2, projection on the camera as in its ADA version]"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .generator import Cameras


@dataclass(frozen=True)
class DiscriminatorConfig:
    """`channels` of pictures of 64, 32, 16, 8 and 4 px."""

    channels: tuple[int, ...] = (32, 64, 96, 128, 128)
    width: int = 128
    largest: int = 64


class Halving(nn.Module):
    """(B, in, S, S) -> (B, out, S/2, S/2), with a way around."""

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels[0], channels[0], 3, 1, 1)
        self.second = nn.Conv2d(channels[0], channels[1], 3, 1, 1)
        self.around = nn.Conv2d(channels[0], channels[1], 1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        inner = functional.leaky_relu(self.second(functional.leaky_relu(self.first(image), 0.2)), 0.2)
        return (functional.avg_pool2d(inner, 2) + self.around(functional.avg_pool2d(image, 2))) * 0.5**0.5


class Discriminator(nn.Module):
    """pictures (B, 3, S, S) in -1..1 and their cameras -> logits (B,). S is `largest` or smaller: each size has its own way in."""

    def __init__(self, config: DiscriminatorConfig = DiscriminatorConfig()) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.ways_in = nn.ModuleList(nn.Conv2d(3, count, 1) for count in channels[:-1])
        self.halvings = nn.ModuleList(Halving(pair) for pair in pairwise(channels))
        self.mix = nn.Conv2d(channels[-1] + 1, channels[-1], 3, 1, 1)
        side = config.largest >> (len(channels) - 1)
        self.summary = nn.Sequential(nn.Linear(channels[-1] * side**2, config.width), nn.LeakyReLU(0.2))
        self.camera = nn.Sequential(nn.Linear(13, config.width), nn.LeakyReLU(0.2), nn.Linear(config.width, config.width))
        self.plain = nn.Linear(config.width, 1)

    def forward(self, pictures: Tensor, cameras: Cameras) -> Tensor:
        level = (self.config.largest // pictures.shape[-1]).bit_length() - 1
        image = functional.leaky_relu(self.ways_in[level](pictures), 0.2)
        for halving in self.halvings[level:]:
            image = halving(image)
        image = functional.leaky_relu(self.mix(torch.cat([image, variety(image)], dim=1)), 0.2)
        summary = self.summary(image.flatten(1))
        asked = self.camera(describe(cameras).to(summary.dtype))
        return self.plain(summary)[:, 0] + (summary * asked).sum(dim=1) * self.config.width**-0.5


def variety(image: Tensor) -> Tensor:
    """(B, 1, s, s) how much a batch varies: a generator that always makes the same head gives itself away."""
    spread = torch.sqrt(image.float().var(dim=0, unbiased=False) + 1e-8).mean()
    return spread.to(image.dtype).expand(len(image), 1, *image.shape[2:])


def describe(cameras: Cameras) -> Tensor:
    """(B, 13): rotation, where the head's origin lies in the picture, its size there, and how near the camera is."""
    x, y, z = cameras.translation.unbind(-1)
    place = torch.stack([cameras.focal * x / z, cameras.focal * y / z, torch.log(0.3 * cameras.focal / z), 0.5 / z], dim=-1)
    return torch.cat([cameras.rotation.flatten(-2), place], dim=-1)


def realness_loss(logits: Tensor) -> Tensor:
    """Non-saturating: small where the logits say photograph."""
    return functional.softplus(-logits).mean()


def gradient_penalty(discriminator: Discriminator, pictures: Tensor, cameras: Cameras) -> Tensor:
    """Mean squared gradient at photographs [R1]."""
    pictures = pictures.detach().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(pictures, cameras).sum(), pictures, create_graph=True)
    return slope.square().sum(dim=(1, 2, 3)).mean()
