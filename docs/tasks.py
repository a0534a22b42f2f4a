# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of tasks.md, done in the real window as a new user does them, and their clicks counted.

    python docs/tasks.py BLENDER -o FOLDER --clip CLIP

BLENDER has FaceLift installed; CLIP shows two people. Buttons are found by what Blender itself says is under the mouse, so the
script goes by what they do and not by where they are. After each task the scene is checked, the count is written into tasks.md,
and a picture is taken. What else is to be clicked in a window comes after them: the panel of camera and
scale, the points that are picked on a head, and a take that is appended to another file.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import quick_start  # noqa: E402
from quick_start import Story, check  # noqa: E402

Steps = Generator[Any, None, Any]
COUNTED = ("click", "drag", "key", "type")
SCROLLS = (0.5, 0.5, -3.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
"""How a sidebar is scrolled in search of a button: down by so many of its heights."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("blender")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--full", action="store_true", default=True, help=argparse.SUPPRESS)
    return quick_start.perform(parser.parse_args(), {"tasks": False, "panels": True, "append": False}, __file__)


def write(number: int, clicks: int, blender: str) -> None:
    """Put the clicks of a task, and in which Blender they were counted, into tasks.md beside this script."""
    path = HERE / "tasks.md"
    text = re.sub(rf"^(\| {number} \|.*\| )\d+ \|$", rf"\g<1>{clicks} |", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(re.sub(r"(?<=last counted in Blender )[\d.]+\d", blender, text), encoding="utf-8")


class Tasks(Story):
    """A user who looks for buttons by what they do."""

    clicks = 0
    wrong: list[int] = []

    def tasks(self) -> Steps:
        """All ten, in an order in which each finds what it needs."""
        import bpy

        bpy.context.preferences.view.filebrowser_display_type = "SCREEN"
        yield from self.lay_out()
        yield from self.open_clip()
        bpy.ops.wm.save_as_mainfile(filepath=str(self.saved))
        yield 1.0
        first = {7: self.everyone, 3: self.calm, 4: self.put_right, 5: self.hide_mouth, 6: self.rest}
        then = {8: self.own_character, 9: self.in_step, 10: self.files, 1: self.one_click, 2: self.stop_and_resume}
        for number, task in {**first, **then}.items():
            yield from self.count(number, task)
        bpy.ops.wm.save_mainfile()
        yield 1.0
        check(not self.wrong, f"all tasks are done (not so: {self.wrong})")

    def count(self, number: int, task: Any) -> Steps:
        """One task, its clicks written down where all of it was right."""
        import bpy

        self.clicks = 0
        try:
            yield from task()
        except AssertionError:  # said already; the others may be right
            self.wrong.append(number)
            return
        yield 1.0
        yield ("shot", f"task_{number}")
        print(f"task {number}: {self.clicks} clicks", flush=True)
        write(number, self.clicks, bpy.app.version_string.split()[0])

    # ------------------------------------------------ hands and eyes

    def do(self, *command: Any) -> Steps:
        """One thing that counts."""
        self.clicks += command[0] in COUNTED
        yield command
        yield 0.6

    def press_button(self, kind: str, wanted: str, part: str = "UI", share: float = 0.75) -> Steps:
        """Find a button and click it."""
        yield from self.do("click", *(yield from self.find(kind, wanted, part, share)))

    def find(self, kind: str, wanted: str, part: str = "UI", share: float = 0.75) -> Steps:
        """Where a button is whose command or property has `wanted` in it, scrolling for it where it is out of sight."""
        for heights in SCROLLS:
            place = yield from self._scan(kind, wanted, part, share)
            if place is not None:
                return place
            yield from self.scroll(kind, heights * self.region(kind, part).height)
        yield ("shot", "lost")
        check(False, f"{wanted} is found in {kind}")
        return None

    def scroll(self, kind: str, pixels: float) -> Steps:
        """Scroll a sidebar down by so many pixels, with the mouse at its edge: a list under it would take the wheel for itself."""
        region = self.region(kind, "UI")
        place = self.on_screen(region, 10, region.height * 0.5)
        yield ("scroll", *place, max(1, round(abs(pixels) / 40)), 5 if pixels > 0 else 4)
        yield 1.0

    def _scan(self, kind: str, wanted: str, part: str = "UI", share: float = 0.75, below: int = 0) -> Steps:
        """Look down a column of a region, or what of it is below a place on the screen."""
        region, last = self.region(kind, part), None
        for height in range(region.height - 8, 4, -14):
            place = self.on_screen(region, region.width * share, height)
            if place[1] <= below:
                continue
            yield ("glide", *place)
            if re.search(wanted, self.under(kind, part)):
                for one in filter(None, (place, last)):  # a window that is behind says what was under the mouse before
                    yield ("glide", *one)
                    yield 0.5
                    if re.search(wanted, self.under(kind, part)):
                        return one
            last = place
        return None

    def under(self, kind: str, part: str) -> str:
        """What the button under the mouse does or sets, as Blender says it."""
        import bpy

        said = ""
        with bpy.context.temp_override(window=bpy.context.window, area=self.area(kind), region=self.region(kind, part)):
            for copy, told in ((bpy.ops.ui.copy_python_command_button, {}), (bpy.ops.ui.copy_data_path_button, {"full_path": True})):
                if copy.poll() and copy(**told) == {"FINISHED"}:
                    said += bpy.context.window_manager.clipboard + "\n"
        return said

    def open_panel(self, kind: str, above: str, wanted: str) -> Steps:
        """Click the header of a closed panel: it is some rows below a button, and `wanted` is in it."""
        region = self.region(kind, "UI")
        for rows in (1.7, 2.7, 3.7, 4.7):
            x, y = yield from self.find(kind, above)
            place = x - 60, round(y + rows * 20)
            if place[1] > self.on_screen(region, 0, 30)[1]:
                yield from self.scroll(kind, region.height * 0.5)
                place = place[0], (yield from self._scan(kind, above))[1] + round(rows * 20)
            yield ("click", *place)
            yield 1.0
            found = yield from self._scan(kind, wanted, below=place[1])
            if found is None:  # what opened may lie below the window's edge
                yield from self.scroll(kind, region.height * 0.4)
                found = yield from self._scan(kind, wanted)
            if found is not None:
                self.clicks += 1
                return
        yield ("shot", "lost")
        check(False, f"a panel with {wanted} opens")

    def type_into(self, kind: str, wanted: str, text: str, share: float = 0.75) -> Steps:
        """Type a value into a field."""
        yield ("click", *(yield from self.find(kind, wanted, share=share)))
        yield from self.do("type", text)
        yield ("key", "Return")
        yield 0.5

    def go_to(self, frame: int) -> Steps:
        """Click on a frame in the line at the foot of the Movie Clip Editor."""
        import bpy

        region, scene = self.region("CLIP_EDITOR"), bpy.context.scene
        share = (frame - scene.frame_start + 0.5) / (scene.frame_end - scene.frame_start + 1)
        yield from self.do("click", *self.on_screen(region, region.width * share - 2, 8))
        check(abs(scene.frame_current - frame) <= 2, f"the window shows frame {scene.frame_current}, {frame} was clicked")

    def worked(self) -> Steps:
        """Wait until what was begun is at its end."""
        until = time.monotonic() + 20.0
        yield lambda: not self.done() or time.monotonic() > until
        yield self.done
        yield 1.0

    def bring_into_view(self, co: Any) -> Steps:
        """Move the plate until a place of it lies well beside the sidebar."""
        import bpy

        region = self.region("CLIP_EDITOR")
        x, y = region.view2d.view_to_region(*co, clip=False)
        with self.override("CLIP_EDITOR"):
            bpy.ops.clip.view_pan(offset=(x - 180.0, y - region.height * 0.5))
        yield 1.0

    def done(self) -> bool:
        sync = sys.modules[self.package() + ".ui.sync"]
        return not self.running() and not sync.is_busy() and sync.outdated() is None

    # ------------------------------------------------ the ten

    def one_click(self) -> Steps:
        yield from self.press_button("CLIP_EDITOR", "facelift.track_footage")
        yield from self.worked()
        check(len(self.take()) == self.frames(), f"{len(self.take())} frames are a take after one click")

    def stop_and_resume(self) -> Steps:
        place = yield from self.find("CLIP_EDITOR", "facelift.track_footage")
        yield ("click", *place)
        yield lambda: self.running() and self.job().progress is not None and self.job().progress.done >= 8
        yield ("move", *self.middle("CLIP_EDITOR"))
        yield from self.do("key", "Escape")
        yield from self.worked()
        stopped = len(self.take())
        check(0 < stopped < self.frames(), f"{stopped} frames are kept after Esc")
        yield from self.press_button("CLIP_EDITOR", "facelift.resume_tracking")
        yield from self.worked()
        check(len(self.take()) == self.frames(), "Resume did the rest")

    def everyone(self) -> Steps:
        import bpy

        yield from self.press_button("CLIP_EDITOR", "every_actor")
        yield from self.press_button("CLIP_EDITOR", "facelift.track_footage")
        yield from self.worked()
        takes = [collection for collection in bpy.data.collections if "facelift_actor" in collection]
        check(len(takes) == 2, f"{len(takes)} actors are found")
        other = next(collection for collection in takes if collection != self.collection())
        x, y = yield from self.find("CLIP_EDITOR", re.escape(f'["{other.name}"].hide_viewport'), share=0.795)
        yield from self.do("click", x - 90, y)
        check(self.collection() == other, f"a click on the picture of {other.name} chooses it")

    def calm(self) -> Steps:
        before = self.take().provenance["smoothing"]["mouth"]
        yield from self.open_panel("CLIP_EDITOR", "look_through_camera", r"facelift\.mouth")
        x, y = yield from self.find("CLIP_EDITOR", r"facelift\.mouth")
        yield from self.do("drag", x, y, 50, 0)
        yield from self.worked()
        check(self.take().provenance["smoothing"]["mouth"] != before, "the mouth is smoothed anew without tracking")

    def put_right(self) -> Steps:
        import bpy

        yield from self.press_button("CLIP_EDITOR", "facelift.worst_frame")
        frame = bpy.context.scene.frame_current
        yield from self.press_button("CLIP_EDITOR", "show_markers.*REGION")
        yield 1.0
        track = self.object_tracks()["lip_outer_10"]
        yield from self.bring_into_view(track.markers.find_frame(frame).co)
        region = self.region("CLIP_EDITOR")
        place = self.on_screen(region, *region.view2d.view_to_region(*track.markers.find_frame(frame).co, clip=False))
        yield from self.do("click", *place)
        yield ("move", *place)
        yield from self.do("key", "g")
        yield 0.5
        yield from self.do("click", place[0] + 3, place[1] + 7)
        moved = next(track for track in self.object_tracks() if track.select)
        goal = tuple(moved.markers.find_frame(frame).co)
        yield from self.press_button("CLIP_EDITOR", "facelift.refine")
        yield from self.worked()
        check(len(self.take().corrections.pins) == 1, f"one point of frame {frame} is corrected, at {goal[0]:.3f} {goal[1]:.3f}")

    def hide_mouth(self) -> Steps:
        yield from self.go_to(20)
        yield from self.open_panel("CLIP_EDITOR", r"facelift\.before", "facelift.mute_region")
        yield from self.press_button("CLIP_EDITOR", "facelift.mute_region")
        yield from self.type_into("CLIP_EDITOR", r"mutes\[0\]\.end", "40", 0.66)
        yield from self.press_button("CLIP_EDITOR", "facelift.refine")
        yield from self.worked()
        mutes = self.take().corrections.mutes
        check(len(mutes) == 1 and mutes[0].end == 40, f"the mouth is not believed on frames {mutes[0].start} to {mutes[0].end}")

    def rest(self) -> Steps:
        yield from self.go_to(40)
        self.clicks += 1  # Adjust was opened for task 3 already
        yield from self.press_button("CLIP_EDITOR", "facelift.set_rest")
        yield from self.worked()
        check(self.collection().facelift.use_rest, f"the face rests on frame {self.collection().facelift.rest}")

    def own_character(self) -> Steps:
        import bpy

        with self.override("VIEW_3D"):
            bpy.ops.facelift.add_head()
        bpy.context.scene.facelift_rig = None
        yield 1.0
        yield from self.press_button("VIEW_3D", r"facelift_rig")
        yield from self.do("type", "Demo Head")
        yield ("key", "Return")
        yield 1.0
        check(bpy.context.scene.facelift_rig is not None, "the character is chosen")
        yield from self.press_button("VIEW_3D", r"facelift\.retarget")
        yield from self.worked()
        keys = bpy.context.scene.facelift_rig.data.shape_keys
        check(keys.animation_data is not None and keys.animation_data.action is not None, "the character has keys")

    def in_step(self) -> Steps:
        import bpy

        scene, clip = bpy.context.scene, bpy.data.movieclips[0]
        rate = scene.render.fps / scene.render.fps_base
        check(abs(rate - clip.fps) < 1e-3, f"the scene runs at the clip's {rate:g} frames/s")
        check((scene.frame_start, scene.frame_end) == (1, clip.frame_duration), "the scene has the clip's range")
        yield 0.1

    def files(self) -> Steps:
        yield from self.open_panel("VIEW_3D", r"facelift\.set_rest", "export_fbx")
        for kind, ending in (("export_fbx", "fbx"), ("export_livelink", "csv")):
            yield from self.press_button("VIEW_3D", kind)
            yield 2.0
            yield from self.press_button("FILE_BROWSER", r"file\.execute", "EXECUTE", 0.93)
            yield 2.0
            yield from self.worked()
            made = list(self.saved.parent.glob(f"*.{ending}"))
            check(len(made) == 1 and made[0].stat().st_size > 1000, f"a file .{ending} is written")

    # ------------------------------------------------ what else there is to click

    def panels(self) -> Steps:
        """In a Blender that was started anew: takes are there; before and after, camera and scale, points on a head."""
        import bpy
        import numpy as np

        yield 2.0
        self.choose_tabs()
        yield 1.5
        check(len(self.take()) == self.frames(), "after a restart the take is there, all frames of it")
        self.choose_corrected()
        bpy.context.scene.frame_set(self.take().corrections.pins[0].frame)
        after = self.take().landmarks.copy()
        yield ("shot", "after")
        yield from self.press_button("CLIP_EDITOR", r"facelift\.before")
        yield from self.worked()
        yield ("shot", "before")
        check(not np.array_equal(self.take().landmarks, after), "before the corrections the face is another one")
        yield from self.press_button("CLIP_EDITOR", r"facelift\.before")
        yield from self.worked()
        check(np.array_equal(self.take().landmarks, after), "and after them it is as it was")
        yield from self.camera_and_scale()
        yield from self.pick()

    def choose_corrected(self) -> None:
        """Of the two people, the one of whom a point was put right."""
        import bpy

        for collection in (one for one in bpy.data.collections if "facelift_actor" in one):
            bpy.context.scene.facelift.take = collection
            if self.take().corrections.pins:
                return
        check(False, "what was corrected survives tracking again and a restart")

    def camera_and_scale(self) -> Steps:
        import bpy

        settings = bpy.data.movieclips[0].facelift
        yield from self.open_panel("CLIP_EDITOR", "facelift.track_footage", r"facelift\.zoom")
        yield from self.press_button("CLIP_EDITOR", r"facelift\.zoom")
        check(settings.zoom, "the lens is said to zoom")
        yield from self.press_button("CLIP_EDITOR", r"facelift\.scale")
        yield 1.0
        yield ("key", "m")  # By Measure: its letter in the menu
        yield 1.0
        check(settings.scale == "MEASURED", "the scale comes from a measure")
        yield ("shot", "camera_and_scale")

    def pick(self) -> Steps:
        """Ten points on a head without shapes, by their real places."""
        import bpy

        head = bpy.context.scene.facelift_rig
        mine = bpy.data.objects.new("Mine", head.data.copy())
        mine.data.animation_data_clear()
        mine.shape_key_clear()
        bpy.context.scene.collection.objects.link(mine)
        mine.location = head.location.x + 3.0, 0.0, 0.0
        bpy.context.scene.facelift_rig = mine
        with self.override("VIEW_3D"):
            for thing in bpy.context.selected_objects:
                thing.select_set(False)
            mine.select_set(True)
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_selected()
            bpy.ops.view3d.zoom(delta=-2)
        self.area("VIEW_3D").spaces.active.region_3d.view_location.x += 0.7 * mine.dimensions.x  # beside the sidebar
        yield 2.0
        yield from self.open_panel("VIEW_3D", r"facelift\.retarget", "facelift.pick_points")
        yield from self.press_button("VIEW_3D", "facelift.pick_points")
        for place in self.points_on(mine):
            yield ("click", *place)
            yield 0.3
        yield 1.0
        yield ("shot", "picked")
        check(len(mine.children) == 10, f"{len(mine.children)} points are on the head")
        yield from self.press_button("VIEW_3D", "facelift.transfer_shapes")
        yield from self.worked()
        check(len(mine.data.shape_keys.key_blocks) == 53, "the head has the 52 shapes")

    def points_on(self, mesh: Any) -> list[tuple[int, int]]:
        """Where on the screen the landmarks are that are asked for."""
        import importlib

        from bpy_extras.view3d_utils import location_3d_to_region_2d

        package = self.package()
        head = importlib.import_module(package + ".rigs.head").load_head()
        names, region = self.topology().NAMES, self.region("VIEW_3D")
        view = self.area("VIEW_3D").spaces.active.region_3d
        places = []
        for name in importlib.import_module(package + ".rigs.picks").PICKS:
            row = names.index(name)
            corners = zip(head.landmark_vertices[row], head.landmark_weights[row], strict=True)
            point = sum((mesh.data.vertices[int(index)].co * float(share) for index, share in corners), mesh.location * 0.0)
            flat = location_3d_to_region_2d(region, view, mesh.matrix_world @ point)
            places.append(self.on_screen(region, flat.x, flat.y))
        return places

    def append(self) -> Steps:
        """In a file of its own: the take of the saved one, with its numbers."""
        import bpy

        yield from self.lay_out()
        with bpy.data.libraries.load(str(self.saved)) as (there, _):
            name = next(name for name in there.collections if "Actor 1" in name)
        bpy.ops.wm.append(directory=f"{self.saved}/Collection/", filename=name)
        self.area("CLIP_EDITOR").spaces.active.clip = bpy.data.movieclips[0]
        bpy.context.scene.facelift.take = next(one for one in bpy.data.collections if "facelift_actor" in one)
        yield 1.5
        with self.override("CLIP_EDITOR"):
            bpy.ops.clip.view_all(fit_view=True)
        yield from self.press("VIEW_3D", "c")
        check(len(self.take()) == self.frames(), f"the appended take has its {len(self.take())} frames")
        yield 1.5
        yield ("shot", "appended")

    def object_tracks(self) -> Any:
        import bpy

        actor = self.collection()["facelift_actor"]
        return bpy.data.movieclips[0].tracking.objects[f"FaceLift {actor}"].tracks


if __name__ == "__main__":
    if "bpy" in sys.modules:
        quick_start.inside(Tasks)
    else:
        sys.exit(main())
