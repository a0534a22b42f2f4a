# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done: a shot list out of a folder, a pattern, a CSV or a JSON file, none of which is trusted."""

from __future__ import annotations

import csv
import glob
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from ..capture.sequence import first_of, is_picture
from ..capture.types import FaceLiftError

MOST_BYTES, MOST_SHOTS, MOST_FRAME = 16 << 20, 100_000, 10_000_000
MOVIES = frozenset([".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mxf", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".ogv", ".3gp"])
FORMATS = ("fbx", "csv", "json", "blend", "usd", "glb", "mp4")

_NAME = re.compile(r"[\w][\w .+@=,#()&-]{0,99}")
_RESERVED = frozenset(["con", "prn", "aux", "nul", "report", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))])


@dataclass(frozen=True)
class Shot:
    """One line of a shot list.

    clip: a movie, the first picture of a sequence, or its folder. start, end: clip frames, both included. actor: 1 the largest, 2 the
    next, None all. focal, sensor: mm; fps: for a sequence. pupils: metres between the actor's pupils. parts: ranges that a long
    shot is split in, as far as its length allows. character, rig, map: a .blend with a character that the take is put onto,
    its name in there where there are more, and a rig map. profile: of the actor, made from another clip.
    """

    name: str
    clip: Path
    start: int = 1
    end: int | None = None
    actor: int | None = 1
    focal: float | None = None
    sensor: float = 36.0
    fps: float | None = None
    pupils: float = 0.063
    smoothing: float = 0.5
    parts: int = 1
    character: Path | None = None
    rig: str | None = None
    map: Path | None = None
    profile: Path | None = None
    exports: tuple[str, ...] = ("csv", "json")


@dataclass(frozen=True)
class ListSettings:
    """defaults: values of what a list leaves open, by a Shot's field. root: the folder that all footage must lie in; None for the list's
    own. leave_out: a folder whose files are results, not footage.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None
    leave_out: Path | None = None


def read_shots(source: str, settings: ListSettings = ListSettings()) -> list[Shot]:
    """The shots that a folder, a glob pattern, a .csv or a .json names. Raises FaceLiftError, with the line, for what cannot be."""
    path = Path(source)
    if path.is_dir():
        shots = _of_files(sorted(path.iterdir()), settings)
    elif path.suffix.lower() in (".csv", ".json"):
        rows = (_csv_rows if path.suffix.lower() == ".csv" else _json_rows)(_text(path), path.name)
        shots = _of_rows(rows, path, settings)
    else:
        shots = _of_files([Path(match) for match in sorted(glob.glob(source))], settings)  # noqa: PTH207 - a pattern may be absolute
    if not shots:
        raise FaceLiftError(f"There are no shots in {source}: name a folder with footage, a pattern in quotes, or a .csv or .json list.")
    if len(shots) > MOST_SHOTS:
        raise FaceLiftError(f"{source} has {len(shots)} shots, more than {MOST_SHOTS}: split the list.")
    return shots


def to_json(shot: Shot) -> dict[str, Any]:
    """A shot as JSON's own types, without what is left at its default."""
    plain = {name: value for name, value in asdict(shot).items() if value != _DEFAULTS.get(name, ...)}
    listed = {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}
    return listed | ({"actor": "all"} if shot.actor is None else {}) | {"exports": list(shot.exports)}


def from_json(told: Mapping[str, Any]) -> Shot:
    """The shot that `to_json` told. Raises FaceLiftError."""
    return _shot(told, "The shot")


# ---------------------------------------------------------------- files


def _of_files(paths: Iterable[Path], settings: ListSettings) -> list[Shot]:
    """A shot for each movie, each folder of pictures and each sequence among them, with names that differ.

    Files of one name in several folders are called after their folders too, all of them, whatever is beside them.
    """
    found, shots = list(_footage(paths, settings.leave_out)), dict[str, Shot]()
    alike = Counter(stem for stem, _ in {(_stem(path), path.parent) for path in found})
    for path in found:
        stem = _stem(path)
        name = _free_name(stem if alike[stem] == 1 else f"{path.parent.name}_{stem}", path, shots)
        shots[name.lower()] = replace(_shot({"name": name, "clip": str(path)}, path.name), **settings.defaults)
    return list(shots.values())


