# SPDX-License-Identifier: GPL-3.0-or-later
"""The quick start's pictures, taken from the real window while it is used: clicks, keys, the mouse.

    python docs/quick_start.py BLENDER -o docs/quick_start [--clip CLIP] [--full]
    python docs/quick_start.py BLENDER -o FOLDER --wait        how long the window lets wait while a clip is tracked, and no more

BLENDER has FaceLift installed. Needs an X display to itself (Xvfb is started if there is none), xdotool and ImageMagick.
Each step is checked in the scene; the exit status is 0 when all were right. --full takes a PNG of every step as it is, not
only the small ones for the documentation. The same file runs inside Blender, where it tells what to press next.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIZE = (1600, 900)
COLORS = 128
ROOT = Path(__file__).resolve().parent.parent
Command = tuple[Any, ...]


# ---------------------------------------------------------------- outside: fingers and eyes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blender")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--clip", type=Path, default=ROOT / "models" / "performer" / "demo.mp4")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--wait", action="store_true")
    options = parser.parse_args()
    return perform(options, {"wait": False} if options.wait else {"begin": False, "go_on": True}, __file__)


@contextmanager
def display() -> Iterator[dict[str, str]]:
    """The environment of a display: the one that is there, or a virtual one."""
    if os.environ.get("DISPLAY"):
        yield dict(os.environ)
        return
    environment = os.environ | {"DISPLAY": ":97", "LIBGL_ALWAYS_SOFTWARE": "1"}
    server = subprocess.Popen(["Xvfb", ":97", "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "+extension", "GLX", "-noreset"])
    time.sleep(2)
    manager = subprocess.Popen(["openbox"], env=environment) if shutil.which("openbox") else None
    try:
        yield environment
    finally:
        for process in filter(None, (manager, server)):
            process.terminate()


def perform(options: argparse.Namespace, parts: dict[str, bool], script: str) -> int:
    """The parts of a script's story, each in a Blender of its own; whether it is with the file that one before has saved."""
    options.output.mkdir(parents=True, exist_ok=True)
    status = 0
    with tempfile.TemporaryDirectory() as name, display() as environment:
        folder, clip = Path(name), str(options.clip.resolve())
        for part, goes_on in parts.items():
            command = [options.blender, *[str(folder / "shot.blend")] * goes_on, "-W", "-P", script, "--", clip, name, part]
            status = max(status, attend(command, options, folder, environment))
    return status


def attend(command: list[str], options: argparse.Namespace, folder: Path, environment: dict[str, str]) -> int:
    """Start Blender and do what it asks for, line by line."""
    blender = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    status = 1
    for line in blender.stdout:
        word, *rest = line.split() or [""]
        if word == "END":
            status = int(rest[0])
            break
        if word == "DO":
            number, action, *details = rest
            act(action, details, options, environment)
            (folder / number).touch()
        else:
            print(line, end="", flush=True)
    blender.terminate()
    blender.wait()
    for mark in folder.glob("[0-9]*"):
        mark.unlink()
    while TAKEN:
        make_smaller(*TAKEN.pop(0))
    return status


def act(action: str, details: list[str], options: argparse.Namespace, environment: dict[str, str]) -> None:
    """One thing that a person does."""
    if action == "shot":
        take_picture(options.output / f"{details[0]}.png", [] if options.full else details[1:], environment)
        return
    place, rest = details[:2], little_by_little(details[2:]) if action == "drag" else details[2:]
    tool = {
        "move": ["mousemove", *details, "sleep", "0.4", "mousemove_relative", "2", "1", "sleep", "0.2"],
        "click": ["mousemove", *details, "sleep", "0.5", "mousemove_relative", "2", "1", "sleep", "0.5", "click", "1"],
        "drag": ["mousemove", *place, "sleep", "0.5", "mousedown", "1", "sleep", "0.3", *rest, "mouseup", "1"],
        "key": ["key", *details],
        "glide": ["mousemove", *details, "sleep", "0.05", "mousemove_relative", "1", "1"],
        "type": ["key", "ctrl+a", "sleep", "0.3", "type", "--delay", "60", *details],
        "scroll": ["mousemove", *place, "sleep", "0.5", "click", "--repeat", *rest[:1], "--delay", "60", *(rest[1:] or ["5"])],
    }[action]
    subprocess.run(["xdotool", *tool], env=environment, check=True)


