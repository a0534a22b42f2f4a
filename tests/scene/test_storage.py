# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from facelift_blender.capture.kept import keep_take
from facelift_blender.capture.take import save_take
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.scene import storage
from facelift_blender.scene.build import build_take
from facelift_blender.scene.ownership import member, take_collections
from facelift_blender.scene.storage import refer_to, take_of


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def kept(synthetic_take: Take, cache: Path) -> bpy.types.Collection:
    """A take in the scene whose adjusted and solved parts are two files."""
    collection = build_take(synthetic_take, bpy.context.scene)
    solved = replace(synthetic_take, neutral=synthetic_take.neutral * 1.1)
    refer_to(collection, keep_take(synthetic_take, cache), keep_take(solved, cache))
    return collection


def assert_whole(take: Take) -> None:
    (collection,) = take_collections()
    assert np.array_equal(take_of(collection).weights, take.weights)
    assert np.array_equal(take_of(collection, "solved").neutral, take.neutral * 1.1)


def reopen(path: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(path))


def test_a_take_is_read_from_its_file(kept: bpy.types.Collection, synthetic_take: Take) -> None:
    assert_whole(synthetic_take)


def test_a_file_that_is_gone_is_told_in_one_sentence(kept: bpy.types.Collection, cache: Path) -> None:
    for path in cache.iterdir():
        path.unlink()
    with pytest.raises(FaceLiftError, match="track the footage again"):
        take_of(kept)


def test_a_saved_file_has_its_takes_beside_it(kept: bpy.types.Collection, synthetic_take: Take, cache: Path, tmp_path: Path) -> None:
    blend = tmp_path / "shot.blend"
    assert len(storage.keep_beside(blend)) == 2
    assert storage.keep_beside(blend) == []
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    for path in cache.iterdir():
        path.unlink()
    reopen(blend)
    assert_whole(synthetic_take)


def test_a_folder_that_is_moved_keeps_its_takes(kept: bpy.types.Collection, synthetic_take: Take, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    storage.keep_beside(tmp_path / "old" / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "old" / "shot.blend"))
    for path in cache.iterdir():
        path.unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    reopen(tmp_path / "new" / "shot.blend")
    assert_whole(synthetic_take)


def test_packed_it_needs_no_file(kept: bpy.types.Collection, synthetic_take: Take, cache: Path, tmp_path: Path) -> None:
    storage.pack(kept)
    storage.pack(kept)
    assert len(bpy.data.images) == 2
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    for path in cache.iterdir():
        path.unlink()
    reopen(tmp_path / "shot.blend")
    assert storage.keep_beside(tmp_path / "shot.blend") == []
    assert_whole(synthetic_take)
    (collection,) = take_collections()
    storage.unpack(collection, cache)
    assert not storage.is_packed(collection)
    assert len(list(cache.iterdir())) + len(list(Path(bpy.app.tempdir).glob("*.take.npz"))) >= 2
    assert_whole(synthetic_take)


def test_a_packed_take_that_changes_is_packed_anew(kept: bpy.types.Collection, synthetic_take: Take, cache: Path) -> None:
    storage.pack(kept)
    path = keep_take(replace(synthetic_take, weights=synthetic_take.weights * 0.5), cache)
    refer_to(kept, path, path)
    (image,) = bpy.data.images
    assert image.packed_file.data == path.read_bytes()


def test_appended_into_another_file_it_brings_its_take(
    kept: bpy.types.Collection, synthetic_take: Take, cache: Path, tmp_path: Path
) -> None:
    storage.pack(kept)
    name = kept.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    for path in cache.iterdir():
        path.unlink()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend")) as (_source, target):
        target.collections = [name]
    assert_whole(synthetic_take)


def test_linked_from_another_file_it_is_found_beside_that(kept: bpy.types.Collection, synthetic_take: Take, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    name = kept.name
    member(kept, "Head")["take"] = "//batch.take.npz"
    member(kept, "Head")["solved"] = ""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a" / "library.blend"))
    save_take(synthetic_take, tmp_path / "a" / "batch.take.npz")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(str(tmp_path / "a" / "library.blend"), link=True) as (_source, target):
        target.collections = [name]
    (collection,) = take_collections()
    assert np.array_equal(take_of(collection).weights, synthetic_take.weights)
    assert storage.local_takes() == []


def test_undo_brings_back_the_earlier_take(kept: bpy.types.Collection, synthetic_take: Take, cache: Path) -> None:
    bpy.ops.ed.undo_push(message="first")
    path = keep_take(replace(synthetic_take, weights=synthetic_take.weights * 0.5), cache)
    refer_to(take_collections()[0], path, path)
    bpy.ops.ed.undo_push(message="second")
    bpy.ops.ed.undo()
    assert_whole(synthetic_take)


def test_old_files_go_when_there_are_too_many(kept: bpy.types.Collection, synthetic_take: Take, cache: Path) -> None:
    old = [keep_take(synthetic_take, cache) for _ in range(3)]
    size = old[0].stat().st_size
    for days, path in enumerate((*old, *(Path(member(kept, "Head")[kind]) for kind in storage.KINDS))):
        os.utime(path, (1e9 - 1e5 * days,) * 2)
    fresh = keep_take(synthetic_take, cache)
    assert storage.clean(cache, 100 * size) == []
    assert storage.clean(cache, int(2.5 * size)) == old[1:]
    assert fresh.exists()
    assert_whole(synthetic_take)


def test_unused_files_beside_the_blend_are_told(kept: bpy.types.Collection, synthetic_take: Take, tmp_path: Path) -> None:
    assert storage.unused_beside() == []
    storage.keep_beside(tmp_path / "shot.blend")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    unused = keep_take(synthetic_take, tmp_path / "shot.facelift")
    assert storage.unused_beside() == [unused]
