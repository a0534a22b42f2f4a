# SPDX-License-Identifier: GPL-3.0-or-later
"""No verb opens a socket: run where Python ends at the first one, workers and probing processes too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from coded_clips import write_clip
from drawn_face import drawn_face

from facelift_blender import batch
from facelift_blender.capture.types import FaceLiftError
from facelift_blender.capture.weights import model_path

DENY = """
import os, sys
def deny(event, arguments):
    if event.startswith("socket."):
        os.write(2, ("a socket was asked for: " + event).encode())
        os._exit(77)
sys.addaudithook(deny)
"""


@pytest.fixture
def denied(tmp_path: Path) -> dict[str, str]:
    """An environment in which every Python ends where it asks for a socket."""
    (tmp_path / "deny").mkdir()
    (tmp_path / "deny" / "sitecustomize.py").write_text(DENY)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "deny")}


def _run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, batch.__file__, "--", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)


def test_the_denial_denies(denied: dict[str, str]) -> None:
    done = subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], check=False, env=denied, timeout=60)
    assert done.returncode == 77


@pytest.mark.parametrize("verb", ["track", "predict", "batch"])
def test_no_verb_opens_a_socket(denied: dict[str, str], tmp_path: Path, verb: str) -> None:
    try:
        model_path("facelift")
    except FaceLiftError:
        pytest.skip("the regressor's weights are not there")
    cv2.imwrite(str(tmp_path / "face.png"), drawn_face()[:, :, ::-1])
    clip = write_clip(tmp_path / "clip.mp4", count=5)
    arguments = {"track": [clip, "-o", tmp_path / "out"], "predict": [tmp_path / "face.png", "-o", tmp_path / "faces.json"],
                 "batch": [clip, "-o", tmp_path / "out", "--export", "csv"]}[verb]  # fmt: skip
    done = _run(denied, verb, *arguments)
    assert "a socket was asked for" not in done.stderr + done.stdout
    assert (done.returncode, "No face was found" in done.stderr) == ((0, False) if verb == "predict" else (1, True))