def little_by_little(way: list[str]) -> list[str]:
    """A way of so many pixels as a hand goes it: a leap with the button down is no drag to Blender."""
    steps = [str(round(float(part) / 10)) for part in way]
    return [*["mousemove_relative", "--", *steps, "sleep", "0.06"] * 10, "sleep", "0.3"]


TAKEN: list[tuple[Path, list[str]]] = []
"""Pictures of the whole screen, and what is to be kept of each: nobody has to wait for that while Blender works."""


def take_picture(path: Path, crop: list[str], environment: dict[str, str]) -> None:
    """The screen as a PNG."""
    subprocess.run(["import", "-window", "root", str(path)], env=environment, check=True)
    TAKEN.append((path, crop))


def make_smaller(path: Path, crop: list[str]) -> None:
    """Keep all of a picture, or a part, with few colours so that it stays small."""
    if crop:
        smaller = ["-selective-blur", "0x2+4%", "+dither", "-colors", str(COLORS), "-define", "png:compression-level=9"]
        subprocess.run(["convert", str(path), "-crop", *crop, "+repage", *smaller, str(path)], check=True)
    print(f"picture {path.name}: {path.stat().st_size // 1000} kB", flush=True)


# ---------------------------------------------------------------- inside: the story


def inside(kind: type[Story]) -> None:
    """Tell a story from a timer, so that Blender lives between its steps."""
    import bpy

    clip, folder, part = sys.argv[sys.argv.index("--") + 1 :]
    story = kind(clip, Path(folder) / "shot.blend")
    teller = Teller(getattr(story, part)(), Path(folder))
    bpy.context.preferences.view.show_splash = False
    bpy.app.timers.register(teller.tick, first_interval=4.0)


class Teller:
    """Runs the steps: a number is a pause in seconds, a function is waited for until it is true, a tuple is for the outside."""

    def __init__(self, steps: Generator[Any, None, None], folder: Path) -> None:
        self.steps, self.folder, self.count = steps, folder, 0
        self.waiting: Any = None
        self.patience = 0.0

    def tick(self) -> float | None:
        """One look: wait on, or take the next step."""
        try:
            if self.waiting is not None and not self.waiting():
                check(time.monotonic() < self.patience, "a step ends within ten minutes", silent=True)
                return 0.02
            return self._next()
        except StopIteration:
            print("END 0", flush=True)
        except Exception:  # noqa: BLE001  whatever went wrong ends the story with its trace
            import traceback

            traceback.print_exc()
            print("END 1", flush=True)
        return None

    def _next(self) -> float:
        step, self.waiting, self.patience = next(self.steps), None, time.monotonic() + 600
        if isinstance(step, tuple):
            self.count += 1
            mark = self.folder / str(self.count)
            self.waiting = mark.exists
            print("DO", self.count, *step, flush=True)
        elif callable(step):
            self.waiting = step
        return float(step) if isinstance(step, (int, float)) else 0.02