def _footage(paths: Iterable[Path], leave_out: Path | None) -> Iterable[Path]:
    firsts: dict[tuple[Path, str, str], Path] = {}
    for path in paths:
        if path.name.startswith(".") or (leave_out and path.resolve().is_relative_to(leave_out.resolve())):
            continue
        if path.is_dir() and any(map(is_picture, path.iterdir())):
            yield first_of(path)
        elif is_picture(path):
            firsts.setdefault((path.parent, re.sub(r"\d+(?=\D*$)", "#", path.stem), path.suffix), path)
        elif path.suffix.lower() in MOVIES:
            yield path
    yield from firsts.values()


def _stem(path: Path) -> str:
    """What footage is called: the file's name, without the number of a picture; the folder's where nothing else is left."""
    return re.sub(r"[\W_]*\d+$", "", path.stem) or path.parent.name if is_picture(path) else path.stem


def _free_name(stem: str, path: Path, taken: Mapping[str, Shot]) -> str:
    """A name out of footage's own that is a plain file name and free."""
    plain = re.sub(r"[^\w .+@=,#()&-]", "_", stem).strip(" .")[:80] or "shot"
    plain = plain if plain.lower() not in _RESERVED and _NAME.fullmatch(plain) else f"shot_{plain}"
    candidates = [plain, f"{plain}_{path.suffix[1:].lower()}", *(f"{plain}_{number}" for number in range(2, 10_000))]
    return next(name for name in candidates if name.lower() not in taken)


