# SPDX-License-Identifier: GPL-3.0-or-later
"""How rigs write one and the same name: prefixes, cases and sides told apart from what is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_COPY: Final = re.compile(r"\.\d{3}$")
_TOOL_PREFIX: Final = re.compile(r"^(CTRL_expressions_|facs_(bs|cbs|ctrl|jnt)_|e?p?CTRL_?|.*?(?=Fcl_))", re.IGNORECASE)
_TOOL_ENDING: Final = re.compile(r"(_div\d|\s*\(fin\))+$", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_SIDES: Final = {"l": "L", "left": "L", "lft": "L", "lf": "L", "r": "R", "right": "R", "rgt": "R", "rt": "R"}


@dataclass(frozen=True)
class Form:
    """What a name says, free of how it is written: its words in lower case without sides, and the sides L and R in their order."""

    stem: str
    side: str


def bare(name: str) -> str:
    """A name without the node, mesh or tool it belongs to: 'BS_node.eyeBlink_L' and 'head__eyeBlink_L' are 'eyeBlink_L'."""
    name = _COPY.sub("", name.strip())
    parts = [part for part in re.split(r"[.:|/]|__", name) if part]
    if len(parts) > 1 and parts[-1].lower() in _SIDES:
        parts[-2:] = ["_".join(parts[-2:])]
    last = parts[-1] if parts else name
    return _TOOL_ENDING.sub("", _TOOL_PREFIX.sub("", last)) or last


def plain(name: str) -> str:
    """Letters and digits alone, in lower case, of the bare name."""
    return "".join(letter for letter in bare(name).casefold() if letter.isalnum())


def form(name: str) -> Form:
    """The words and sides of a name, however its tool separates and abbreviates them."""
    words = [word.casefold() for word in _WORD.findall(bare(name))]
    sides = "".join(_SIDES[word] for word in words if word in _SIDES)
    stem = "".join(word for word in words if word not in _SIDES)
    if sides or not stem.isascii():
        return Form(stem, sides)
    for ending, side in (("left", "L"), ("right", "R")):
        if stem.endswith(ending) and stem != ending:
            return Form(stem.removesuffix(ending), side)
    return Form(stem, "")