class Story:
    """What a new user does, from an open clip to a character that speaks."""

    def __init__(self, clip: str, saved: Path) -> None:
        self.clip, self.saved = clip, saved

    def begin(self) -> Generator[Any, None, None]:
        """Till a stop, after which the file is saved and Blender is left."""
        import bpy

        yield from self.lay_out()
        yield from self.open_clip()
        yield from self.track_and_stop()
        bpy.ops.wm.save_as_mainfile(filepath=str(self.saved))
        yield 1.0

    def wait(self) -> Generator[Any, None, None]:
        """A clip tracked from its first frame to its last, with nothing else done: how long the window lets wait."""
        yield from self.lay_out()
        yield from self.open_clip()
        yield ("click", *self.track_button())
        yield lambda: self.job() is not None and self.job().progress is not None
        tracking = Heart()
        yield lambda: not self.running() or self.job().progress.station != "landmarks"
        print(f"WAIT while tracking: {tracking.stop()}", flush=True)
        solving = Heart()
        yield lambda: not self.running()
        print(f"WAIT while it solves and fills the scene: {solving.stop()}", flush=True)
        yield 3.0
        yield from self.slide(0.1, "WAIT while a slider acts")
        yield 3.0
        drawing = Heart()
        for _ in range(20):
            self.area("VIEW_3D").tag_redraw()
            yield 0.1
        print(f"WAIT of the same window when nothing is done but drawing the 3D View: {drawing.stop()}", flush=True)

    def slide(self, value: float, what: str) -> Generator[Any, None, None]:
        """Move the mouth's slider and wait for what comes of it."""
        sync = sys.modules[self.package() + ".ui.sync"]
        heart = Heart()
        self.collection().facelift.mouth = value
        yield 1.0
        yield lambda: not sync.is_busy()
        yield 1.0
        print(f"{what}: {heart.stop()}", flush=True)

    def go_on(self) -> Generator[Any, None, None]:
        """In a Blender that was started anew, from the saved file."""
        yield 1.0
        self.choose_tabs()
        yield 1.0
        yield from self.resume()
        yield from self.look_through()
        yield from self.correct()
        yield from self.smooth()
        yield from self.retarget()
        yield from self.export()

    # ------------------------------------------------ the window

    def areas(self, kind: str) -> list[Any]:
        import bpy

        return sorted((area for area in bpy.context.window.screen.areas if area.type == kind), key=lambda area: area.x)

    def area(self, kind: str) -> Any:
        return self.areas(kind)[0]

    def region(self, kind: str, part: str = "WINDOW") -> Any:
        return next(region for region in self.area(kind).regions if region.type == part)

    def override(self, kind: str) -> Any:
        import bpy

        return bpy.context.temp_override(window=bpy.context.window, area=self.area(kind), region=self.region(kind))

    def on_screen(self, region: Any, x: float, y: float) -> tuple[int, int]:
        """A place in a region, counted from its bottom left, as the mouse counts it."""
        import bpy

        return round(region.x + x), round(bpy.context.window.height - region.y - y)

    def middle(self, kind: str) -> tuple[int, int]:
        region = self.region(kind)
        return self.on_screen(region, region.width * 0.3, region.height * 0.3)

    def shot(self, name: str, kind: str) -> Command:
        """A picture of one editor and what stands above and below it."""
        import bpy

        area, height = self.area(kind), bpy.context.window.height
        return ("shot", name, f"{area.width}x{area.height}+{area.x}+{height - area.y - area.height}")

    def sidebar(self, kind: str) -> tuple[int, int]:
        region = self.region(kind, "UI")
        return self.on_screen(region, region.width * 0.3, region.height * 0.5)

    def press(self, kind: str, letter: str) -> Generator[Any, None, None]:
        """FaceLift's key over an editor."""
        yield ("move", *self.middle(kind))
        yield ("key", f"ctrl+alt+shift+{letter}")
        yield 1.0

    def lay_out(self) -> Generator[Any, None, None]:
        import bpy

        for thing in list(bpy.data.objects):
            bpy.data.objects.remove(thing)
        with self.override("VIEW_3D"):
            bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
        yield 1.5
        self.areas("VIEW_3D")[0].type = "CLIP_EDITOR"
        yield 1.0
        for kind in ("CLIP_EDITOR", "VIEW_3D"):
            space = self.area(kind).spaces.active
            space.show_region_ui, space.show_region_toolbar = True, False
        yield 1.5
        self.choose_tabs()
        yield 1.0

    def choose_tabs(self) -> None:
        for kind in ("CLIP_EDITOR", "VIEW_3D"):
            self.region(kind, "UI").active_panel_category = "FaceLift"

    # ------------------------------------------------ the steps

    def open_clip(self) -> Generator[Any, None, None]:
        import bpy

        path = Path(self.clip)
        with self.override("CLIP_EDITOR"):
            bpy.ops.clip.open(directory=str(path.parent), files=[{"name": path.name}])
        yield 1.5
        with self.override("CLIP_EDITOR"):
            bpy.ops.clip.view_all(fit_view=True)
            bpy.ops.clip.view_zoom_ratio(ratio=1.0)
            bpy.ops.clip.view_pan(offset=(60.0, 0.0))
        self.choose_tabs()
        yield 1.5
        bpy.ops.ed.undo_push(message="Open Clip")
        yield self.shot("1_open", "CLIP_EDITOR")

    def track_and_stop(self) -> Generator[Any, None, None]:
        yield ("click", *self.track_button())
        yield 2.0
        check(self.running(), "tracking runs after a click on its button")
        yield lambda: self.job().progress is not None and self.job().progress.done >= 2
        self.watch = Heart()
        yield self.shot("2_tracking", "CLIP_EDITOR")
        told = self.watch.stop()
        yield ("move", *self.middle("CLIP_EDITOR"))
        yield ("key", "Escape")
        self.watch = Heart()
        yield lambda: not self.running()
        print(f"window while tracking: {told}; while it fills the scene: {self.watch.stop()}", flush=True)
        yield 1.5
        stopped = len(self.take())
        check(0 < stopped < self.frames(), f"{stopped} of {self.frames()} frames are kept after Esc")
        yield from self.overlaid()
        yield self.shot("3_stopped", "CLIP_EDITOR")

    def overlaid(self) -> Generator[Any, None, None]:
        """Wait for the overlay, which comes when its head is bent to the actor."""
        overlay, until = sys.modules[self.package() + ".ui.overlay"], time.monotonic() + 60.0
        yield lambda: overlay.viewer_of(self.collection()) is not None or time.monotonic() > until
        check(overlay.viewer_of(self.collection()) is not None, "the take is drawn over the plate")
        yield 1.0

    def resume(self) -> Generator[Any, None, None]:
        import bpy

        stopped = len(self.take())
        yield ("click", *self.track_button(rows=1.5))
        yield lambda: self.running() and self.job().progress is not None
        first = self.job().progress.done
        check(first > stopped, f"after Blender's restart, Resume goes on with frame {first}; {stopped} were done before")
        yield lambda: not self.running()
        yield 2.0
        check(len(self.take()) == self.frames(), f"all {self.frames()} frames after Resume")
        bpy.context.scene.frame_set(min(60, self.frames()))
        yield 1.5
        yield self.shot("4_tracked", "CLIP_EDITOR")

    def look_through(self) -> Generator[Any, None, None]:
        import bpy

        yield from self.press("VIEW_3D", "c")
        view = self.area("VIEW_3D").spaces.active.region_3d.view_perspective
        check(view == "CAMERA", "the view looks through the camera")
        self.area("VIEW_3D").spaces.active.shading.type = "SOLID"
        bpy.context.scene.facelift.show_head = True
        yield 1.5
        yield self.shot("5_camera", "VIEW_3D")

    def correct(self) -> Generator[Any, None, None]:
        import bpy
        import numpy as np

        yield from self.press("CLIP_EDITOR", "w")
        first = bpy.context.scene.frame_current
        yield self.shot("6_worst", "CLIP_EDITOR")
        yield from self.press("CLIP_EDITOR", "w")
        check(bpy.context.scene.frame_current != first, f"worst frames {first} and {bpy.context.scene.frame_current}")
        with self.override("CLIP_EDITOR"):
            bpy.ops.facelift.show_markers("INVOKE_DEFAULT", which="REGION")
            bpy.ops.clip.select_all(action="DESELECT")
        yield 1.0
        frame = bpy.context.scene.frame_current
        track = self.tracks()["lip_outer_10"]
        before = np.array(track.markers.find_frame(frame).co)
        track.select = True
        yield 0.5
        yield from self.drag(track, frame)
        after = np.array(track.markers.find_frame(frame).co)
        check(np.abs(after - before).max() > 1e-3, "the marker moved under the mouse")
        yield self.shot("7_marker", "CLIP_EDITOR")
        untouched = self.take()
        yield from self.press("CLIP_EDITOR", "r")
        yield lambda: not self.running()
        yield 1.5
        self.judge_refine(untouched, frame, after)
        yield self.shot("8_refined", "CLIP_EDITOR")

    def drag(self, track: Any, frame: int) -> Generator[Any, None, None]:
        """Grab the selected marker with G and put it down some pixels lower."""
        region = self.region("CLIP_EDITOR")
        x, y = region.view2d.view_to_region(*track.markers.find_frame(frame).co, clip=False)
        place = self.on_screen(region, x, y)
        yield ("move", *place)
        yield ("key", "g")
        yield 1.5
        yield ("click", place[0] + 4, place[1] + 9)
        yield 1.0

    def judge_refine(self, before: Any, frame: int, place: Any) -> None:
        """The corrected point is where it was put, and nothing moved beyond the falloff."""
        import numpy as np

        module = sys.modules[type(self.take()).__module__.rpartition(".")[0] + ".take"]
        take = self.take()
        row = int(np.flatnonzero(take.frames == frame)[0])
        landmark = self.topology().NAMES.index("lip_outer_10")
        goal = place * [1, -1] * [take.clip.width, take.clip.height] + [0, take.clip.height]
        miss = float(np.linalg.norm(module.project(take)[row, landmark] - goal))
        check(miss < 0.5, f"the refined point is {miss:.3f} px from the marker")
        far = np.abs(take.frames - frame) > self.collection().facelift.falloff
        check(np.array_equal(before.landmarks[far], take.landmarks[far]), f"{far.sum()} frames beyond the falloff are bit by bit the same")

    def smooth(self) -> Generator[Any, None, None]:
        import bpy

        before = self.take().provenance["smoothing"]
        yield from self.slide(0.1, "window while a slider acts")
        check(self.take().provenance["smoothing"] != before, "the slider acted without tracking")
        bpy.ops.ed.undo_push(message="Smooth")
        yield self.shot("9_smooth", "VIEW_3D")

    def retarget(self) -> Generator[Any, None, None]:
        import bpy

        with self.override("VIEW_3D"):
            bpy.ops.facelift.add_head("INVOKE_DEFAULT")
            bpy.ops.facelift.match_rig("INVOKE_DEFAULT")
        yield 1.0
        rig = bpy.context.scene.facelift_rig
        check(len(rig.facelift.channels) == 52, "52 channels are matched on the demo head")
        heart = Heart()
        with self.override("VIEW_3D"):
            bpy.ops.facelift.retarget("INVOKE_DEFAULT")
        yield lambda: not self.running()
        print(f"window while retargeting: {heart.stop()}", flush=True)
        with self.override("VIEW_3D"):
            for thing in bpy.context.selected_objects:
                thing.select_set(False)
            rig.select_set(True)
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_selected()
        yield 2.0
        yield ("scroll", *self.sidebar("VIEW_3D"), 40)
        yield ("move", *self.middle("VIEW_3D"))
        yield 2.0
        moved = rig.data.shape_keys.animation_data
        check(moved is not None and moved.action is not None, "the demo head has keys")
        yield self.shot("10_retarget", "VIEW_3D")

    def export(self) -> Generator[Any, None, None]:
        import bpy

        folder = Path(tempfile.mkdtemp())
        for kind, name in (("livelink", "take.csv"), ("json", "take.json"), ("fbx", "take.fbx")):
            heart = Heart()
            with self.override("VIEW_3D"):
                getattr(bpy.ops.facelift, f"export_{kind}")(filepath=str(folder / name))
            yield lambda: not self.running()
            yield 0.5
            print(f"window while {name} is written: {heart.stop()}", flush=True)
            check((folder / name).stat().st_size > 1000, f"{name} is written")
        with self.override("CLIP_EDITOR"):
            bpy.ops.facelift.export_review(filepath=str(folder / "review.html"))
        yield lambda: not self.running()
        check((folder / "review.html").stat().st_size > 10000, "review.html is written")
        shutil.rmtree(folder)
        yield self.shot("11_exported", "VIEW_3D")

    # ------------------------------------------------ what is there

    def package(self) -> str:
        return next(name for name in sys.modules if name.endswith("facelift_blender") and hasattr(sys.modules[name], "register"))

    def job(self) -> Any:
        return sys.modules[self.package() + ".ui.job"].current()

    def running(self) -> bool:
        return self.job() is not None

    def topology(self) -> Any:
        return sys.modules[self.package() + ".capture.topology"]

    def collection(self) -> Any:
        import bpy

        return bpy.context.scene.facelift.take

    def take(self) -> Any:
        return sys.modules[self.package() + ".scene.storage"].take_of(self.collection())

    def frames(self) -> int:
        import bpy

        return bpy.data.movieclips[0].frame_duration

    def tracks(self) -> Any:
        import bpy

        return bpy.data.movieclips[0].tracking.objects["FaceLift Actor 1"].tracks

    def track_button(self, rows: float = 0.0) -> tuple[int, int]:
        """The middle of Track Footage, or so many rows below it, from how high Blender draws the panel's rows."""
        import bpy

        region = self.region("CLIP_EDITOR", "UI")
        unit = 20 * bpy.context.preferences.system.ui_scale
        return self.on_screen(region, region.width * 0.45, region.height - (12.9 + rows) * unit)


