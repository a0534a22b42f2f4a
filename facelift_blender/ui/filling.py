# SPDX-License-Identifier: GPL-3.0-or-later
"""From a solved take to what the scene shows of it: the reckoning on any thread, the filling in steps."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bpy
import numpy as np

from ..capture.assistant import Assistant, perform
from ..capture.corrections import Corrections, Mute, Pin
from ..capture.types import Image, Take
from ..rigs.head import load_head
from ..scene import markers
from ..scene.build import BuildSettings, Prepared, build_steps, usable_frames
from ..scene.markers import Sheet
from ..scene.ownership import find_collection, member
from ..scene.storage import locate, read_take, refer_to, take_of
from ..scene.timing import Timing
from .finding import clip_of
from .preferences import cache_folder

if TYPE_CHECKING:
    from ..capture.adjust import Adjustments
    from .reckoning import Order


@dataclass(frozen=True)
class Ready:
    """A take whose files are written and whose numbers are ready for the scene."""

    solved: Take
    solved_file: Path
    take_file: Path
    prepared: Prepared
    adjusted: Adjustments
    portrait: Image | None = None

    @property
    def take(self) -> Take:
        return self.prepared.take


_assistant: Final = Assistant()


def ask(task: str, told: Mapping[str, Any], should_stop: Callable[[], bool]) -> dict[str, Any]:
    """What a function answers, from a process beside Blender where there is a window. Raises FaceLiftError."""
    return (perform if bpy.app.background else _assistant.ask)(task, told, should_stop)


def dismiss() -> None:
    """Nothing will be asked any more."""
    _assistant.dismiss()


def order(solved: Path, adjustments: Adjustments, **more: Any) -> Order:
    """What is wanted of a solved take; to be made while Blender listens."""
    from .reckoning import Order

    return Order(str(solved), str(cache_folder()), bpy.app.tempdir, adjustments.text(), **more)


def make_ready(wanted: Order) -> Ready:
    """Let an order be carried out; touches no Blender data. Raises FaceLiftError."""
    from ..capture.adjust import Adjustments
    from .reckoning import Reckoned, take_face

    done = Reckoned(**ask(".ui.reckoning:answer", asdict(wanted), lambda: False))
    take, face = read_take(Path(done.take)), take_face(Path(done.face))
    prepared = Prepared(take, usable_frames(take), load_head(), face.vertices, face.offsets)
    files = Path(done.solved), Path(done.take)
    return Ready(read_take(files[0]), *files, prepared, Adjustments.of(done.adjustments), face.portrait)


def fill(
    ready: Ready, scene: bpy.types.Scene, footage: bpy.types.MovieClip | None, timing: Timing
) -> Generator[None, None, bpy.types.Collection]:
    """Bring a ready take into the scene, in steps. What was moved among the actor's markers is taken down first."""
    earlier = find_collection(ready.take.actor, footage) if footage else None
    if earlier is not None:
        gather_pins(earlier)
    collection = yield from build_steps(ready.prepared, scene, footage, BuildSettings(timing, str(ready.take_file)))
    yield
    refer_to(collection, ready.take_file, ready.solved_file)
    if ready.portrait is not None:
        show_portrait(collection, ready.portrait)
    follow_take(collection, ready.solved, ready.adjusted)
    yield
    yield from put_markers(collection, ready.take)
    yield
    return collection


