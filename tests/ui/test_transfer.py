# SPDX-License-Identifier: GPL-3.0-or-later
"""Points picked on a head without shapes, and the shapes carried to it."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Vector
from modal import Double, Window, drive

from facelift_blender.capture import topology
from facelift_blender.rigs import arkit
from facelift_blender.rigs.head import load_head
from facelift_blender.rigs.picks import FEWEST, PICKS
from facelift_blender.ui.retarget import transfer
from facelift_blender.ui.retarget.transfer import missing, picks_of, place_pick


@pytest.fixture
def mesh(tracked: bpy.types.Collection) -> bpy.types.Object:
    """The skin of the shipped head in other units, without any shape."""
    head = load_head()
    data = bpy.data.meshes.new("Mia")
    data.from_pydata((10.0 * head.vertices).tolist(), [], head.faces.tolist())
    thing = bpy.data.objects.new("Mia", data)
    thing.location = (3.0, 0.0, 1.0)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.scene.facelift_rig = thing
    bpy.context.view_layer.update()
    return thing


def place_of(landmark: str) -> Vector:
    return Vector((10.0 * load_head().landmarks[topology.NAMES.index(landmark)]).tolist())


class Pointing(Double):
    """The picking operator with a mouse that is on the next landmark, or beside the head."""

    on_head = True


@pytest.fixture
def pointing(mesh: bpy.types.Object, window: Window, monkeypatch: pytest.MonkeyPatch) -> tuple[Pointing, Window]:
    double = Pointing(transfer.FACELIFT_OT_pick_points)
    monkeypatch.setattr(transfer, "point_under", lambda *_: place_of(double.asked[0]) if double.on_head else None)
    header: list[str | None] = []
    window.area = SimpleNamespace(header=header, header_text_set=header.append)
    assert double.invoke(window, None) == {"RUNNING_MODAL"}
    return double, window


def press(double: Double, window: Window, key: str) -> set[str]:
    return double.modal(window, SimpleNamespace(type=key, value="PRESS", mouse_region_x=0, mouse_region_y=0))


def test_the_header_asks_for_one_point_after_the_other(pointing: tuple[Pointing, Window], mesh: bpy.types.Object) -> None:
    double, window = pointing
    assert "Right eye, outer corner (10 left)" in window.area.header[-1]
    press(double, window, "LEFTMOUSE")
    assert "Right eye, inner corner (9 left)" in window.area.header[-1]
    assert press(double, window, "MIDDLEMOUSE") == {"PASS_THROUGH"}, "the view can be turned meanwhile"
    press(double, window, "S")
    press(double, window, "LEFTMOUSE")
    assert sorted(picks_of(mesh)) == ["eye_left_1", "eye_right_1"]
    press(double, window, "BACK_SPACE")
    press(double, window, "BACK_SPACE")
    assert list(picks_of(mesh)) == ["eye_right_1"]
    assert "Right eye, inner corner" in window.area.header[-1]
    double.on_head = False
    assert press(double, window, "LEFTMOUSE") == {"PASS_THROUGH"}
    assert press(double, window, "ESC") == {"FINISHED"}
    assert window.area.header[-1] is None
    assert str(FEWEST) in double.reports[-1][1]


def test_all_points_then_the_shapes(pointing: tuple[Pointing, Window], mesh: bpy.types.Object) -> None:
    double, window = pointing
    results = [press(double, window, "LEFTMOUSE") for _ in PICKS]
    assert results[-1] == {"FINISHED"}
    assert not missing(mesh)
    picks_of(mesh)["contour_9"].location.z += 0.01
    working = Double(transfer.FACELIFT_OT_transfer_shapes)
    window.view_layer = bpy.context.view_layer
    assert working.invoke(window, None) == {"RUNNING_MODAL"}
    assert drive(working, window, 300.0) == {"FINISHED"}
    keys = mesh.data.shape_keys.key_blocks
    assert [key.name for key in keys[1:]] == list(arkit.NAMES)
    moved = np.array([point.co for point in keys["jawOpen"].data]) - np.array([point.co for point in keys["Basis"].data])
    wanted = 10.0 * load_head().shapes[arkit.INDEX["jawOpen"]]
    assert np.corrcoef(moved.ravel(), wanted.ravel())[0, 1] > 0.8
    bpy.ops.facelift.clear_picks()
    assert not picks_of(mesh)


def test_too_few_points_are_one_sentence(mesh: bpy.types.Object) -> None:
    place_pick(mesh, "nose_bridge_4", place_of("nose_bridge_4"))
    with pytest.raises(RuntimeError, match="too few: pick at least 6"):
        bpy.ops.facelift.transfer_shapes()
    assert mesh.data.shape_keys is None


def test_a_mesh_is_needed(mesh: bpy.types.Object) -> None:
    bpy.context.scene.facelift_rig = None
    for name in ("transfer_shapes", "clear_picks", "pick_points"):
        with pytest.raises(RuntimeError, match="Choose the head's mesh"):
            getattr(bpy.ops.facelift, name)()


def test_a_click_meets_the_surface_in_its_own_coordinates(mesh: bpy.types.Object) -> None:
    """An orthographic view from the front at the tip of the nose."""
    tip = mesh.matrix_world @ place_of("nose_bridge_4")
    matrix = Matrix.Translation((0.0, 0.0, -50.0)) @ Matrix.Translation(-tip)
    view = SimpleNamespace(is_perspective=False, view_perspective="ORTHO", view_matrix=matrix, perspective_matrix=matrix, view_distance=1.0)
    context = SimpleNamespace(region=SimpleNamespace(width=100, height=100), region_data=view)
    found = transfer.point_under(context, mesh, (50, 50))
    assert found is not None
    assert (found - place_of("nose_bridge_4")).length < 0.05
    assert transfer.point_under(context, mesh, (200, 50)) is None
