# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator or a panel is about: the clip, the take, the frame."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as tr

from ..scene.ownership import member, take_collections
from ..scene.timing import first_frame
from . import job

_SOURCE = "facelift_source"


def find_footage(context: bpy.types.Context) -> bpy.types.MovieClip | None:
    """The clip meant here: the Clip Editor's, the one chosen in the 3D View, or the only one in the file."""
    space = context.space_data
    if space is not None and space.type == "CLIP_EDITOR" and space.clip is not None:
        return space.clip
    chosen = context.scene.facelift.footage
    return chosen or (bpy.data.movieclips[0] if len(bpy.data.movieclips) == 1 else None)


def find_take(context: bpy.types.Context) -> bpy.types.Collection | None:
    """The take meant here: the one chosen in the panel, or the only one in the file."""
    chosen, takes = context.scene.facelift.take, take_collections()
    return chosen if chosen in takes else takes[0] if len(takes) == 1 else None


def clip_of(collection: bpy.types.Collection) -> bpy.types.MovieClip | None:
    """The movie clip that a take was tracked from, or None where it is not in the file."""
    source = collection.get(_SOURCE)
    return source if isinstance(source, bpy.types.MovieClip) else None


def takes_of(footage: bpy.types.MovieClip | None) -> list[bpy.types.Collection]:
    """The takes of a clip."""
    return [collection for collection in take_collections() if footage is not None and clip_of(collection) == footage]


def clip_frame(context: bpy.types.Context, collection: bpy.types.Collection) -> int:
    """The picture of the take's clip that the scene shows now; the first is 1."""
    return context.scene.frame_current - first_frame(clip_of(collection)) + 1


def needs_take(cls: type, context: bpy.types.Context) -> bool:
    """The poll of what works on a take."""
    collection = find_take(context)
    if collection is None or member(collection, "Head") is None:
        cls.poll_message_set(tr("Track footage first"))
        return False
    if collection.library is not None:
        cls.poll_message_set(tr("This take is linked from another file; append it to change it here"))
        return False
    return True


def needs_quiet_take(cls: type, context: bpy.types.Context) -> bool:
    """The poll of what changes a take while nothing else does."""
    if job.current() is not None:
        cls.poll_message_set(tr("FaceLift is at work"))
        return False
    return needs_take(cls, context)
