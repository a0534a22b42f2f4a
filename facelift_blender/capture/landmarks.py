# SPDX-License-Identifier: GPL-3.0-or-later
"""The FaceLift regressor at run time: a picture and face boxes to 3D landmarks with covariance and pose."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .crops import Box, FaceCrop, box_of_landmarks, crop_of_box
from .session import foreign, open_session
from .topology import COUNT
from .types import Array, FaceLiftError, Image
from .weights import model_path, sha256_of

__all__ = ["Box", "Estimate", "Regressor", "box_of_landmarks"]


@dataclass(frozen=True)
class Estimate:
    """What the regressor says of one face in one picture.

    landmarks_2d: (N, 2) pixels of the picture: the projection of landmarks_3d (N, 3), canonical metres, under rotation (3, 3)
    and translation (3,) metres, canonical to camera, or what a second look measured in its stead.
    covariances: (N, 2, 2) pixels squared. score: 0 to 1 that this is a face.
    """

    landmarks_2d: Array
    covariances: Array
    landmarks_3d: Array
    rotation: Array
    translation: Array
    score: float


class Regressor:
    """The network in an onnxruntime session. `mean`: (N, 3) canonical landmarks of the mean face, metres.

    Raises FaceLiftError if the weights are missing, altered or made for another landmark table.
    """

    def __init__(self, path: Path | None = None, threads: int = 0, device: str = "AUTO") -> None:
        """`threads` 0 and `device` AUTO leave the choice to the machine; device CPU takes the processor alone."""
        path = path or model_path("facelift")
        self.threads, self.device = threads, device
        self.session, card = open_session(path, threads, device)
        try:
            self.mean: Array = np.array(json.loads(card["mean"]), dtype=float)
            self.size = int(card["picture"])
        except (KeyError, ValueError) as error:
            raise foreign(path) from error
        if self.mean.shape != (COUNT, 3):
            raise FaceLiftError(f"The weights {path.name} were made for another version of the landmarks: install FaceLift again.")
        self.provider = self.session.get_providers()[0].removesuffix("ExecutionProvider")
        self.name, self.sha256 = path.stem, sha256_of(path)

    def __call__(self, image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        """One Estimate a box (x, y, w, h); `focal` in pixels of the picture, the principal point in its middle.

        Each face by itself: together they are hardly faster, and come out otherwise in their last bits with another number of threads.
        """
        height, width = image.shape[:2]
        return [self._see(image, crop_of_box(box, focal, (width / 2, height / 2), self.size)) for box in boxes]

    def _see(self, image: Image, crop: FaceCrop) -> Estimate:
        names = ("landmarks", "cholesky", "rotation", "translation", "score")
        told = {"picture": self._cut(image, crop)[None], "focal": np.array([[crop.focal]], dtype=np.float32)}
        return self._estimate(crop, *(part[0].astype(float) for part in self.session.run(names, told)))

    def _cut(self, image: Image, crop: FaceCrop) -> Image:
        """(S, S, 3) RGB; a face much larger than the crop is first shrunk by whole factors, so that it does not alias."""
        step = int(1.0 / max(abs(np.linalg.det(crop.homography[:2, :2])) ** 0.5, 1e-6) / 1.5)
        matrix = crop.homography
        if step > 1:
            image, shrink = shrunk_window(image, crop.to_picture(crop.size * _CORNERS), step)
            matrix = matrix @ np.linalg.inv(shrink)
        return cv2.warpPerspective(image, matrix, (self.size, self.size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _estimate(self, crop: FaceCrop, landmarks: Array, cholesky: Array, rotation: Array, translation: Array, score: Array) -> Estimate:
        seen = landmarks @ rotation.T + translation
        in_crop = (crop.focal * seen[:, :2] / seen[:, 2:] + 0.5) * crop.size
        lower = np.zeros((len(landmarks), 2, 2))
        lower[:, 0, 0], lower[:, 1, 0], lower[:, 1, 1] = (cholesky * crop.size).T
        root = crop.jacobian(in_crop) @ lower
        pose = crop.rotation.T @ rotation
        covariances = root @ root.transpose(0, 2, 1)
        return Estimate(crop.to_picture(in_crop), covariances, landmarks, pose, crop.rotation.T @ translation, float(score))


_CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def shrunk_window(image: Image, corners: Array, step: int) -> tuple[Image, Array]:
    """The part of the picture under `corners` (4, 2), averaged over step x step pixels, and its (3, 3) picture-to-window matrix."""
    x0, y0 = np.clip(np.floor(corners.min(axis=0)).astype(int) - step, 0, np.array(image.shape[1::-1]) - 1)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)).astype(int) + step, [x0 + 1, y0 + 1], image.shape[1::-1])
    width, height = max(1, (x1 - x0) // step), max(1, (y1 - y0) // step)
    x1, y1 = min(x1, x0 + width * step), min(y1, y0 + height * step)
    small = image[y0:y1, x0:x1]
    while step % 2 == 0:  # by halves, and by whole factors at all, OpenCV is many times as fast
        step //= 2
        small = cv2.resize(small, (width * step, height * step), interpolation=cv2.INTER_AREA)
    if small.shape[:2] != (height, width):
        small = cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA)
    sx, sy = width / (x1 - x0), height / (y1 - y0)
    return small, np.array([[sx, 0.0, -x0 * sx], [0.0, sy, -y0 * sy], [0.0, 0.0, 1.0]])
