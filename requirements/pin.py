# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pinned requirements beside it and the extension's wheels.json: `python requirements/pin.py [FILE...]`.

The choices are made here; what they bring along is resolved by pip and written with the hash of each
platform's file. Run it to move to a newer release, never to build.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# What the extension brings, by the Python of the Blender it enters.
# onnxruntime: releases after 1.18 fail on Windows when Blender 4.2 to 4.5 has loaded its own older C++ runtime
# ("DLL initialization routine failed"); from 1.21 they ask for a newer runtime than Windows may have. Models are
# therefore exported with opset 21 and IR version 10 at most.
# scipy 1.15 and opencv 4.11 are the newest that take numpy 1.24 (Blender 4.2), 1.26 and 2.
# av 18 has one file a platform for both Pythons; its macOS file asks for macOS 14. OpenCV's own reader mistakes the rate of
# clips with a variable one, ignores rotation flags and lacks AV1 (see capture/movie.py).
# pyreadline3 is needed on Windows only, which pip cannot see from elsewhere.
EXTENSION = {
    "3.11": ["onnxruntime==1.18.1", "opencv-python-headless==4.11.0.86", "scipy==1.15.3", "av==18.1.0", "pyreadline3==3.5.6"],
    "3.13": ["onnxruntime==1.20.1", "opencv-python-headless==4.11.0.86", "scipy==1.15.3", "av==18.1.0", "pyreadline3==3.5.6"],
    # no Blender of blender.org has it, Debian's has: `build.py zip --platform linux-x64 --python 3.14`
    "3.14": ["onnxruntime==1.32.0", "opencv-python-headless==4.11.0.86", "scipy==1.17.1", "av==18.1.0"],
}
ON_LINUX_ONLY = {"3.14"}
BLENDERS = {
    "4.2": ("3.11", ["bpy==4.2.23", "numpy==1.24.3"]),
    "4.5": ("3.11", ["bpy==4.5.15", "numpy==1.26.4"]),
    "5.0": ("3.11", ["bpy==5.0.1", "numpy==1.26.4"]),
    "5.2": ("3.13", ["bpy==5.2.3", "numpy<2.5"]),
}
TESTS = ["pytest", "hypothesis", "colorama"]
LINT = ["ruff", "colorama"]
# The benchmark's peer. mediapipe 0.10.21 is the newest whose wheel holds the face nets; later ones download them at run time. Of what it
# asks for, jax, sentencepiece and sounddevice serve its other tasks and are left out; OpenCV is the one without a window.
PEERS = ["mediapipe==0.10.21"]
BENCH = [
    "bpy==4.5.15", "numpy==1.26.4", "onnxruntime==1.18.1", "opencv-contrib-python-headless==4.11.0.86", "scipy==1.15.3", "av==18.1.0",
    "absl-py", "attrs", "flatbuffers", "protobuf<5,>=4.25.3", "matplotlib==3.11.2", *TESTS,
]  # fmt: skip
PLATFORMS = {
    "linux-x64": [f"manylinux_2_{glibc}_x86_64" for glibc in range(28, 16, -1)] + ["manylinux2014_x86_64"],
    "windows-x64": ["win_amd64"],
    "macos-arm64": ["macosx_14_0_arm64"],
}


def resolve(python: str, platform: str, wanted: list[str], *options: str) -> dict[str, dict[str, str]]:
    """What pip would install of `wanted` there, by name: version, filename and sha256."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", "-"]
    command += ["--target", "unused", "--only-binary", ":all:", "--python-version", python]
    command += ["--ignore-requires-python", *options]  # pip would ask it of the Python that runs; the file names tell enough
    for tag in PLATFORMS[platform]:
        command += ["--platform", tag]
    report = subprocess.run([*command, *wanted], check=True, stdout=subprocess.PIPE).stdout
    found = {}
    for entry in json.loads(report)["install"]:
        source = entry["download_info"]
        found[normal(entry["metadata"]["name"])] = {
            "version": entry["metadata"]["version"],
            "filename": source["url"].rsplit("/", 1)[-1],
            "sha256": source["archive_info"]["hashes"]["sha256"],
        }
    return dict(sorted(found.items()))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def resolve_everywhere(python: str, wanted: list[str]) -> dict[str, dict[str, dict[str, str]]]:
    """The same versions on every platform, by platform and name; resolved on Linux, as pip asks this machine for markers."""
    first = resolve(python, "linux-x64", wanted)
    pins = [f"{name}=={wheel['version']}" for name, wheel in first.items()]
    others = {platform: resolve(python, platform, pins, "--no-deps") for platform in PLATFORMS if platform != "linux-x64"}
    return {"linux-x64": first, **others}


def write_requirements(target: Path, python: str, wanted: list[str]) -> None:
    by_platform = resolve_everywhere(python, wanted)
    lines = [f"# Written by pin.py for Python {python}: {', '.join(wanted)}"]
    for name, wheel in by_platform["linux-x64"].items():
        hashes = sorted({wheels[name]["sha256"] for wheels in by_platform.values()})
        lines.append(" \\\n    ".join([f"{name}=={wheel['version']}", *(f"--hash=sha256:{digest}" for digest in hashes)]))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_bench(target: Path) -> None:
    """The benchmark's environment, for Linux alone: what it needs and the peers, whose own requirements it meets in part."""
    found = resolve("3.11", "linux-x64", BENCH) | resolve("3.11", "linux-x64", PEERS, "--no-deps")
    lines = [f"# Written by pin.py for Python 3.11 on Linux: {', '.join(PEERS + BENCH)}"]
    lines += [f"{name}=={wheel['version']} \\\n    --hash=sha256:{wheel['sha256']}" for name, wheel in sorted(found.items())]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_wheels(target: Path) -> None:
    """One wheel a line: what the zip of each platform carries. numpy is Blender's own."""
    rows = []
    for python, wanted in EXTENSION.items():
        found = {"linux-x64": resolve(python, "linux-x64", wanted)} if python in ON_LINUX_ONLY else resolve_everywhere(python, wanted)
        for platform, wheels in found.items():
            for name, wheel in wheels.items():
                needless = name == "numpy" or (name == "pyreadline3" and platform != "windows-x64")
                if not needless:
                    rows.append({"platform": platform, "python": python, "name": name, **wheel})
    rows.sort(key=lambda row: (row["platform"], row["python"], row["name"]))
    target.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", encoding="utf-8")


def main(names: list[str]) -> None:
    for version, (python, blender) in BLENDERS.items():
        if not names or f"blender-{version}.txt" in names:
            write_requirements(HERE / f"blender-{version}.txt", python, blender + EXTENSION[python] + TESTS)
    if not names or "lint.txt" in names:
        write_requirements(HERE / "lint.txt", "3.11", LINT)
    if not names or "bench.txt" in names:
        write_bench(HERE / "bench.txt")
    if not names or "wheels.json" in names:
        write_wheels(HERE / "wheels.json")


if __name__ == "__main__":
    main(sys.argv[1:])
