# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import bpy
import numpy as np
import pytest

from facelift_blender.scene.actions import Curve, Keys, Track, has_slots, read_curve, vector_curves, write_tracks


def _empty(name: str) -> bpy.types.Object:
    thing = bpy.data.objects.new(name, None)
    bpy.context.scene.collection.objects.link(thing)
    return thing


def _actions() -> Callable[[str], bpy.types.Action]:
    return cache(lambda name: bpy.data.actions.new(name or "all"))


def _keys(count: int, holds: tuple[int, ...] = ()) -> Keys:
    return Keys(np.arange(1.0, count + 1.0), np.isin(np.arange(count), holds))


def test_keys_come_back_as_they_were_written() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    thing = _empty("a")
    write_tracks([Track("a", thing, vector_curves("location", values, _keys(50)))], _actions())
    for frame in (1, 17, 50):
        bpy.context.scene.frame_set(frame)
        assert list(thing.matrix_world.translation) == pytest.approx(values[frame - 1], abs=1e-6)


def test_between_keys_the_way_is_straight_and_over_a_gap_the_value_holds() -> None:
    thing = _empty("a")
    keys = Keys(np.array([1.0, 2.0, 20.0]), np.array([False, True, False]))
    write_tracks([Track("a", thing, [Curve("location", np.array([0.0, 1.0, 5.0]), keys)])], _actions())
    curve = read_curve(thing, "location", 0)
    assert curve.evaluate(1.25) == pytest.approx(0.25)
    assert curve.evaluate(11.0) == pytest.approx(1.0)
    assert curve.evaluate(20.0) == pytest.approx(5.0)


def test_many_owners_share_one_action_where_there_are_slots() -> None:
    things = [_empty(str(index)) for index in range(5)]
    values = np.arange(6.0).reshape(2, 3)
    tracks = [Track(thing.name, thing, vector_curves("location", values + index, _keys(2))) for index, thing in enumerate(things)]
    write_tracks(tracks, _actions())
    assert len(bpy.data.actions) == (1 if has_slots() else 5)
    bpy.context.scene.frame_set(2)
    assert [thing.matrix_world.translation.x for thing in things] == pytest.approx([3.0, 4.0, 5.0, 6.0, 7.0])


def test_writing_again_replaces_the_curves() -> None:
    thing, actions = _empty("a"), _actions()
    write_tracks([Track("a", thing, vector_curves("location", np.zeros((9, 3)), _keys(9)))], actions)
    write_tracks([Track("a", thing, [Curve("location", np.ones(4), _keys(4))])], actions)
    assert len(read_curve(thing, "location", 0).keyframe_points) == 4
    assert read_curve(thing, "location", 1) is None
    assert len(bpy.data.actions) == 1


def test_an_action_that_a_person_put_there_is_kept_in_the_file() -> None:
    thing = _empty("a")
    thing.keyframe_insert("location", frame=7)
    theirs = thing.animation_data.action
    write_tracks([Track("a", thing, [Curve("location", np.ones(4), _keys(4))])], _actions())
    assert thing.animation_data.action != theirs
    assert theirs.use_fake_user


def test_an_owner_without_keys_has_no_curve() -> None:
    assert read_curve(_empty("a"), "location") is None


def test_three_thousand_frames_by_256_curves_take_half_a_second() -> None:
    thing, keys = _empty("a"), _keys(3000)
    values = np.random.default_rng(0).normal(size=(3000, 256))
    curves = [Curve(f'["p{index}"]', values[:, index], keys) for index in range(256)]
    seconds = []
    for _ in range(3):
        start = time.process_time()
        write_tracks([Track("a", thing, curves)], _actions())
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5
