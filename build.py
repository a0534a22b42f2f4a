# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is done with this checkout, by one command and the standard library.

Environments are made in .env/ when first needed, from the pinned files in requirements/, and made
again when those change. Results go to out/. No tracked file is ever written, but by `bench --publish`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".env"
REQUIREMENTS = ROOT / "requirements"
WHEELS = ENVIRONMENTS / "wheels"
BATCH = ROOT / "facelift_blender" / "batch.py"
BLENDERS = {"4.2": "3.11", "4.5": "3.11", "5.0": "3.11", "5.2": "3.13"}
"""The Blender releases that are tested, as modules for these Pythons."""
DEFAULT_BLENDER = "4.5"
SOURCES = ("facelift_blender", "models", "requirements", "tests")
MEDIAN_LENGTH, LONGEST = 14, 80
"""Lines that functions may have."""


class BuildError(Exception):
    """What stops a verb; the message is the sentence that the user reads."""


# ---------------------------------------------------------------- environments


def find_python(version: str) -> list[str]:
    """The command that starts Python `version`, "3.11" say."""
    candidates = [[sys.executable], [f"python{version}"], ["py", f"-{version}"]]
    tell = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if shutil.which(candidate[0]) is None:
            continue
        answer = subprocess.run([*candidate, "-c", tell], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return candidate
    raise BuildError(f"This needs Python {version}, which was not found: install it, or put python{version} on the PATH.")


def python_of(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def make_environment(name: str, python_version: str, requirements: Path, hashed: bool = True) -> Path:
    """The Python of the environment .env/`name`, made anew unless it was made whole from these requirements."""
    environment = ENVIRONMENTS / name
    stamp = environment / "made-from.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    with locked(ENVIRONMENTS / f"{name}.lock"):
        if not stamp.is_file() or stamp.read_text() != digest:
            print(f"Making the environment .env/{name} from {requirements.relative_to(ROOT)}; this is done once.", flush=True)
            install(environment, find_python(python_version), requirements, hashed)
            stamp.write_text(digest)
    return python_of(environment)


def install(environment: Path, python: list[str], requirements: Path, hashed: bool) -> None:
    """A new virtual environment with the requirements in it; what was there before goes."""
    made = subprocess.run([*python, "-m", "venv", "--clear", str(environment)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BuildError(f"Python could not make a virtual environment with pip in {environment}: install its venv package (python3-venv).")
    options = ["--require-hashes", "--no-deps", "--only-binary", ":all:"] if hashed else []  # pin.py lists what each brings along
    pip = [str(python_of(environment)), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check", *options]
    if subprocess.run([*pip, "-r", str(requirements)], check=False).returncode != 0:
        raise BuildError(f"pip could not install {requirements.name}: see its lines above; it needs the network and 3 GB of disk.")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file, so that two commands at once do not make the same environment; the system frees it with the process."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        wait_for_lock(file.fileno())
        yield


def wait_for_lock(descriptor: int) -> None:
    if os.name != "nt":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return
    import msvcrt

    while True:  # Windows gives up after ten seconds
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
        except OSError:
            continue
        return


def blender_environment(version: str = DEFAULT_BLENDER) -> Path:
    """The Python with Blender `version` as a module in it, and what the extension brings and its tests need."""
    return make_environment(version, BLENDERS[version], REQUIREMENTS / f"blender-{version}.txt")


def training_environment() -> Path:
    return make_environment("training", "3.11", REQUIREMENTS / "training.txt", hashed=False)


def run(command: Sequence[str | Path], folder: Path | None = None) -> int:
    """The exit code of `command`, run in `folder` or where the user stands, with a Blender user folder of its own."""
    user = ENVIRONMENTS / "blender-user"
    (user / "config").mkdir(parents=True, exist_ok=True)
    calm = {"OPENBLAS_NUM_THREADS": "1"}  # its threads cost matrices as small as the solve's more than they bring
    environment = calm | os.environ | {"BLENDER_USER_RESOURCES": str(user), "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONPATH", None)
    return subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=False).returncode


# ---------------------------------------------------------------- verbs


def demo(arguments: argparse.Namespace) -> int:
    return batch("track", ROOT / "models" / "performer" / "demo.mp4", "-o", ROOT / "out" / "demo", *arguments.rest)


def track(arguments: argparse.Namespace) -> int:
    return batch("track", *arguments.rest)


def retarget(arguments: argparse.Namespace) -> int:
    return batch("retarget", *arguments.rest)


def predict(arguments: argparse.Namespace) -> int:
    return batch("predict", *arguments.rest)


def shots(arguments: argparse.Namespace) -> int:
    return batch("batch", *arguments.rest)


def batch(*arguments: str | Path) -> int:
    """Run the extension's own command line; its help needs no environment."""
    python = sys.executable if {"-h", "--help"} & set(arguments) else blender_environment()
    return run([python, BATCH, "--", *arguments])


PYTEST = "import os, sys, pytest; code = pytest.main(sys.argv[1:]); sys.stdout.flush(); sys.stderr.flush(); os._exit(code)"
"""Blender 4.5 as a module waits for its own sound thread for ever when something still holds `bpy` as Python ends."""


def test(arguments: argparse.Namespace) -> int:
    """The suite on one Blender; then, unless tests were named, the training's own tests."""
    code = run([blender_environment(arguments.blender), "-c", PYTEST, *arguments.rest], ROOT)
    if code == 0 and not arguments.rest and not arguments.no_training:
        code = run([training_environment(), "-c", PYTEST, "tests/models"], ROOT)
    return code


def lint(_arguments: argparse.Namespace) -> int:
    """Ruff's checks and format, then the lengths of the functions."""
    python = make_environment("lint", "3.11", REQUIREMENTS / "lint.txt")
    codes = [run([python, "-m", "ruff", "check", "--output-format=concise"], ROOT), run([python, "-m", "ruff", "format", "--check"], ROOT)]
    lengths = sorted(function_lengths(), reverse=True)
    median, ninth = lengths[len(lengths) // 2][0], lengths[len(lengths) // 10][0]
    print(f"{len(lengths)} functions: median {median} lines, one in ten over {ninth}, longest {lengths[0][0]} ({lengths[0][1]})")
    return 1 if any(codes) or median > MEDIAN_LENGTH or lengths[0][0] > LONGEST else 0


def function_lengths() -> Iterator[tuple[int, str]]:
    """Lines of each function of the project and where it is."""
    import ast

    for path in [ROOT / "build.py", *(file for folder in SOURCES for file in (ROOT / folder).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                yield node.end_lineno - node.lineno + 1, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def train_env(_arguments: argparse.Namespace) -> int:
    print(training_environment())
    return 0


def train(arguments: argparse.Namespace) -> int:
    return run([training_environment(), "-m", "models.training.train", *arguments.rest], ROOT)


def bench(arguments: argparse.Namespace) -> int:
    told = {"-h", "--help"} & set(arguments.rest)  # help needs no environment
    python = sys.executable if told else make_environment("bench", "3.11", REQUIREMENTS / "bench.txt")
    return run([python, "-m", "models.benchmark", *arguments.rest], ROOT)


# ---------------------------------------------------------------- the extension's zip


def zip_extension(arguments: argparse.Namespace) -> int:
    """One installable zip a platform, checked by Blender's own builder."""
    manifest = read_manifest()
    versions = arguments.python or sorted(set(BLENDERS.values()))
    for platform in arguments.platform or manifest["platforms"]:
        suffix = "" if not arguments.python else "-py" + "-".join(versions)
        target = ROOT / "out" / f"{manifest['id']}-{manifest['version']}-{platform}{suffix}.zip"
        wheels = fetch_wheels([wheel for version in versions for wheel in wheels_for(platform, version)])
        write_zip(target, extension_files(manifest, platform, wheels))
        validate(target)
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.1f} MB, {len(wheels)} wheels", flush=True)
    return 0


def read_manifest() -> dict[str, Any]:
    import tomllib

    return tomllib.loads((ROOT / "addon_manifest.toml").read_text(encoding="utf-8"))


def render_manifest(manifest: dict[str, Any]) -> bytes:
    """The manifest as TOML; its values are strings, lists of strings and one level of tables, written as JSON writes them."""
    rows = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in manifest.items() if not isinstance(value, dict)]
    for name, table in manifest.items():
        if isinstance(table, dict):
            rows += ["", f"[{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())]
    return ("\n".join(rows) + "\n").encode()


def wheels_for(platform: str, version: str) -> list[dict[str, str]]:
    """What wheels.json lists for a platform and a Python: name, version, filename and sha256 of each."""
    wheels = [wheel for wheel in read_wheels() if (wheel["platform"], wheel["python"]) == (platform, version)]
    if not wheels:
        known = sorted({f"{wheel['platform']} with Python {wheel['python']}" for wheel in read_wheels()})
        raise BuildError(f"There are no wheels for {platform} with Python {version}, only for {', '.join(known)}.")
    return wheels


def read_wheels() -> list[dict[str, str]]:
    return json.loads((REQUIREMENTS / "wheels.json").read_text(encoding="utf-8"))


def fetch_wheels(wheels: list[dict[str, str]]) -> list[Path]:
    """The files of `wheels`, downloaded to .env/wheels if they are not there, whole and unaltered."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    for version in sorted({wheel["python"] for wheel in wheels}):
        missing = [wheel for wheel in wheels if wheel["python"] == version and not is_whole(wheel)]
        if missing:
            download(version, missing)
    altered = [wheel["filename"] for wheel in wheels if not is_whole(wheel)]
    if altered:
        raise BuildError(f"These wheels were not found as wheels.json names them: {', '.join(altered)}.")
    return sorted({WHEELS / wheel["filename"] for wheel in wheels})


def is_whole(wheel: dict[str, str]) -> bool:
    path = WHEELS / wheel["filename"]
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wheel["sha256"]


def download(version: str, wheels: list[dict[str, str]]) -> None:
    """Let pip fetch exactly these files: the hash leaves it no choice of another."""
    pins = WHEELS / "download.txt"
    pins.write_text("".join(f"{wheel['name']}=={wheel['version']} --hash=sha256:{wheel['sha256']}\n" for wheel in wheels))
    tags = sorted({tag for wheel in wheels for tag in wheel["filename"].removesuffix(".whl").rsplit("-", 1)[1].split(".")})
    pip = [blender_environment(), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    pip += ["--only-binary", ":all:", "--ignore-requires-python", "--python-version", version, "-d", WHEELS, "-r", pins]
    for wheel in wheels:
        (WHEELS / wheel["filename"]).unlink(missing_ok=True)
    if run([*pip, *(f"--platform={tag}" for tag in tags)]) != 0:
        raise BuildError("pip could not download the extension's wheels: see its lines above; it needs the network.")


def extension_files(manifest: dict[str, Any], platform: str, wheels: list[Path]) -> dict[str, Path | bytes]:
    """What the zip holds: name in the zip to file or content."""
    source = ROOT / "facelift_blender"
    files: dict[str, Path | bytes] = {"LICENSE": ROOT / "LICENSE"}
    files |= {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file() and is_shipped(path)}
    files |= {f"weights/{path.name}": path for path in model_files()}
    files |= {f"wheels/{path.name}": path for path in wheels}
    names = [f"./wheels/{path.name}" for path in wheels]
    return files | {"blender_manifest.toml": render_manifest(manifest | {"platforms": [platform], "wheels": names})}


def model_files() -> list[Path]:
    """weights.json, the networks that it lists, and their cards."""
    folder = ROOT / "models" / "weights"
    files = [folder / model["file"] for model in json.loads((folder / "weights.json").read_text(encoding="utf-8")).values()]
    return [folder / "weights.json", *files, *(file.with_suffix(".md") for file in files)]


def is_shipped(path: Path) -> bool:
    return "__pycache__" not in path.parts and not path.name.startswith(".")


def write_zip(target: Path, files: dict[str, Path | bytes]) -> None:
    """The same bytes for the same files, on any machine and day: sorted, stored, one date, one mode."""
    target.parent.mkdir(exist_ok=True)
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, content.read_bytes() if isinstance(content, Path) else content)
    os.replace(partial, target)


def validate(target: Path) -> None:
    python = blender_environment()
    builder = next(python.parents[1].glob("**/bl_pkg/cli/blender_ext.py"))
    answer = subprocess.run([python, builder, "validate", target], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise BuildError(f"Blender does not accept {target.name}: {(answer.stdout + answer.stderr).strip()}")


# ---------------------------------------------------------------- command line


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(metavar="VERB", required=True)

    def verb(function: Callable[[argparse.Namespace], int], name: str, text: str, passes_on: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(
            name, help=text, description=text, allow_abbrev=False, add_help=function not in (demo, track, retarget, predict, shots, bench)
        )
        sub.set_defaults(function=function, passes_on=passes_on)
        return sub

    verb(demo, "demo", "track the bundled clip into out/demo", passes_on=True)
    verb(track, "track", "CLIP -o DIR: track a clip; 'track --help' tells the options", passes_on=True)
    verb(retarget, "retarget", "TAKE... --character FILE.blend -o OUT.blend: takes onto a character", passes_on=True)
    verb(predict, "predict", "IMAGE... -o FILE.json: find the faces of pictures", passes_on=True)
    verb(shots, "batch", "SHOTS -o DIR: a list of shots, a folder each, with a report", passes_on=True)
    tests = verb(test, "test", "run the tests; further arguments are pytest's", passes_on=True)
    tests.add_argument("--blender", choices=BLENDERS, default=DEFAULT_BLENDER, help="the Blender to test in (default %(default)s)")
    tests.add_argument("--no-training", action="store_true", help="leave out the training's tests, which install PyTorch")
    package = verb(zip_extension, "zip", "write the installable extension, a zip for each platform, to out/")
    package.add_argument("--platform", action="append", help="only this platform (may be repeated)")
    package.add_argument("--python", action="append", help="only the wheels of this Python, 3.11 say (may be repeated)")
    verb(lint, "lint", "check the style, the format and the lengths of the functions")
    verb(bench, "bench", "measure speed, accuracy, looks and start-up beside the peers; arguments as of models/benchmark", passes_on=True)
    verb(train, "train", "train the models; arguments as of models/training/train.py", passes_on=True)
    verb(train_env, "train-env", "make the training's environment and print its Python")
    return top


def main() -> int:
    if sys.version_info < (3, 11):
        raise BuildError(f"build.py needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    top = parser()
    arguments, arguments.rest = top.parse_known_args(namespace=argparse.Namespace())
    if arguments.rest and not arguments.passes_on:
        top.error(f"unrecognized arguments: {' '.join(arguments.rest)}")
    return arguments.function(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BuildError, OSError) as error:
        sys.exit(f"build.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
