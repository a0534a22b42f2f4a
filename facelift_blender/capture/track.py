# SPDX-License-Identifier: GPL-3.0-or-later
"""The road from a clip to takes: frames, faces, landmarks, and for each actor the solve.

A generator that yields progress, so that a window can stop it and a batch can drain it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter

from .actors import Actor, thumbnail
from .apart import probe_apart
from .footage import read_looked_at
from .habits import without_habits
from .limits import give_back_freed, keep_freed
from .mirrored import Mirrored
from .provenance import describe
from .solve import SolveSettings, solve
from .tracker import Detect, Regress, Tracker
from .types import Clip, FaceLiftError, Image, Observations, Take

Looked = tuple[int, Image, Image]
"""A frame's number, its picture and the picture's thumbnail."""

FEW_FRAMES = 12
"""Fewer tell neither the lens nor the resting face."""


@dataclass(frozen=True)
class TrackSettings:
    """start, end: clip frames, the first is 1, both included. actor: 1 the largest and longest seen, 2 the next, None all.
    fps: for footage that names no rate. every: looks at every so many frames and bridges between. mirrored: looks at each frame's
    mirror picture too. second_look: measures eyes, brows, nose and mouth again in the picture, where the extension's own model
    gives the first look.
    """

    start: int = 1
    end: int | None = None
    actor: int | None = 1
    fps: float | None = None
    solve: SolveSettings = field(default_factory=SolveSettings)
    every: int = 1
    mirrored: bool = False
    second_look: bool = True


@dataclass(frozen=True)
class Progress:
    """`done` of `total` frames at a station of the road, `seconds` after its start."""

    done: int
    total: int
    station: str
    seconds: float

    @property
    def frames_per_second(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta(self) -> float:
        """Seconds that this station will still take."""
        return (self.total - self.done) * self.seconds / self.done if self.done else 0.0


def never() -> bool:
    return False


def track(path: str | Path, settings: TrackSettings = TrackSettings(), report: Callable[[Progress], None] | None = None) -> list[Take]:
    """All of `track_steps` at once; `report` hears of the progress. Raises FaceLiftError."""
    steps = track_steps(path, settings)
    while True:
        try:
            progress = next(steps)
        except StopIteration as stop:
            return stop.value
        if report:
            report(progress)


def track_steps(
    path: str | Path,
    settings: TrackSettings = TrackSettings(),
    should_stop: Callable[[], bool] = never,
    detect: Detect | None = None,
    regress: Regress | None = None,
    tracker: Tracker | None = None,
) -> Generator[Progress, None, list[Take]]:
    """Track a clip; yields Progress after each frame and returns the takes, the largest and longest seen first.

    Once `should_stop` says so, what has been seen until then is solved and returned, or nothing if that is no face.
    detect, regress: other models than the extension's own. tracker: of `open_tracker`; one that was stopped goes on with the
    frame after its last, and comes to what it would have come to unstopped.
    Raises FaceLiftError: footage or range that cannot be read, weights missing or altered, no face, no such actor.
    """
    tracker = tracker or open_tracker(path, settings, detect, regress)
    total = frames_wanted(tracker.clip, settings)
    for frame in follow(tracker, settings, should_stop):
        yield Progress(frame - settings.start + 1, total, "landmarks", tracker.spent)
    return (yield from conclude(tracker, settings, should_stop()))


def conclude(tracker: Tracker, settings: TrackSettings, stopped: bool = False) -> Generator[Progress, None, list[Take]]:
    """Choose among the actors that the tracker has seen, and solve each. Raises FaceLiftError: no face, no such actor."""
    if not tracker.actors and stopped:
        return []
    tracker = tracker.copy()
    ranked = tracker.ranked()
    chosen = _chosen(ranked, settings.actor, tracker.clip, tracker.read)
    for _, actor in chosen:
        if settings.start < min(actor.estimates):
            tracker.look_back(actor, settings.start)
    tracker.catch_up()
    told = [*_footage_warnings(tracker.clip, tracker, frames_wanted(tracker.clip, settings), stopped), *_others(ranked, chosen)]
    takes = yield from _solve_all(chosen, tracker, settings, told)
    give_back_freed()
    return takes


def open_tracker(
    path: str | Path, settings: TrackSettings = TrackSettings(), detect: Detect | None = None, regress: Regress | None = None
) -> Tracker:
    """A tracker before the first frame of a clip. Raises FaceLiftError."""
    detect, regress = own_models(detect, regress)
    return Tracker(probe_apart(path, settings.fps), settings.solve, detect, looking(regress, settings))


def looking(regress: Regress, settings: TrackSettings) -> Regress:
    """A model with what the settings add to it. Only the extension's own gets a second look, which knows how that one errs."""
    from .landmarks import Regressor

    whole = Mirrored(regress) if settings.mirrored else regress
    if not settings.second_look or not isinstance(regress, Regressor):
        return whole
    from .second_look import LookingTwice, opened

    return LookingTwice(whole, opened(regress.device))


def frames_wanted(clip: Clip, settings: TrackSettings) -> int:
    """How many frames of a clip the settings ask for."""
    return (clip.frame_count if settings.end is None else settings.end) - settings.start + 1


