# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: its environments, its command line and the zip that it writes."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build.py"


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """build.py as a module that keeps its environments in a folder of the test's."""
    spec = importlib.util.spec_from_file_location("build", BUILD)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENVIRONMENTS", tmp_path / ".env")
    monkeypatch.setattr(module, "WHEELS", tmp_path / ".env" / "wheels")
    return module


# ---------------------------------------------------------------- command line


def test_help_is_quick() -> None:
    """In processor time, as other work may share the machine."""

    def seconds() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-S", BUILD, "--help"], check=True, capture_output=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(seconds() for _ in range(5)) < 0.3


def test_standard_library_only() -> None:
    nodes = list(ast.walk(ast.parse(BUILD.read_bytes())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def main_with(build: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[list[str]]:
    """The commands that a call of build.py would run."""
    commands: list[list[str]] = []
    monkeypatch.setattr(sys, "argv", ["build.py", *arguments])
    monkeypatch.setattr(build, "run", lambda command, _folder=None: commands.append([str(part) for part in command]) or 0)
    monkeypatch.setattr(build, "make_environment", lambda name, *_, **__: Path(f"python-{name}"))
    assert build.main() == 0
    return commands


def test_arguments_pass_on_in_order(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    [command] = main_with(build, monkeypatch, "track", "a clip.mp4", "-o", "out", "--start", "3", "--export", "fbx,csv")
    assert command[0] == "python-4.5"
    assert command[-8:] == ["track", "a clip.mp4", "-o", "out", "--start", "3", "--export", "fbx,csv"]


def test_named_tests_leave_the_training_out(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    [command] = main_with(build, monkeypatch, "test", "--blender", "5.0", "tests/scene", "-k", "camera")
    assert command[0] == "python-5.0"
    assert command[-3:] == ["tests/scene", "-k", "camera"]
    assert [command[0] for command in main_with(build, monkeypatch, "test")] == ["python-4.5", "python-training"]
    assert [command[0] for command in main_with(build, monkeypatch, "test", "--no-training")] == ["python-4.5"]


def test_help_of_the_batch_needs_no_environment(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    [command] = main_with(build, monkeypatch, "track", "--help")
    assert command[0] == sys.executable


def test_strange_arguments_are_refused(build: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["build.py", "lint", "--fast"])
    with pytest.raises(SystemExit):
        build.main()
    assert "--fast" in capsys.readouterr().err


def test_old_python_gets_a_sentence(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(build.BuildError, match=r"needs Python 3\.11"):
        build.main()


# ---------------------------------------------------------------- environments


@pytest.fixture
def requirements(build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A requirements file that asks for nothing; `build.installs` lists the installs that were done."""
    build.installs = []
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "install", lambda environment, *_: (environment.mkdir(exist_ok=True), build.installs.append(environment)))
    path = tmp_path / "some.txt"
    path.write_text("# nothing\n")
    return path


def version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_an_environment_is_made_once(build: ModuleType, requirements: Path) -> None:
    first = build.make_environment("some", version(), requirements)
    assert build.make_environment("some", version(), requirements) == first
    assert len(build.installs) == 1


def test_new_requirements_make_it_anew(build: ModuleType, requirements: Path) -> None:
    build.make_environment("some", version(), requirements)
    requirements.write_text("# nothing else\n")
    build.make_environment("some", version(), requirements)
    assert len(build.installs) == 2


def test_an_interrupted_install_is_done_again(build: ModuleType, requirements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = build.install

    def interrupted(environment: Path, *_: object) -> None:
        environment.mkdir()
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build.make_environment("some", version(), requirements)
    monkeypatch.setattr(build, "install", done)
    build.make_environment("some", version(), requirements)
    assert len(build.installs) == 1


def test_install_makes_a_python_with_pip(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "none.txt").write_text("# nothing\n")
    build.install(tmp_path / "env", [sys.executable], tmp_path / "none.txt", True)
    subprocess.run([build.python_of(tmp_path / "env"), "-m", "pip", "--version"], check=True, capture_output=True)


def test_no_network_gets_a_sentence(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as pip can tell: it is told to ask nobody."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    (tmp_path / "some.txt").write_text(f"no-such-package==1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(build.BuildError, match=r"pip could not install some\.txt"):
        build.install(tmp_path / "env", [sys.executable], tmp_path / "some.txt", True)


def test_missing_python_gets_a_sentence(build: ModuleType) -> None:
    with pytest.raises(build.BuildError, match=r"needs Python 9\.9"):
        build.find_python("9.9")


def test_two_at_once_wait_for_each_other(build: ModuleType, tmp_path: Path) -> None:
    lock, log = tmp_path / "some.lock", tmp_path / "log"
    holder = f"""
import sys, time; sys.path.insert(0, {str(ROOT)!r})
import build
from pathlib import Path
with build.locked(Path({str(lock)!r})):
    log = open({str(log)!r}, "a"); log.write("in "); log.flush(); time.sleep(0.5); log.write("out "); log.close()
"""
    processes = [subprocess.Popen([sys.executable, "-c", holder], env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert log.read_text() == "in out " * 3


# ---------------------------------------------------------------- pins


PINNED = sorted(path for path in (ROOT / "requirements").glob("*.txt") if path.stem != "training")


def pins(path: Path) -> dict[str, str]:
    """Name to version of a requirements file, each of which must carry a hash."""
    entries = re.sub(r" *\\\n *", " ", path.read_text()).splitlines()
    entries = [entry.split() for entry in entries if entry and not entry.startswith("#")]
    assert all(entry[1:] and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in entry[1:]) for entry in entries)
    return dict(entry[0].split("==") for entry in entries)


@pytest.mark.parametrize("path", PINNED, ids=lambda path: path.stem)
def test_pins_are_exact_and_hashed(path: Path) -> None:
    assert pins(path)


def test_training_pins_are_exact() -> None:
    lines = [line for line in (ROOT / "requirements" / "training.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in lines)
    assert "torch==2.13.0" in lines


def test_no_addresses_in_the_pins() -> None:
    assert not [path for path in (ROOT / "requirements").iterdir() if path.is_file() and "://" in path.read_text()]


def test_every_platform_and_python_has_its_wheels(build: ModuleType) -> None:
    manifest, wheels = build.read_manifest(), build.read_wheels()
    for platform in manifest["platforms"]:
        for python in sorted(set(build.BLENDERS.values())):
            names = {wheel["name"] for wheel in wheels if (wheel["platform"], wheel["python"]) == (platform, python)}
            assert {"onnxruntime", "opencv-python-headless", "scipy", "av"} <= names
            assert "numpy" not in names, "numpy is Blender's own"


def test_the_tests_run_what_is_shipped(build: ModuleType) -> None:
    for blender, python in build.BLENDERS.items():
        tested = pins(ROOT / "requirements" / f"blender-{blender}.txt")
        shipped = {wheel["name"]: wheel["version"] for wheel in build.read_wheels() if wheel["python"] == python}
        assert shipped.items() <= tested.items()


def test_wheels_fit_their_platform(build: ModuleType) -> None:
    tags = {"linux-x64": r"manylinux\w*_x86_64", "windows-x64": r"win_amd64", "macos-arm64": r"macosx_(\d+)_\d+_(arm64|universal2)"}
    for wheel in build.read_wheels():
        python, abi, platform = wheel["filename"].removesuffix(".whl").split("-")[-3:]
        own = "cp" + wheel["python"].replace(".", "")
        assert all(re.fullmatch(tags[wheel["platform"]], tag) for tag in platform.split(".")) or platform == "any", wheel
        assert (python, abi) == (own, own) or abi == "abi3" or "py3" in python, wheel
        assert re.fullmatch("[0-9a-f]{64}", wheel["sha256"])


# ---------------------------------------------------------------- zip


def test_manifest_keeps_the_rules(build: ModuleType) -> None:
    manifest = build.read_manifest()
    sentences = [manifest["tagline"], *manifest["permissions"].values()]
    assert all(0 < len(sentence) <= 64 and sentence[-1].isalnum() for sentence in sentences)
    assert set(manifest["permissions"]) == {"files"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert manifest["blender_version_min"] == "4.2.0"


def test_manifest_reads_back_as_it_was_rendered(build: ModuleType) -> None:
    manifest = build.read_manifest() | {"wheels": ['./wheels/ä "b".whl']}
    assert tomllib.loads(build.render_manifest(manifest).decode()) == manifest


@pytest.fixture
def files(build: ModuleType, tmp_path: Path) -> dict[str, Path | bytes]:
    """What a zip holds, with an empty wheel in the place of the real ones."""
    wheel = tmp_path / "some-1.0-py3-none-any.whl"
    wheel.write_bytes(b"PK\x05\x06" + bytes(18))
    return build.extension_files(build.read_manifest(), "linux-x64", [wheel])


def test_zip_is_the_same_to_the_byte(build: ModuleType, files: dict[str, Path | bytes], tmp_path: Path) -> None:
    build.write_zip(tmp_path / "a.zip", files)
    copies = {name: content if isinstance(content, bytes) else copied(content, tmp_path) for name, content in reversed(files.items())}
    build.write_zip(tmp_path / "b.zip", copies)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.partial")) == []


def copied(path: Path, folder: Path) -> Path:
    """A copy with another date and another mode."""
    copy = folder / f"{abs(hash(path))}{path.suffix}"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o700)
    return copy


def test_zip_holds_the_extension_and_nothing_else(files: dict[str, Path | bytes]) -> None:
    assert {"__init__.py", "LICENSE", "blender_manifest.toml", "capture/types.py", "weights/weights.json"} <= files.keys()
    assert not [name for name in files if "__pycache__" in name or "test" in name or name.startswith((".", "/"))]
    allowed = {".py", ".toml", ".onnx", ".json", ".md", ".html", ".npy", ".npz", ".whl", ""}
    assert {Path(name).suffix for name in files} <= allowed


def test_zip_carries_every_model_that_is_listed(build: ModuleType, files: dict[str, Path | bytes]) -> None:
    import json

    listed = json.loads((ROOT / "models" / "weights" / "weights.json").read_text())
    assert {f"weights/{model['file']}" for model in listed.values()} <= files.keys()


def test_blender_accepts_the_zip(
    build: ModuleType, files: dict[str, Path | bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bpy")
    monkeypatch.setattr(build, "blender_environment", lambda: Path(sys.executable))
    build.write_zip(tmp_path / "good.zip", files)
    build.validate(tmp_path / "good.zip")
    manifest = build.render_manifest(build.read_manifest() | {"tagline": "It ends with a point."})
    build.write_zip(tmp_path / "bad.zip", files | {"blender_manifest.toml": manifest})
    with pytest.raises(build.BuildError, match="does not accept"):
        build.validate(tmp_path / "bad.zip")


def test_zip_names_its_platform_and_wheels(build: ModuleType, files: dict[str, Path | bytes], tmp_path: Path) -> None:
    build.write_zip(tmp_path / "a.zip", files)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["platforms"] == ["linux-x64"]
    assert manifest["wheels"] == ["./wheels/some-1.0-py3-none-any.whl"]


def test_unlisted_wheels_get_a_sentence(build: ModuleType) -> None:
    with pytest.raises(build.BuildError, match=r"no wheels for amiga with Python 3\.11, only for linux-x64 with Python 3\.11"):
        build.wheels_for("amiga", "3.11")


def test_an_altered_wheel_is_not_taken(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = {"python": "3.11", "name": "some", "version": "1.0", "filename": "some-1.0-py3-none-any.whl", "sha256": "0" * 64}
    monkeypatch.setattr(build, "download", lambda *_: (build.WHEELS / wheel["filename"]).write_bytes(b"something else"))
    with pytest.raises(build.BuildError, match=r"some-1\.0"):
        build.fetch_wheels([wheel])
