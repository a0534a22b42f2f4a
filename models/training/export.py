# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained regressor to ONNX, checked against torch: `python -m models.training.export open`."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor

from facelift_blender.capture.expression import Reading, Resting
from facelift_blender.capture.habits import Habits
from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.weights import sha256_of

from . import paths
from .batches import Half
from .export_regressor import written_out
from .regressor import Regressor, RegressorConfig, project
from .shipped import read_tensors, save_tensors

TOLERANCE = 2e-3
"""Sides of the crop by which landmarks may be moved, in the mean, by products in 8 bits; a twentieth of what the network errs."""


def load(folder: Path) -> Regressor:
    """The averaged network of a run's checkpoint, ready to predict."""
    config = json.loads((folder / "regressor.json").read_text())["regressor"]
    regressor = Regressor(RegressorConfig(**config))
    regressor.load_state_dict(torch.load(folder / "regressor.pt", weights_only=True)["average"])
    return regressor.eval()


def samples(data: Path, size: int, count: int = 48) -> tuple[Tensor, Tensor]:
    """Pictures (B, 3, S, S) and focal lengths (B, 1) as the training draws them: `count` of either half."""
    halves = [Half([data / name], size, seed=0).batch(count) for name in ("frames", "views")]
    return torch.cat([half["picture"] for half in halves]), torch.cat([half["focal"] for half in halves])


def export(regressor: Regressor, path: Path, pictures: Tensor, focal: Tensor) -> float:
    """Write `path`, its mean face and input size in the metadata; returns how far it moves landmarks, in the mean, from torch's.

    pictures, focal: `samples` of what it will see. Raises ValueError if that is over TOLERANCE.
    """
    part = path.with_suffix(".part")
    model = written_out(regressor, pictures, focal)
    mean = [[round(float(x), 6) for x in row] for row in regressor.mean]
    size = str(regressor.config.picture)
    onnx.helper.set_model_props(model, {"mean": json.dumps(mean), "picture": size, "landmarks": json.dumps(NAMES)})
    onnx.save(model, part)
    moved = difference(regressor, part, pictures, focal)
    if moved > TOLERANCE:
        raise ValueError(f"The exported network's landmarks are {moved:.1e} of the crop away from torch's.")
    os.replace(part, path)
    return moved


@torch.no_grad()
def difference(regressor: Regressor, path: Path, pictures: Tensor, focal: Tensor) -> float:
    """Mean distance between the landmarks of onnxruntime and of torch, in sides of the crop."""
    session = onnxruntime.InferenceSession(str(path))
    cuts = (pictures * 255).round()
    seen = cuts.permute(0, 2, 3, 1).byte().numpy()
    names = ("landmarks", "rotation", "translation")
    rows = [session.run(names, {"picture": cut[None], "focal": lens[None]}) for cut, lens in zip(seen, focal.numpy(), strict=True)]
    ours = project(*(torch.from_numpy(np.concatenate(column)) for column in zip(*rows, strict=True)), focal)
    told = regressor.eval()(cuts / 255, focal)
    theirs = project(told.landmarks, told.rotation, told.translation, focal)
    return float(torch.linalg.vector_norm(ours - theirs, dim=2).mean())


def load_weights(path: Path) -> Regressor:
    """The network whose tensors were saved (`shipped`)."""
    told, tensors = read_tensors(path)
    regressor = Regressor(RegressorConfig(**told))
    regressor.load_state_dict(tensors)
    return regressor.eval()


def register(name: str, path: Path, license_text: str, source: str) -> None:
    """Write the file's hash into weights.json."""
    listing = path.parent / "weights.json"
    entries = json.loads(listing.read_text()) if listing.exists() else {}
    entries[name] = {"file": path.name, "sha256": sha256_of(path), "license": license_text, "source": source}
    listing.write_text(json.dumps(entries, indent=2) + "\n")


def save_learned(name: str, learned: Habits | Reading | Resting, path: Path, source: str) -> None:
    """What the extension reads beside its networks: a dataclass of arrays as .npz, whole or not at all, and its hash."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **{one.name: np.asarray(getattr(learned, one.name), np.float32) for one in fields(learned)})
    os.replace(part, path)
    register(name, path, "CC-BY-4.0", source)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--run", default="regressor")
    arguments = parser.parse_args()
    name = "facelift" if arguments.name == "open" else "facelift_research"
    path = paths.WEIGHTS / f"{name}.onnx"
    regressor = load(paths.RUNS / arguments.name / arguments.run)
    moved = export(regressor, path, *samples(paths.RUNS / arguments.name, regressor.config.picture))
    save_tensors(regressor, path.with_suffix(".safetensors"))
    if arguments.name == "open":  # what is for research alone is never packed into the extension
        register(name, path, "CC-BY-4.0", "python -m models.training.train open")
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, landmarks {moved:.1e} of the crop from torch's")


if __name__ == "__main__":
    main()
