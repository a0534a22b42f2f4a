# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained regressor to ONNX, checked against torch: `python -m models.training.export open`."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from facelift_blender.capture.topology import NAMES
from facelift_blender.capture.weights import sha256_of

from . import paths
from .regressor import Regressor, RegressorConfig

OUTPUTS = ("landmarks", "cholesky", "rotation", "translation", "score")
TOLERANCE = 1e-4


class Shipped(nn.Module):
    """The regressor with its presence as a probability."""

    def __init__(self, regressor: Regressor) -> None:
        super().__init__()
        self.regressor = regressor

    def forward(self, picture: Tensor, focal: Tensor) -> tuple[Tensor, ...]:
        landmarks, cholesky, rotation, translation, presence = self.regressor(picture, focal)
        return landmarks, cholesky, rotation, translation, torch.sigmoid(presence)


def load(folder: Path) -> Regressor:
    """The averaged network of a run's checkpoint, ready to predict."""
    config = json.loads((folder / "regressor.json").read_text())["regressor"]
    regressor = Regressor(RegressorConfig(**config))
    regressor.load_state_dict(torch.load(folder / "regressor.pt", weights_only=True)["average"])
    return regressor.eval()


def export(regressor: Regressor, path: Path) -> float:
    """Write `path`, its mean face and input size in the metadata; returns the largest difference from torch, relative to scale.

    Raises ValueError if that is over 1e-4.
    """
    size = regressor.config.picture
    inputs = (torch.rand(2, 3, size, size), torch.tensor([[1.5], [4.0]]))
    part = path.with_suffix(".part")
    free = {name: {0: "faces"} for name in ("picture", "focal", *OUTPUTS)}
    names = {"input_names": ["picture", "focal"], "output_names": list(OUTPUTS)}
    torch.onnx.export(Shipped(regressor).eval(), inputs, str(part), **names, dynamic_axes=free, opset_version=17, dynamo=False)
    model = onnx.load(part)
    mean = [[round(float(x), 6) for x in row] for row in regressor.mean]
    onnx.helper.set_model_props(model, {"mean": json.dumps(mean), "picture": str(size), "landmarks": json.dumps(NAMES)})
    onnx.save(model, part)
    worst = difference(regressor, part, inputs)
    if worst > TOLERANCE:
        raise ValueError(f"The exported network differs from torch by {worst:.1e}.")
    os.replace(part, path)
    return worst


def difference(regressor: Regressor, path: Path, inputs: tuple[Tensor, Tensor]) -> float:
    """Largest difference between onnxruntime and torch over all outputs."""
    session = onnxruntime.InferenceSession(str(path))
    ours = session.run(OUTPUTS, {"picture": inputs[0].numpy(), "focal": inputs[1].numpy()})
    with torch.no_grad():
        theirs = Shipped(regressor).eval()(*inputs)
    return max(float(np.abs(a - b.numpy()).max()) for a, b in zip(ours, theirs, strict=True))


def save_weights(regressor: Regressor, path: Path) -> None:
    """The network's tensors as float16, for training to go on from: `train --from-weights`."""
    from safetensors.torch import save_file

    tensors = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor for name, tensor in regressor.state_dict().items()
    }
    save_file(tensors, path, metadata={"config": json.dumps(asdict(regressor.config))})


def load_weights(path: Path) -> Regressor:
    """The network that `save_weights` wrote."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        regressor = Regressor(RegressorConfig(**json.loads(file.metadata()["config"])))
        regressor.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return regressor.eval()


def register(name: str, path: Path, license_text: str, source: str) -> None:
    """Write the file's hash into weights.json."""
    listing = path.parent / "weights.json"
    entries = json.loads(listing.read_text()) if listing.exists() else {}
    entries[name] = {"file": path.name, "sha256": sha256_of(path), "license": license_text, "source": source}
    listing.write_text(json.dumps(entries, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--run", default="regressor")
    arguments = parser.parse_args()
    name = "facelift" if arguments.name == "open" else "facelift_research"
    path = paths.WEIGHTS / f"{name}.onnx"
    regressor = load(paths.RUNS / arguments.name / arguments.run)
    worst = export(regressor, path)
    save_weights(regressor, path.with_suffix(".safetensors"))
    if arguments.name == "open":  # what is for research alone is never packed into the extension
        register(name, path, "CC-BY-4.0", "python -m models.training.train open")
    print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, differs from torch by {worst:.1e}")


if __name__ == "__main__":
    main()
