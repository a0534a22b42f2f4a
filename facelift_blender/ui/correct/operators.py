# SPDX-License-Identifier: GPL-3.0-or-later
"""Points as markers, Refine, locked frames, muted regions, the next worst frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import bpy
import numpy as np
from bpy.app.translations import pgettext_iface as tr
from bpy.props import EnumProperty, IntProperty

from ...capture import topology
from ...capture.types import FaceLiftError
from ...scene import markers
from ...scene.markers import Sheet
from ...scene.ownership import member
from ...scene.storage import find_file, take_of
from ...scene.timing import Timing, first_frame, show_frame
from .. import job
from ..filling import Ready, corrections_of, fill, gather_pins, make_ready, order, put_markers, wanted
from ..finding import clip_frame, clip_of, find_take, needs_quiet_take, needs_take
from ..preferences import clean_cache
from ..working import Steps, Working, redraw

_WHICH: Final = [
    ("ALL", "All", "Every landmark"),
    ("REGION", "Region", "The landmarks of the chosen region"),
    ("SELECTED", "Selected", "The landmarks whose empties are selected in the 3D View"),
]


class _Correcting:
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_quiet_take(cls, context)


class _OnMarkers(_Correcting):
    """Works on the tracking markers of the take's clip."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if clip_of(find_take(context)) is None:
            cls.poll_message_set(tr("The take's movie clip is not in this file; open it and track again"))
            return False
        return True


class FACELIFT_OT_show_markers(_OnMarkers, bpy.types.Operator):
    """Make tracking markers of the take's points, to move them by hand in the Movie Clip Editor"""

    bl_idname = "facelift.show_markers"
    bl_label = "Points to Markers"

    which: EnumProperty(name="Points", description="Which landmarks become markers", items=_WHICH, default="REGION")

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        landmarks = self._chosen(context, collection)
        if not landmarks:
            self.report({"ERROR"}, tr("No landmark is selected: select some of the take's empties in the 3D View first."))
            return {"CANCELLED"}
        try:
            take = take_of(collection)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        footage, pins = clip_of(collection), corrections_of(collection).pins
        for _ in markers.show(footage, collection["facelift_actor"], Sheet.of(take), landmarks, pins):
            pass
        if context.space_data is not None and context.space_data.type == "CLIP_EDITOR":
            context.space_data.show_track_path = False
        self.report({"INFO"}, tr("{} points are markers: move one, then press Refine").format(len(landmarks)))
        return {"FINISHED"}

    def _chosen(self, context: bpy.types.Context, collection: bpy.types.Collection) -> tuple[int, ...]:
        if self.which == "REGION":
            return topology.region_indices(context.scene.facelift.region.lower())
        if self.which == "ALL":
            return tuple(range(topology.COUNT))
        empties = ((row, member(collection, name)) for row, name in enumerate(topology.NAMES))
        return tuple(row for row, empty in empties if empty is not None and empty.select_get())


class FACELIFT_OT_hide_markers(_OnMarkers, bpy.types.Operator):
    """Take the take's markers away; what was moved among them stays as corrections"""

    bl_idname = "facelift.hide_markers"
    bl_label = "Hide Markers"

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        try:
            gather_pins(collection)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        markers.hide(clip_of(collection), collection["facelift_actor"])
        return {"FINISHED"}


class FACELIFT_OT_refine(_Correcting, Working, bpy.types.Operator):
    """Solve again around what was corrected: moved markers, muted stretches, locked frames"""

    bl_idname = "facelift.refine"
    bl_label = "Refine"
    title = "Refining"

    def gather(self, context: bpy.types.Context) -> job.Work:
        collection = find_take(context)
        gather_pins(collection)
        self.scene, self.collection = context.scene.name, collection.name
        wish = order(
            find_file(collection, "solved"), replace(wanted(collection), corrected=True), corrections=corrections_of(collection),
            shown=str(find_file(collection)),
        )  # fmt: skip
        return lambda _running: make_ready(wish)

    def steps(self, context: bpy.types.Context, result: Ready) -> Steps:
        scene = bpy.data.scenes.get(self.scene) or context.scene
        footage = clip_of(bpy.data.collections[self.collection])
        timing = Timing.TIME if scene.facelift.timing == Timing.TIME.name else Timing.FRAMES
        collection = yield from fill(result, scene, footage, timing)
        clean_cache()
        done = result.solved.corrections
        count = len(done.pins) + len(done.mutes)
        self.report({"INFO"}, tr("{} solved again; corrections: {}").format(collection["facelift_actor"], count))


