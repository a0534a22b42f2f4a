# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes for a head that has none: points are picked on it one by one, as empties that can be moved, then the 52 are carried over."""

from __future__ import annotations

import time
from typing import Any, Final

import bpy
import numpy as np
from bpy.app.translations import pgettext_iface as tr
from mathutils import Vector

from ...capture.types import Array, FaceLiftError
from ...rigs.picks import FEWEST, PICKS
from .. import job
from ..finding import find_take
from ..layouts import InView3D, notes, progress
from ..working import Steps, Working

_PICK: Final = "facelift_pick"
_SHARE: Final = 0.02
"""Of the mesh's size, a pick's radius."""


def picks_of(mesh: bpy.types.Object) -> dict[str, bpy.types.Object]:
    """The empties that were put on a mesh, by landmark."""
    return {thing[_PICK]: thing for thing in mesh.children if thing.get(_PICK) in PICKS}


def place_pick(mesh: bpy.types.Object, landmark: str, point: Vector) -> bpy.types.Object:
    """Put the empty of a landmark at a point in the mesh's own coordinates."""
    empty = picks_of(mesh).get(landmark)
    if empty is None:
        empty = bpy.data.objects.new(PICKS[landmark], None)
        empty[_PICK] = landmark
        empty.empty_display_type, empty.show_in_front = "SPHERE", True
        for home in mesh.users_collection:
            home.objects.link(empty)
        empty.parent = mesh
    empty.empty_display_size = _SHARE * max(mesh.dimensions) / max(*mesh.scale, 1e-9)
    empty.location = point
    return empty


def missing(mesh: bpy.types.Object) -> list[str]:
    """The landmarks that are still to be picked."""
    found = picks_of(mesh)
    return [landmark for landmark in PICKS if landmark not in found]


def _needs_mesh(cls: type, context: bpy.types.Context) -> bool:
    mesh = context.scene.facelift_rig
    if mesh is None or mesh.type != "MESH":
        cls.poll_message_set(tr("Choose the head's mesh as the character first"))
        return False
    if mesh.library is not None:
        cls.poll_message_set(tr("This mesh is linked from another file; append it to give it shapes"))
        return False
    return True


