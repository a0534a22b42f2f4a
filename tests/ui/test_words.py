# SPDX-License-Identifier: GPL-3.0-or-later
"""Every label that FaceLift shows is there in every language that it speaks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bpy
import pytest

from facelift_blender.registration import _CLASSES
from facelift_blender.ui import presets, translations
from facelift_blender.ui.take import panels

UI = Path(translations.__file__).parent
SAME_EVERYWHERE = {"FaceLift", "FBX", "JSON", "Live Link CSV", "CPU", ""}
_SHOWN = ("text", "heading", "title")


def labels_of_classes() -> Iterator[str]:
    """What panels, operators and menus are called, and the names of properties and of what can be chosen."""
    for cls in _CLASSES:
        if not hasattr(cls, "preset_operator"):  # a menu of presets bears the name of the one that was chosen last
            yield getattr(cls, "bl_label", "")
        for name in getattr(cls, "__annotations__", {}):
            prop = cls.bl_rna.properties.get(name)
            if prop is None or prop.is_hidden or prop.type == "COLLECTION":
                continue
            yield prop.name
            if prop.type == "ENUM":
                yield from (item.name for item in prop.enum_items)
    for owner, name in ((bpy.types.Scene, "facelift_rig"),):
        yield owner.bl_rna.properties[name].name


def tips() -> Iterator[str]:
    """What is said of properties, of what can be chosen, and of operators, where the mouse rests on them."""
    for cls in _CLASSES:
        if issubclass(cls, bpy.types.Operator):
            yield (cls.__doc__ or "").strip()
        for name in getattr(cls, "__annotations__", {}):
            prop = cls.bl_rna.properties.get(name)
            if prop is not None and not prop.is_hidden and prop.type != "COLLECTION":
                yield prop.description
                yield from (item.description for item in getattr(prop, "enum_items", ()))
    yield bpy.types.Scene.bl_rna.properties["facelift_rig"].description
    yield from (preset.description for preset in presets.PRESETS.values())


def labels_of_source() -> Iterator[str]:
    """What is written out where panels are drawn and operators tell of their work."""
    for path in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                if getattr(node.func, "id", "") == "tr":
                    yield from _literals(node.args[0])
                yield from (word for keyword in node.keywords if keyword.arg in _SHOWN for word in _literals(keyword.value))
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in _SHOWN:
                yield from _literals(node.value)
    yield from (label for label, _ in panels.figures(_Head()))
    yield from panels._SOURCES.values()
    yield from (preset.label for preset in presets.PRESETS.values())
    yield from ("Moved Points", "Muted Stretches", "Landmarks", "Solve", "Channels", "Shapes", panels.AMBIGUITY)


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)


class _Head(dict):
    def __missing__(self, name: str) -> object:
        return "{}" if name == "provenance" else 1.0


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_no_label_is_without_its_word(language: str) -> None:
    shown = {*labels_of_classes(), *labels_of_source()} - SAME_EVERYWHERE
    assert len(shown) > 120, "what is shown was found"
    missing = sorted(shown - set(translations.LANGUAGES[language]))
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_no_tip_is_without_its_words(language: str) -> None:
    shown = set(tips()) - {""}
    assert len(shown) > 110, "what is said was found"
    missing = sorted(shown - set(translations.LANGUAGES[language]))
    assert not missing, "\n".join(missing)
