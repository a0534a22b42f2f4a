# SPDX-License-Identifier: GPL-3.0-or-later
"""The 3D landmark regressor: image tokens, learned landmark and pose tokens [FaceLift, regressor].

picture -> convolutional stem -> encoder blocks -> image tokens; landmark and pose tokens look at each other (self-attention)
and at the image (cross-attention); each landmark token becomes a canonical 3D point and a 2D covariance, the pose tokens a
rotation and a translation. The 2.5D landmarks are their projection. Unlike the paper's, this one is told the crop's focal
length, so that a close wide lens and a far long one are not confused. And it looks again: a summary of the stem's whole
picture gives a first pose and shape, and before each decoder block every landmark token is shown what the stem saw where the
guess so far puts it. From scratch, on few pictures, tokens that must find everything by attention learn too slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from facelift_blender.capture.topology import COUNT

OCTAVES = 4
"""Of the sines and cosines that say where a landmark token looks."""


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the network. `picture`: side of the input in pixels, a multiple of 16.

    `stem`: channels of its stages. `encoder`: transformer blocks over the image tokens; `convolutions`: residual ones before them,
    for a backbone that only convolves. `hidden`: of the blocks' perceptrons, in widths.
    """

    picture: int = 128
    width: int = 128
    heads: int = 4
    stem: tuple[int, int, int] = (24, 48, 96)
    hidden: int = 2
    convolutions: int = 0
    encoder: int = 3
    decoder: int = 2
    pose_tokens: int = 4
    landmarks: int = COUNT


SIZES = {"compact": RegressorConfig(), "large": RegressorConfig(width=192, heads=6, stem=(32, 64, 128), hidden=3, encoder=4, decoder=3)}


class Prediction(NamedTuple):
    """landmarks: (B, N, 3) canonical, metres. cholesky: (B, N, 3) of the covariance L L^T in crop sides, as (l11, l21, l22).

    rotation: (B, 3, 3), translation: (B, 3) metres: canonical to the crop's camera. presence: (B,) logit that this is a face.
    """

    landmarks: Tensor
    cholesky: Tensor
    rotation: Tensor
    translation: Tensor
    presence: Tensor


class Linear(nn.Linear):
    """A linear layer over tokens (B, N, width), as one product with its bias: half the cost of product and sum where it is exported."""

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.dim() == 2:
            return super().forward(tokens)
        return super().forward(tokens.reshape(-1, self.in_features)).view(-1, int(tokens.shape[1]), self.out_features)


class Attention(nn.Module):
    """Multi-head attention written out: the fused one is slow backwards on CPU in bfloat16."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = Linear(width, width)
        self.key_value = Linear(width, 2 * width)
        self.out = Linear(width, width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        count, width, others = int(tokens.shape[1]), self.out.out_features, int(context.shape[1])
        share = width // self.heads
        query = (self.query(tokens) * share**-0.5).view(-1, count, self.heads, share).transpose(1, 2)
        key, value = self.key_value(context).view(-1, others, 2, self.heads, share).permute(2, 0, 3, 1, 4)
        weights = (query @ key.transpose(2, 3)).softmax(dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(-1, count, width))


def perceptron(width: int, hidden: int, out: int) -> nn.Sequential:
    """Two linear layers with a GELU between."""
    return nn.Sequential(Linear(width, hidden), nn.GELU(), Linear(hidden, out))


class Block(nn.Module):
    """Self-attention, cross-attention where there is a context, perceptron; normalised before, added after."""

    def __init__(self, width: int, heads: int, hidden: int, crosses: bool) -> None:
        super().__init__()
        self.own_norm, self.own = nn.LayerNorm(width), Attention(width, heads)
        self.cross_norm, self.cross = (nn.LayerNorm(width), Attention(width, heads)) if crosses else (None, None)
        self.mlp_norm, self.mlp = nn.LayerNorm(width), perceptron(width, hidden * width, width)

    def forward(self, tokens: Tensor, context: Tensor | None = None) -> Tensor:
        normed = self.own_norm(tokens)
        tokens = tokens + self.own(normed, normed)
        if self.cross is not None:
            tokens = tokens + self.cross(self.cross_norm(tokens), context)
        return tokens + self.mlp(self.mlp_norm(tokens))


def stem(fine: int, middle: int, coarse: int, width: int) -> tuple[nn.Sequential, nn.Sequential, nn.Sequential]:
    """(B, 3, S, S) -> (B, middle, S/4, S/4) -> (B, coarse, S/8, S/8) -> (B, width, S/16, S/16)."""

    def stage(*layers: tuple[int, int, int]) -> nn.Sequential:
        rows = [(nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU()) for a, b, stride in layers]
        return nn.Sequential(*(part for row in rows for part in row))

    first = stage((3, fine, 2), (fine, middle, 2), (middle, middle, 1))
    return first, stage((middle, coarse, 2), (coarse, coarse, 1)), stage((coarse, width, 2))


class Residual(nn.Module):
    """Two convolutions added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers = [(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)) for _ in range(2)]
        self.layers = nn.Sequential(*layers[0], nn.ReLU(), *layers[1])

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.relu(image + self.layers(image))


