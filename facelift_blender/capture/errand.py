# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracking as a folder: what is wanted, what was seen so far, how far it is. Whoever finds the folder can go on with it, after a
stop, after a crash, and in another process: each of them leaves it at the last chunk that was seen, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from .apart import probe_apart
from .chunks import Chunks
from .provenance import versions
from .sequence import files_of
from .solve import SolveSettings
from .track import Progress, TrackSettings, conclude, follow, frames_wanted, looking, never
from .tracker import Detect, Regress, Tracker
from .types import Clip, Distortion, FaceLiftError, Take
from .weights import model_path, sha256_of
from .whole_files import replacing

CHUNK: Final = 60
"""Frames that a crash may cost."""
_WANTED, _STAND, _SEEN = "errand.json", "stand.json", "frames"
_DAMAGE: Final = (OSError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a damaged file of an errand raises."""
Steps = Generator[Progress, None, list[Take]]


@dataclass(frozen=True)
class Errand:
    """path: of the footage, in full. device, threads: what the networks run on, as `landmarks.Regressor` takes them."""

    path: str
    settings: TrackSettings
    device: str = "AUTO"
    threads: int = 0


@dataclass(frozen=True)
class Stand:
    """frame: the last clip frame that is kept on disk, end: the last that is wanted; footage: the stamps of what was read."""

    frame: int
    end: int
    footage: str


def begin(errand: Errand, folder: Path) -> None:
    """Make a folder an errand that nothing is done of yet, whatever it was before. Raises FaceLiftError."""
    for name in (_STAND, _WANTED):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _SEEN, ignore_errors=True)
    _write(folder / _WANTED, asdict(errand))


def read_errand(folder: Path) -> Errand:
    """What a folder is about. Raises FaceLiftError where it is no errand of this version."""
    try:
        told = _read(folder / _WANTED)
        return Errand(**{**told, "settings": _settings(told["settings"])})
    except _DAMAGE as error:
        raise FaceLiftError("What was stopped is of another version of FaceLift, or damaged: track the footage anew.") from error


def read_stand(folder: Path) -> Stand | None:
    """How far an errand is; None where nothing of it was done that could be kept, or its footage is another one now."""
    try:
        stand = Stand(**_read(folder / _STAND))
        return stand if stand.footage == _stamps(Path(read_errand(folder).path)) and stand.frame > 0 else None
    except (*_DAMAGE, FaceLiftError):
        return None


def write_stand(folder: Path, frame: int, end: int) -> None:
    """Say how far an errand is. Raises FaceLiftError."""
    _write(folder / _STAND, asdict(Stand(frame, end, _stamps(Path(read_errand(folder).path)))))


def carry_out(
    folder: Path,
    should_stop: Callable[[], bool] = never,
    probe: Callable[[str, float | None], Clip] = probe_apart,
    models: tuple[Detect, Regress] | None = None,
    more: bool = True,
) -> Steps:
    """As `track.track_steps`, going on from where the folder stands; what is seen goes there, and stays there when it is stopped.

    models: others than the extension's own. more: False takes in no further frame, and concludes from what is there.
    Raises FaceLiftError.
    """
    errand = read_errand(folder)
    settings, footage = errand.settings, _stamps(Path(errand.path))
    detect, regress = models or _own_models(errand)
    tracker = Tracker(probe(errand.path, settings.fps), settings.solve, detect, looking(regress, settings))
    chunks = Chunks(folder / _SEEN, _key(errand, footage), CHUNK)
    chunks.resume(tracker)
    total, written = frames_wanted(tracker.clip, settings), chunks.count
    end, stopped = settings.start + total - 1, not more
    if more:
        for frame in chunks.follow(tracker, follow(tracker, settings, should_stop), should_stop):
            if chunks.count != written:
                written = chunks.count
                write_stand(folder, frame - 1, end)
            yield Progress(frame - settings.start + 1, total, "landmarks", tracker.spent)
        write_stand(folder, tracker.frame if chunks.count else 0, end)
        stopped = should_stop()
    chunks.recall(tracker)
    return (yield from conclude(tracker, settings, stopped))


def _own_models(errand: Errand) -> tuple[Detect, Regress]:
    """Raises FaceLiftError."""
    from .faces import Detector
    from .landmarks import Regressor

    return Detector(), Regressor(threads=errand.threads, device=errand.device)


def _key(errand: Errand, footage: str) -> str:
    """What chunks were made from: they count for nothing else."""
    models = [sha256_of(model_path(name)) for name in ("detector", "facelift", "second_look")]
    return _digest([_plain(asdict(errand.settings)), footage, models, versions()["facelift"]])


def _stamps(path: Path) -> str:
    """By which footage is known again without reading it. Raises FaceLiftError."""
    try:
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files_of(path)]
    except OSError as error:
        raise FaceLiftError(f"{path.name} cannot be read ({error.strerror or error}): check its name, folder and rights.") from error
    return _digest(stats)


def _digest(told: Any) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _write(path: Path, told: Mapping[str, Any]) -> None:
    plain = _plain(told)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**plain, "digest": _digest(plain)}), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """What `_write` wrote. Raises one of _DAMAGE where it is anything else."""
    told = dict(json.loads(path.read_text(encoding="utf-8")))
    if told.pop("digest") != _digest(told):
        raise ValueError(f"{path} is not as it was written")
    return told


def _plain(told: Any) -> Any:
    """The same in JSON's own types, arrays as lists."""
    return json.loads(json.dumps(told, default=lambda array: array.tolist()))


def _settings(told: dict[str, Any]) -> TrackSettings:
    """TrackSettings as `asdict` took them apart. Raises TypeError or KeyError."""
    from .smoothing import Smoothing

    solving = dict(told["solve"])
    lens = solving["distortion"]
    solving["distortion"] = Distortion(lens["model"], tuple(lens["coefficients"]))
    if isinstance(solving["smoothing"], dict):
        solving["smoothing"] = Smoothing(**solving["smoothing"])
    if solving["measured"] is not None:
        solving["measured"] = tuple(solving["measured"])
    if solving["camera_poses"] is not None:
        solving["camera_poses"] = np.array(solving["camera_poses"])
    return TrackSettings(**{**told, "solve": SolveSettings(**solving)})
