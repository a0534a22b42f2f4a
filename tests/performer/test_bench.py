# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's own arithmetic: what it casts, degrades and reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture import topology
from facelift_blender.capture.types import Distortion, Observations
from models.performer import bench_measure, bench_observations, bench_report, bench_resting, compare, degrade
from models.performer.bench_cases import CASES, FIRST_CHARACTER, RESTING
from models.performer.bench_plate import OnPlate, parted
from models.performer.bench_still import jitter, jitter_of_parts, still
from models.performer.truth import Truth, load_truth, project

DEMO = Path(compare.__file__).with_name("demo_truth.json.gz")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(DEMO)


def test_the_cases_span_what_the_solve_must_bear() -> None:
    assert len(CASES) >= 24
    assert {case.lens for case in CASES} == {24, 35, 50, 85, 135}
    assert min(case.distance for case in CASES) <= 0.4
    assert max(case.distance for case in CASES) >= 3.0
    assert len({case.seed for case in CASES}) == len(CASES)
    assert min(case.seed for case in CASES) >= FIRST_CHARACTER
    for trouble in ("handheld", "noise", "blur", "occluder"):
        assert any(getattr(case, trouble) for case in CASES)


def test_a_turning_case_turns_and_a_still_one_hardly() -> None:
    angles = [np.degrees(np.ptp(np.arcsin(case.performance().rotations[:, 0, 2]))) for case in (CASES[0], CASES[14])]
    assert angles[0] > 20.0 > angles[1]


def test_resting_faces_do_nothing_but_turn_and_are_nobody_else() -> None:
    assert not {case.seed for case in RESTING} & {case.seed for case in CASES}
    for case in RESTING[:2]:
        performance = case.performance()
        assert not performance.weights.any()
        assert np.ptp(performance.rotations, axis=0).max() > 0.005


def test_trembling_is_what_the_truth_does_not_do(truth: Truth) -> None:
    """Places that move as the truth does bend by nothing, white noise by six times its variance in either direction."""
    few = truth.pixels[:60]
    assert not bench_resting.bends(few - few).any()
    noise = np.random.default_rng(0).normal(0, 0.5, few.shape)
    assert bench_resting.bends(noise).mean() == pytest.approx(2 * 6 * 0.25, rel=0.05)
    clips = [bench_resting.RestingFigures("one", np.array([0.1, 0.5, 0.4]), np.full((3, len(topology.REGIONS)), 0.2))]
    assert "take / raw 0.20 (aim 0.2), take / net 0.25 (aim 0.5)" in bench_resting.table(clips)


def test_a_bent_truth_is_where_the_bent_picture_shows_it(truth: Truth) -> None:
    """A dot on every landmark of the first frame: bent with the picture, it lies where the truth says."""
    case = replace(CASES[0], distortion=Distortion("POLYNOMIAL", (-0.2, 0.03, 0.0)))
    pixels = np.array([[[200.0, 100.0], [1000.0, 600.0], [640.0, 300.0]]])
    few = replace(truth, pixels=np.repeat(pixels, len(truth), axis=0))
    image = np.zeros((truth.shot.height, truth.shot.width, 3), np.uint8)
    for x, y in pixels[0].astype(int):
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
    bent = next(iter(degrade.degraded([image], truth, replace(case, occluder=""))))
    for x, y in degrade.degraded_truth(few, case).pixels[0]:
        rows, columns = np.nonzero(bent[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9, 0])
        assert np.hypot(columns.mean() - 8 + int(x) - x, rows.mean() - 8 + int(y) - y) < 1.2


def test_the_hand_hides_the_mouth_in_the_truth(truth: Truth) -> None:
    case = replace(CASES[0], occluder="hand")
    hidden = degrade.degraded_truth(truth, case).visible
    assert not hidden[25, 48:68].any()
    assert np.array_equal(hidden[0], truth.visible[0])


def test_events_of_the_truth_are_whole_and_in_time(truth: Truth) -> None:
    raw = bench_measure.true_observations(truth, 0)
    take = bench_measure.solve(raw, bench_measure.clip_of(truth, "demo"), bench_measure.SolveSettings(focal_mm=truth.shot.lens))
    told = bench_measure.events(replace(take, landmarks=truth.landmarks), truth)
    assert told["blink amplitude"] == pytest.approx(1.0)
    assert told["jaw timing"] == pytest.approx(0.0)
    late = bench_measure.events(replace(take, landmarks=np.roll(truth.landmarks, 1, axis=0)), truth)
    assert late["blink timing"] == pytest.approx(1.0, abs=0.3)