class FACELIFT_OT_pick_points(bpy.types.Operator):
    """Click on the head where the header says: eyes, nose, mouth, chin. Each point becomes an empty that can be moved afterwards"""

    bl_idname = "facelift.pick_points"
    bl_label = "Pick Points"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _needs_mesh(cls, context)

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        mesh = context.scene.facelift_rig
        self.asked, self.made = missing(mesh) or list(PICKS), []
        context.window_manager.modal_handler_add(self)
        self._ask(context)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Left click picks, S leaves a point out, Backspace takes the last one back, Esc and Enter end; the view can be turned."""
        if event.value != "PRESS" or event.type not in {"LEFTMOUSE", "S", "BACK_SPACE", "ESC", "RET", "RIGHTMOUSE"}:
            return {"PASS_THROUGH"}
        if event.type in {"ESC", "RET", "RIGHTMOUSE"}:
            return self._end(context)
        if event.type == "LEFTMOUSE" and not self._pick(context, event):
            return {"PASS_THROUGH"}
        if event.type == "S":
            self.made.append(self.asked.pop(0))
        if event.type == "BACK_SPACE" and self.made:
            self._take_back(context.scene.facelift_rig)
        return self._ask(context) if self.asked else self._end(context)

    def _pick(self, context: bpy.types.Context, event: bpy.types.Event) -> bool:
        """Whether the click was on the head."""
        mesh = context.scene.facelift_rig
        point = point_under(context, mesh, (event.mouse_region_x, event.mouse_region_y))
        if point is not None:
            place_pick(mesh, self.asked[0], point)
            self.made.append(self.asked.pop(0))
        return point is not None

    def _take_back(self, mesh: bpy.types.Object) -> None:
        landmark = self.made.pop()
        self.asked.insert(0, landmark)
        if landmark in picks_of(mesh):
            bpy.data.objects.remove(picks_of(mesh)[landmark])

    def _ask(self, context: bpy.types.Context) -> set[str]:
        label = tr(PICKS[self.asked[0]])
        context.area.header_text_set(tr("Click: {} ({} left)   S: leave out, Backspace: back, Esc: end").format(label, len(self.asked)))
        return {"RUNNING_MODAL"}

    def _end(self, context: bpy.types.Context) -> set[str]:
        context.area.header_text_set(None)
        count = len(picks_of(context.scene.facelift_rig))
        enough = tr("enough") if count >= FEWEST else tr("{} are wanted at least").format(FEWEST)
        self.report({"INFO"}, tr("{} points are picked, {}").format(count, enough))
        return {"FINISHED"}


def point_under(context: bpy.types.Context, mesh: bpy.types.Object, place: tuple[float, float]) -> Vector | None:
    """The nearest point of a mesh, in its own coordinates, under a place of the region."""
    from bpy_extras.view3d_utils import region_2d_to_origin_3d, region_2d_to_vector_3d

    region, view = context.region, context.region_data
    if view is None or not (0 <= place[0] < region.width and 0 <= place[1] < region.height):
        return None
    inwards = mesh.matrix_world.inverted_safe()
    origin = inwards @ region_2d_to_origin_3d(region, view, place)
    along = inwards.to_3x3() @ region_2d_to_vector_3d(region, view, place)
    hit, point, _, _ = mesh.ray_cast(origin, along.normalized())
    return point if hit else None


class FACELIFT_OT_clear_picks(bpy.types.Operator):
    """Remove the points that were picked on the head"""

    bl_idname = "facelift.clear_picks"
    bl_label = "Clear Points"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return _needs_mesh(cls, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        for empty in picks_of(context.scene.facelift_rig).values():
            bpy.data.objects.remove(empty)
        return {"FINISHED"}


class FACELIFT_OT_transfer_shapes(Working, bpy.types.Operator):
    """Give the head the 52 ARKit shapes as shape keys, carried over from FaceLift's own by the picked points"""

    bl_idname = "facelift.transfer_shapes"
    bl_label = "Transfer Shapes"
    bl_options = {"REGISTER", "UNDO"}
    title = "Carrying the shapes over"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if job.current() is not None:
            cls.poll_message_set(tr("FaceLift is at work"))
            return False
        return _needs_mesh(cls, context)

    def gather(self, context: bpy.types.Context) -> job.Work:
        from ...rigs.head import load_head
        from ...rigs.transfer import transfer_shapes
        from ...scene.transfer import read_surface, require_room

        mesh = context.scene.facelift_rig
        require_room(mesh, replace=False)
        context.view_layer.update()  # a point that was set just now has no place in the world yet
        self.mesh, surface, picks = mesh.name, read_surface(mesh), picked_points(mesh)
        return lambda _running: transfer_shapes(load_head(), surface, picks)

    def steps(self, _context: bpy.types.Context, result: Any) -> Steps:
        from ...capture.track import Progress
        from ...scene.transfer import writing_shapes

        mesh = bpy.data.objects.get(self.mesh)
        if mesh is None or len(mesh.data.vertices) != result.shapes.shape[1]:
            raise FaceLiftError(tr("{} was changed meanwhile: transfer the shapes again.").format(self.mesh))
        started = time.perf_counter()
        for done, _ in enumerate(writing_shapes(mesh, result), 1):
            self._job.progress = Progress(done, len(result.shapes), "shapes", time.perf_counter() - started)
            yield
        self.report({"INFO"}, tr("52 shapes are on {}; the head lies {:.1f} mm from FaceLift's own").format(self.mesh, result.fit))


def picked_points(mesh: bpy.types.Object) -> dict[str, Array]:
    """The picks' places (3,) in the mesh's own coordinates, wherever a person moved them."""
    inwards = mesh.matrix_world.inverted_safe()
    return {landmark: np.array(inwards @ empty.matrix_world.translation) for landmark, empty in picks_of(mesh).items()}


class FACELIFT_PT_transfer(InView3D, bpy.types.Panel):
    bl_label = "Make Shape Keys"
    bl_parent_id = "FACELIFT_PT_retarget"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        mesh = context.scene.facelift_rig
        return find_take(context) is not None and mesh is not None and mesh.type == "MESH"

    def draw(self, context: bpy.types.Context) -> None:
        layout, mesh = self.layout, context.scene.facelift_rig
        if job.current() is not None:
            progress(layout, job.current())
            return
        found = picks_of(mesh)
        row = layout.row(align=True)
        row.operator("facelift.pick_points", icon="EYEDROPPER")
        row.operator("facelift.clear_picks", text="", icon="X")
        column = layout.column(align=True)
        for landmark, label in PICKS.items():
            column.label(text=label, icon="CHECKMARK" if landmark in found else "DOT")
        column = layout.column()
        column.active = len(found) >= FEWEST
        column.operator("facelift.transfer_shapes", icon="SHAPEKEY_DATA")
        if len(found) < FEWEST:
            notes(layout, [tr("Pick {} of them at least").format(FEWEST)], 40, "INFO")


CLASSES: Final = (FACELIFT_OT_pick_points, FACELIFT_OT_clear_picks, FACELIFT_OT_transfer_shapes, FACELIFT_PT_transfer)
