# SPDX-License-Identifier: GPL-3.0-or-later
"""Track Footage, Stop, Resume."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import bpy
from bpy.app.translations import pgettext_iface as tr
from bpy.props import StringProperty

from ...capture.corrections import Corrections
from ...capture.kept import keep_take
from ...capture.types import FaceLiftError, Take
from ...scene.timing import Timing
from .. import job
from ..filling import Ready, corrections_of, fill, gather_pins, make_ready, order, wanted
from ..finding import find_footage, takes_of
from ..preferences import cache_folder, clean_cache, preferences, threads
from ..properties import track_settings
from ..working import Steps, Working
from . import pauses

if TYPE_CHECKING:
    from ...capture.adjust import Adjustments
    from ...capture.track import Progress, TrackSettings
    from ...farm.lock import Lock
    from ..reckoning import Order


def footage_path(footage: bpy.types.MovieClip) -> str:
    """The file of a clip, in full."""
    return os.path.normpath(bpy.path.abspath(footage.filepath, library=footage.library))


class _Tracking(Working):
    """What tracking and going on with it share."""

    bl_options = {"REGISTER", "UNDO"}
    clip: StringProperty(name="Clip", description="Name of the movie clip to track", options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if job.current() is not None:
            cls.poll_message_set(tr("FaceLift is at work"))
            return False
        if not bpy.data.movieclips or (find_footage(context) is None and not bpy.app.background):
            cls.poll_message_set(tr("Open a movie clip first"))
            return False
        return True

    def footage(self, context: bpy.types.Context) -> bpy.types.MovieClip:
        """The clip to work on. Raises FaceLiftError."""
        footage = bpy.data.movieclips.get(self.clip) if self.clip else find_footage(context)
        if footage is None:
            raise FaceLiftError(tr("No movie clip to track: open one in the Movie Clip Editor first."))
        self.clip = footage.name
        self.scene = context.scene.name
        return footage

    def steps(self, context: bpy.types.Context, result: list[Ready]) -> Steps:
        scene = bpy.data.scenes.get(self.scene) or context.scene
        footage = bpy.data.movieclips.get(self.clip)
        scene.facelift.footage = scene.facelift.footage or footage
        for ready in reversed(result):
            collection = yield from fill(ready, scene, footage, Timing[scene.facelift.timing])
            scene.facelift.take = collection
        yield
        clean_cache()
        self._report([ready.solved for ready in result])

    def _report(self, takes: list[Take]) -> None:
        for warning in [text for take in takes for text in take.provenance.get("warnings", ())]:
            self.report({"WARNING"}, warning)
        frames = sum(int(take.valid.sum()) for take in takes)
        if not takes:
            self.report({"WARNING"}, tr("Tracking was stopped before a face was found"))
            return
        self.report({"INFO"}, tr("{} frames of {} tracked").format(frames, ", ".join(take.actor for take in takes)))


class FACELIFT_OT_track_footage(_Tracking, bpy.types.Operator):
    """Find the face in the footage and animate a camera, a head, landmarks and a face with it"""

    bl_idname = "facelift.track_footage"
    bl_label = "Track Footage"

    def gather(self, context: bpy.types.Context) -> job.Work:
        footage = self.footage(context)
        unit = context.scene.unit_settings.scale_length
        return tracking(footage_path(footage), track_settings(footage, unit), earlier_work(footage))


class FACELIFT_OT_resume_tracking(_Tracking, bpy.types.Operator):
    """Go on with the frame after the last one that was tracked before the stop, with the settings of then"""

    bl_idname = "facelift.resume_tracking"
    bl_label = "Resume"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        footage = find_footage(context) or next(iter(bpy.data.movieclips), None)
        if job.current() is None and (footage is None or pauses.pause_of(footage_path(footage)) is None):
            cls.poll_message_set(tr("Nothing was stopped that could go on"))
            return False
        return super().poll(context)

    def gather(self, context: bpy.types.Context) -> job.Work:
        footage = self.footage(context)
        path = footage_path(footage)
        if pauses.pause_of(path) is None:
            raise FaceLiftError(tr("Nothing was stopped that could go on: track the footage first."))
        return tracking(path, None, earlier_work(footage))


@dataclass(frozen=True)
class Earlier:
    """What a person did to an actor's earlier take: it holds for the new one too."""

    corrections: Corrections
    adjustments: Adjustments


def earlier_work(footage: bpy.types.MovieClip) -> dict[str, Earlier]:
    """By actor, what was corrected and adjusted in the clip's takes; the smoothing is the new one's own."""
    found = {collection["facelift_actor"]: collection for collection in takes_of(footage)}
    for collection in found.values():
        gather_pins(collection)
    return {
        actor: Earlier(corrections_of(collection), replace(wanted(collection), smoothing=None, corrected=True))
        for actor, collection in found.items()
    }


def tracking(path: str, wanted_settings: Callable[[], TrackSettings] | None, earlier: Mapping[str, Earlier]) -> job.Work:
    """The thread's part: the errand, done by a process beside Blender where there is a window, and for each take all that the scene
    needs. Without settings it goes on with what was stopped.
    """
    folder, device, count, beside = cache_folder(), preferences().device, threads(), not bpy.app.background
    place, wish = pauses.folder_of(path), _wishes()

    def work(running: job.Job) -> list[Ready]:
        from ...capture import errand
        from ...capture.beside import carry_out_beside

        with pauses.at_work(place, Path(path).name) as lock:
            if wanted_settings is not None:
                errand.begin(errand.Errand(path, wanted_settings(), device, count), place)
            carry_out = carry_out_beside if beside else errand.carry_out
            takes = _drain(running, carry_out(place, lambda: running.stopping), lock)
        pauses.settle(place)
        return [make_ready(wish(keep_take(take, folder), earlier.get(take.actor))) for take in takes]

    return work


def _wishes() -> Callable[[Path, Earlier | None], Order]:
    """What is wanted of a new take, to be asked from any thread."""
    from ...capture.adjust import Adjustments

    plain = order(Path(), Adjustments(), again=True, pictured=True)

    def wish(solved: Path, earlier: Earlier | None) -> Order:
        if earlier is None:
            return replace(plain, solved=str(solved))
        return replace(plain, solved=str(solved), adjustments=earlier.adjustments.text(), corrections=earlier.corrections)

    return wish


def _drain(running: job.Job, steps: Generator[Progress, None, list[Take]], lock: Lock) -> list[Take]:
    """All of the steps, or those until Blender ends."""
    while not running.left:
        try:
            running.progress = next(steps)
        except StopIteration as finished:
            return finished.value
        lock.touch()
    steps.close()
    return []


class FACELIFT_OT_stop_tracking(bpy.types.Operator):
    """Stop tracking and build what is done so far"""

    bl_idname = "facelift.stop_tracking"
    bl_label = "Stop"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if job.current() is None:
            cls.poll_message_set(tr("Nothing is being tracked"))
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        job.current().stop()
        return {"FINISHED"}


CLASSES: Final = (FACELIFT_OT_track_footage, FACELIFT_OT_resume_tracking, FACELIFT_OT_stop_tracking)