def follow(tracker: Tracker, settings: TrackSettings, should_stop: Callable[[], bool] = never) -> Iterator[int]:
    """Let the tracker see frame after frame, from where it is; yields each frame's number once it is done."""
    before, last = tracker.spent, settings.start + frames_wanted(tracker.clip, settings) - 1
    if tracker.read and tracker.frame >= last:
        return
    keep_freed()
    started = perf_counter()
    first = tracker.frame if tracker.read else settings.start
    frames = _timed(read_looked_at(tracker.clip, first, last, thumbnail), tracker.seconds)
    for frame, image, small in frames:
        if tracker.read and frame == tracker.frame:
            tracker.look_again(image)
            continue
        if (frame - settings.start) % settings.every:
            tracker.pass_over(frame, image)
        else:
            tracker.step(frame, image, small)
        tracker.spent = before + perf_counter() - started
        yield frame
        if should_stop():
            frames.close()
            break
    tracker.catch_up()


def own_models(detect: Detect | None, regress: Regress | None) -> tuple[Detect, Regress]:
    """The extension's models for those that are not given. Raises FaceLiftError if weights are missing or altered."""
    if detect is None:
        from .faces import Detector

        detect = Detector()
    if regress is None:
        from .landmarks import Regressor

        regress = Regressor()
    return detect, regress


def _timed(frames: Iterator[Looked], seconds: dict[str, float]) -> Iterator[Looked]:
    """The same frames; the wait for each counts as decoding."""
    while True:
        started = perf_counter()
        item = next(frames, None)
        seconds["decode"] += perf_counter() - started
        if item is None:
            return
        yield item


def _chosen(actors: list[Actor], wanted: int | None, clip: Clip, read: int) -> list[tuple[str, Actor]]:
    named = [(f"Actor {number}", actor) for number, actor in enumerate(actors, 1)]
    name = Path(clip.path).name
    if not named:
        raise FaceLiftError(
            f"No face was found in the {read} frames of {name}; it must be turned to the camera and 20 pixels wide at least."
        )
    if wanted is None:
        return named
    if wanted > len(named):
        raise FaceLiftError(f"Actor {wanted} was asked for, but {name} shows {len(named)}; choose a number up to that, or all.")
    return named[wanted - 1 : wanted]


def _footage_warnings(clip: Clip, tracker: Tracker, total: int, stopped: bool) -> list[str]:
    warnings = []
    if clip.missing:
        warnings.append(f"The sequence lacks {len(clip.missing)} of its frames: {_numbers(clip.missing)}.")
    if stopped:
        warnings.append(f"Tracking was stopped after {tracker.read} of {total} frames.")
    elif tracker.read < total - len(clip.missing):
        warnings.append(f"Only {tracker.read} of {total} frames have a picture; the rest is sound alone, or the file was cut off.")
    return warnings


def _others(ranked: list[Actor], chosen: list[tuple[str, Actor]]) -> list[str]:
    """That more was seen than is kept: other people, or the same ones after a cut."""
    kept = [actor for _, actor in chosen]
    spans = [f"Actor {number} in {min(a.estimates)}-{max(a.estimates)}" for number, a in enumerate(ranked, 1) if a not in kept]
    shown = ", ".join(spans[:4]) + (" and others" if len(spans) > 4 else "")
    return [f"Other faces, or this one after a cut, were left out: {shown}."] if spans else []


def _numbers(frames: Sequence[int], most: int = 8) -> str:
    shown = ", ".join(str(frame) for frame in frames[:most])
    return shown + (" and others" if len(frames) > most else "")


def _solve_all(
    chosen: list[tuple[str, Actor]], tracker: Tracker, settings: TrackSettings, warnings: list[str]
) -> Generator[Progress, None, list[Take]]:
    takes: list[Take] = []
    started = perf_counter()
    for name, actor in chosen:
        yield Progress(len(takes), len(chosen), "solve", perf_counter() - started)
        told = [*warnings, *_doubts(name, actor)]
        models = (tracker.detect, tracker.regress, *filter(None, [getattr(tracker.regress, "look", None)]))
        provenance = describe(tracker.clip, settings, models, tracker.seconds, tracker.read, len(actor.estimates), told)
        take = solve(_observations(actor, tracker), tracker.clip, settings.solve, name, provenance)
        milliseconds = {**provenance["milliseconds"], **take.provenance.get("solve_ms", {})}
        takes.append(replace(take, provenance={**take.provenance, "milliseconds": milliseconds}))
    yield Progress(len(takes), len(chosen), "solve", perf_counter() - started)
    return takes


def _observations(actor: Actor, tracker: Tracker) -> Observations:
    """What was seen of an actor, without what these networks are known to get wrong."""
    raw, look = actor.observations(tracker.focal), getattr(tracker.regress, "look", None)
    center = (tracker.clip.width / 2, tracker.clip.height / 2)
    return raw if look is None else without_habits(raw, center, tracker.regress.sha256, look.sha256)


def _doubts(name: str, actor: Actor) -> list[str]:
    seen = len(actor.estimates)
    return [] if seen >= FEW_FRAMES else [f"{name} was seen in {seen} frames only: lens and resting face are guesses."]