class Heart:
    """Beats a hundred times a second while Blender answers; tells how long it did not, what of that is left without the time in which
    other programs had the processor, and what of it was the main thread's own work.
    """

    def __init__(self) -> None:
        import bpy

        self.beats: list[tuple[float, float, float]] = []
        self.last = _clocks()
        self.on = True
        bpy.app.timers.register(self.beat, first_interval=0.01)

    def beat(self) -> float | None:
        now = _clocks()
        wait, spent, queued = (new - old for new, old in zip(now, self.last, strict=True))
        self.beats.append((wait, max(wait - queued, 0.0), spent))
        self.last = now
        return 0.01 if self.on else None

    def stop(self) -> str:
        """Pauses between beats, in milliseconds."""
        self.on = False
        if not self.beats:
            return "no beats"
        wait, free, worked = (_figures(sorted(values)) for values in zip(*self.beats, strict=True))
        return f"{len(self.beats)} beats, wait {wait}; with a processor free {free}; own work {worked}"


def _clocks() -> tuple[float, float, float]:
    """Seconds: now, of work of this thread, and (on Linux) that it was ready to work and others had the processor."""
    try:
        queued = int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) * 1e-9
    except OSError:
        queued = 0.0
    return time.perf_counter(), time.thread_time(), queued


def _figures(values: list[float]) -> str:
    middle, late, last = (1e3 * values[min(int(share * len(values)), len(values) - 1)] for share in (0.5, 0.99, 1.0))
    return f"median {middle:.0f} ms, 99 % {late:.0f} ms, longest {last:.0f} ms"


def check(right: bool, what: str, silent: bool = False) -> None:
    """Say what was checked, and stop the story where it is wrong."""
    if not (silent and right):
        print(("right: " if right else "WRONG: ") + what, flush=True)
    if not right:
        raise AssertionError(what)


if __name__ == "__main__":
    if "bpy" in sys.modules:
        inside(Story)
    else:
        sys.exit(main())
