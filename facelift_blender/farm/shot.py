# SPDX-License-Identifier: GPL-3.0-or-later
"""One shot, from footage to files: skipped if nothing changed, gone on with if it was begun, put in place whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..capture.chunks import CHUNK_FRAMES, Chunks
from ..capture.footage import probe
from ..capture.provenance import fingerprint, fingerprint_footage, versions
from ..capture.ranges import Range, join, split
from ..capture.solve import SolveSettings
from ..capture.take import load_take, read_provenance
from ..capture.track import Progress, TrackSettings, conclude, follow, frames_wanted, looking
from ..capture.tracker import Detect, Regress, Tracker
from ..capture.types import Clip, FaceLiftError, Take
from ..capture.unchanged import unchanged
from ..capture.weights import model_path, sha256_of
from ..exports.figures import face_size, figures, frames_read, median_residual
from ..exports.take_files import SCENE_FORMATS, base_of, open_empty_file, require_writers, write_takes
from .lock import Lock, holding
from .result import DONE, SKIPPED, Result, read_result, work_folder, write_result
from .shots import Shot

Report = Callable[[Progress], None]
TAKE = ".take.npz"
KEPT = ("result.json", "log.txt")


@dataclass(frozen=True)
class Making:
    """folder: for all shots. part: only this range of a shot, from 1 on, is tracked and nothing is solved; None: all of it.

    chunk: frames after which what was seen is written. threads: that the networks may use.
    """

    folder: Path
    part: int | None = None
    chunk: int = CHUNK_FRAMES
    threads: int = 1


@dataclass
class _Work:
    """A shot while it is worked at: what it is made from is settled, and the shot's lock is held."""

    shot: Shot
    making: Making
    lock: Lock
    report: Report
    footage: Mapping[str, Any]
    tracked: int = field(default=0)

    @property
    def folder(self) -> Path:
        return work_folder(self.making.folder, self.shot)

    @property
    def settings(self) -> TrackSettings:
        shot = self.shot
        solving = SolveSettings(shot.focal, shot.sensor, shot.pupils, shot.smoothing)
        return TrackSettings(shot.start, shot.end, shot.actor, shot.fps, solving)

    @property
    def made_from(self) -> str:
        """Key of the takes: footage, models, version and settings."""
        learned = {name: sha256_of(model_path(name)) for name in ("habits", "resting", "expression")}
        solved_by = {**learned, "settings": asdict(self.settings), "parts": self.shot.parts}
        return _digest({**_common(self.footage), **solved_by})

    @property
    def key(self) -> str:
        """Key of the files."""
        others = {path.name: _fingerprint(path) for path in (self.shot.character, self.shot.map, self.shot.profile) if path is not None}
        told = {"takes": self.made_from, "name": self.shot.name, "exports": self.shot.exports, "rig": self.shot.rig}
        return _digest(told | {"others": others} if others else told)


def make_shot(shot: Shot, making: Making, report: Report) -> Result:
    """Do what is left to do of a shot. Raises FaceLiftError, BusyError where another run is at it."""
    started = perf_counter()
    with holding(work_folder(making.folder, shot) / (f"lock-{making.part}" if making.part else "lock")) as lock:
        require_writers((*shot.exports, "blend") if shot.character else shot.exports)
        with unchanged(shot.clip):
            work = _Work(shot, making, lock, report, fingerprint_footage(shot.clip))
            if making.part:
                return _make_part(work, making.part)
            before = read_result(making.folder, shot)
            if before is not None and before.key == work.key and _is_whole(before, making.folder / shot.name, work.made_from):
                return replace(before, status=SKIPPED, sentence="")
            takes = _takes(work)
        result = replace(_publish(work, takes), seconds=perf_counter() - started)
        write_result(result, making.folder, shot)
        shutil.rmtree(work.folder / "frames", ignore_errors=True)
        return result


# ---------------------------------------------------------------- what it is made from


