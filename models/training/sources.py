# SPDX-License-Identifier: GPL-3.0-or-later
"""Where multi-view pictures come from: an identity code and cameras in, pictures out. docs/generators.md shows how to add one.

`python -m models.training.sources open adversarial --identities 300` lets a source make a multi-view store, labelled and lifted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from facelift_blender.capture.types import Array, Image

from . import paths
from .generator import Cameras, Generator, GeneratorConfig, load_generator, pixel_places
from .heads import FLIP, Camera, FaceModel, Head, random_camera, random_look
from .labeller import Labeller
from .labels import read_image
from .samples import (
    OPEN_PHOTOGRAPHS,
    RESEARCH_PHOTOGRAPHS,
    Photographed,
    background,
    lifted_views,
    mean_landmarks,
    photographed_heads,
    photographs,
    random_expression,
)
from .store import SIZE, Samples, Store


class Source(Protocol):
    """Anything that can show one identity from many sides."""

    def draw(self, random: np.random.Generator) -> Array:
        """An identity's code: a vector that only the source understands."""

    def render(self, code: Array, cameras: Sequence[Camera], size: int) -> list[Image]:
        """The identity as each camera sees it: (size, size, 3) RGB uint8. Cameras are in pixels of such pictures and stand in the
        canonical frame (metres, x to the viewer's right, y up, z out of the face, origin between the eyeballs; OpenCV axes).
        """


class MeshSource:
    """Textured meshes. A code is a photograph's index, a seed for the look and background, identity (60) and expression (53)."""

    def __init__(self, heads: Sequence[Photographed], model: FaceModel) -> None:
        self.heads, self.model = heads, model

    def draw(self, random: np.random.Generator) -> Array:
        first, second = random.integers(len(self.heads), size=2)
        own, other = self.heads[first].fit, self.heads[second].fit
        identity = own.identity + random.uniform(0, 0.6) * (other.identity - own.identity) + random.normal(0, 0.35, len(own.identity))
        expression = own.expression if random.random() < 0.25 else random_expression(self.model, random)
        return np.concatenate([[first, random.integers(2**31)], identity, expression])

    def render(self, code: Array, cameras: Sequence[Camera], size: int) -> list[Image]:
        texture, random = self.heads[int(code[0])].texture, np.random.default_rng(int(code[1]))
        identity, expression = np.split(code[2:], [len(self.heads[0].fit.identity)])
        head = Head(self.model, self.model.vertices(identity, expression), texture, random_look(random))
        behind = [head.texture.photograph for head in self.heads]
        return [head.render(camera, size, cv2.resize(background(random, behind), (size, size))) for camera in cameras]


class TriplaneSource:
    """Our own generator, auto-decoder or adversarial, before pieces of photographs or, where there are none, before grey.

    `pixels` are rendered and enlarged to what is asked for.
    """

    def __init__(self, generator: Generator, pixels: int = 96, behind: Sequence[Image] = ()) -> None:
        self.generator, self.pixels, self.behind = generator.eval(), pixels, behind

    def draw(self, random: np.random.Generator) -> Array:
        latent = torch.from_numpy(random.standard_normal((1, self.generator.config.code)).astype(np.float32))
        with torch.no_grad():
            return self.generator.codes(latent)[0].numpy()

    @torch.no_grad()
    def render(self, code: Array, cameras: Sequence[Camera], size: int) -> list[Image]:
        planes = self.generator.planes(torch.from_numpy(code.astype(np.float32))[None])
        random = np.random.default_rng(abs(int(1e4 * code[0])))
        return [self._one(planes, camera, size, random) for camera in cameras]

    def _one(self, planes: torch.Tensor, camera: Camera, size: int, random: np.random.Generator) -> Image:
        rays = as_tensors(camera, size).rays(pixel_places(self.pixels)[None])
        seen = self.generator.render(planes, rays)
        layers = torch.cat([seen.colour, seen.opacity[..., None]], dim=2)[0].view(self.pixels, self.pixels, 4).numpy()
        layers = cv2.resize(layers, (size, size), interpolation=cv2.INTER_CUBIC if size > self.pixels else cv2.INTER_AREA)
        back = cv2.resize(background(random, self.behind), (size, size)) if self.behind else np.full((size, size, 3), 128, np.uint8)
        picture = 255 * layers[..., :3] + (1 - layers[..., 3:]) * back
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def as_tensors(camera: Camera, size: int) -> Cameras:
    """A camera of pictures of `size`, a batch of one."""
    rotation, translation = (torch.from_numpy(np.asarray(x, np.float32))[None] for x in (camera.rotation, camera.translation))
    return Cameras(rotation, translation, torch.tensor([camera.focal / size], dtype=torch.float32))


