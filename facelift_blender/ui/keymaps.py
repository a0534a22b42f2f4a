# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, in FaceLift's part of the keymap editor, where a person may change them."""

from __future__ import annotations

from typing import Any, Final

import bpy

_CLIP: Final = ("Clip", "CLIP_EDITOR")
KEYS: Final = (
    (_CLIP, "facelift.track_footage", "T"),
    (_CLIP, "facelift.refine", "R"),
    (_CLIP, "facelift.worst_frame", "W"),
    (_CLIP, "facelift.lock_frame", "L"),
    (_CLIP, "facelift.toggle_overlay", "O"),
    (("3D View", "VIEW_3D"), "facelift.look_through_camera", "C"),
)
"""Each with Ctrl, Alt and Shift."""

_added: list[tuple[Any, Any]] = []


def attach() -> None:
    """Add the keys; without a window there are none."""
    keys = bpy.context.window_manager.keyconfigs.addon
    if keys is None:
        return
    for (name, space), operator, letter in KEYS:
        keymap = keys.keymaps.new(name=name, space_type=space)
        _added.append((keymap, keymap.keymap_items.new(operator, letter, "PRESS", ctrl=True, alt=True, shift=True)))


def detach() -> None:
    """Take them out again."""
    while _added:
        keymap, item = _added.pop()
        keymap.keymap_items.remove(item)
