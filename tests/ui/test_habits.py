# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets, preferences, keys, words, the overlay."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlparse

import bpy
import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.kept import keep_take
from facelift_blender.capture.refine import take_confidence
from facelift_blender.capture.types import Take
from facelift_blender.scene.fit import fit_head
from facelift_blender.scene.head import landmarks_now
from facelift_blender.scene.ownership import member
from facelift_blender.scene.sight import Viewer
from facelift_blender.scene.storage import take_of
from facelift_blender.ui import german_tips, keymaps, overlay, preferences, presets, translations


@pytest.mark.parametrize("name", presets.PRESETS)
def test_a_preset_sets_what_suits_a_way_of_filming(footage: bpy.types.MovieClip, name: str) -> None:
    footage.facelift.use_range, footage.facelift.start = True, 5
    assert bpy.ops.facelift.apply_preset(preset=name) == {"FINISHED"}
    chosen = presets.PRESETS[name]
    assert footage.facelift.smoothing == pytest.approx(chosen.smoothing)
    assert footage.facelift.lens_known == (chosen.focal_mm > 0)
    assert footage.facelift.use_range


def test_a_preset_needs_a_clip() -> None:
    with pytest.raises(RuntimeError, match="Open a movie clip first"):
        bpy.ops.facelift.apply_preset(preset="SELFIE")


def test_ones_own_preset_is_kept_and_comes_back(footage: bpy.types.MovieClip) -> None:
    footage.facelift.smoothing, footage.facelift.quality = 0.125, "FINE"
    bpy.ops.facelift.add_preset(name="Mine")
    (path,) = Path(bpy.utils.user_resource("SCRIPTS")).glob(f"presets/{presets.FOLDER}/*.py")
    footage.facelift.smoothing = 0.9
    bpy.ops.script.execute_preset(filepath=str(path), menu_idname="FACELIFT_MT_presets")
    assert footage.facelift.smoothing == pytest.approx(0.125)
    path.unlink()


def test_without_preferences_there_are_defaults() -> None:
    assert preferences.preferences() == preferences.Defaults()
    assert preferences.cache_folder().is_dir()
    assert 1 <= preferences.threads() <= 4


