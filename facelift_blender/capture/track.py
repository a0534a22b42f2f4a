# SPDX-License-Identifier: GPL-3.0-or-later
"""The road from a clip to takes: frames, faces, landmarks, and for each actor the solve.

A generator that yields progress, so that a window can stop it and a batch can drain it. The detector looks at the first
frame, about once a second, after a cut and while a face is lost; otherwise the landmarks of one frame give the next crop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .actors import REJOIN_SECONDS, Actor, continues, covers, differs, doubles, is_near, thumbnail
from .camera import focal_to_pixels, metadata_focal
from .crops import Box, box_of_landmarks
from .faces import Face
from .footage import probe, read_frames
from .provenance import describe
from .solve import SolveSettings, solve
from .types import Clip, FaceLiftError, Image, Take

if TYPE_CHECKING:
    from .landmarks import Estimate

Detect = Callable[[Image], "list[Face]"]
Regress = Callable[[Image, "Sequence[Box]", float], "list[Estimate]"]

USUAL_FOCAL = 1.2
"""Focal length over the picture's longer side that is assumed where nothing names one: 43 mm on a 36 mm sensor."""

ACCEPT = 0.5
"""Score from which an estimate is a face."""

LOOK_SECONDS = 1.0
LOST_LOOK_SECONDS = 0.2
"""Time between the detector's looks: for new faces, and while one of several is lost."""

FEW_FRAMES = 12


@dataclass(frozen=True)
class TrackSettings:
    """start, end: clip frames, the first is 1, both included. actor: 1 the largest and longest seen, 2 the next, None all.
    fps: for footage that names no rate.
    """

    start: int = 1
    end: int | None = None
    actor: int | None = 1
    fps: float | None = None
    solve: SolveSettings = field(default_factory=SolveSettings)


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
) -> Generator[Progress, None, list[Take]]:
    """Track a clip; yields Progress after each frame and returns the takes, the largest and longest seen first.

    Once `should_stop` says so, what has been seen until then is solved and returned, or nothing if that is no face.
    detect, regress: other models than the extension's own.
    Raises FaceLiftError: footage or range that cannot be read, weights missing or altered, no face, no such actor.
    """
    clip = probe(path, settings.fps)
    tracker = Tracker(clip, settings.solve, *own_models(detect, regress))
    end = clip.frame_count if settings.end is None else settings.end
    total = end - settings.start + 1
    started = perf_counter()
    frames = _timed(read_frames(clip, settings.start, end), tracker.seconds)
    for frame, image in frames:
        tracker.step(frame, image)
        yield Progress(frame - settings.start + 1, total, "landmarks", perf_counter() - started)
        if should_stop():
            frames.close()
            break
    if not tracker.actors and should_stop():
        return []
    chosen = _chosen(tracker.ranked(), settings.actor, clip, tracker.read)
    return (yield from _solve_all(chosen, tracker, settings, _footage_warnings(clip, tracker, total, should_stop())))


