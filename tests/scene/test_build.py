# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy
import cv2
import numpy as np
import pytest
from bpy_extras.object_utils import world_to_camera_view
from synthetic import Performance, make_take

from facelift_blender.capture import topology
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Distortion, FaceLiftError, Take
from facelift_blender.rigs import arkit
from facelift_blender.scene.actions import read_curve
from facelift_blender.scene.build import BuildSettings, build_take
from facelift_blender.scene.ownership import find_collection, member
from facelift_blender.scene.timing import Timing


def _pixels(collection: bpy.types.Collection, width: int, height: int) -> np.ndarray:
    """The landmark empties seen through the take's camera at the present frame: (N, 2) pixels from the top left."""
    scene, camera = bpy.context.scene, member(collection, "Camera")
    seen = [world_to_camera_view(scene, camera, member(collection, name).matrix_world.translation) for name in topology.NAMES]
    return np.array([[view.x * width, (1.0 - view.y) * height] for view in seen])


def _assert_on_plate(take: Take, collection: bpy.types.Collection) -> None:
    expected = project(take)
    for index in (0, 13, len(take) - 1):
        bpy.context.scene.frame_set(int(take.frames[index]))
        assert _pixels(collection, take.clip.width, take.clip.height) == pytest.approx(expected[index], abs=0.05)


def _moving(take: Take) -> Take:
    """The same head in front of a camera that pans, travels and zooms."""
    angle, poses = 0.3 * take.times, np.tile(np.eye(4), (len(take), 1, 1))
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
    poses[:, :3, 3] = np.stack([0.1 * take.times, -0.05 * take.times, 0.2 * take.times], axis=1)
    return replace(take, camera_poses=poses, lens=replace(take.lens, focal=take.lens.focal * (1.0 + 0.2 * take.times)))


def test_through_blenders_camera_the_landmarks_fall_where_the_solve_has_them(synthetic_take: Take) -> None:
    _assert_on_plate(synthetic_take, build_take(synthetic_take, bpy.context.scene))


def test_also_with_a_moving_zooming_camera(synthetic_take: Take) -> None:
    _assert_on_plate(_moving(synthetic_take), build_take(_moving(synthetic_take), bpy.context.scene))


def test_also_with_a_shifted_lens_and_pixels_that_are_not_square(synthetic_take: Take) -> None:
    odd = replace(synthetic_take, lens=replace(synthetic_take.lens, center=(600.0, 400.0), pixel_aspect=1.4587, sensor_width=23.5))
    _assert_on_plate(odd, build_take(odd, bpy.context.scene))


def test_also_for_a_tall_clip_in_a_scene_in_centimetres() -> None:
    take = make_take(Performance(frames=20, width=720, height=1280))
    bpy.context.scene.unit_settings.scale_length = 0.01
    collection = build_take(take, bpy.context.scene)
    _assert_on_plate(take, collection)
    away = member(collection, "Head").matrix_world.translation.length
    assert away == pytest.approx(np.linalg.norm(take.translations[-1]) * 100.0, rel=1e-5)


def test_the_landmarks_carry_expression_alone(synthetic_take: Take) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    bpy.context.scene.frame_set(int(synthetic_take.frames[30]))
    place = member(collection, topology.NAMES[57]).location
    x, y, z = synthetic_take.landmarks[30, 57]
    assert list(place) == pytest.approx([x, -z, y], abs=1e-6)


def test_the_face_has_the_52_shapes_keyed_from_the_weights(synthetic_take: Take) -> None:
    face = member(build_take(synthetic_take, bpy.context.scene), "Face")
    assert tuple(face.data.shape_keys.key_blocks.keys()) == ("Basis", *arkit.NAMES)
    bpy.context.scene.frame_set(int(synthetic_take.frames[21]))
    values = [face.data.shape_keys.key_blocks[name].value for name in arkit.NAMES]
    assert values == pytest.approx(synthetic_take.weights[21], abs=1e-6)
    assert face.parent.name.endswith("Head")


def test_one_collection_and_where_there_are_slots_one_action(synthetic_take: Take) -> None:
    collection = build_take(synthetic_take, bpy.context.scene)
    assert collection.name == "synthetic . Actor 1"
    assert collection.name in bpy.data.collections["FaceLift"].children
    names = [action.name for action in bpy.data.actions]
    assert all(name.startswith("FaceLift.synthetic.Actor 1") for name in names)
    assert len(names) == (1 if bpy.app.version >= (4, 4, 0) else 2 + topology.COUNT)


def test_a_still_prime_camera_has_no_keys(synthetic_take: Take) -> None:
    camera = member(build_take(synthetic_take, bpy.context.scene), "Camera")
    assert camera.animation_data is None
    assert camera.data.animation_data is None
    assert camera.data.lens == pytest.approx(1400.0 * 36.0 / 1280.0)


