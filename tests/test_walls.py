# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls of the house: who may import whom, read from the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "facelift_blender"
FLOORS = {
    "capture.types": 0, "capture.whole_files": 0, "capture.corrections": 0, "capture.topology": 0, "rigs": 1, "capture": 2, "scene": 3,
    "exports": 4, "ui": 5, "registration": 5, "batch": 5, "api": 5, "farm": 5, "": 5,
}  # fmt: skip
"""The floor of each folder and of each module at the root of the package; a floor imports from itself and below.

The types and the landmark table are the ground that all stand on."""
WITHOUT_BPY = ("rigs", "capture", "exports.livelink", "exports.json_take", "exports.one_file", "ui.reckoning")
LATE = {"onnxruntime", "cv2", "scipy", "av"}
"""What is imported only when first needed, so that the extension is enabled at once."""
BLENDERS_OWN = {"bpy", "bmesh", "mathutils", "gpu", "gpu_extras", "blf", "addon_utils", "idprop", "bl_operators", "bpy_extras", "bl_ui"}
SHIPPED = {"onnxruntime", "cv2", "scipy", "av", "numpy"}


def modules_in(folder: str) -> dict[str, Path]:
    """Dotted name to file of each module under a folder of the checkout."""
    files = sorted((ROOT / folder).rglob("*.py"))
    return {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


MODULES = modules_in(PACKAGE)


def imported(module: str, at_load_only: bool = False) -> list[str]:
    """Dotted names that a module of the package imports; `at_load_only` leaves out what its functions import."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(_imports(ast.parse(path.read_bytes()), package, at_load_only))


def _imports(node: ast.AST, package: str, at_load_only: bool) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from _names_from(child, package)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        elif not (at_load_only and isinstance(child, (ast.FunctionDef, ast.Lambda))):
            yield from _imports(child, package, at_load_only)


def _names_from(node: ast.ImportFrom, package: str) -> Iterator[str]:
    base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
    source = ".".join(part for part in (base, node.module or "") if part)
    for alias in node.names:
        below = f"{source}.{alias.name}"
        yield below if below in MODULES else source


@cache
def loaded(module: str) -> frozenset[str]:
    """Foreign packages that importing a module loads, through the modules it imports in turn and their packages."""
    foreign: set[str] = set()
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in MODULES:
            waiting += [*imported(name, at_load_only=True), name.rpartition(".")[0]]
        elif name:
            foreign.add(name.partition(".")[0])
    return frozenset(foreign)


def inside(module: str) -> str:
    return module.removeprefix(PACKAGE).removeprefix(".")


def floor(module: str) -> int:
    name = inside(module)
    return FLOORS[name] if name in FLOORS else FLOORS[name.partition(".")[0]]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards(module: str) -> None:
    above = [name for name in imported(module) if name in MODULES and name != PACKAGE and floor(name) > floor(module)]
    assert not above, f"{module} is on floor {floor(module)} and imports {above}"


@pytest.mark.parametrize("module", MODULES)
def test_no_circles(module: str) -> None:
    """A module does not load itself through what it loads."""
    waiting, seen = imported(module, at_load_only=True), set()
    while waiting:
        name = waiting.pop()
        assert name != module
        if name in MODULES and name not in seen:
            seen.add(name)
            waiting += imported(name, at_load_only=True)


@pytest.mark.parametrize("module", [name for name in MODULES if inside(name).startswith(WITHOUT_BPY)])
def test_no_bpy_below_the_scene(module: str) -> None:
    """Neither loaded with the module nor imported by a function of it."""
    assert not loaded(module) & BLENDERS_OWN
    assert not {name.partition(".")[0] for name in imported(module)} & BLENDERS_OWN


@pytest.mark.parametrize("module", MODULES)
def test_only_what_is_shipped(module: str) -> None:
    """No torch, nothing of the training, and nothing that neither Python, Blender nor our wheels bring."""
    roots = {name.partition(".")[0] for name in imported(module)}
    assert roots <= SHIPPED | BLENDERS_OWN | {PACKAGE} | sys.stdlib_module_names


@pytest.mark.parametrize("module", MODULES)
def test_only_relative_imports_inside(module: str) -> None:
    """The package has another name once it is installed."""
    tree = ast.parse(MODULES[module].read_bytes())
    absolute = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith(PACKAGE)
    ]
    absolute += [
        node for node in ast.walk(tree) if isinstance(node, ast.Import) and any(name.name.startswith(PACKAGE) for name in node.names)
    ]
    assert not absolute


def test_enabling_loads_nothing_heavy() -> None:
    """Neither the package nor what registers it loads the wheels' modules."""
    assert loaded(PACKAGE) <= sys.stdlib_module_names
    if f"{PACKAGE}.registration" in MODULES:
        assert not loaded(f"{PACKAGE}.registration") & LATE


@pytest.mark.parametrize(
    "path", [*MODULES.values(), *modules_in("models").values(), *modules_in("tests").values(), ROOT / "build.py"], ids=str
)
def test_licence_line(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not source.strip() or source.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
