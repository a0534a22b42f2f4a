# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes of one file appended into another."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from facelift_blender.capture.take import save_take
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.exports.take_files import save_blend
from facelift_blender.scene.build import BuildSettings, build_take
from facelift_blender.scene.ownership import take_collections
from facelift_blender.scene.storage import take_of


def batched(take: Take, folder: Path) -> Path:
    """A .blend as a batch leaves it: the take beside it, named as from there."""
    folder.mkdir()
    save_take(take, folder / "shot.take.npz")
    build_take(take, bpy.context.scene, settings=BuildSettings(take_path="//shot.take.npz"))
    save_blend(folder / "shot.blend")
    return folder / "shot.blend"


def append(blend: Path, home: Path) -> bpy.types.Collection:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    home.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(home / "edit.blend"))
    with bpy.data.libraries.load(str(blend)) as (there, here):
        here.collections = [name for name in there.collections if "Actor" in name]
    return take_collections()[0]


@pytest.mark.skipif(not hasattr(bpy.app.handlers, "blend_import_post"), reason="this Blender does not tell of appending")
def test_an_appended_take_is_found_where_it_came_from(synthetic_take: Take, tmp_path: Path) -> None:
    collection = append(batched(synthetic_take, tmp_path / "shot"), tmp_path / "edit")
    assert np.array_equal(take_of(collection).weights, synthetic_take.weights)
    bpy.ops.wm.save_mainfile()
    (tmp_path / "shot" / "shot.take.npz").unlink()
    assert np.array_equal(take_of(collection).weights, synthetic_take.weights), "it was copied beside the file that was saved"


def test_one_that_is_not_found_is_told_what_to_do(synthetic_take: Take, tmp_path: Path) -> None:
    blend = batched(synthetic_take, tmp_path / "shot")
    (tmp_path / "shot" / "shot.take.npz").unlink()
    with pytest.raises(FaceLiftError, match="pack it into the file that the take was appended from"):
        take_of(append(blend, tmp_path / "edit"))
