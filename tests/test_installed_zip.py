# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip as a user gets it: installed in a clean Blender, which has nothing but what the zip brings."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = Path(__file__).resolve().parent / "installed.py"
CLIP = ROOT / "models" / "performer" / "demo.mp4"
PLATFORMS = {("Linux", "x86_64"): "linux-x64", ("Windows", "AMD64"): "windows-x64", ("Darwin", "arm64"): "macos-arm64"}
BLENDER = shlex.split(os.environ.get("FACELIFT_BLENDER", ""))
"""The command that starts a real Blender, if one is at hand."""


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.blender_environment = lambda *_: Path(sys.executable)
    return module


def make_zip(build: ModuleType, folder: Path, python: str) -> Path:
    """The zip for this machine, with the wheels of one Python."""
    system = PLATFORMS.get((platform.system(), platform.machine()))
    if system is None:
        pytest.skip("No zip is made for this platform.")
    try:
        wheels = build.fetch_wheels(build.wheels_for(system, python))
    except build.BuildError as error:
        pytest.skip(f"The wheels are not at hand: {error}")
    build.write_zip(folder / "facelift.zip", build.extension_files(build.read_manifest(), system, wheels))
    return folder / "facelift.zip"


def clean_folder(folder: Path) -> dict[str, str]:
    """The environment of a Blender whose user folder is new."""
    (folder / "user" / "config").mkdir(parents=True)
    return os.environ | {"BLENDER_USER_RESOURCES": str(folder / "user"), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def clip() -> str:
    return str(CLIP) if CLIP.is_file() else ""


def judge(found: dict[str, Any], folder: Path) -> None:
    """What an installed extension has to be, in any Blender."""
    assert found["enabled"]
    assert found["heavy"] == [], "enabling loads what only tracking needs"
    assert found["seconds"] < 0.3
    assert all(Path(origin).is_relative_to(folder / "user") for origin in [found["package"], *found["origins"].values()])
    assert found["left"] == []
    if clip():
        assert found["result"] == ["FINISHED"]
        assert found["cameras"] == 1
        assert found["objects"] > 150


def test_installed_in_the_module(build: ModuleType, tmp_path: Path) -> None:
    """Blender as a module, with no package beside it but those it asks for itself."""
    pytest.importorskip("bpy")
    file = make_zip(build, tmp_path, f"{sys.version_info[0]}.{sys.version_info[1]}")
    site, alone = Path(sysconfig.get_path("platlib")), tmp_path / "site"
    alone.mkdir()
    for name in (
        "bpy",
        "numpy",
        "numpy.libs",
        "requests",
        "urllib3",
        "certifi",
        "idna",
        "charset_normalizer",
        "zstandard",
        "cattrs",
        "attr",
    ):
        if (site / name).exists():
            (alone / name).symlink_to(site / name)
    environment = clean_folder(tmp_path) | {"PYTHONPATH": str(alone)}
    subprocess.run([sys.executable, "-S", SCRIPT, "--", tmp_path / "report.json", clip(), file], env=environment, check=True, timeout=300)
    judge(json.loads((tmp_path / "report.json").read_text()), tmp_path)


@pytest.mark.skipif(not BLENDER, reason="FACELIFT_BLENDER names no Blender")
def test_installed_in_a_real_blender(build: ModuleType, tmp_path: Path) -> None:
    """By Blender's own command line, as a user without a window would."""
    environment = clean_folder(tmp_path)

    def blender(*arguments: object) -> str:
        command = [*BLENDER, *map(str, arguments)]
        return subprocess.run(command, env=environment, check=True, timeout=300, capture_output=True, text=True).stdout

    told = blender("-b", "--factory-startup", "--python-expr", "import sys; print('PYTHON %d.%d' % sys.version_info[:2])")
    file = make_zip(build, tmp_path, told.partition("PYTHON ")[2].split()[0])
    blender("--command", "extension", "validate", file)
    blender("--command", "extension", "install-file", "-r", "user_default", "--enable", file)
    blender("-b", "--python-exit-code", "3", "-P", SCRIPT, "--", tmp_path / "report.json", clip())
    judge(json.loads((tmp_path / "report.json").read_text()), tmp_path)