class Tracker:
    """Follows the faces from frame to frame. `actors` have every estimate so far; `seconds` by station."""

    def __init__(self, clip: Clip, solving: SolveSettings, detect: Detect, regress: Regress) -> None:
        self.clip, self.focal = clip, assumed_focal(clip, solving)
        self.detect, self.regress = detect, regress
        self.actors: list[Actor] = []
        self.seconds = {"decode": 0.0, "detect": 0.0, "landmarks": 0.0}
        self.read = 0
        self._image: Image | None = None
        self._frame = 0
        self._thumbnail: np.ndarray | None = None
        self._looked = -np.inf

    def step(self, frame: int, image: Image) -> None:
        """Take in the next frame; one that shows the same picture again costs nothing."""
        self.read += 1
        if image is self._image:
            self._repeat(frame)
        else:
            self._follow(frame, image)
        self._image, self._frame = image, frame

    def ranked(self) -> list[Actor]:
        return sorted((actor for actor in self.actors if actor.estimates), key=lambda actor: actor.presence, reverse=True)

    def _repeat(self, frame: int) -> None:
        for actor in self._active():
            if actor.last_frame == self._frame:
                actor.see(frame, actor.estimates[self._frame])

    def _follow(self, frame: int, image: Image) -> None:
        changed = self._picture_changed(image)
        faces = self._look(frame, image) if changed else None
        if changed:
            self._end_by_cut(faces)
        followed = [actor for actor in self._active() if not actor.lost]
        for actor, estimate in zip(followed, self._estimate(image, [actor.box for actor in followed]), strict=True):
            if estimate is not None and is_near(actor.box, box_of_landmarks(estimate.landmarks_2d)):
                actor.see(frame, estimate)
            else:
                actor.lost = True
        for double in doubles([actor for actor in followed if not actor.lost]):
            double.estimates.pop(frame)
            double.closed = True
        if faces is None and self._should_look(frame):
            faces = self._look(frame, image)
        for face in faces or ():
            if not any(covers(actor, face.box) for actor in self._active() if not actor.lost):
                self._enter(frame, image, face)

    def _picture_changed(self, image: Image) -> bool:
        before, self._thumbnail = self._thumbnail, thumbnail(image)
        return before is not None and differs(before, self._thumbnail)

    def _active(self) -> list[Actor]:
        horizon = REJOIN_SECONDS * self.clip.fps
        return [actor for actor in self.actors if not actor.closed and (not actor.lost or self._frame - actor.last_frame <= horizon)]

    def _should_look(self, frame: int) -> bool:
        """On every frame while no face is followed, often while one of several is lost, else now and then for new ones."""
        active = self._active()
        if all(actor.lost for actor in active):
            return True
        pause = LOST_LOOK_SECONDS if any(actor.lost for actor in active) else LOOK_SECONDS
        return frame - self._looked >= pause * self.clip.fps

    def _look(self, frame: int, image: Image) -> list[Face]:
        self._looked = frame
        started = perf_counter()
        faces = self.detect(image)
        self.seconds["detect"] += perf_counter() - started
        return faces

    def _end_by_cut(self, faces: list[Face]) -> None:
        """After a change of the whole picture, end every actor that no face continues in place and size."""
        for actor in self._active():
            actor.closed = not any(continues(actor, face.box) for face in faces)

    def _enter(self, frame: int, image: Image, face: Face) -> None:
        """Two looks at a face that the detector found: its box is looser than the landmarks' own."""
        (first,) = self._estimate(image, [face.box])
        if first is None:
            return
        (estimate,) = self._estimate(image, [box_of_landmarks(first.landmarks_2d)])
        if estimate is None or any(covers(actor, box_of_landmarks(estimate.landmarks_2d)) for actor in self._active() if not actor.lost):
            return
        gone = [actor for actor in self._active() if actor.lost and is_near(actor.box, box_of_landmarks(estimate.landmarks_2d))]
        actor = max(gone, key=lambda actor: actor.last_frame, default=None)
        if actor is None:
            actor = Actor(face.box)
            self.actors.append(actor)
        actor.see(frame, estimate)

    def _estimate(self, image: Image, boxes: list[Box]) -> list[Estimate | None]:
        if not boxes:
            return []
        started = perf_counter()
        estimates = self.regress(image, boxes, self.focal)
        self.seconds["landmarks"] += perf_counter() - started
        return [estimate if is_face(estimate, image) else None for estimate in estimates]


def assumed_focal(clip: Clip, settings: SolveSettings) -> float:
    """Focal length in pixels under which the regressor tells its poses: the user's, the metadata's or a usual one."""
    if settings.focal_mm is not None:
        return focal_to_pixels(settings.focal_mm, settings.sensor_width, clip.width)
    return metadata_focal(clip) or USUAL_FOCAL * max(clip.width, clip.height)


def own_models(detect: Detect | None, regress: Regress | None) -> tuple[Detect, Regress]:
    """The extension's models for those that are not given. Raises FaceLiftError if weights are missing or altered."""
    if detect is None:
        from .faces import Detector

        detect = Detector()
    if regress is None:
        from .landmarks import Regressor

        regress = Regressor()
    return detect, regress


def _timed(frames: Iterator[tuple[int, Image]], seconds: dict[str, float]) -> Iterator[tuple[int, Image]]:
    """The same frames; the wait for each counts as decoding."""
    while True:
        started = perf_counter()
        item = next(frames, None)
        seconds["decode"] += perf_counter() - started
        if item is None:
            return
        yield item


def is_face(estimate: Estimate, image: Image) -> bool:
    """Sure enough, finite, in front of the camera, and at least half in the picture."""
    points = estimate.landmarks_2d
    parts = (points, estimate.covariances, estimate.landmarks_3d, estimate.rotation, estimate.translation)
    if not estimate.score >= ACCEPT or not all(np.isfinite(part).all() for part in parts) or estimate.translation[2] <= 0:
        return False
    inside = (points >= 0).all(axis=1) & (points < (image.shape[1], image.shape[0])).all(axis=1)
    return bool(inside.mean() >= 0.5)


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
        models = (tracker.detect, tracker.regress)
        provenance = describe(tracker.clip, settings, models, tracker.seconds, tracker.read, len(actor.estimates), told)
        take = solve(actor.observations(tracker.focal), tracker.clip, settings.solve, name, provenance)
        milliseconds = {**provenance["milliseconds"], **take.provenance.get("solve_ms", {})}
        takes.append(replace(take, provenance={**take.provenance, "milliseconds": milliseconds}))
    yield Progress(len(takes), len(chosen), "solve", perf_counter() - started)
    return takes


def _doubts(name: str, actor: Actor) -> list[str]:
    seen = len(actor.estimates)
    return [] if seen >= FEW_FRAMES else [f"{name} was seen in {seen} frames only: lens and resting face are guesses."]