def test_building_again_fills_the_same_objects_and_leaves_the_rest_alone(synthetic_take: Take) -> None:
    scene = bpy.context.scene
    collection = build_take(synthetic_take, scene)
    before = {kind: set(getattr(bpy.data, kind)) for kind in ("objects", "meshes", "actions", "cameras", "materials", "collections")}
    theirs = member(collection, "Head").copy()
    theirs.animation_data.action = mine = theirs.animation_data.action.copy()
    collection.objects.link(theirs)
    child = bpy.data.objects.new("child", None)
    child.parent = member(collection, "Head")
    again = build_take(_moving(synthetic_take), scene)
    assert again == collection
    after = {kind: set(getattr(bpy.data, kind)) for kind in before}
    added = {kind: after[kind] - before[kind] for kind in before}
    assert added.pop("objects") == {theirs, child}
    assert mine in added.pop("actions")
    assert not any(added.values())
    assert child.parent == member(collection, "Head")
    assert theirs.animation_data.action == mine
    _assert_on_plate(_moving(synthetic_take), collection)


def test_what_a_person_deleted_comes_back_and_what_they_renamed_keeps_its_name(synthetic_take: Take) -> None:
    scene = bpy.context.scene
    collection = build_take(synthetic_take, scene)
    member(collection, "Head").name = "Hero"
    bpy.data.objects.remove(member(collection, "nose_bridge_1"))
    bpy.data.meshes.remove(member(collection, "Face").data)
    build_take(synthetic_take, scene)
    assert member(collection, "Head").name == "Hero"
    _assert_on_plate(synthetic_take, collection)
    assert len(member(collection, "Face").data.shape_keys.key_blocks) == 53


def test_two_actors_live_beside_each_other(synthetic_take: Take) -> None:
    first = build_take(synthetic_take, bpy.context.scene)
    second = build_take(replace(synthetic_take, actor="Actor 2", translations=synthetic_take.translations + 0.1), bpy.context.scene)
    assert first != second
    assert find_collection("Actor 2", "synthetic.mp4") == second
    _assert_on_plate(synthetic_take, first)


def _with_gap(take: Take, first: int, last: int) -> Take:
    valid, weights, rotations = take.valid.copy(), take.weights.copy(), take.rotations.copy()
    valid[first : last + 1] = False
    weights[first : last + 1] = rotations[first : last + 1] = np.nan
    return replace(take, valid=valid, weights=weights, rotations=rotations)


def test_a_short_gap_is_bridged(synthetic_take: Take) -> None:
    collection = build_take(_with_gap(synthetic_take, 10, 13), bpy.context.scene)
    curve = read_curve(member(collection, "Head"), "location", 0)
    middle = np.mean([curve.evaluate(10), curve.evaluate(15)])
    assert curve.evaluate(12.5) == pytest.approx(middle)
    assert read_curve(member(collection, "Head"), '["tracked"]').evaluate(12) == 1.0


def test_over_a_long_gap_nothing_moves_and_the_face_is_hidden(synthetic_take: Take) -> None:
    collection = build_take(_with_gap(synthetic_take, 10, 29), bpy.context.scene)
    head, face = member(collection, "Head"), member(collection, "Face")
    curve = read_curve(head, "location", 0)
    assert curve.evaluate(25.0) == curve.evaluate(10.0) != curve.evaluate(31.0)
    states = []
    for frame in (10, 11, 30, 31):
        bpy.context.scene.frame_set(frame)
        states.append((head["tracked"], face.hide_viewport, face.hide_render))
    assert states == [(1.0, False, False), (0.0, True, True), (0.0, True, True), (1.0, False, False)]


def test_no_key_is_ever_nan(synthetic_take: Take) -> None:
    residuals = np.where(np.arange(len(synthetic_take)) == 5, np.nan, synthetic_take.residuals)
    collection = build_take(replace(_with_gap(synthetic_take, 0, 3), residuals=residuals), bpy.context.scene)
    for path in ("location", '["residual_px"]', '["confidence"]'):
        points = read_curve(member(collection, "Head"), path).keyframe_points
        written = np.empty(2 * len(points), np.float32)
        points.foreach_get("co", written)
        assert np.isfinite(written).all()


def test_a_take_without_a_face_is_refused_in_one_sentence(synthetic_take: Take) -> None:
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        build_take(_with_gap(synthetic_take, 0, 47), bpy.context.scene)
    assert not bpy.data.objects


def test_a_single_frame_is_built(synthetic_take: Take) -> None:
    collection = build_take(_with_gap(synthetic_take, 1, 47), bpy.context.scene)
    assert len(read_curve(member(collection, "Head"), "location").keyframe_points) == 1


