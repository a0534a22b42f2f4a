# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest

from facelift_blender.registration import _CLASSES
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.ui import job, layouts
from facelift_blender.ui.take import panels as take_panels
from facelift_blender.ui.track import panels as track_panels


class Layout:
    """Records what a panel draws."""

    def __init__(self, drawn: list[tuple[str, str]] | None = None) -> None:
        self.drawn = [] if drawn is None else drawn

    def _sub(self, **_options: object) -> Layout:
        return Layout(self.drawn)

    row = column = split = grid_flow = _sub

    def template_list(self, kind: str, _name: str, data: object, items: str, holder: object, index: str, **_options: object) -> None:
        assert hasattr(bpy.types, kind)
        assert hasattr(data, items)
        self.prop(holder, index)

    def template_icon(self, **_options: object) -> None:
        self.drawn.append(("icon", ""))

    def label(self, text: str = "", **_options: object) -> None:
        self.drawn.append(("label", text))

    def prop(self, data: object, name: str, **_options: object) -> None:
        assert name in data.bl_rna.properties
        self.drawn.append(("prop", name))

    def operator(self, name: str, **_options: object) -> SimpleNamespace:
        module, function = name.split(".")
        assert function in dir(getattr(bpy.ops, module))
        self.drawn.append(("operator", name))
        return SimpleNamespace()

    def popover(self, panel: str, **_options: object) -> None:
        assert hasattr(bpy.types, panel)

    def template_ID(self, data: object, name: str, **_options: object) -> None:  # noqa: N802
        self.prop(data, name)

    def progress(self, text: str, **_options: object) -> None:
        self.drawn.append(("progress", text))


def _draw(panel: type, space: str = "VIEW_3D") -> list[tuple[str, str]]:
    region, preferences = SimpleNamespace(width=280), bpy.context.preferences
    context = SimpleNamespace(
        space_data=SimpleNamespace(type=space, clip=None), scene=bpy.context.scene, region=region, preferences=preferences
    )
    if hasattr(panel, "poll") and not panel.poll(context):
        return []
    layout = Layout()
    panel.draw(SimpleNamespace(layout=layout), context)
    return layout.drawn


def test_every_panel_sits_in_a_tab_of_ours() -> None:
    panels = [cls for cls in _CLASSES if issubclass(cls, bpy.types.Panel) and cls.bl_region_type == "UI"]
    assert {panel.bl_category for panel in panels} == {"FaceLift"}
    assert {panel.bl_space_type for panel in panels} == {"CLIP_EDITOR", "VIEW_3D"}
    assert all(panel.is_registered for panel in panels)


def test_without_a_clip_the_clip_editor_offers_to_open_one() -> None:
    assert ("operator", "clip.open") in _draw(track_panels.FACELIFT_PT_clip_track, "CLIP_EDITOR")


@pytest.mark.parametrize("known", [False, True])
def test_the_focal_length_is_asked_for_only_where_it_is_known(footage: bpy.types.MovieClip, known: bool) -> None:
    footage.facelift.lens_known = known
    drawn = _draw(track_panels.FACELIFT_PT_view_track)
    assert (("prop", "focal_mm") in drawn) is known
    assert ("operator", "facelift.track_footage") in drawn


def test_while_it_runs_there_is_progress_and_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "current", lambda: SimpleNamespace(factor=0.5, station=lambda: "Landmarks 6/12", pace=lambda: "9 s left"))
    drawn = _draw(track_panels.FACELIFT_PT_view_track)
    assert ("progress", "Landmarks 6/12") in drawn
    assert ("operator", "facelift.stop_tracking") in drawn
    assert ("operator", "facelift.track_footage") not in drawn


def test_the_take_tells_its_figures_and_warnings(footage: bpy.types.MovieClip, road: object) -> None:
    assert _draw(take_panels.FACELIFT_PT_view_take) == []
    road.take.provenance["warnings"] = ["The motion does not determine the focal length, so a usual one is assumed."]
    bpy.ops.facelift.track_footage()
    text = " ".join(text for kind, text in _draw(take_panels.FACELIFT_PT_view_take) if kind == "label")
    for words in ("Frames 12", "0.00 px", "39.4 mm, solved", "39.4 to 39.4 mm", "so a usual one is assumed."):
        assert words in text
    assert "runs at" not in text


def test_a_scene_that_runs_at_another_rate_is_pointed_out(footage: bpy.types.MovieClip, road: object) -> None:
    bpy.ops.facelift.track_footage()
    bpy.context.scene.render.fps = 30
    text = " ".join(text for kind, text in _draw(take_panels.FACELIFT_PT_view_take) if kind == "label")
    assert "The scene runs at 30 frames/s, the clip at 24" in text


def test_exports_are_offered_for_the_chosen_take(footage: bpy.types.MovieClip, road: object) -> None:
    assert _draw(take_panels.FACELIFT_PT_view_export) == []
    bpy.ops.facelift.track_footage()
    offered = [name for _, name in _draw(take_panels.FACELIFT_PT_view_export)]
    assert offered[:4] == ["facelift.export_fbx", "facelift.export_livelink", "facelift.export_json", "facelift.export_review"]
    menu = SimpleNamespace(layout=Layout())
    take_panels.draw_export_menu(menu, bpy.context)
    assert len(menu.layout.drawn) == 3


def test_a_head_that_a_person_deleted_does_not_break_the_panel(footage: bpy.types.MovieClip, road: object) -> None:
    bpy.ops.facelift.track_footage()
    bpy.data.objects.remove(member(take_collections()[0], "Head"))
    assert _draw(take_panels.FACELIFT_PT_view_take) == [("prop", "take")]


@pytest.mark.parametrize(("width", "expected"), [(280, 29), (600, 72), (20, 16)])
def test_sentences_are_wrapped_to_the_width_of_the_panel(width: int, expected: int) -> None:
    context = SimpleNamespace(region=SimpleNamespace(width=width), preferences=SimpleNamespace(system=SimpleNamespace(ui_scale=1.0)))
    assert layouts.letters(context) == expected