def _fingerprint(path: Path) -> Mapping[str, Any]:
    try:
        return fingerprint(path)
    except OSError as error:
        raise FaceLiftError(f"{path.name} cannot be read ({error.strerror or error}): check its name, folder and rights.") from error


def _common(footage: Mapping[str, Any]) -> dict[str, Any]:
    models = {name: sha256_of(model_path(name)) for name in ("detector", "facelift", "second_look")}
    return {"footage": dict(footage), "models": models, "version": versions()["facelift"]}


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _is_whole(result: Result, folder: Path, made_from: str) -> bool:
    """All files are there as they were written, and the takes tell that they were made from this."""
    try:
        there = all((folder / name).stat().st_size == size for name, size in result.files.items())
        takes = [folder / name for name in result.files if name.endswith(TAKE)]
        return there and bool(takes) and all(read_provenance(take).get("made_from") == made_from for take in takes)
    except (OSError, FaceLiftError):
        return False


# ---------------------------------------------------------------- tracking


def _takes(work: _Work) -> list[Take]:
    """The takes that were made before from the same, or new ones."""
    made = _made_takes(work)
    return made or [replace(take, provenance={**take.provenance, "made_from": work.made_from}) for take in _track(work)]


def _made_takes(work: _Work) -> list[Take]:
    """Takes of this very footage, models and settings, as for a shot that only wants other files now."""
    result = read_result(work.making.folder, work.shot)
    paths = [work.making.folder / work.shot.name / name for name in (result.files if result else ()) if name.endswith(TAKE)]
    try:
        same = bool(paths) and all(read_provenance(path).get("made_from") == work.made_from for path in paths)
        return [load_take(path) for path in paths] if same else []
    except FaceLiftError:
        return []


def _track(work: _Work) -> list[Take]:
    clip = probe(work.shot.clip, work.shot.fps)
    ranges = _ranges(work, clip)
    trackers = [_track_range(work, clip, part) for part in ranges]
    steps = conclude(join(trackers, ranges), work.settings)
    while True:
        try:
            _tell(work, next(steps))
        except StopIteration as stop:
            return stop.value


def _make_part(work: _Work, number: int) -> Result:
    clip = probe(work.shot.clip, work.shot.fps)
    ranges = _ranges(work, clip)
    if number <= len(ranges):
        _track_range(work, clip, ranges[number - 1])
    return Result(work.shot.name, str(work.shot.clip), DONE, tracked=work.tracked)


def _ranges(work: _Work, clip: Clip) -> list[Range]:
    total = frames_wanted(clip, work.settings)
    if not 1 <= work.shot.start <= work.shot.start + total - 1 <= clip.frame_count:
        last = work.shot.start + total - 1
        raise FaceLiftError(f"Frames {work.shot.start} to {last} were asked for, but the clip has frames 1 to {clip.frame_count}.")
    return split(work.shot.start, work.shot.start + total - 1, work.shot.parts, clip.fps)


def _track_range(work: _Work, clip: Clip, part: Range) -> Tracker:
    """A tracker that has seen the range, now or before."""
    settings = replace(work.settings, start=part.lead, end=part.end)
    detect, regress = _models(work.making.threads)
    tracker = Tracker(clip, settings.solve, detect, regress)
    key = _digest({**_common(work.footage), "lead": part.lead, "end": part.end, "fps": clip.fps, "focal": tracker.focal})
    chunks = Chunks(work.folder / "frames" / f"{part.start}-{part.end}", key, work.making.chunk)
    chunks.resume(tracker)
    total = frames_wanted(clip, work.settings)
    for frame in chunks.follow(tracker, follow(tracker, settings)):
        work.tracked += 1
        _tell(work, Progress(max(frame, part.start) - work.shot.start + 1, total, "landmarks", tracker.spent))
    if not work.making.part:
        chunks.recall(tracker)
    return tracker


def _tell(work: _Work, progress: Progress) -> None:
    work.lock.touch()
    work.report(progress)


