# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing: rest is still, blinks stay whole and in time, nothing lags, gaps are bridged or kept."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from synthetic import face, rotation, shapes

from facelift_blender.capture import head_pose, smoothing
from facelift_blender.rigs import arkit

LIDS = [37, 38, 40, 41]


def bend(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.diff(values, 2, axis=0) ** 2)))


def blinks(count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Lid landmarks (T, 12) of blinks three frames wide at irregular times, and the weight (T,)."""
    times = np.arange(count)
    weight = sum(np.exp(-0.5 * ((times - start) / 1.3) ** 2) for start in (30.3, 71.0, 113.7, 160.2, 205.5))
    return (weight[:, None, None] * shapes()[arkit.INDEX["eyeBlinkRight"]][LIDS]).reshape(count, -1), weight


@pytest.mark.parametrize("noise", [0.0002, 0.0005])
def test_blinks_keep_amplitude_and_timing(noise: float) -> None:
    """At half smoothing: 96.5 % of the amplitude that the noisy signal has, half a frame of the true time."""
    truth, weight = blinks()
    noisy = truth + np.random.default_rng(0).normal(0, noise, truth.shape)
    along = truth.T @ weight / (weight @ weight)
    read, raw = (values @ along / (along @ along) for values in (smoothing.smooth_moves(noisy, 0.5), noisy))
    for start in (30.3, 71.0, 113.7, 160.2, 205.5):
        rows = np.arange(int(start) - 4, int(start) + 6)
        assert read[rows].max() > 0.965 * raw[rows].max()
        assert abs(read[rows] @ rows / read[rows].sum() - weight[rows] @ rows / weight[rows].sum()) < 0.5


def test_rest_between_blinks_is_fifteen_times_stiller() -> None:
    truth, weight = blinks()
    noisy = truth + np.random.default_rng(1).normal(0, 0.0004, truth.shape)
    rest = np.convolve(weight, np.ones(9), "same") < 1e-3
    assert bend(smoothing.smooth_moves(noisy, 0.5)[rest]) < bend(noisy[rest]) / 15


def test_noise_in_depth_does_not_hide_a_blink() -> None:
    """Depth three times as noisy as what is across: the blink keeps 95 % of its amplitude all the same."""
    truth, weight = blinks()
    noisy = truth + np.random.default_rng(0).normal(0, 1, truth.shape) * np.tile([0.0005, 0.0005, 0.0015], truth.shape[1] // 3)
    along = truth.T @ weight / (weight @ weight)
    read = smoothing.smooth_moves(noisy, 0.5) @ along / (along @ along)
    assert np.polyfit(weight, read, 1)[0] > 0.95


def test_a_face_that_never_rests_is_not_taken_for_noise() -> None:
    """Lids that jump every other frame all along, as in old film shown twice: four fifths of the way are kept."""
    random = np.random.default_rng(2)
    jumps = np.repeat(random.uniform(0, 1, 60), 2)
    truth = jumps[:, None] * shapes()[arkit.INDEX["eyeBlinkRight"]][LIDS].ravel()
    kept = smoothing.smooth_moves(truth + random.normal(0, 0.0002, truth.shape), 0.5)
    along = truth.T @ jumps / (jumps @ jumps)
    assert np.polyfit(jumps, kept @ along / (along @ along), 1)[0] > 0.8


def test_motion_that_never_rests_is_not_taken_for_noise() -> None:
    """A head shaken hard all the time, seen to 2 milliradians: what is told of the noise keeps the shaking."""
    angles = np.cumsum(np.random.default_rng(1).normal(0, 0.05, (120, 3)), axis=0)
    shaken = rotation(angles)
    errors = [
        head_pose.rotation_vector(np.swapaxes(shaken, 1, 2) @ smoothing.smooth_rotations(shaken, 0.5, certainty)).std()
        for certainty in (None, np.full(120, 1 / 0.002**2 / 3))
    ]
    assert errors[1] < 0.5 * errors[0]


def test_more_smoothing_is_stiller_and_none_is_raw() -> None:
    noisy = np.random.default_rng(2).normal(0, 1, (200, 6))
    bends = [bend(smoothing.smooth(noisy, amount)) for amount in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert bends == sorted(bends, reverse=True)
    np.testing.assert_array_equal(smoothing.smooth(noisy, 0.0), noisy)


def test_a_straight_line_is_left_alone() -> None:
    line = np.linspace(0, 5, 80)[:, None] * np.array([1.0, -2.0]) + 3.0
    np.testing.assert_allclose(smoothing.smooth(line, 0.9), line, atol=1e-6)


def test_time_reversed_is_the_same_and_nothing_lags() -> None:
    noisy = blinks()[0] + np.random.default_rng(3).normal(0, 0.0004, (240, 12))
    np.testing.assert_allclose(smoothing.smooth(noisy[::-1], 0.5)[::-1], smoothing.smooth(noisy, 0.5), atol=1e-9)


def test_gaps_are_bridged_smoothly() -> None:
    truth = np.sin(np.arange(60) / 8)[:, None] * np.ones(3)
    gappy = truth.copy()
    gappy[20:26] = np.nan
    for amount in (0.0, 0.5):
        np.testing.assert_allclose(smoothing.smooth(gappy, amount)[20:26], truth[20:26], atol=0.03)


def test_doubtful_measurements_count_less() -> None:
    values, weights = np.zeros((60, 3)), np.ones(60)
    values[30], weights[30] = 0.02, 1e-3
    noisy = values + np.random.default_rng(4).normal(0, 0.003, values.shape)
    assert np.abs(smoothing.smooth(noisy, 0.5, weights)[30]).max() < 0.006


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_short_clips(count: int) -> None:
    values = np.random.default_rng(5).normal(0, 1, (count, 4))
    assert smoothing.smooth(values, 0.5).shape == values.shape
    assert np.isfinite(smoothing.smooth(values, 0.5)).all()


def test_segments_split_at_long_gaps_only() -> None:
    measured = np.ones(100, bool)
    measured[[0, 1, 20, 21, 22, 50, 99]] = False
    measured[60:80] = False
    assert list(smoothing.segments(measured, np.arange(100) / 24)) == [slice(2, 60), slice(80, 99)]
    assert list(smoothing.segments(np.zeros(5, bool), np.arange(5.0))) == []


def test_rotations_are_smoothed_on_the_manifold() -> None:
    """A head that turns all the way round, where every single chart breaks."""
    angles = np.stack([0.2 * np.sin(np.arange(200) / 9), np.linspace(-3.5, 3.5, 200), 0.1 * np.cos(np.arange(200) / 7)], axis=1)
    truth = rotation(angles)
    noisy = truth @ rotation(np.random.default_rng(6).normal(0, 0.01, (200, 3)))
    noisy[50:53] = np.nan

    def error(rotations: np.ndarray) -> float:
        return float(np.sqrt(np.nanmean(head_pose.rotation_vector(np.swapaxes(truth, 1, 2) @ rotations) ** 2)))

    smoothed = smoothing.smooth_rotations(noisy, 0.5)
    np.testing.assert_allclose(smoothed @ np.swapaxes(smoothed, 1, 2), np.broadcast_to(np.eye(3), smoothed.shape), atol=1e-9)
    assert error(smoothed) < 0.55 * error(noisy)
    np.testing.assert_allclose(smoothing.smooth_rotations(noisy, 0.0)[:50], noisy[:50], atol=1e-9)


def test_rotations_do_not_care_for_the_world() -> None:
    noisy = rotation(np.random.default_rng(7).normal(0, 0.02, (60, 3)))
    turn = rotation(np.array([1.0, -2.0, 0.5]))
    np.testing.assert_allclose(smoothing.smooth_rotations(turn @ noisy, 0.5), turn @ smoothing.smooth_rotations(noisy, 0.5), atol=1e-9)


def test_time_grows_linearly() -> None:
    """Ten times the frames in less than twenty times the time."""
    values = np.random.default_rng(8).normal(0, 1, (20_000, 60))
    smoothing.smooth(values[:2000], 0.5)
    seconds = []
    for count in (2000, 20_000):
        started = process_time()
        smoothing.smooth(values[:count], 0.5)
        seconds.append(process_time() - started)
    assert seconds[1] < 20 * seconds[0] + 0.1


def test_parts_hold_every_landmark_once() -> None:
    assert sorted(index for part in smoothing.PARTS for index in part) == list(range(len(face())))


def test_one_euro_is_causal_and_stills_rest() -> None:
    noisy = np.random.default_rng(9).normal(0, 0.01, (200, 3))
    noisy[100:] += 1.0
    preview = smoothing.OneEuro()
    filtered = np.array([preview(value, 1 / 24) for value in noisy])
    assert bend(filtered[20:95]) < 0.5 * bend(noisy[20:95])
    assert np.abs(filtered[110:] - 1.0).max() < 0.1
    np.testing.assert_array_equal(filtered[0], noisy[0])


def test_the_same_bits_wherever_memory_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """NumPy takes another logarithm, an ulp off, for a column whose result happens to lie right behind it."""
    told = {name: getattr(np, name) for name in ("log", "exp", "arctan2")}
    looked = []

    def spy(name: str) -> None:
        def watched(*arrays: np.ndarray, **rest: object) -> np.ndarray:
            looked.append((name, all(np.asarray(array).flags.forc for array in arrays)))
            return told[name](*arrays, **rest)

        monkeypatch.setattr(np, name, watched)

    count = 60
    rng = np.random.default_rng(0)
    path = smoothing.Path(
        np.tile(np.eye(3), (count, 1, 1)), rng.normal([0.0, 0.0, 0.8], 0.001, (count, 3)), np.tile(face(), (count, 1, 1)) + 0.0
    )
    certainty = smoothing.Certainty(np.ones(count), np.ones(count), np.ones(count), np.ones((count, path.landmarks.shape[1])))
    for name in told:
        spy(name)
    smoothing.smooth_path(path, certainty, smoothing.Smoothing(), 25.0)
    assert {name for name, _ in looked} == set(told)
    assert all(whole for _, whole in looked)