class FACELIFT_OT_lock_frame(_Correcting, bpy.types.Operator):
    """Lock this frame, so that no correction nearby changes it, or unlock it"""

    bl_idname = "facelift.lock_frame"
    bl_label = "Lock Frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        frame, locks = clip_frame(context, collection), collection.facelift.locks
        found = next((index for index, lock in enumerate(locks) if lock.frame == frame), None)
        if found is None:
            locks.add().frame = frame
        else:
            locks.remove(found)
        return {"FINISHED"}


class FACELIFT_OT_mute_region(_Correcting, bpy.types.Operator):
    """Do not believe what is seen of the chosen region from this frame on, a hand before the mouth say; set the end in the list"""

    bl_idname = "facelift.mute_region"
    bl_label = "Mute Region"

    frames: IntProperty(name="Frames", description="How many frames to mute, from this one on", default=12, min=1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        chosen, frame = collection.facelift, clip_frame(context, collection)
        mute = chosen.mutes.add()
        mute.region, mute.start, mute.end = context.scene.facelift.region, frame, frame + self.frames - 1
        chosen.mute_index = len(chosen.mutes) - 1
        return {"FINISHED"}


class FACELIFT_OT_remove_correction(_Correcting, bpy.types.Operator):
    """Remove this correction; Refine then solves without it"""

    bl_idname = "facelift.remove_correction"
    bl_label = "Remove Correction"

    kind: EnumProperty(
        name="Kind",
        description="What is removed",
        items=[("pins", "Point", "A moved point"), ("mutes", "Muted Stretch", "A muted stretch"), ("all", "All", "Every correction")],
        default="pins",
    )

    def execute(self, context: bpy.types.Context) -> set[str]:
        collection = find_take(context)
        chosen = collection.facelift
        if self.kind == "all":
            for items in (chosen.pins, chosen.mutes, chosen.locks):
                items.clear()
        elif self.kind == "pins":
            chosen.pins.remove(chosen.pin_index)
        else:
            chosen.mutes.remove(chosen.mute_index)
        try:
            for _ in put_markers(collection, take_of(collection)):
                pass
        except FaceLiftError as error:
            self.report({"WARNING"}, str(error))
        return {"FINISHED"}


class _Jumping:
    """Shows another frame of the take."""

    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return needs_take(cls, context)

    def jump(self, context: bpy.types.Context, frame: int) -> None:
        """Show a clip frame."""
        show_frame(context.scene, first_frame(clip_of(find_take(context))) + frame - 1)
        redraw()


class FACELIFT_OT_worst_frame(_Jumping, bpy.types.Operator):
    """Go to the frame where the take is least sure, and from one of these to the next; locked frames are passed over"""

    bl_idname = "facelift.worst_frame"
    bl_label = "Next Worst Frame"

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...capture.refine import worst_frames

        collection = find_take(context)
        try:
            take = take_of(collection)
        except FaceLiftError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        locked = {lock.frame for lock in collection.facelift.locks}
        worst = [frame for frame in worst_frames(take, 20) if frame not in locked]
        if not worst:
            self.report({"INFO"}, tr("No frame is left to look at"))
            return {"CANCELLED"}
        now = clip_frame(context, collection)
        place = (worst.index(now) + 1) % len(worst) if now in worst else 0
        self.jump(context, worst[place])
        row = int(np.flatnonzero(take.frames == worst[place])[0])
        sure = 100.0 * float(np.nanmean(take.confidence[row]))
        told = tr("Frame {}: {:.0f} % sure, residual {:.1f} px ({} of {})")
        self.report({"INFO"}, told.format(worst[place], sure, take.residuals[row], place + 1, len(worst)))
        return {"FINISHED"}


class FACELIFT_OT_go_to_correction(_Jumping, bpy.types.Operator):
    """Show the frame of the chosen correction"""

    bl_idname = "facelift.go_to_correction"
    bl_label = "Go to Correction"

    frame: IntProperty(name="Frame", description="Frame of the clip", default=1, options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        self.jump(context, self.frame)
        return {"FINISHED"}


CLASSES: Final = (
    FACELIFT_OT_show_markers,
    FACELIFT_OT_hide_markers,
    FACELIFT_OT_refine,
    FACELIFT_OT_lock_frame,
    FACELIFT_OT_mute_region,
    FACELIFT_OT_remove_correction,
    FACELIFT_OT_worst_frame,
    FACELIFT_OT_go_to_correction,
)