def _models(threads: int) -> tuple[Detect, Regress]:
    """The extension's models, read once a process and again when they were replaced. Raises FaceLiftError if they are not whole."""
    shas = tuple(sha256_of(model_path(name)) for name in ("facelift", "second_look"))
    return _loaded(model_path("detector"), model_path("facelift"), shas, threads)


@lru_cache(maxsize=1)
def _loaded(detector: Path, regressor: Path, _shas: tuple[str, ...], threads: int) -> tuple[Detect, Regress]:
    from ..capture.faces import Detector
    from ..capture.landmarks import Regressor

    return Detector(detector), looking(Regressor(regressor, threads), TrackSettings())


# ---------------------------------------------------------------- files


def _publish(work: _Work, takes: Sequence[Take]) -> Result:
    """Write all files out of sight, then put each in its place; the takes, which tell what all was made from, come last."""
    shot, target = work.shot, work.making.folder / work.shot.name
    _tidy(work.folder)
    _tell(work, Progress(0, 1, "files", 0.0))
    if SCENE_FORMATS & set(shot.exports):
        open_empty_file()  # not the last shot's
    try:
        write_takes(takes, work.folder, shot.name, shot.exports)
        handed = _onto_character(shot, work.folder)
    except FaceLiftError:
        _tidy(work.folder)
        raise
    written = [*_written(work.folder, shot, takes), *handed]
    names = sorted({path.name for path in written}, key=lambda name: name.endswith(TAKE))
    sizes = {name: (work.folder / name).stat().st_size for name in names}
    try:
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.replace(work.folder / name, target / name)
    except OSError as error:
        reason = error.strerror or error
        raise FaceLiftError(f"{target} cannot be written ({reason}): make room, or choose a folder that you may write to.") from error
    return _described(work, takes, sizes)


def _onto_character(shot: Shot, folder: Path) -> list[Path]:
    """The files of the shot's character with the takes on it; none where it has no character."""
    if shot.character is None:
        return []
    from ..exports.character_batch import FORMATS, CharacterJob, run_job

    takes = tuple(sorted(folder.glob(f"*{TAKE}")))
    formats = tuple(kind for kind in shot.exports if kind in FORMATS)
    output, rigs = folder / f"{shot.name}_character.blend", (shot.rig,) if shot.rig else ()
    job = CharacterJob(takes, output, rigs, formats, character=shot.character, mapping=shot.map, profile=shot.profile)
    return run_job(job, lambda _line: None)


def _tidy(folder: Path) -> None:
    """Remove what a killed run left half done."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in KEPT and not path.name.startswith("lock"):
            path.unlink(missing_ok=True)


def _written(folder: Path, shot: Shot, takes: Sequence[Take]) -> list[Path]:
    bases = [base_of(take, takes, folder, shot.name).name for take in takes] + [shot.name]
    endings = (TAKE, "_livelink.csv", ".json", ".png", *(f".{kind}" for kind in ("fbx", "usd", "glb", "mp4", "blend")))
    wanted = {base + ending for base in bases for ending in endings}
    return [path for path in folder.iterdir() if path.name in wanted]


def _described(work: _Work, takes: Sequence[Take], sizes: Mapping[str, int]) -> Result:
    worst = max(takes, key=lambda take: np.nan_to_num(median_residual(take), nan=np.inf))
    residual, size = median_residual(worst), face_size(worst)
    known = bool(np.isfinite(residual) and np.isfinite(size))
    warnings = tuple(dict.fromkeys(warning for take in takes for warning in take.provenance.get("warnings", ())))
    return Result(
        work.shot.name, str(work.shot.clip), DONE, frames=frames_read(takes[0]), found=int(takes[0].raw.found.sum()),
        tracked=work.tracked, residual=residual if known else None, residual_share=residual / size if known else None,
        focal=dict(figures(takes[0]))["focal length"], warnings=warnings, key=work.key, files=sizes,
    )  # fmt: skip