def test_amplitude_that_the_regressor_lost_is_not_laid_to_the_solve(truth: Truth) -> None:
    """Landmarks that show half of each event, solved as they are: half is kept of the truth's, all of what was seen."""
    raw = bench_measure.true_observations(truth, 0)
    take = bench_measure.solve(raw, bench_measure.clip_of(truth, "demo"), bench_measure.SolveSettings(focal_mm=truth.shot.lens))
    middle = truth.pixels.mean(axis=1, keepdims=True)
    half = middle + 0.5 * (truth.pixels - middle)
    told = bench_measure.kept_events(replace(take, raw=replace(take.raw, landmarks_2d=bench_measure.project(take))), truth)
    assert told["kept blink amplitude"] == pytest.approx(1.0)
    lessened = bench_measure.kept_events(replace(take, raw=replace(take.raw, landmarks_2d=half)), truth)
    assert lessened["raw blink amplitude"] == pytest.approx(0.5)


def test_errors_on_the_plate_are_parted(truth: Truth) -> None:
    """A landmark that is always taken for another place on the face is the definition's where all clips do so."""
    frames, offset = np.arange(1, len(truth) + 1), np.zeros((150, 3))
    offset[:, 0] = 0.003
    moved = project(truth.landmarks + offset, truth.rotations, truth.translations, truth.intrinsics)
    clip = OnPlate.of(moved, frames, truth)
    (alone,) = parted([OnPlate.of(truth.pixels, frames, truth)])
    assert alone["plate without its own"] == pytest.approx(0.0, abs=0.02)
    both = parted([clip, clip])
    assert clip.off() > 1.0
    assert both[0]["plate without the definition"] < 0.1 * clip.off()
    mixed = parted([clip, OnPlate.of(truth.pixels, frames, truth)])
    assert mixed[0]["plate without the definition"] == pytest.approx(clip.off(), rel=0.05)


def test_only_what_rests_tells_of_jitter() -> None:
    """A mouth that speaks and a blink are left out; the noise that is left is told as it is."""
    random, count = np.random.default_rng(2), 120
    face = random.uniform(0, 100, (150, 2))
    calm = np.repeat(face[None], count, axis=0)
    calm[:, :20] += 4.0 * np.sin(np.arange(count) / 2.0)[:, None, None]
    calm[60:64, 20:30, 1] += 5.0
    rest = still([calm + random.normal(0, 0.1, calm.shape), calm + random.normal(0, 0.1, calm.shape)])
    assert not rest[:, :20].any()
    assert not rest[58:66, 20:30].any()
    assert rest[:, 30:].mean() > 0.8
    noisy = calm + random.normal(0, 0.1, calm.shape)
    assert jitter(noisy, rest) == pytest.approx(100 * 0.1 * np.sqrt(2 * 6) / np.ptp(calm[0, :, 0]), rel=0.1)


def test_a_part_that_trembles_does_not_make_the_others_tremble() -> None:
    random, face = np.random.default_rng(3), np.random.default_rng(2).uniform(0, 100, (150, 2))
    noise = np.where([landmark.region == "mouth" for landmark in topology.TABLE], 1.0, 0.1)
    told = jitter_of_parts(face + noise[:, None] * random.normal(size=(200, 150, 2)), np.ones((200, 150), bool))
    mouth = topology.REGIONS.index("mouth")
    assert told[mouth] == pytest.approx(10 * np.median(np.delete(told, mouth)), rel=0.1)


def test_what_the_models_said_is_kept_until_they_change(tmp_path: Path, truth: Truth) -> None:
    raw = bench_measure.true_observations(truth, 0)
    made = []

    def make() -> Observations:
        made.append(1)
        return raw

    path = tmp_path / "below" / "clip_abc.npz"
    first, again = (bench_observations._kept(path, make) for _ in range(2))
    assert made == [1]
    assert np.array_equal(first.landmarks_2d, again.landmarks_2d)
    assert again.assumed_focal == raw.assumed_focal
    bench_observations._kept(tmp_path / "below" / "clip_def.npz", make)
    assert made == [1, 1]


def test_a_bar_says_whether_it_is_met() -> None:
    rows = {"24_near": {"focal length": 1.5, "focal interval holds it": 1.0, "inner face": 3.0}}
    told = bench_report.bars({"alone": rows})
    met, missed, unknown = (
        next(line for line in told.splitlines() if name in line) for name in ("turns within 1 m", "inner face", "depth")
    )
    assert met.endswith("met")
    assert missed.endswith("MISSED")
    assert unknown.endswith("not measured")
