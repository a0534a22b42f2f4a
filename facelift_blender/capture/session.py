# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening a network of the extension in onnxruntime."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from .limits import cores
from .types import FaceLiftError

_PREFERRED = ("CUDAExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")
"""Core ML is left out: it has no products in 8 bits, and would cut the networks into small pieces."""


def open_session(path: Path, threads: int = 0, device: str = "AUTO") -> tuple[onnxruntime.InferenceSession, dict[str, str]]:
    """A session and the file's metadata. `threads` 0 and `device` AUTO leave the choice to the machine: one core is left for decoding.

    Raises FaceLiftError if the file is no network.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or max(1, min(4, cores() - 1))
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a waiting thread would take the decoder's core
    options.log_severity_level = 3
    available = onnxruntime.get_available_providers()
    providers = [name for name in _PREFERRED if name in available and (device == "AUTO" or name.startswith(device))]
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        return session, dict(session.get_modelmeta().custom_metadata_map)
    except Exception as error:  # onnxruntime raises its own kinds for every sort of damage
        raise foreign(path) from error


def foreign(path: Path) -> FaceLiftError:
    """The sentence for weights that are not the extension's."""
    return FaceLiftError(f"The weights {path.name} are not FaceLift's: install FaceLift again from its zip.")
