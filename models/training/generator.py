# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact 3D-aware generator: identity code -> three feature planes -> a head that any camera can look at [EG3D's idea].

code -> mapping -> style -> convolutions modulated by it -> planes xy, xz, yz. A point of the head's volume is looked up in
each plane; a small perceptron makes density and colour of the mean. Rays sum them up. The volume is an ellipsoid about the
head, in canonical metres (heads.py's frame): nothing is spent on the air around it. What a ray does not meet is left open
(`opacity`), so that a head can stand before any background.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .shipped import read_tensors

CENTRE, RADII = (0.0, -0.02, -0.045), (0.115, 0.165, 0.15)
"""Canonical metres: the ellipsoid that is modelled. The neck below it is not."""
_THIN, _DENSEST = -3.0, 200.0
"""The air before training, as the perceptron's output, and a density of one unit of it, per metre."""
_LEAK = 0.2


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes. `channels` at 4, 8, 16 ... texels: their number makes the planes' side. `importance`: samples added where matter is."""

    code: int = 64
    width: int = 128
    channels: tuple[int, ...] = (128, 128, 96, 64, 48)
    plane: int = 16
    hidden: int = 32
    samples: int = 24
    importance: int = 0


class Rays(NamedTuple):
    """start: (B, R, 3) canonical metres; direction: (B, R, 3) of unit length."""

    start: Tensor
    direction: Tensor


class Cameras(NamedTuple):
    """rotation: (..., 3, 3), translation: (..., 3) canonical to camera (OpenCV axes), metres; focal: (...,) in picture sides.

    The principal point is the picture's middle.
    """

    rotation: Tensor
    translation: Tensor
    focal: Tensor

    def rays(self, places: Tensor) -> Rays:
        """The rays through places (..., P, 2) of the picture, its corners (0, 0) and (1, 1)."""
        flat = (places - 0.5) / self.focal[..., None, None]
        direction = functional.normalize(functional.pad(flat, (0, 1), value=1.0), dim=-1) @ self.rotation
        start = -(self.translation[..., None, :] @ self.rotation)
        return Rays(start.expand_as(direction), direction)


def pixel_places(size: int) -> Tensor:
    """(size^2, 2) the middles of a picture's pixels, row by row, in its sides."""
    at = (torch.arange(size) + 0.5) / size
    return torch.stack(torch.meshgrid(at, at, indexing="xy"), dim=2).reshape(-1, 2)


class Rendered(NamedTuple):
    """colour: (B, R, 3), already times opacity (B, R); weights and distances (B, R, K) of the samples, metres from the camera."""

    colour: Tensor
    opacity: Tensor
    weights: Tensor
    distances: Tensor

    def over(self, background: Tensor | float) -> Tensor:
        """(B, R, 3) before a background."""
        return self.colour + (1 - self.opacity[..., None]) * background


class Modulated(nn.Module):
    """A convolution whose input channels a style scales and whose output is brought back to unit variance [StyleGAN2]."""

    def __init__(self, channels: tuple[int, int], width: int, side: int = 3, demodulate: bool = True) -> None:
        super().__init__()
        self.scale = nn.Linear(width, channels[0])
        nn.init.ones_(self.scale.bias)
        nn.init.normal_(self.scale.weight, std=0.3 * width**-0.5)
        self.weight = nn.Parameter(torch.randn(channels[1], channels[0], side, side) * (channels[0] * side**2) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(channels[1]))
        self.demodulate = demodulate

    def forward(self, image: Tensor, style: Tensor) -> Tensor:
        scale = self.scale(style)
        out = functional.conv2d(image * scale[:, :, None, None], self.weight, padding=self.weight.shape[-1] // 2)
        if self.demodulate:
            power = (scale.float() ** 2) @ (self.weight.float() ** 2).sum(dim=(2, 3)).T
            out = out * torch.rsqrt(power + 1e-8)[:, :, None, None].to(out.dtype)
        return out + self.bias[:, None, None].to(out.dtype)


class Level(nn.Module):
    """Two modulated convolutions at one resolution and what they add to the planes."""

    def __init__(self, channels: tuple[int, int], width: int, planes: int) -> None:
        super().__init__()
        self.first = Modulated(channels, width)
        self.second = Modulated((channels[1], channels[1]), width)
        self.out = Modulated((channels[1], planes), width, 1, demodulate=False)

    def forward(self, image: Tensor, planes: Tensor | None, style: Tensor) -> tuple[Tensor, Tensor]:
        if planes is not None:
            image, planes = (functional.interpolate(x, scale_factor=2, mode="bilinear") for x in (image, planes))
        for convolution in (self.first, self.second):
            image = functional.leaky_relu(convolution(image, style), _LEAK) * 2**0.5
        added = self.out(image, style)
        return image, added if planes is None else planes + added


class Generator(nn.Module):
    """The network, and what its codes are like: a latent of unit normals becomes the code `code_mean + latent @ code_root`."""

    code_mean: Tensor
    code_root: Tensor

    def __init__(self, config: GeneratorConfig = GeneratorConfig()) -> None:
        super().__init__()
        self.config = config
        width, channels = config.width, config.channels
        self.mapping = nn.Sequential(nn.Linear(config.code, width), nn.LeakyReLU(_LEAK), nn.Linear(width, width), nn.LeakyReLU(_LEAK))
        self.constant = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        pairs = zip((channels[0], *channels), channels, strict=False)
        self.levels = nn.ModuleList(Level(pair, width, 3 * config.plane) for pair in pairs)
        self.decoder = nn.Sequential(nn.Linear(config.plane, config.hidden), nn.Softplus(), nn.Linear(config.hidden, 4))
        self.register_buffer("code_mean", torch.zeros(config.code))
        self.register_buffer("code_root", torch.eye(config.code))

    def codes(self, latent: Tensor) -> Tensor:
        """(B, code) of latents (B, code) drawn from unit normals."""
        return self.code_mean + latent @ self.code_root

    def planes(self, codes: Tensor) -> Tensor:
        """(B, 3, plane, S, S) of codes (B, code)."""
        style = self.mapping(codes)
        image, planes = self.constant.expand(len(codes), -1, -1, -1).contiguous(memory_format=torch.channels_last), None
        for level in self.levels:
            image, planes = level(image, planes, style)
        return planes.float().unflatten(1, (3, self.config.plane))

    def look_up(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Density (B, P) per metre and colour (B, P, 3) in 0..1 at points (B, P, 3), canonical metres."""
        inside = (points - points.new_tensor(CENTRE)) / points.new_tensor(RADII)
        places = torch.stack([inside[..., [0, 1]], inside[..., [0, 2]], inside[..., [2, 1]]], dim=1)
        found = functional.grid_sample(planes.flatten(0, 1), places.flatten(0, 1)[:, None], align_corners=False, padding_mode="border")
        features = found[:, :, 0].unflatten(0, (-1, 3)).mean(dim=1).transpose(1, 2)
        out = self.decoder(features)
        return functional.softplus(out[..., 0] + _THIN) * _DENSEST, torch.sigmoid(out[..., 1:])

    def render(self, planes: Tensor, rays: Rays, jitter: bool = False) -> Rendered:
        """What rays (B, R) see of the heads whose planes these are. `jitter`: samples anywhere in their stratum, not in its middle."""
        near, far = spans(rays)
        count = self.config.samples
        shift = torch.rand(*near.shape, count) if jitter else 0.5
        distances = near[..., None] + (far - near)[..., None] * (torch.arange(count) + shift) / count
        if self.config.importance:
            with torch.no_grad():
                coarse = self._sum_up(planes, rays, distances, far)
                more = where_matter_is(coarse.weights, near, far, self.config.importance, jitter)
            distances = torch.cat([distances, more], dim=2).sort(dim=2).values
        return self._sum_up(planes, rays, distances, far)

    def _sum_up(self, planes: Tensor, rays: Rays, distances: Tensor, far: Tensor) -> Rendered:
        points = rays.start[:, :, None] + rays.direction[:, :, None] * distances[..., None]
        density, colour = self.look_up(planes, points.flatten(1, 2))
        lengths = torch.diff(torch.cat([distances, far[..., None]], dim=2), dim=2)
        depth = density.view_as(distances) * lengths
        weights = torch.exp(depth - depth.cumsum(dim=2)) * -torch.expm1(-depth)
        return Rendered((weights[..., None] * colour.view(*distances.shape, 3)).sum(dim=2), weights.sum(dim=2), weights, distances)


def spans(rays: Rays) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the ellipsoid, (B, R) metres from the camera; the same number where they miss it."""
    start = (rays.start - rays.start.new_tensor(CENTRE)) / rays.start.new_tensor(RADII)
    step = rays.direction / rays.start.new_tensor(RADII)
    square, along = (step**2).sum(dim=-1), (start * step).sum(dim=-1)
    half = torch.sqrt((along**2 - square * ((start**2).sum(dim=-1) - 1)).clamp(min=0.0)) / square
    middle = -along / square
    return middle - half, middle + half


def where_matter_is(weights: Tensor, near: Tensor, far: Tensor, count: int, jitter: bool) -> Tensor:
    """(B, R, count) distances drawn from the strata's weights (B, R, K), by the inverse of their sum."""
    strata = weights.shape[2]
    shares = weights + 1e-3
    total = functional.pad((shares / shares.sum(dim=2, keepdim=True)).cumsum(dim=2), (1, 0))
    shift = torch.rand(*near.shape, count) if jitter else torch.full((*near.shape, count), 0.5)
    levels = (torch.arange(count) + shift) / count
    index = torch.searchsorted(total.contiguous(), levels.contiguous(), right=True).clamp(1, strata)
    low, high = total.gather(2, index - 1), total.gather(2, index)
    place = (index - 1 + (levels - low) / (high - low)) / strata
    return near[..., None] + (far - near)[..., None] * place.clamp(0, 1)


def window(rays: Rays, soft: float = 0.06) -> Tensor:
    """(B, R) 0 to 1: how near a ray passes to the head's middle. It depends on the camera alone, so a picture may be shown through it
    without a word on who is in it.
    """
    start = (rays.start - rays.start.new_tensor(CENTRE)) / rays.start.new_tensor(RADII)
    step = rays.direction / rays.start.new_tensor(RADII)
    along = (start * step).sum(dim=-1, keepdim=True) / (step**2).sum(dim=-1, keepdim=True)
    return torch.sigmoid((0.9 - (start - along * step).norm(dim=-1)) / soft)


def load_generator(path: Path) -> Generator:
    """The network whose tensors were saved (`shipped`), ready to render."""
    told, tensors = read_tensors(path)
    generator = Generator(GeneratorConfig(**told | {"channels": tuple(told["channels"])}))
    generator.load_state_dict(tensors)
    return generator.eval()
