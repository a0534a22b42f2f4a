# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks' tensors as they are committed, for training to go on from: float16 safetensors, the config in the metadata."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn


def save_tensors(network: nn.Module, path: Path) -> None:
    """A network that knows its `config`, a dataclass; whole or not at all."""
    from safetensors.torch import save_file

    tensors = {name: tensor.half().contiguous() if tensor.is_floating_point() else tensor for name, tensor in network.state_dict().items()}
    part = path.with_suffix(".part")
    save_file(tensors, part, metadata={"config": json.dumps(asdict(network.config))})
    os.replace(part, path)


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The config, tuples as lists, and the tensors that `save_tensors` wrote."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["config"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
