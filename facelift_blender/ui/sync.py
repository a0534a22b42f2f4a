# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the scene what the sliders of its takes say, beside Blender and without a button.

What is wanted (the sliders) is compared with what was built (the Head's `adjusted`) after every change, undo and redo. The
reckoning goes to a thread, the filling in short slices; a slider that moves on meanwhile is caught up with afterwards. It makes
no undo step of its own: the slider's is one, and after an undo the comparison brings the scene back to what the slider says.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import bpy
from bpy.app.handlers import persistent

from ..capture.types import FaceLiftError
from ..scene.actions import drain
from ..scene.ownership import member
from ..scene.storage import find_file, local_takes
from ..scene.timing import Timing
from . import job
from .filling import Ready, dismiss, fill, is_quiet, make_ready, order, wanted
from .finding import clip_of

if TYPE_CHECKING:
    from .working import Steps

_PAUSE: Final = 0.1
_BETWEEN: Final = 0.02

problems: dict[str, str] = {}
"""What could not be done, by the name of the take's collection: the panel shows it."""


@dataclass
class _Catching:
    """One take that is being brought to what its sliders say."""

    name: str
    text: str
    ready: Future[Ready]
    steps: Steps | None = None


_now: list[_Catching] = []
_pool: Final = ThreadPoolExecutor(1, "facelift-adjust")


def wanted_changed(_settings: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """A slider moved."""
    if is_quiet():
        return
    if bpy.app.background:
        catch_up()
    else:
        schedule()


def schedule() -> None:
    """Look soon whether something is to be done."""
    problems.clear()
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_PAUSE)


def outdated() -> bpy.types.Collection | None:
    """A take that is not what its sliders say, or None."""
    for collection in local_takes():
        built = member(collection, "Head").get("adjusted")
        if built is not None and built != wanted(collection).text() and collection.name not in problems:
            return collection
    return None


def catch_up() -> None:
    """Bring every take to what its sliders say, at once."""
    problems.clear()
    while (collection := outdated()) is not None:
        try:
            drain(_filling(collection, _work(collection)()))
        except FaceLiftError as error:
            problems[collection.name] = str(error)


def is_busy() -> bool:
    """Whether a take is being brought to what its sliders say."""
    return bool(_now)


@persistent
def abort(*_arguments: Any) -> None:
    """Forget what is half done: Blender is about to change its data under it."""
    _now.clear()
    problems.clear()


@persistent
def look_again(*_arguments: Any) -> None:
    """Blender's data changed as a whole: by undo, redo or another file."""
    abort()
    if not bpy.app.background:
        schedule()


def _work(collection: bpy.types.Collection) -> Any:
    """What is to be reckoned, as a function for any thread. Raises FaceLiftError."""
    wish = order(find_file(collection, "solved"), wanted(collection), shown=str(find_file(collection)))
    return lambda: make_ready(wish)


def _filling(collection: bpy.types.Collection, ready: Ready) -> Steps:
    scene = next((scene for scene in bpy.data.scenes if collection in scene.collection.children_recursive), bpy.context.scene)
    timing = Timing.TIME if scene.facelift.timing == Timing.TIME.name else Timing.FRAMES
    yield from fill(ready, scene, clip_of(collection), timing)


def _tick() -> float | None:
    """One look of the timer: begin, wait, fill a slice, or rest."""
    if not _now:
        collection = outdated() if job.current() is None else None
        if collection is None:
            return None
        return _begin(collection)
    catching = _now[0]
    if not catching.ready.done():
        return _BETWEEN
    try:
        if _go_on(catching):
            _now.clear()
    except (FaceLiftError, ReferenceError) as error:
        problems[catching.name] = str(error)
        _now.clear()
    return _BETWEEN


def _begin(collection: bpy.types.Collection) -> float:
    try:
        _now.append(_Catching(collection.name, wanted(collection).text(), _pool.submit(_work(collection))))
    except FaceLiftError as error:
        problems[collection.name] = str(error)
    return _BETWEEN


def _go_on(catching: _Catching) -> bool:
    from .working import redraw, run_slice

    if catching.steps is None:
        collection = bpy.data.collections.get(catching.name)
        if collection is None:
            return True
        catching.steps = _filling(collection, catching.ready.result())
    done = run_slice(catching.steps)
    if done:
        redraw()
    return done


def attach() -> None:
    """Hear of undo, redo and other files."""
    handlers = bpy.app.handlers
    for before in (handlers.undo_pre, handlers.redo_pre, handlers.load_pre):
        before.append(abort)
    for after in (handlers.undo_post, handlers.redo_post, handlers.load_post):
        after.append(look_again)


def detach() -> None:
    """Hear of them no more."""
    abort()
    dismiss()
    handlers = bpy.app.handlers
    for before in (handlers.undo_pre, handlers.redo_pre, handlers.load_pre):
        before.remove(abort)
    for after in (handlers.undo_post, handlers.redo_post, handlers.load_post):
        after.remove(look_again)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
