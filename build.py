# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is done with this checkout, by one command and the standard library.

Environments are made in .env/ when first needed, from the pinned files in requirements/, and made
again when those change. Results go to out/. No tracked file is ever written.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENTS = ROOT / ".env"
REQUIREMENTS = ROOT / "requirements"
BATCH = ROOT / "facelift_blender" / "batch.py"
BLENDERS = {"4.2": "3.11", "4.5": "3.11", "5.0": "3.11", "5.2": "3.13"}
"""The Blender releases that are tested, as modules for these Pythons."""
DEFAULT_BLENDER = "4.5"


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
    options = ["--require-hashes", "--only-binary", ":all:"] if hashed else []
    pip = [str(python_of(environment)), "-m", "pip", "install", "-q", "--disable-pip-version-check", *options]
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
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(user), "PYTHONNOUSERSITE": "1"}
    return subprocess.run([str(part) for part in command], cwd=folder, env=environment, check=False).returncode


# ---------------------------------------------------------------- verbs


def demo(arguments: argparse.Namespace) -> int:
    clip = ROOT / "models" / "performer" / "demo.mp4"
    return run([blender_environment(), BATCH, "--", "track", clip, "-o", ROOT / "out" / "demo", *arguments.rest])


def track(arguments: argparse.Namespace) -> int:
    return run([blender_environment(), BATCH, "--", "track", *arguments.rest])


def predict(arguments: argparse.Namespace) -> int:
    return run([blender_environment(), BATCH, "--", "predict", *arguments.rest])



def test(arguments: argparse.Namespace) -> int:
    """The suite on one Blender; then, unless tests were named, the training's own tests."""
    code = run([blender_environment(arguments.blender), "-m", "pytest", *arguments.rest], ROOT)
    if code == 0 and not arguments.rest and not arguments.no_training:
        code = run([training_environment(), "-m", "pytest", "tests/models"], ROOT)
    return code


def train_env(_arguments: argparse.Namespace) -> int:
    print(training_environment())
    return 0


def train(arguments: argparse.Namespace) -> int:
    return run([training_environment(), "-m", "models.training.train", *arguments.rest], ROOT)


# ---------------------------------------------------------------- command line


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(metavar="VERB", required=True)

    def verb(function: object, name: str, text: str, passes_on: bool = False) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(function=function, passes_on=passes_on)
        return sub

    verb(demo, "demo", "track the bundled clip into out/demo", passes_on=True)
    verb(track, "track", "CLIP -o DIR: track a clip; options as of facelift_blender/batch.py", passes_on=True)
    verb(predict, "predict", "IMAGE... -o FILE.json: find the faces of pictures", passes_on=True)
    tests = verb(test, "test", "run the tests; further arguments are pytest's", passes_on=True)
    tests.add_argument("--blender", choices=BLENDERS, default=DEFAULT_BLENDER, help="the Blender to test in (default %(default)s)")
    tests.add_argument("--no-training", action="store_true", help="leave out the training's tests, which install PyTorch")
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
    except BuildError as error:
        sys.exit(f"build.py: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
