# SPDX-License-Identifier: GPL-3.0-or-later
"""What drives what on a character: channels from ARKit weights to shape keys and bones, editable, and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..capture.types import Array, FaceLiftError
from . import arkit
from .dialects import Shares
from .json_file import read_bounded, write_whole
from .names import Form, form

VERSION: Final = 1
LARGEST_FILE: Final = 1_000_000
"""Bytes that a mapping file may have; ours have some twenty thousand."""
_MOST_CHANNELS, _LONGEST_NAME, _LARGEST_NUMBER = 4096, 512, 1e4
_HEADER: Final = "FaceLift mapping"
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Channel:
    """One shape key and what drives it: the sum of `shares`, through `curve`, times `gain` plus `offset`, within low and high.

    curve: points (in, out) with rising ins, straight between and level beyond them; none is the straight line.
    score: 0 to 1, how sure the match is. mute: not written. solo: while any channel is solo, only those are written.
    """

    target: str
    shares: Shares
    score: float = 1.0
    gain: float = 1.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 1.0
    curve: tuple[tuple[float, float], ...] = ()
    mute: bool = False
    solo: bool = False

    def evaluate(self, weights: Array) -> Array:
        """Values (T,) of the channel for weights (T, 52) in the order of `arkit.NAMES`."""
        value = sum((share * weights[:, arkit.INDEX[name]] for name, share in self.shares), np.zeros(len(weights)))
        if self.curve:
            value = np.interp(value, *np.array(self.curve).T)
        return np.clip(self.gain * value + self.offset, self.low, self.high)


@dataclass(frozen=True)
class BoneChannel(Channel):
    """A bone and what value 1 of the channel adds to its rest: a shift and a turn in the head's own canonical axes.

    move: millimetres on a face with 63 mm between the eyes (x to the subject's left, y up, z out of the face).
    turn: rotation vector in degrees about the same axes.
    """

    move: Vector = (0.0, 0.0, 0.0)
    turn: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Mapping:
    """All channels of one character, and what the matcher could not settle.

    unmatched: keys that nothing drives. ambiguous: keys that say the same, so that none of them is driven.
    covered: keys whose parts are driven already. unreached: ARKit shapes that drive nothing.
    """

    name: str = ""
    dialect: str = ""
    channels: tuple[Channel, ...] = ()
    unmatched: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    covered: tuple[str, ...] = ()

    @property
    def unreached(self) -> tuple[str, ...]:
        """ARKit names that no channel listens to."""
        reached = {name for channel in self.channels for name, _ in channel.shares}
        return tuple(name for name in arkit.NAMES if name not in reached)

    @property
    def score(self) -> float:
        """0 to 1: the share of the ARKit shapes that drive something, weighed by how sure each match is."""
        best = dict.fromkeys(arkit.NAMES, 0.0)
        for channel in self.channels:
            for name, _ in channel.shares:
                best[name] = max(best[name], channel.score)
        return sum(best.values()) / len(best)

    @property
    def written(self) -> tuple[Channel, ...]:
        """The channels that count: the solo ones, or all that are not muted."""
        solo = tuple(channel for channel in self.channels if channel.solo and not channel.mute)
        return solo or tuple(channel for channel in self.channels if not channel.mute)

    def find(self, target: str) -> Channel:
        """The channel of a key or bone. Raises FaceLiftError when there is none."""
        for channel in self.channels:
            if channel.target == target:
                return channel
        raise FaceLiftError(f"The mapping {self.name or '(unnamed)'} has no channel {target!r}.")

    def edit(self, target: str, symmetric: bool = False, **changes: Any) -> Mapping:
        """The mapping with a channel changed (gain, offset, low, high, curve, mute, solo, shares), and its twin likewise if asked.

        Raises FaceLiftError when there is no such channel.
        """
        chosen = {target} | ({self._twin(target)} if symmetric else set())
        self.find(target)
        mirrored = {**changes, "shares": mirror_shares(changes["shares"])} if "shares" in changes else changes
        edited = (
            replace(channel, **(changes if channel.target == target else mirrored)) if channel.target in chosen else channel
            for channel in self.channels
        )  # fmt: skip
        return replace(self, channels=tuple(edited))

    def assign(self, target: str, shares: Shares, score: float = 1.0) -> Mapping:
        """The mapping with a key driven by these shares, whatever drove it before; what a person settles by hand."""
        kept = tuple(channel for channel in self.channels if channel.target != target)
        lists = {name: tuple(key for key in getattr(self, name) if key != target) for name in ("unmatched", "ambiguous", "covered")}
        return replace(self, channels=(*kept, Channel(target, shares, score)), **lists)

    def remove(self, target: str) -> Mapping:
        """The mapping without the channel of a key, which is then listed as unmatched."""
        self.find(target)
        kept = tuple(channel for channel in self.channels if channel.target != target)
        return replace(self, channels=kept, unmatched=(*self.unmatched, target))

    def _twin(self, target: str) -> str:
        """The channel on the other side of the face, or the channel itself."""
        mirrored = mirror_form(form(target))
        return next((channel.target for channel in self.channels if form(channel.target) == mirrored), target)


def mirror_form(said: Form) -> Form:
    return Form(said.stem, said.side.translate(str.maketrans("LR", "RL")))


def mirror_shares(shares: Shares) -> Shares:
    """The same sum on the other side of the face."""
    return tuple((arkit.mirror_name(name), share) for name, share in shares)


# ---------------------------------------------------------------- files


def save_mapping(mapping: Mapping, path: Path) -> None:
    """Write a mapping as JSON, put in place whole. Raises FaceLiftError when it cannot be written."""
    write_whole(json.dumps(describe(mapping), indent=1, ensure_ascii=False), path)


def load_mapping(path: Path) -> Mapping:
    """Read a mapping from a file that may come from anybody. Raises FaceLiftError for all that is not a sound mapping."""
    content = read_bounded(path, LARGEST_FILE, "mapping", f"a mapping (over {LARGEST_FILE // 1000} kB)")
    return parse(content, str(path))


def describe(mapping: Mapping) -> dict[str, Any]:
    """A mapping as JSON's own types; what a channel leaves at its default is left out."""
    lists = {name: list(getattr(mapping, name)) for name in ("unmatched", "ambiguous", "covered")}
    channels = [_describe_channel(channel) for channel in mapping.channels]
    return {"format": _HEADER, "version": VERSION, "name": mapping.name, "dialect": mapping.dialect, "channels": channels, **lists}


def parse(content: Any, source: str = "The mapping") -> Mapping:
    """A mapping from JSON-like data. Raises FaceLiftError that names what is wrong."""
    try:
        _demand(isinstance(content, dict) and content.get("format") == _HEADER, "it does not say that it is a FaceLift mapping")
        _demand(content.get("version") == VERSION, f"its version is not {VERSION}")
        channels = content.get("channels")
        _demand(isinstance(channels, list) and len(channels) <= _MOST_CHANNELS, "its channels are not a list of sensible length")
        lists = {name: tuple(_name(key) for key in _list(content.get(name, []))) for name in ("unmatched", "ambiguous", "covered")}
        found = tuple(_parse_channel(channel) for channel in channels)
        _demand(len({channel.target for channel in found}) == len(found), "a target has two channels")
        return Mapping(_name(content.get("name", "")), _name(content.get("dialect", "")), found, **lists)
    except _UnsoundError as error:
        raise FaceLiftError(f"{source} is not a mapping: {error}.") from error


class _UnsoundError(Exception):
    pass


def _demand(sound: bool, complaint: str) -> None:
    if not sound:
        raise _UnsoundError(complaint)


def _describe_channel(channel: Channel) -> dict[str, Any]:
    standard = {field.name: field.default for field in fields(channel)}
    kept = {name: value for name, value in asdict(channel).items() if value != standard[name]}
    return {**kept, "shares": dict(channel.shares), "kind": "bone" if isinstance(channel, BoneChannel) else "key"}


def _parse_channel(content: Any) -> Channel:
    _demand(isinstance(content, dict), "a channel is not an object")
    kind = BoneChannel if content.get("kind", "key") == "bone" else Channel
    known = {field.name for field in fields(kind)}
    unknown = content.keys() - known - {"kind"}
    _demand(not unknown, f"a channel has an unknown field {', '.join(sorted(map(str, unknown)))!r}")
    shares = content.get("shares")
    _demand(isinstance(shares, dict) and shares.keys() <= arkit.INDEX.keys(), "a channel's shares name something that is no ARKit shape")
    values: dict[str, Any] = {"target": _name(content.get("target")), "shares": tuple((name, _number(s)) for name, s in shares.items())}
    _demand(values["target"] != "", "a channel has no target")
    for name in content.keys() & {"score", "gain", "offset", "low", "high"}:
        values[name] = _number(content[name])
    for name in content.keys() & {"mute", "solo"}:
        _demand(isinstance(content[name], bool), f"{name} is neither true nor false")
        values[name] = content[name]
    for name in content.keys() & {"move", "turn"}:
        values[name] = _vector(content[name], 3)
    values["curve"] = _curve(content.get("curve", []))
    _demand(values.get("low", 0.0) <= values.get("high", 1.0), "a channel's lower limit lies above its upper one")
    return kind(**values)


def _curve(content: Any) -> tuple[tuple[float, float], ...]:
    points = tuple(_vector(point, 2) for point in _list(content))
    _demand(all(before[0] < after[0] for before, after in pairwise(points)), "a curve's points do not rise")
    return points


def _list(content: Any) -> Sequence[Any]:
    _demand(isinstance(content, list) and len(content) <= _MOST_CHANNELS, "a list is missing or too long")
    return content


def _vector(content: Any, length: int) -> tuple[float, ...]:
    _demand(isinstance(content, list) and len(content) == length, f"{length} numbers are missing")
    return tuple(_number(value) for value in content)


def _number(value: Any) -> float:
    sound = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= _LARGEST_NUMBER
    _demand(sound, "a number is not one, or out of bounds")
    return float(value)


def _name(value: Any) -> str:
    _demand(isinstance(value, str) and len(value) <= _LONGEST_NAME, "a name is not a text of sensible length")
    return value


def merge(mapping: Mapping, saved: Mapping) -> Mapping:
    """A mapping just matched, with what a saved one says of the keys that are there; the others stay as matched."""
    theirs: Table[str, Channel] = {channel.target: channel for channel in saved.channels}
    known = {channel.target for channel in mapping.channels} | {*mapping.unmatched, *mapping.ambiguous, *mapping.covered}
    for target in known & theirs.keys():
        mapping = mapping.assign(target, theirs[target].shares)
    return replace(mapping, channels=tuple(theirs.get(channel.target, channel) for channel in mapping.channels))
