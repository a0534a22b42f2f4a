# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of the method: multi-view (3D known) and multi-frame (2D known, masked by the predicted pose)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .regressor import Prediction, project

PERCENT = 100.0


@dataclass(frozen=True)
class LossConfig:
    """Weights of the terms. The paper shows none; these bring each term to the same order at the start."""

    landmarks: float = 12.0
    translation: float = 100.0
    likelihood: float = 0.35
    rotation: float = 6.0
    presence: float = 0.1
    earlier: float = 0.25
    """Of the guesses before the last."""


def laplacian_likelihood(points: Tensor, truth: Tensor, cholesky: Tensor) -> Tensor:
    """(B, N) negative log likelihood of truth under a 2D Laplacian about points, in percent of the crop [LUVLi, eq. 6].

    0.5 log |S| + sqrt(3 r^T S^-1 r), S = L L^T.
    """
    error = (truth - points) * PERCENT
    a, b, c = (cholesky * PERCENT).unbind(-1)
    first = error[..., 0] / a
    second = (error[..., 1] - b * first) / c
    return torch.log(a) + torch.log(c) + torch.sqrt(3.0 * (first**2 + second**2) + 1e-6)


def geodesic(rotation: Tensor, truth: Tensor) -> Tensor:
    """(B,) angle in radians between rotations (B, 3, 3); smooth at zero through the chord."""
    chord = torch.linalg.matrix_norm(rotation - truth).clamp(min=1e-6) / (2.0 * 2.0**0.5)
    return 2.0 * torch.asin(chord.clamp(max=0.9999))


def multi_view_loss(prediction: Prediction, batch: dict[str, Tensor], config: LossConfig) -> dict[str, Tensor]:
    """L_mv = MSE(3D) + MSE(translation) + LLL(2.5D) + geodesic(rotation). Lengths in cm; translation as place and log depth."""
    landmarks = functional.mse_loss(prediction.landmarks * 100, batch["landmarks"] * 100)
    guess, truth = _place(prediction.translation, batch["focal"]), _place(batch["translation"], batch["focal"])
    points = project(prediction.landmarks, prediction.rotation, prediction.translation, batch["focal"])
    likelihood = laplacian_likelihood(points, batch["points"], prediction.cholesky).mean()
    return {
        "mv_landmarks": config.landmarks * landmarks,
        "mv_translation": config.translation * functional.mse_loss(guess, truth),
        "mv_likelihood": config.likelihood * likelihood,
        "mv_rotation": config.rotation * geodesic(prediction.rotation, batch["rotation"]).mean(),
    }


def _place(translation: Tensor, focal: Tensor) -> Tensor:
    """(B, 3): where the origin lies in the crop, and the logarithm of its depth over the focal length."""
    depth = translation[:, 2:]
    return torch.cat([focal * translation[:, :2] / depth, torch.log(depth / focal)], dim=1)


def visible(prediction: Prediction) -> Tensor:
    """(B, N) 0 to 1: landmarks that the predicted pose turns to the camera; no gradient flows through it.

    Normals point away from an ellipsoid about the head's middle.
    """
    with torch.no_grad():
        away = (prediction.landmarks - torch.tensor([0.0, -0.03, -0.07])) / torch.tensor([0.075, 0.11, 0.1]) ** 2
        normals = functional.normalize(away, dim=2)
        eye = -(prediction.rotation.transpose(1, 2) @ prediction.translation[:, :, None])[..., 0]
        towards = functional.normalize(eye[:, None] - prediction.landmarks, dim=2)
        return torch.sigmoid(((normals * towards).sum(dim=2) - 0.1) / 0.05)


def multi_frame_loss(prediction: Prediction, batch: dict[str, Tensor], config: LossConfig) -> dict[str, Tensor]:
    """L_mf = sum_n m_n LLL(l2D_n, 2.5D_n, Sigma_n) / sum_n m_n over the faces; presence over all of them."""
    points = project(prediction.landmarks, prediction.rotation, prediction.translation, batch["focal"])
    mask = visible(prediction) * batch["face"][:, None]
    likelihood = laplacian_likelihood(points, batch["points"], prediction.cholesky)
    presence = functional.binary_cross_entropy_with_logits(prediction.presence, batch["face"])
    return {
        "mf_likelihood": config.likelihood * (mask * likelihood).sum() / mask.sum().clamp(min=1.0),
        "mf_presence": config.presence * presence,
    }