# ---------------------------------------------------------------- lists


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise FaceLiftError(f"{path} does not exist; check its name and folder.") from None
    except OSError as error:
        raise FaceLiftError(f"{path} cannot be read ({error.strerror}).") from None
    if len(data) > MOST_BYTES:
        raise FaceLiftError(f"{path.name} is larger than {MOST_BYTES >> 20} MB, which no shot list is.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FaceLiftError(f"{path.name} is not UTF-8 text; save the list as CSV UTF-8 or JSON.") from None


def _csv_rows(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Where each row stands, and its filled cells by the header's names."""
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise FaceLiftError(f"{name} is not a CSV that can be read ({error}).") from None
    names = [cell.strip().lower() for cell in rows[0]] if rows else []
    if len(set(names)) < len(names):
        raise FaceLiftError(f"{name} names a column twice in its first line.")
    told = []
    for number, row in enumerate(rows[1:], 2):
        if len(row) > len(names):
            raise FaceLiftError(f"{name}, line {number} has {len(row)} cells, but the first line names {len(names)} columns.")
        cells = {column: cell.strip() for column, cell in zip(names, row, strict=False) if cell.strip()}
        if cells:
            told.append((f"{name}, line {number}", cells))
    return told


def _json_rows(text: str, name: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise FaceLiftError(f"{name} is not JSON that can be read.") from None
    shots = told.get("shots") if isinstance(told, dict) else told
    if not isinstance(shots, list) or not all(isinstance(shot, dict) for shot in shots):
        raise FaceLiftError(f"{name} must be a list of shots, or an object with such a list as “shots”; each shot is an object.")
    return [(f"{name}, shot {number}", shot) for number, shot in enumerate(shots, 1)]


def _of_rows(rows: list[tuple[str, Mapping[str, Any]]], path: Path, settings: ListSettings) -> list[Shot]:
    base = path.resolve().parent
    root = (settings.root or base).resolve()
    shots: dict[str, Shot] = {}
    for place, row in rows:
        told = (
            row
            if "name" in row or not isinstance(row.get("clip"), str)
            else {"name": _free_name(_stem(Path(row["clip"])), Path(row["clip"]), shots), **row}
        )
        shot = _shot({**settings.defaults, **told}, place)
        if shot.name.lower() in shots:
            raise FaceLiftError(f"{place} has the name {shot.name} again; every shot needs a name of its own.")
        shots[shot.name.lower()] = _inside(shot, base, root, place)
    return list(shots.values())


def _inside(shot: Shot, base: Path, root: Path, place: str) -> Shot:
    """The shot with whole paths, all under `root`."""
    found = {}
    for name in _PATHS:
        path = getattr(shot, name)
        if path is None:
            continue
        try:
            whole = (base / path).resolve()
        except (OSError, ValueError, RuntimeError):
            raise FaceLiftError(f"{place}: {name} is no path.") from None
        if not whole.is_relative_to(root):
            raise FaceLiftError(f"{place}: {name} lies outside {root}; say with --root which folder the list may name files of.")
        found[name] = whole
    return replace(shot, **found)


# ---------------------------------------------------------------- values


def _shot(told: Mapping[str, Any], place: str) -> Shot:
    """Every value checked. Raises FaceLiftError that begins with `place`."""
    unknown = [str(name)[:40] for name in told if name not in _READERS]
    if unknown:
        raise FaceLiftError(f"{place} has the unknown column {unknown[0]!r}; known are {', '.join(_READERS)}.")
    missing = [name for name in ("name", "clip") if told.get(name) in (None, "")]
    if missing:
        raise FaceLiftError(f"{place} lacks {missing[0]}.")
    values = {}
    for name, value in told.items():
        try:
            values[name] = _READERS[name](value)
        except (ValueError, TypeError, OverflowError) as error:
            raise FaceLiftError(f"{place}: {name} {str(value)[:60]!r} {error}.") from None
    shot = Shot(**values)
    if shot.end is not None and shot.end < shot.start:
        raise FaceLiftError(f"{place}: the last frame {shot.end} comes before the first, {shot.start}.")
    return shot


def _name(value: object) -> str:
    text = str(value).strip()
    if not isinstance(value, (str, int)) or not _NAME.fullmatch(text) or text != text.rstrip(" .") or text.lower() in _RESERVED:
        raise ValueError("is no plain file name: letters, digits, spaces and _-.+@=,#()& make one, not a dot first or last")
    return text


def _path(value: object) -> Path | None:
    if value is None:
        return None
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value) or len(str(value)) > 4096:
        raise ValueError("is no path")
    return Path(value)


def _whole(least: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, (bool, float)) or not re.fullmatch(r"\d{1,9}", str(value)) or not least <= int(value) <= MOST_FRAME:
            raise ValueError(f"is not a whole number from {least} to {MOST_FRAME}")
        return int(value)

    return read


def _number(least: float, most: float) -> Callable[[object], float]:
    def read(value: object) -> float:
        told = f"is not a number from {least:g} to {most:g}"
        if isinstance(value, bool) or not isinstance(value, (str, int, float)) or len(str(value)) > 40:
            raise ValueError(told)
        try:
            number = float(value)
        except ValueError:
            raise ValueError(told) from None
        if not (math.isfinite(number) and least <= number <= most):
            raise ValueError(told)
        return number

    return read


def _optional(read: Callable[[object], Any]) -> Callable[[object], Any]:
    return lambda value: None if value is None or value == "" else read(value)


def _actor(value: object) -> int | None:
    return None if value in ("all", None) else _whole(1)(value)


def _words(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 100:
        raise ValueError("is no name")
    return value


def formats(value: object) -> tuple[str, ...]:
    """Names of FORMATS, from a list or a text with commas or spaces between. Raises ValueError."""
    names = re.split(r"[,;\s]+", value) if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise ValueError("is no list of file formats")
    names = tuple(dict.fromkeys(name.strip().lower() for name in names if name.strip()))
    unknown = [name[:20] for name in names if name not in FORMATS]
    if unknown:
        raise ValueError(f"names {unknown[0]!r}, which is not among {', '.join(FORMATS)}")
    return names


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "name": _name, "clip": _path, "start": _whole(1), "end": _optional(_whole(1)), "actor": _actor,
    "focal": _optional(_number(1, 10_000)), "sensor": _number(1, 1000), "fps": _optional(_number(0.01, 10_000)),
    "pupils": _number(0.02, 0.2), "smoothing": _number(0, 1), "parts": _whole(1), "character": _path,
    "rig": _optional(_words), "map": _path, "profile": _path, "exports": formats,
}  # fmt: skip
_PATHS = ("clip", "character", "map", "profile")
_DEFAULTS = {one.name: one.default for one in fields(Shot)}