def test_the_cache_goes_where_it_is_told(tracked: bpy.types.Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = preferences.Defaults(cache_folder=str(tmp_path / "takes"), cache_gigabytes=1e-9, threads=3)
    monkeypatch.setattr(preferences, "preferences", lambda: chosen)
    bpy.ops.facelift.track_footage()
    assert len(list((tmp_path / "takes").glob("*.npz"))) == 1
    assert preferences.threads() == 3


def test_no_two_operators_share_a_key() -> None:
    assert len({(space, letter) for space, _, letter in keymaps.KEYS}) == len(keymaps.KEYS)
    for _, operator, _ in keymaps.KEYS:
        module, name = operator.split(".")
        assert name in dir(getattr(bpy.ops, module))


def test_the_overlay_lies_on_the_face(synthetic_take: Take) -> None:
    viewer = Viewer(synthetic_take)
    assert len(viewer.look(20).wire) == 0
    viewer.wear(fit_head(viewer.head, synthetic_take.neutral))
    sight = viewer.look(20)
    assert viewer.look(99) is None
    assert np.allclose(sight.points, viewer.pixels[19])
    low, high = sight.points.min(axis=0), sight.points.max(axis=0)
    assert len(sight.wire) > 2000
    inside = ((sight.wire > low - 120) & (sight.wire < high + 120)).all(axis=(1, 2))
    assert inside.mean() > 0.9
    assert sight.contours.shape == (63, 2, 2)


def test_the_head_is_bent_once_for_a_face(synthetic_take: Take, tmp_path: Path) -> None:
    path = keep_take(synthetic_take, tmp_path)
    first = overlay._make_viewer(path, str(tmp_path), [])
    assert np.allclose(first.mesh[0], fit_head(first.head, synthetic_take.neutral)[0])
    assert overlay._make_viewer(path, str(tmp_path), [first]).mesh is first.mesh
    assert list(tmp_path.iterdir()) == [path], "what only helped is gone"


def test_the_gaze_starts_at_the_pupils(synthetic_take: Take) -> None:
    viewer = Viewer(synthetic_take)
    viewer.wear(fit_head(viewer.head, synthetic_take.neutral))
    sight = viewer.look(1)
    irises = sight.points[[68, 69]]
    assert np.linalg.norm(sight.gaze[:, 0] - irises, axis=1).max() < 25
    assert np.linalg.norm(sight.gaze[:, 1] - sight.gaze[:, 0], axis=1).max() > 1


def test_points_are_discs_coloured_by_confidence() -> None:
    positions, colors = overlay.discs(np.array([[10.0, 20.0], [30.0, 40.0]]), np.array([0.0, 1.0]), 2.0)
    assert positions.shape == (48, 3)
    assert np.abs(positions[:24, :2] - [10, 20]).max() <= 2.0
    assert colors[0] == pytest.approx(overlay.UNSURE)
    assert colors[-1] == pytest.approx(overlay.SURE)
    assert overlay.dot_radius(np.array([[0.0, 0.0], [0.0, 1e4]])) == 4.0


def test_the_overlay_is_switched(tracked: bpy.types.Collection) -> None:
    assert bpy.ops.facelift.toggle_overlay() == {"FINISHED"}
    assert not bpy.context.scene.facelift.show_overlay


def test_a_viewer_is_made_ready_by_a_thread(tracked: bpy.types.Collection) -> None:
    overlay.viewer_of(tracked)
    (future,) = overlay._viewers.values()
    future.result()
    assert overlay.viewer_of(tracked).look(3) is not None
    overlay.detach()
    assert not overlay._viewers


def test_every_translated_word_is_one_that_is_shown_and_keeps_its_gaps() -> None:
    folder = Path(translations.__file__).parent
    source = "".join(path.read_text() for path in folder.parent.rglob("*.py") if path.name != "translations.py")
    for words in translations.LANGUAGES.values():
        for english, other in words.items():
            built = english in german_tips.TIPS  # from parts; that every tip has its German is another test's
            assert built or any(f'"{word}"' in source for word in (english, english.lower())), english
            assert re.findall(r"{.*?}", english) == re.findall(r"{.*?}", other)


def test_the_panels_speak_german(footage: bpy.types.MovieClip) -> None:
    view = bpy.context.preferences.view
    if not bpy.app.build_options.international or "de_DE" not in bpy.app.translations.locales:
        pytest.skip("This Blender speaks English alone.")
    before = view.language
    view.language, view.use_translate_interface = "de_DE", True
    try:
        assert bpy.app.translations.pgettext_iface("Actors") == "Darsteller"
        assert bpy.app.translations.pgettext_iface("Track Footage", "Operator") == "Material verfolgen"
    finally:
        view.language = before


def test_the_help_is_there_and_names_every_key() -> None:
    page = Path(unquote(urlparse(preferences.HELP).path)).read_text(encoding="utf-8")
    for _, operator, letter in keymaps.KEYS:
        label = getattr(bpy.types, "FACELIFT_OT_" + operator.partition(".")[2]).bl_label
        assert f"<kbd>{letter}</kbd></td><td>{label}" in page


def test_the_empties_wear_their_regions_confidence_on_each_frame(tracked: bpy.types.Collection) -> None:
    take, regions = take_of(tracked), list(topology.REGIONS)
    told = take_confidence(take)
    for frame in (2, 9):
        bpy.context.scene.frame_set(frame)
        places, confidence = landmarks_now(tracked)
        assert places.shape == (topology.COUNT, 3)
        expected = [told[frame - 1, regions.index(row.region)] for row in topology.TABLE]
        assert confidence == pytest.approx(expected, abs=1e-5)
        assert places[0] == pytest.approx(tuple(member(tracked, topology.NAMES[0]).matrix_world.translation))


def test_places_in_the_view_are_where_blender_has_them() -> None:
    matrix = np.diag([0.5, 2.0, 1.0, 1.0])
    matrix[3, 3], matrix[3, 2] = 0.0, -1.0
    found = overlay.in_region(np.array([[1.0, 0.5, -2.0], [0.0, 0.0, 1.0]]), matrix, 200, 100)
    assert found[0] == pytest.approx([125.0, 75.0])
    assert np.isnan(found[1]).all(), "what is behind the viewer is not drawn"
