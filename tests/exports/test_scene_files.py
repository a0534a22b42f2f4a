# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.types import FaceLiftError, Take
from facelift_blender.exports import scene_files
from facelift_blender.rigs import arkit
from facelift_blender.scene.build import build_take
from facelift_blender.scene.ownership import member

_SAMPLES = (1, 2, 20, 48)
_LANDMARKS = topology.NAMES[::10]


def _zooming(take: Take) -> Take:
    return replace(take, lens=replace(take.lens, focal=take.lens.focal * (1.0 + 0.3 * take.times)))


def _find(ending: str) -> bpy.types.Object:
    plain = str.maketrans("_ ", "..")
    (found,) = (thing for thing in bpy.context.scene.objects if thing.name.translate(plain).endswith(ending.translate(plain)))
    return found


def _sample() -> dict[str, np.ndarray]:
    """Landmarks in the world, shape key values, lens and camera place at some frames of the present scene."""
    found: dict[str, list] = {"landmarks": [], "weights": [], "lens": [], "camera": []}
    face = next(thing for thing in bpy.context.scene.objects if thing.type == "MESH")
    camera = next(thing for thing in bpy.context.scene.objects if thing.type == "CAMERA")
    for frame in _SAMPLES:
        bpy.context.scene.frame_set(frame)
        found["landmarks"].append([list(_find(f".{name}").matrix_world.translation) for name in _LANDMARKS])
        found["weights"].append([face.data.shape_keys.key_blocks[name].value for name in arkit.NAMES])
        found["lens"].append(camera.data.lens)
        found["camera"].append(np.array(camera.matrix_world)[:3, 3])
    return {name: np.array(values) for name, values in found.items()}


def _export_and_forget(take: Take, path: Path) -> dict[str, np.ndarray]:
    collection = build_take(take, bpy.context.scene)
    written = _sample()
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 30, 35
    scene_files.EXPORTERS[path.suffix[1:]](collection, path)
    assert (bpy.context.scene.frame_start, bpy.context.scene.frame_end) == (30, 35)
    assert list(path.parent.iterdir()) == [path]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 24
    return written


def test_fbx_comes_back_equal_on_the_same_frames(synthetic_take: Take, tmp_path: Path) -> None:
    written = _export_and_forget(_zooming(synthetic_take), tmp_path / "a.fbx")
    bpy.ops.import_scene.fbx(filepath=str(tmp_path / "a.fbx"), anim_offset=0.0)
    read = _sample()
    for name in ("landmarks", "weights", "camera"):
        assert read[name] == pytest.approx(written[name], abs=1e-4), name
    assert read["lens"] == pytest.approx(written["lens"], rel=1e-4)


def test_gltf_comes_back_equal_on_the_same_frames(synthetic_take: Take, tmp_path: Path) -> None:
    written = _export_and_forget(synthetic_take, tmp_path / "a.glb")
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "a.glb"))
    read = _sample()
    for name in ("landmarks", "weights"):
        assert read[name] == pytest.approx(written[name], abs=1e-4), name


@pytest.mark.skipif("usd_export" not in dir(bpy.ops.wm), reason="this Blender was built without USD")
def test_usd_comes_back_with_its_landmarks(synthetic_take: Take, tmp_path: Path) -> None:
    written = _export_and_forget(synthetic_take, tmp_path / "a.usd")
    bpy.ops.wm.usd_import(filepath=str(tmp_path / "a.usd"))
    for index, frame in enumerate(_SAMPLES):
        bpy.context.scene.frame_set(frame)
        places = [list(_find(f".{name}").matrix_world.translation) for name in _LANDMARKS]
        assert np.array(places) == pytest.approx(written["landmarks"][index], abs=1e-4)


def test_the_selection_and_the_frame_are_left_as_they_were(synthetic_take: Take, tmp_path: Path) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    member(collection, "Head").select_set(True)
    bpy.context.scene.frame_set(7)
    scene_files.export_fbx(collection, tmp_path / "a.fbx")
    assert bpy.context.scene.frame_current == 7
    assert bpy.context.selected_objects == [member(collection, "Head")]


def test_a_missing_exporter_is_told_in_one_sentence(synthetic_take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    monkeypatch.setattr(bpy.ops, "wm", object())
    with pytest.raises(FaceLiftError, match="cannot write USD"):
        scene_files.export_usd(collection, tmp_path / "a.usd")
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- a disk that is full


def _exporter(content: bytes, error: str = "") -> object:
    """A stand-in for one of Blender's exporters whose file ends early."""

    def export(filepath: str, **_options: object) -> set[str]:
        Path(filepath).write_bytes(content)
        if error:
            raise RuntimeError(error)
        return {"FINISHED"}

    return lambda _ending: export


_USD = b"PXR-USDC" + bytes(8) + (5000).to_bytes(8, "little")
_GLB = b"glTF" + bytes(4) + (5000).to_bytes(4, "little")


@pytest.mark.parametrize(("ending", "head"), [("usd", _USD), ("glb", _GLB), ("fbx", b""), ("usd", b"")])
def test_a_file_that_ends_early_harms_nothing(
    synthetic_take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, head: bytes
) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"what was there")
    monkeypatch.setattr(scene_files, "require_exporter", _exporter(head + bytes(100) if head else b""))
    with pytest.raises(FaceLiftError, match="see whether the disk is full"):
        scene_files.EXPORTERS[ending](collection, path)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_the_exporters_traceback_becomes_one_sentence(synthetic_take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    told = (
        "Error: Python: Traceback (most recent call last):\n  File x\nOSError: [Errno 28] No space left on device\n\nLocation: ops.py:1\n"
    )
    monkeypatch.setattr(scene_files, "require_exporter", _exporter(b"half", told))
    with pytest.raises(FaceLiftError) as caught:
        scene_files.EXPORTERS["fbx"](collection, tmp_path / "a.fbx")
    assert str(caught.value).endswith("a.fbx: OSError: [Errno 28] No space left on device.")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
