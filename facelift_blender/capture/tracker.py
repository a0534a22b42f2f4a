# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces from frame to frame: when the detector looks, and which actor a face is.

The detector looks at the first frame, about once a second, after a cut and while no face is followed; otherwise the
landmarks of one frame give the next crop.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .actors import (
    REJOIN_SECONDS,
    SAME_FACE,
    SAME_LOOK,
    Actor,
    continues,
    covers,
    differs,
    doubles,
    is_near,
    likeness,
    overlap,
    thumbnail,
)  # fmt: skip
from .camera import focal_to_pixels, metadata_focal
from .crops import Box, box_of_landmarks
from .faces import Face
from .footage import read_frames
from .solve import SolveSettings
from .trailing import Trailing
from .types import Clip, Image

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

BACK_BYTES = 256 << 20
"""Decoded pictures that may be kept for following an actor backwards."""


def assumed_focal(clip: Clip, settings: SolveSettings) -> float:
    """Focal length in pixels under which the regressor tells its poses: the user's, the metadata's or a usual one."""
    if settings.focal_mm is not None:
        return focal_to_pixels(settings.focal_mm, settings.sensor_width, clip.width)
    return metadata_focal(clip) or USUAL_FOCAL * max(clip.width, clip.height)


class Tracker:
    """Follows the faces from frame to frame. `actors` have every estimate so far; `seconds` by station, `spent` in all.

    frame: the last clip frame that was seen, of `read`.
    """

    def __init__(self, clip: Clip, solving: SolveSettings, detect: Detect, regress: Regress) -> None:
        self.clip, self.focal = clip, assumed_focal(clip, solving)
        self.detect, self.regress = detect, regress
        look = getattr(regress, "look", None)
        self._first, self._second = (regress.regress, Trailing(look)) if look else (regress, None)
        self.actors: list[Actor] = []
        self.seconds = {"decode": 0.0, "detect": 0.0, "landmarks": 0.0, "second look": 0.0}
        self.read, self.frame, self.spent = 0, 0, 0.0
        self._detecting = ThreadPoolExecutor(1, "detector")
        self._coming: Future[list[Face]] | None = None
        self._image: Image | None = None
        self._thumbnail: np.ndarray | None = None
        self._looked = -np.inf
        self._followed: int | None = None

    def step(self, frame: int, image: Image, small: np.ndarray | None = None) -> None:
        """Take in the next frame, `small` its thumbnail; one that shows the same picture again costs nothing."""
        self.read += 1
        if image is self._image:
            self._repeat(frame)
        else:
            self._follow(frame, image, thumbnail(image) if small is None else small)
            self._look_closer(frame, image, [actor for actor in self.actors if frame in actor.estimates])
        self._image, self.frame = image, frame

    def catch_up(self) -> None:
        """Wait for the second looks that are still being taken: then the actors' estimates are final."""
        if self._second is not None:
            started = perf_counter()
            self._second.settle()
            self.seconds["second look"] += perf_counter() - started

    def pass_over(self, frame: int, image: Image) -> None:
        """Take note of the next frame without looking for faces in it."""
        self.read += 1
        self._image, self.frame = image, frame

    def look_again(self, image: Image) -> None:
        """The last frame, read once more before going on: a frame that repeats it is then known as the same picture."""
        self._image = image

    def state(self) -> dict[str, Any]:
        """Where it stands, as JSON's own types: all but the estimates. `picture` is by what the last frame is known again."""
        actors = [
            {"box": actor.box, "last_frame": actor.last_frame, "lost": actor.lost, "closed": actor.closed, "seen": actor.seen}
            for actor in self.actors
        ]
        told = {"frame": self.frame, "read": self.read, "spent": self.spent, "seconds": self.seconds}
        return {**told, "looked": self._looked, "followed": self._followed, "picture": fingerprint(self._image), "actors": actors}

    def restore(self, state: Mapping[str, Any], actors: list[Actor], image: Image) -> None:
        """Stand where another one stood when it told its `state`; `image` is its last frame."""
        self.frame, self.read, self.spent = state["frame"], state["read"], state["spent"]
        self.seconds |= state["seconds"]
        self._looked, self._followed, self.actors = state["looked"], state["followed"], actors
        self._image, self._thumbnail = image, thumbnail(image)

    def copy(self) -> Tracker:
        """A tracker with the same past, whose actors are its own."""
        self.catch_up()
        twin = copy(self)
        twin.actors = [replace(actor, estimates=actor.estimates.copy()) for actor in self.actors]
        twin.seconds = dict(self.seconds)
        return twin

    def ranked(self) -> list[Actor]:
        return sorted((actor for actor in self.actors if actor.estimates), key=lambda actor: actor.presence, reverse=True)

    def look_back(self, actor: Actor, start: int) -> None:
        """Follow an actor backwards from where the detector met it: it may have entered since the look before."""
        first = min(actor.estimates)
        begin = max(start, first - round(LOOK_SECONDS * self.clip.fps), first - BACK_BYTES // (3 * self.clip.width * self.clip.height))
        box, later = box_of_landmarks(actor.estimates[first].landmarks_2d), None
        for frame, image in reversed(list(read_frames(self.clip, begin, first))):
            small = thumbnail(image)
            cut = later is not None and differs(later, small)
            later = small
            if frame == first:
                continue
            (estimate,) = self._estimate(image, [box])
            others = (other for other in self.actors if other is not actor and frame in other.estimates)
            if cut or estimate is None or not is_near(box, box_of_landmarks(estimate.landmarks_2d)):
                return
            box = box_of_landmarks(estimate.landmarks_2d)
            if any(overlap(box, box_of_landmarks(other.estimates[frame].landmarks_2d)) > SAME_FACE for other in others):
                return
            actor.estimates[frame] = estimate
            self._look_closer(frame, image, [actor])

    def _repeat(self, frame: int) -> None:
        self.catch_up()
        for actor in self._active():
            if actor.last_frame == self.frame:
                actor.estimates[frame], actor.last_frame = actor.estimates[self.frame], frame

    def _look_closer(self, frame: int, image: Image, actors: list[Actor]) -> None:
        """A second look at the faces of a frame, while the next frame gets its first."""
        if self._second is not None and actors:
            started = perf_counter()
            self._second.follow(frame, image, actors)
            self.seconds["second look"] += perf_counter() - started

    def _follow(self, frame: int, image: Image, small: np.ndarray) -> None:
        changed = self._picture_changed(small)
        faces = self._look(frame, image) if changed else None
        if changed:
            self._end_by_cut(faces)
        else:
            self._begin_to_look(frame, image)
        followed = [actor for actor in self._active() if not actor.lost]
        self._followed = frame if followed or self._followed is None else self._followed
        for actor, estimate in zip(followed, self._estimate(image, [actor.box for actor in followed]), strict=True):
            if estimate is None or not is_near(actor.box, box_of_landmarks(estimate.landmarks_2d)):
                actor.lost = True
            elif changed and self._is_another(actor, image, estimate):
                actor.closed = True
            else:
                actor.see(frame, estimate)
        for double in doubles([actor for actor in followed if actor.last_frame == frame]):
            double.estimates.pop(frame)
            double.closed = True
        if faces is None and self._should_look(frame):
            faces = self._look(frame, image)
        for face in faces or ():
            holder = next((actor for actor in self._active() if not actor.lost and covers(actor, face.box)), None)
            if holder is None:
                self._enter(frame, image, face)
            elif not is_near(holder.box, face.box):
                self._bring_back(holder, frame, image, face)

    def _picture_changed(self, small: np.ndarray) -> bool:
        before, self._thumbnail = self._thumbnail, small
        return before is not None and differs(before, self._thumbnail)

    def _is_another(self, actor: Actor, image: Image, estimate: Estimate) -> bool:
        """After a cut, another face stands where the actor's was."""
        return likeness(self._image, actor.box, image, box_of_landmarks(estimate.landmarks_2d)) < SAME_LOOK

    def _active(self) -> list[Actor]:
        horizon = REJOIN_SECONDS * self.clip.fps
        return [actor for actor in self.actors if not actor.closed and (not actor.lost or self.frame - actor.last_frame <= horizon)]

    def _should_look(self, frame: int) -> bool:
        """On every frame soon after the last face, often while one is missing for long or of several, else now and then for new ones."""
        active = self._active()
        waiting = all(actor.lost for actor in active)
        if waiting and frame - self._followed <= REJOIN_SECONDS * self.clip.fps:
            return True
        pause = LOST_LOOK_SECONDS if waiting or any(actor.lost for actor in active) else LOOK_SECONDS
        return frame - self._looked >= pause * self.clip.fps

    def _begin_to_look(self, frame: int, image: Image) -> None:
        """Let the detector look beside the first looks at the faces where it will look at this frame whatever they find."""
        if frame - self._looked >= LOOK_SECONDS * self.clip.fps:
            self._coming = self._detecting.submit(self.detect, image)

    def _look(self, frame: int, image: Image) -> list[Face]:
        self._looked = frame
        started = perf_counter()
        coming, self._coming = self._coming, None
        faces = coming.result() if coming else self.detect(image)
        self.seconds["detect"] += perf_counter() - started
        return faces

    def _end_by_cut(self, faces: list[Face]) -> None:
        """After a change of the whole picture, end every actor that is lost, or that no face continues in place and size."""
        for actor in self._active():
            actor.closed = actor.lost or not any(continues(actor, face.box) for face in faces)

    def _enter(self, frame: int, image: Image, face: Face) -> None:
        """Let a face that no actor is on be a lost actor come back, or a new one."""
        estimate = self._settle(image, face)
        if estimate is None:
            return
        box = box_of_landmarks(estimate.landmarks_2d)
        if any(covers(actor, box) for actor in self._active() if not actor.lost):
            return
        gone = [actor for actor in self._active() if actor.lost and is_near(actor.box, box)]
        actor = max(gone, key=lambda actor: actor.last_frame, default=None)
        if actor is None:
            actor = Actor(box)
            self.actors.append(actor)
        actor.see(frame, estimate)

    def _bring_back(self, actor: Actor, frame: int, image: Image, face: Face) -> None:
        """The actor's landmarks have drifted: begin again from what the detector sees."""
        estimate = self._settle(image, face)
        if estimate is not None:
            actor.see(frame, estimate)

    def _settle(self, image: Image, face: Face) -> Estimate | None:
        """Two looks at a face that the detector found: its box is looser than the landmarks' own."""
        (first,) = self._estimate(image, [face.box])
        return first and self._estimate(image, [box_of_landmarks(first.landmarks_2d)])[0]

    def _estimate(self, image: Image, boxes: list[Box]) -> list[Estimate | None]:
        if not boxes:
            return []
        started = perf_counter()
        estimates = self._first(image, boxes, self.focal)
        self.seconds["landmarks"] += perf_counter() - started
        return [estimate if is_face(estimate, image) else None for estimate in estimates]


def fingerprint(image: Image) -> int:
    """By which a picture that is read again is known."""
    return zlib.crc32(np.ascontiguousarray(image))


def is_face(estimate: Estimate, image: Image) -> bool:
    """Sure enough, finite, in front of the camera, and at least half in the picture."""
    points = estimate.landmarks_2d
    parts = (points, estimate.covariances, estimate.landmarks_3d, estimate.rotation, estimate.translation)
    if not estimate.score >= ACCEPT or not all(np.isfinite(part).all() for part in parts) or estimate.translation[2] <= 0:
        return False
    inside = (points >= 0).all(axis=1) & (points < (image.shape[1], image.shape[0])).all(axis=1)
    return bool(inside.mean() >= 0.5)