def summary(width: int, places: int) -> nn.Sequential:
    """(B, width, s, s) -> (B, width): the whole picture at a glance, which spares the tokens the long search for the head's pose."""
    narrow = nn.Sequential(nn.Conv2d(width, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(), nn.Flatten())
    return nn.Sequential(narrow, nn.Linear(24 * places, width), nn.GELU(), nn.Linear(width, width))


def waves(side: int, width: int) -> Tensor:
    """(1, side^2, width) sines and cosines of the place in the grid, as strong as the image tokens: where a token is matters at once."""
    octaves = 2.0 ** torch.linspace(0, 3, width // 4)
    at = (torch.arange(side) + 0.5) / side
    angles = at[:, None] * octaves * torch.pi
    y, x = angles[:, None].expand(side, side, -1), angles[None].expand(side, side, -1)
    return torch.cat([y.sin(), y.cos(), x.sin(), x.cos()], dim=2).reshape(1, side * side, -1)


class Regressor(nn.Module):
    """picture (B, 3, S, S) RGB in 0..1 and focal (B, 1) in crop sides -> Prediction."""

    mean: Tensor
    ahead: Tensor

    def __init__(self, config: RegressorConfig = RegressorConfig()) -> None:
        super().__init__()
        self.config = config
        width, count = config.width, config.landmarks
        self.fine, self.middle, self.coarse = stem(*config.stem, width)
        self.coarse.extend(Residual(width) for _ in range(config.convolutions))
        self.place = nn.Parameter(waves(config.picture // 16, width))
        self.lens = perceptron(1, width, width)
        self.summary = summary(width, (config.picture // 16) ** 2)
        self.first_pose = perceptron(width, width, 10)
        self.first_shape = nn.Linear(width, count * 3)
        self.local = nn.ModuleList(Linear(sum(config.stem[1:]) + 4 * OCTAVES, width) for _ in range(config.decoder))
        self.encoder = nn.ModuleList(Block(width, config.heads, config.hidden, False) for _ in range(config.encoder))
        self.encoded = nn.LayerNorm(width)
        self.tokens = nn.Parameter(torch.randn(1, count + config.pose_tokens, width) * 0.5)
        self.decoder = nn.ModuleList(Block(width, config.heads, config.hidden, True) for _ in range(config.decoder))
        self.decoded = nn.LayerNorm(width)
        self.point_head = perceptron(width, width, 3)
        self.noise_head = perceptron(width, width, 3)
        self.pose_head = perceptron(width * (config.pose_tokens + 1), width, 10)
        self.register_buffer("mean", torch.zeros(count, 3))
        self.register_buffer("ahead", torch.tensor([1.0, 0.0, 0.0, 0.0, -1.0, 0.0]))

    def forward(self, picture: Tensor, focal: Tensor) -> Prediction:
        return self.guesses(picture, focal)[-1]

    def guesses(self, picture: Tensor, focal: Tensor) -> list[Prediction]:
        """The first guess, from the summary alone, and one after each decoder block; the last is the prediction."""
        fine = self.fine(picture * 4.0 - 2.0)
        middle = self.middle(fine)
        image = self.coarse(middle)
        whole = self.summary(image)
        image = self._encode(image, focal)
        first_pose, first_shape = self.first_pose(whole), self.first_shape(whole).unflatten(1, (self.config.landmarks, 3))
        guesses = [self._read(first_shape, torch.zeros_like(first_shape), first_pose, focal)]
        tokens = self.tokens + whole[:, None]
        for block, local in zip(self.decoder, self.local, strict=True):
            seen = local(look(fine, middle, guesses[-1], focal))
            tokens = block(tokens + nn.functional.pad(seen, (0, 0, 0, self.config.pose_tokens)), image)
            guesses.append(self._guess(self.decoded(tokens), first_pose, first_shape, focal))
        return guesses

    def _encode(self, image: Tensor, focal: Tensor) -> Tensor:
        """The image tokens and one of the lens, after they looked at each other."""
        image = image.flatten(2).transpose(1, 2) + self.place
        image = torch.cat([image, self.lens(torch.log(focal))[:, None]], dim=1)
        for block in self.encoder:
            image = block(image)
        return self.encoded(image)

    def _guess(self, tokens: Tensor, first_pose: Tensor, first_shape: Tensor, focal: Tensor) -> Prediction:
        landmarks, rest = tokens[:, : self.config.landmarks], tokens[:, self.config.landmarks :]
        pose = first_pose + self.pose_head(torch.cat([rest.flatten(1), landmarks.mean(dim=1)], dim=1))
        return self._read(first_shape + self.point_head(landmarks), self.noise_head(landmarks), pose, focal)

    def _read(self, points: Tensor, noise: Tensor, pose: Tensor, focal: Tensor) -> Prediction:
        points, noise, pose = points.float(), noise.float(), pose.float()
        landmarks = self.mean + 0.01 * points
        scale = torch.exp(noise.clamp(-4.0, 4.0)) * 0.01
        cholesky = torch.stack([scale[..., 0], 0.01 * noise[..., 1], scale[..., 2]], dim=-1)
        depth = focal * 0.25 * torch.exp(pose[:, 8:9])
        translation = torch.cat([pose[:, 6:8] * depth / focal, depth], dim=1)
        return Prediction(landmarks, cholesky, rotation_of(pose[:, :6] + self.ahead), translation, pose[:, 9])


def look(fine: Tensor, middle: Tensor, guess: Prediction, focal: Tensor) -> Tensor:
    """(B, N, channels + 4 OCTAVES): what the stem saw where a guess puts each landmark, and where that is; no gradient to the guess."""
    with torch.no_grad():
        points = project(guess.landmarks, guess.rotation, guess.translation, focal) * 2.0 - 1.0
        angles = (points[..., None] * (torch.pi / 2) * 2.0 ** torch.arange(OCTAVES)).flatten(2)
    levels = [nn.functional.grid_sample(level.float(), points[:, None], align_corners=False)[:, :, 0] for level in (fine, middle)]
    return torch.cat([*(level.transpose(1, 2) for level in levels), angles.sin(), angles.cos()], dim=2)


def rotation_of(six: Tensor) -> Tensor:
    """(B, 6) two rows, made orthonormal -> (B, 3, 3) [Zhou et al. 2019]."""
    first = nn.functional.normalize(six[:, :3], dim=1)
    second = six[:, 3:] - (first * six[:, 3:]).sum(dim=1, keepdim=True) * first
    second = nn.functional.normalize(second, dim=1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def project(landmarks: Tensor, rotation: Tensor, translation: Tensor, focal: Tensor) -> Tensor:
    """2.5D landmarks (B, N, 2) in crop sides, the crop's centre at 0.5: pi(R l + t)."""
    seen = landmarks @ rotation.transpose(1, 2) + translation[:, None]
    return focal[:, :, None] * seen[..., :2] / seen[..., 2:].clamp(min=0.02) + 0.5