class EG3DSource:
    """A generator with EG3D's interface (also PanoHead's): `mapping(z, c)`, `synthesis(w, c)['image']` and `z_dim`.

    `units`: of its world per metre; `origin`: where the point between the eyeballs lies in it. Both are the generator's own: lift a few
    identities and lay them onto the mean face to measure them.
    """

    def __init__(self, network: Any, units: float = 2.7, origin: tuple[float, float, float] = (0.0, 0.08, 0.01)) -> None:
        self.network, self.units, self.origin = network, units, np.array(origin)
        ahead = Camera(4.2647, (0.5, 0.5), FLIP, np.array([0.0, 0.0, 1.0]))
        self.conditioning = torch.from_numpy(self.label(ahead, 1))

    def draw(self, random: np.random.Generator) -> Array:
        return random.standard_normal(self.network.z_dim)

    @torch.no_grad()
    def render(self, code: Array, cameras: Sequence[Camera], size: int) -> list[Image]:
        style = self.network.mapping(torch.from_numpy(code.astype(np.float32))[None], self.conditioning)
        return [self._one(style, torch.from_numpy(self.label(camera, size)), size) for camera in cameras]

    def _one(self, style: torch.Tensor, label: torch.Tensor, size: int) -> Image:
        image = self.network.synthesis(style, label)["image"][0].permute(1, 2, 0).numpy()
        picture = np.clip(127.5 * image + 127.5, 0, 255).astype(np.uint8)
        return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)

    def label(self, camera: Camera, size: int) -> Array:
        """(1, 25) float32: camera to world (16) in its units and the normalised intrinsics (9)."""
        pose = np.eye(4)
        pose[:3, :3] = camera.rotation.T
        pose[:3, 3] = self.units * (-camera.rotation.T @ camera.translation) + self.origin
        intrinsics = np.array([[camera.focal, 0, camera.center[0]], [0, camera.focal, camera.center[1]], [0, 0, size]]) / size
        return np.concatenate([pose.ravel(), intrinsics.ravel()]).astype(np.float32)[None]


def views_of(source: Source, count: int, labeller: Labeller, start: Array, seed: int, views: int = 24) -> Samples:
    """`count` identities of a source from `views` sides: labelled, lifted, refused where that does not close.

    start: (N, 3) the mean face, which stands in for the truth that a generator does not know.
    """
    random = np.random.default_rng(seed)
    for _ in range(count):
        code = source.draw(random)
        yaws = (np.arange(views) + random.uniform(0, 1, views)) / views * 2 - 1
        cameras = [random_camera(random, 1.1 * yaw, SIZE) for yaw in yaws]
        yield from lifted_views(source.render(code, cameras, SIZE), cameras, start[:68], labeller, start)


def own_generator(name: str, stage: str) -> Generator:
    """The set's generator after a stage (auto_decoder, adversarial): from its run, else from the weights that are shipped."""
    checkpoint = paths.RUNS / name / "generator" / f"{stage}.pt"
    if not checkpoint.exists():
        return load_generator(paths.WEIGHTS / f"generator_{stage}.safetensors")
    return load_checkpoint(checkpoint)


def load_checkpoint(path: Path) -> Generator:
    """The averaged generator of a stage's checkpoint; its config lies beside it."""
    config = json.loads(path.with_suffix(".json").read_text())["generator"]
    generator = Generator(GeneratorConfig(**config | {"channels": tuple(config["channels"])}))
    generator.load_state_dict(torch.load(path, weights_only=True)["average"])
    return generator.eval()


def make_source(name: str, kind: str, labeller: Labeller, most: int | None = None) -> Source:
    """`mesh`, `auto_decoder` or `adversarial`, with at most so many of the set's photographs as textures or backgrounds."""
    files = photographs(OPEN_PHOTOGRAPHS if name == "open" else RESEARCH_PHOTOGRAPHS)[:most]
    if kind == "mesh":
        model = FaceModel()
        return MeshSource(list(photographed_heads(files, labeller, model)), model)
    return TriplaneSource(own_generator(name, kind), behind=[read_image(file) for file in files[::16]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("kind", choices=("mesh", "auto_decoder", "adversarial"))
    parser.add_argument("--identities", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    labeller = Labeller(arguments.name)
    source = make_source(arguments.name, arguments.kind, labeller)
    samples = views_of(source, arguments.identities, labeller, mean_landmarks(FaceModel()), arguments.seed)
    store = Store(paths.RUNS / arguments.name / f"views_{arguments.kind}")
    print(f"{store.folder}: {store.write(samples)} samples")


if __name__ == "__main__":
    main()