def test_the_scene_is_left_as_it_is_unless_asked(synthetic_take: Take) -> None:
    scene = bpy.context.scene
    scene.render.fps, scene.frame_end, scene.render.resolution_x = 30, 99, 640
    build_take(synthetic_take, scene, settings=BuildSettings(Timing.FRAMES))
    assert (scene.render.fps, scene.frame_end, scene.render.resolution_x) == (30, 99, 640)


def test_real_time_is_kept_at_another_rate(synthetic_take: Take) -> None:
    scene = bpy.context.scene
    scene.render.fps = 60
    head = member(build_take(synthetic_take, scene, settings=BuildSettings(Timing.TIME)), "Head")
    scene.frame_set(1 + 25)
    expected = read_curve(head, "location").evaluate(1.0 + 60.0 * synthetic_take.times[10])
    assert head.location.x == pytest.approx(expected, abs=1e-6)
    assert read_curve(head, "location").range()[1] == pytest.approx(1.0 + 60.0 * synthetic_take.times[-1])


@pytest.fixture
def footage(tmp_path: Path) -> bpy.types.MovieClip:
    path = tmp_path / "Gesicht ö 顔.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 24, (64, 36))
    for _ in range(3):
        writer.write(np.zeros((36, 64, 3), np.uint8))
    writer.release()
    return bpy.data.movieclips.load(str(path))


def _filmed(take: Take, footage: bpy.types.MovieClip) -> Take:
    return replace(take, clip=replace(take.clip, path=footage.filepath))


def test_the_plate_lies_behind_the_camera(synthetic_take: Take, footage: bpy.types.MovieClip) -> None:
    camera = member(build_take(_filmed(synthetic_take, footage), bpy.context.scene), "Camera").data
    build_take(_filmed(synthetic_take, footage), bpy.context.scene, footage)
    (plate,) = camera.background_images
    assert (plate.clip, plate.alpha, plate.display_depth) == (footage, 1.0, "BACK")
    assert not plate.clip_user.use_render_undistorted
    assert len(bpy.data.movieclips) == 1


def test_the_lens_model_of_the_solve_is_on_the_clip(synthetic_take: Take, footage: bpy.types.MovieClip) -> None:
    bent = replace(synthetic_take.lens, distortion=Distortion("BROWN", (-0.1, 0.01, 0.0, 0.0, 0.002, -0.001)))
    collection = build_take(replace(_filmed(synthetic_take, footage), lens=bent), bpy.context.scene, footage)
    camera = footage.tracking.camera
    assert (camera.distortion_model, camera.brown_k1, camera.brown_p2) == ("BROWN", pytest.approx(-0.1), pytest.approx(-0.001))
    assert member(collection, "Camera").data.background_images[0].clip_user.use_render_undistorted


def test_saving_and_loading_keeps_what_belongs_to_a_take(synthetic_take: Take, tmp_path: Path) -> None:
    build_take(synthetic_take, bpy.context.scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    collection = find_collection("Actor 1", "synthetic.mp4")
    count = len(bpy.data.objects)
    assert build_take(synthetic_take, bpy.context.scene) == collection
    assert len(bpy.data.objects) == count
    _assert_on_plate(synthetic_take, collection)


def test_undo_takes_all_of_it_back_and_redo_brings_it_again(synthetic_take: Take, footage: bpy.types.MovieClip) -> None:
    bpy.ops.ed.undo_push(message="before")
    kinds = ("objects", "meshes", "actions", "cameras", "materials", "collections", "shape_keys")
    before = {kind: set(getattr(bpy.data, kind).keys()) for kind in kinds}
    build_take(_filmed(synthetic_take, footage), bpy.context.scene)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert {kind: set(getattr(bpy.data, kind).keys()) for kind in kinds} == before
    assert (bpy.context.scene.frame_end, bpy.context.scene.camera) == (250, None)
    bpy.ops.ed.redo()
    footage = bpy.data.movieclips[0]
    collection = build_take(_filmed(synthetic_take, footage), bpy.context.scene, footage)
    assert len(bpy.data.objects) == 3 + topology.COUNT
    _assert_on_plate(synthetic_take, collection)


def test_the_head_tells_how_sure_the_take_is(synthetic_take: Take) -> None:
    sure = replace(synthetic_take, lens=replace(synthetic_take.lens, focal_interval=(1200.0, 1600.0)))
    head = member(build_take(sure, bpy.context.scene, settings=BuildSettings(take_path="//a.take.npz")), "Head")
    assert head["focal_low_mm"] == pytest.approx(1200.0 * 36.0 / 1280.0)
    assert head["take"] == "//a.take.npz"
    assert read_curve(head, '["confidence"]').evaluate(5.0) == pytest.approx(1.0)
