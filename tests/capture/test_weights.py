# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that are missing, altered or unlisted are refused in one sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from facelift_blender.capture import weights
from facelift_blender.capture.types import FaceLiftError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "weights"
    shutil.copytree(weights.weights_folder(), copy)
    monkeypatch.setattr(weights, "FOLDERS", (copy,))
    return copy


def test_every_listed_network_is_whole() -> None:
    for name in json.loads((weights.weights_folder() / "weights.json").read_text()):
        assert weights.model_path(name).is_file()


def test_altered_weights_are_refused(folder: Path) -> None:
    path = weights.model_path("detector")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(FaceLiftError, match="damaged or altered"):
        weights.model_path("detector")


def test_missing_weights_are_refused(folder: Path) -> None:
    weights.model_path("detector").unlink()
    with pytest.raises(FaceLiftError, match="missing"):
        weights.model_path("detector")


@pytest.mark.parametrize("file", ["..", "x" * 5000, "a\0b"])
def test_a_file_that_cannot_be_is_refused(folder: Path, file: str) -> None:
    (folder / "weights.json").write_text(json.dumps({"detector": {"file": file, "sha256": ""}}))
    with pytest.raises(FaceLiftError, match=r"are missing|does not name"):
        weights.model_path("detector")


def test_unlisted_weights_are_refused(folder: Path) -> None:
    with pytest.raises(FaceLiftError, match="does not name"):
        weights.model_path("nothing")


@pytest.mark.parametrize(
    "text", ["[]", "[" * 100_000, '{"detector": 5}', '{"detector": {"file": "detector.onnx"}}', '{"detector": {"file": 5}}']
)
def test_a_damaged_list_is_refused(folder: Path, text: str) -> None:
    (folder / "weights.json").write_text(text)
    with pytest.raises(FaceLiftError, match="does not name"):
        weights.model_path("detector")


def test_no_weights_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FOLDERS", (tmp_path,))
    with pytest.raises(FaceLiftError, match="missing"):
        weights.model_path("facelift")


def test_a_list_may_not_lead_out_of_the_folder(folder: Path) -> None:
    (folder / "weights.json").write_text(json.dumps({"detector": {"file": "../../secret.onnx", "sha256": ""}}))
    with pytest.raises(FaceLiftError, match=r"secret\.onnx are missing"):
        weights.model_path("detector")
