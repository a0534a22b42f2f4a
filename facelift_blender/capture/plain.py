# SPDX-License-Identifier: GPL-3.0-or-later
"""Values out of JSON that nobody vouches for, each of the type that it must have."""

from __future__ import annotations

from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

_LARGEST = 1 << 53


def typed(hint: Any, told: Any) -> Any:
    """A value as `hint` has it: str, bool, int, float, X | None, tuple, list[X], dict[str, X] or a dataclass of such.

    Raises ValueError, TypeError, KeyError or OverflowError where it is none, has an unknown field, or is no number that counts.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if type(None) in arguments:
        return None if told is None else typed(arguments[0], told)
    if origin is tuple:
        return _tuple(arguments, _demanded(list, told))
    if origin is list:
        return [typed(arguments[0], one) for one in _demanded(list, told)]
    if origin is dict:
        return {name: typed(arguments[1], one) for name, one in _demanded(dict, told).items()}
    return fields_of(hint, told) if is_dataclass(hint) else _simple(hint, told)


def fields_of(kind: type, told: Any, **known: Any) -> Any:
    """A dataclass out of JSON; the fields in `known` are settled already. Raises as `typed` does."""
    hints = get_type_hints(kind)
    return kind(**{name: typed(hints[name], value) for name, value in _demanded(dict, told).items()}, **known)


def _tuple(hints: tuple[Any, ...], told: list[Any]) -> tuple[Any, ...]:
    wanted = hints[:1] * len(told) if hints[1:] == (...,) else hints
    return tuple(typed(hint, one) for hint, one in zip(wanted, told, strict=True))


def _simple(kind: type, told: Any) -> Any:
    if kind is str:
        _demanded(str, told).encode()  # half a character can be written nowhere
        return told
    if kind is bool:
        return _demanded(bool, told)
    if isinstance(told, bool) or not abs(told) < _LARGEST:
        raise ValueError(f"{told} is no number")
    return float(told) if kind is float else _demanded(int, told)


def _demanded(kind: type, told: Any) -> Any:
    if not isinstance(told, kind):
        raise TypeError(f"{told!r:.40} is no {kind.__name__}")
    return told
