# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys of any tool recognised by their names. What does not match is listed, what is ambiguous is refused: nothing is guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from . import arkit, mapping
from .dialects import TABLES, Dialect, Shares, expand
from .mapping import Channel
from .names import bare, form, plain

EXACT, SPELLED, NAMED, COMBINED = 1.0, 0.95, 0.9, 0.7
"""Scores of ARKit's own name, of it in another spelling, of a tool's own name, and of a key that stands for both sides or a mood."""
_IGNORED: Final = frozenset({"basis", "neutral", "default", "base"})
_ARKIT: Final = "ARKit"


@dataclass(frozen=True)
class Hit:
    """What a key's name says: the entry of the dialect that it stands for, what drives it, how sure, whether it runs below zero."""

    entry: str
    shares: Shares
    score: float
    signed: bool = False


def match(keys: Mapping[str, Sequence[str]], name: str = "") -> mapping.Mapping:
    """The mapping of a character whose meshes have these shape keys, by mesh.

    The one dialect is taken that reaches most ARKit shapes. A key is refused as ambiguous when another key of its mesh says
    the same with the same certainty; a key that stands for both sides is left alone where both are driven by keys of their own.
    """
    everything = list(dict.fromkeys(key for names in keys.values() for key in names if plain(key) not in _IGNORED))
    dialect, hits = max(_readings(everything), key=lambda reading: _reached(reading[1].values()))
    ambiguous = {key for names in keys.values() for key in _ambiguous(names, hits)}
    clear = {key: hit for key, hit in hits.items() if key not in ambiguous}
    covered = {key for names in keys.values() for key in _covered(names, clear)}
    driven = {key: hit for key, hit in clear.items() if key not in covered}
    channels = [Channel(key, hit.shares, hit.score, low=-1.0 if hit.signed else 0.0) for key, hit in driven.items()]
    unmatched = [key for key in everything if key not in hits]
    return mapping.Mapping(
        name, dialect if channels or ambiguous else "", tuple(channels), tuple(unmatched),
        tuple(key for key in everything if key in ambiguous), tuple(key for key in everything if key in covered),
    )  # fmt: skip


def _readings(keys: Sequence[str]) -> Iterable[tuple[str, dict[str, Hit]]]:
    """Each dialect's name with what it makes of the keys; nothing where its quorum is not there."""
    yield _ARKIT, {key: hit for key in keys if (hit := _as_arkit(key)) is not None}
    for dialect in TABLES:
        hits = {key: hit for key in keys if (hit := _table(dialect).get(plain(key))) is not None}
        yield dialect.name, hits if len(hits) >= dialect.quorum else {}


def _reached(hits: Iterable[Hit]) -> tuple[float, float]:
    """How many ARKit shapes are driven, one that shares a key counting less, and the same weighed by how sure it is."""
    best: dict[str, tuple[float, float]] = {}
    for hit in hits:
        for shape, _ in hit.shares:
            best[shape] = max(best.get(shape, (0.0, 0.0)), (1.0 / len(hit.shares), hit.score / len(hit.shares)))
    return sum(count for count, _ in best.values()), sum(sure for _, sure in best.values())


def _as_arkit(key: str) -> Hit | None:
    """A key as ARKit's own name in any spelling; a middle shape split in two sides, or two sides in one key."""
    said = form(key)
    if (said.stem, said.side) in _forms():
        shape = _forms()[said.stem, said.side]
        return Hit(shape, ((shape, 1.0),), EXACT if bare(key) == shape else SPELLED)
    if said.side in ("L", "R") and (said.stem, "") in _forms():
        shape = _forms()[said.stem, ""]
        return Hit(shape + said.side, ((shape, 1.0),), SPELLED)
    if not said.side and (said.stem, "L") in _forms() and said.stem not in ("jaw", "mouth"):
        return Hit(said.stem, tuple((_forms()[said.stem, side], 0.5) for side in "LR"), COMBINED)
    return None


@cache
def _forms() -> dict[tuple[str, str], str]:
    return {(form(name).stem, form(name).side): name for name in arkit.NAMES}


@cache
def _table(dialect: Dialect) -> dict[str, Hit]:
    """The plain names of a dialect. Several entries of one spelling would be a flaw of the data; the first counts."""
    table: dict[str, Hit] = {}
    for entry, (shares, signed) in expand(dialect).items():
        table.setdefault(plain(entry), Hit(entry, shares, COMBINED if len(shares) > 1 and not signed else NAMED, signed))
    return table


def _ambiguous(names: Sequence[str], hits: Mapping[str, Hit]) -> list[str]:
    """Keys of one mesh that say the same as another of it, and no better."""
    by_entry: dict[str, list[str]] = {}
    for key in names:
        if key in hits:
            by_entry.setdefault(hits[key].entry, []).append(key)
    refused = []
    for rivals in by_entry.values():
        best = max(hits[key].score for key in rivals)
        surest = [key for key in rivals if hits[key].score == best]
        refused += [key for key in rivals if key not in surest or len(surest) > 1]
    return refused


def _covered(names: Sequence[str], hits: Mapping[str, Hit]) -> list[str]:
    """Keys of one mesh that stand for two sides which other keys of it drive one by one."""
    known = [key for key in names if key in hits]
    single = {hits[key].shares[0][0] for key in known if len(hits[key].shares) == 1}
    pairs = [key for key in known if hits[key].score == COMBINED and _is_pair(hits[key].shares)]
    return [key for key in pairs if all(shape in single for shape, _ in hits[key].shares)]


def _is_pair(shares: Shares) -> bool:
    return len(shares) == 2 and arkit.mirror_name(shares[0][0]) == shares[1][0]