def show_portrait(collection: bpy.types.Collection, image: Image) -> None:
    """Give a collection a picture (H, W, 3) that the list of actors shows and the file keeps."""
    height, width = image.shape[:2]
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = image[::-1] / 255.0
    preview = collection.preview_ensure()
    preview.image_size = (width, height)
    preview.image_pixels_float.foreach_set(pixels.ravel())
    small = pixels[:: max(1, height // 32), :: max(1, width // 32)][:32, :32]
    preview.icon_size = small.shape[1::-1]
    preview.icon_pixels_float.foreach_set(small.ravel())


# ---------------------------------------------------------------- what the collection says


_quiet = [False]


@contextmanager
def quietly() -> Iterator[None]:
    """Set a take's sliders without anything coming of it."""
    before, _quiet[0] = _quiet[0], True
    try:
        yield
    finally:
        _quiet[0] = before


def is_quiet() -> bool:
    """Whether sliders are being set by FaceLift itself."""
    return _quiet[0]


def wanted(collection: bpy.types.Collection) -> Adjustments:
    """What the sliders of a take say."""
    from ..capture.adjust import Adjustments
    from ..capture.smoothing import Smoothing

    chosen = collection.facelift
    smoothing = Smoothing(*(round(getattr(chosen, part), 4) for part in ("pose", "mouth", "eyes", "brows", "face")))
    rest = chosen.rest if chosen.use_rest else None
    return Adjustments(smoothing, rest, round(chosen.interpupillary * 1e-3, 7), not chosen.before)


def follow_take(collection: bpy.types.Collection, solved: Take, adjusted: Adjustments) -> None:
    """Set the sliders to what a new take was solved with and adjusted by."""
    from ..capture.adjust import interpupillary
    from ..capture.solve import smoothing_of

    chosen = collection.facelift
    with quietly():
        for part, amount in asdict(adjusted.smoothing or smoothing_of(solved)).items():
            setattr(chosen, part, amount)
        chosen.interpupillary = (adjusted.interpupillary or interpupillary(solved)) * 1e3
        chosen.use_rest, chosen.rest = adjusted.rest is not None, adjusted.rest or chosen.rest
        chosen.before = not adjusted.corrected
    member(collection, "Head")["adjusted"] = wanted(collection).text()


def corrections_of(collection: bpy.types.Collection) -> Corrections:
    """The corrections that the file has for a take."""
    chosen = collection.facelift
    pins = tuple(Pin(pin.frame, pin.landmark, tuple(pin.point)) for pin in chosen.pins)
    mutes = tuple(Mute(mute.region.lower(), mute.start, max(mute.start, mute.end)) for mute in chosen.mutes)
    return Corrections(pins, mutes, tuple(sorted(lock.frame for lock in chosen.locks)), chosen.falloff)


def tell_corrections(collection: bpy.types.Collection, corrections: Corrections) -> None:
    """Let the file have these corrections for a take."""
    chosen = collection.facelift
    for items in (chosen.pins, chosen.mutes, chosen.locks):
        items.clear()
    for pin in corrections.pins:
        item = chosen.pins.add()
        item.frame, item.landmark, item.point = pin.frame, pin.landmark, pin.point
    for mute in corrections.mutes:
        item = chosen.mutes.add()
        item.region, item.start, item.end = mute.region.upper(), mute.start, mute.end
    for frame in corrections.locked:
        chosen.locks.add().frame = frame
    chosen.falloff = corrections.falloff


def gather_pins(collection: bpy.types.Collection) -> None:
    """Take down as corrections what was moved among the actor's markers."""
    footage = clip_of(collection)
    if footage is None or locate(collection) is None or not markers.tracks_of(footage, collection["facelift_actor"]):
        return
    corrections = corrections_of(collection)
    pins = {(pin.frame, pin.landmark): pin for pin in corrections.pins}
    for pin in markers.moved(footage, collection["facelift_actor"], Sheet.of(take_of(collection))):
        pins[pin.frame, pin.landmark] = pin
    tell_corrections(collection, replace(corrections, pins=tuple(pins[key] for key in sorted(pins))))


def put_markers(collection: bpy.types.Collection, take: Take) -> Generator[None, None, None]:
    """Bring the actor's markers to where the take has its landmarks, in steps."""
    footage = clip_of(collection)
    if footage is not None:
        yield from markers.rewrite(footage, collection["facelift_actor"], Sheet.of(take), corrections_of(collection).pins)
