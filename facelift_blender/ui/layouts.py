# SPDX-License-Identifier: GPL-3.0-or-later
"""What panels share: where they sit, and how they write sentences and figures."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import bpy
from bpy.app.translations import pgettext_iface as tr

from .job import Job


class InClipEditor:
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = "FaceLift"


class InView3D:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "FaceLift"


def split(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """The layout with names on the left and values on the right, as Blender's own panels have them."""
    layout.use_property_split, layout.use_property_decorate = True, False
    return layout


def table(column: bpy.types.UILayout, rows: Iterable[tuple[str, str]]) -> None:
    """Figures, a line each."""
    for label, text in rows:
        row = column.split(factor=0.4)
        row.label(text=tr(label))
        row.label(text=text, translate=False)


def notes(layout: bpy.types.UILayout, sentences: Iterable[str], width: int, icon: str = "ERROR") -> None:
    """Sentences, wrapped to so many letters."""
    for sentence in sentences:
        column = layout.column(align=True)
        for index, line in enumerate(textwrap.wrap(sentence, width)):
            column.label(text=line, icon=icon if index == 0 else "BLANK1", translate=False)


def progress(layout: bpy.types.UILayout, running: Job) -> None:
    """How far a job is, how long it will take, and a button to stop it."""
    row = layout.row(align=True)
    row.progress(factor=running.factor, text=running.station())
    row.operator("facelift.stop_tracking", text="", icon="CANCEL")
    layout.label(text=running.pace(), translate=False)


def letters(context: bpy.types.Context) -> int:
    """About how many letters fit beside an icon in a line of the panel."""
    scale = context.preferences.system.ui_scale or 1.0
    return max(round(context.region.width / scale / 7.5) - 8, 16)
