# SPDX-License-Identifier: GPL-3.0-or-later
"""The road with models that are exact: a face is a bright disc, and both models read its place from the pixels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from drawn_plates import SIZE, Eye, Gaze, discs_of, draw, estimate_disc, write_plates

from facelift_blender.capture import track as road
from facelift_blender.capture.crops import Box
from facelift_blender.capture.faces import Face
from facelift_blender.capture.landmarks import Estimate
from facelift_blender.capture.solve import SolveSettings
from facelift_blender.capture.track import Progress, TrackSettings, open_tracker, track_steps
from facelift_blender.capture.tracker import Tracker, assumed_focal
from facelift_blender.capture.types import Array, Clip, FaceLiftError, Image, Take


def run(path: Path, settings: TrackSettings | None = None, stop: Callable[[], bool] = road.never, **models: object) -> list[Take]:
    steps = track_steps(path, settings or TrackSettings(), stop, **{"detect": Eye(), "regress": Gaze(), **models})
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


def follow(frames: Sequence[Image], **models: object) -> Tracker:
    """The frames through a tracker, without any solve."""
    clip = Clip("plates", *SIZE, fps=24.0, frame_count=len(frames))
    tracker = Tracker(clip, SolveSettings(), models.get("detect", Eye()), models.get("regress", Gaze()))
    for frame, image in enumerate(frames, 1):
        tracker.step(frame, image)
    return tracker


def moving(count: int = 30) -> list[Image]:
    return [draw([(100 + 3 * k, 90 + 20 * np.sin(k / 5), 30, 100)]) for k in range(count)]


def spans(tracker: Tracker) -> list[tuple[int, int]]:
    return sorted((min(actor.estimates), max(actor.estimates)) for actor in tracker.actors)


# ---------------------------------------------------------------- following


def test_a_moving_face_is_one_actor_and_where_it_is() -> None:
    tracker = follow(moving())
    (actor,) = tracker.actors
    assert list(actor.estimates) == list(range(1, 31))
    for frame, estimate in actor.estimates.items():
        x, y = 100 + 3 * (frame - 1), 90 + 20 * np.sin((frame - 1) / 5)
        low, high = estimate.landmarks_2d.min(axis=0), estimate.landmarks_2d.max(axis=0)
        assert np.allclose((low + high) / 2, (x, y), atol=8)


def test_the_detector_looks_about_once_a_second() -> None:
    eye = Eye()
    follow(moving(49), detect=eye)
    assert eye.looks == 3


def test_the_detector_looks_beside_the_first_looks_at_the_faces() -> None:
    both, due = Barrier(2, timeout=10), [1 + 24]  # frames, about a second after the first look

    class Slow(Eye):
        def __call__(self, image: Image) -> list[Face]:
            if self.looks:
                both.wait()
            return super().__call__(image)

    def gaze(image: Image, boxes: Sequence[Box], focal: float) -> list[Estimate]:
        if tracker.read in due:
            due.clear()
            both.wait()
        return Gaze()(image, boxes, focal)

    eye = Slow()
    tracker = Tracker(Clip("plates", *SIZE, fps=24.0, frame_count=30), SolveSettings(), eye, gaze)
    for frame, image in enumerate(moving(30), 1):
        tracker.step(frame, image)
    assert eye.looks == 2
    assert not due


def test_an_empty_stretch_costs_few_looks() -> None:
    eye = Eye()
    follow([draw([]) for _ in range(240)], detect=eye)
    assert 49 <= eye.looks <= 49 + 48


def test_two_faces_are_two_actors_the_larger_first() -> None:
    tracker = follow([draw([(80 + k, 90, 22, 100), (240 - k, 90, 40, 200)]) for k in range(20)])
    assert [len(actor.estimates) for actor in tracker.ranked()] == [20, 20]
    assert tracker.ranked()[0].estimates[1].landmarks_2d[:, 0].mean() > 200


def test_a_face_that_comes_later_opens_an_actor() -> None:
    tracker = follow([draw([(80, 90, 30, 100)] + ([(240, 90, 30, 200)] if k >= 10 else [])) for k in range(60)])
    late = tracker.ranked()[1]
    assert 11 <= min(late.estimates) <= 26


def test_a_face_back_in_place_soon_is_the_same_actor() -> None:
    frames = [draw([(100, 90, 30, 100)] if not 10 <= k < 20 else []) for k in range(40)]
    (actor,) = follow(frames).actors
    assert 10 not in [frame - 1 for frame in actor.estimates]
    assert len(actor.estimates) >= 26
    assert max(actor.estimates) == 40


def test_a_face_back_elsewhere_is_another_actor() -> None:
    frames = [draw([(80, 90, 25, 100)]) if k < 10 else draw([(250, 90, 25, 100)] if k >= 15 else []) for k in range(40)]
    assert len(follow(frames).actors) == 2


def test_a_face_back_much_later_is_another_actor() -> None:
    frames = [draw([(100, 90, 30, 100)] if k < 10 or k >= 80 else []) for k in range(100)]
    assert len(follow(frames).actors) == 2


def test_a_cut_restarts_the_track() -> None:
    frames = [draw([(90, 90, 30, 100)]) if k < 20 else draw([(230, 80, 30, 100)], ground=180) for k in range(40)]
    assert spans(follow(frames)) == [(1, 20), (21, 40)]


def test_a_cut_to_another_face_in_the_same_place_restarts_the_track() -> None:
    def lit_from(side: slice, ground: int) -> Image:
        image = draw([(160, 90, 40, 0)], ground)
        image[:, side, 0] = image[:, side, 2] = 255
        return image

    frames = [lit_from(np.s_[:160], 40) if k < 20 else lit_from(np.s_[160:], 180) for k in range(40)]
    assert spans(follow(frames)) == [(1, 20), (21, 40)]


def test_a_flash_does_not_cut() -> None:
    frames = [draw([(90 + k, 90, 30, 100)], ground=180 if k == 20 else 40) for k in range(40)]
    assert spans(follow(frames)) == [(1, 40)]


def test_two_tracks_on_one_face_become_one() -> None:
    frames = [draw([(100 + 2 * k, 90, 28, 100), (200 - 2 * k, 90, 26, 200)]) if k < 18 else draw([(140, 90, 28, 100)]) for k in range(40)]
    tracker = follow(frames)
    assert sum(max(actor.estimates) == 40 for actor in tracker.actors) == 1


def test_a_repeated_picture_is_not_looked_at_again() -> None:
    gaze, image = Gaze(), draw([(100, 90, 30, 100)])
    tracker = follow([image] * 20, regress=gaze)
    assert gaze.crops == 2
    assert len(tracker.actors[0].estimates) == 20


def test_a_track_that_drifts_is_brought_back_by_the_detector() -> None:
    class Drifting(Gaze):
        """Sees every face a little larger than the box it was given."""

        def _one(self, image: Image, box: Box, focal: float) -> Estimate:
            x, y, _ = discs_of(image)[0]
            return estimate_disc(x, y, max(box[2], box[3]) / 2 * 1.02, focal)

    (actor,) = follow([draw([(160, 90, 20, 100)]) for _ in range(120)], regress=Drifting()).actors
    assert len(actor.estimates) == 120
    assert max(np.ptp(estimate.landmarks_2d[:, 0]) for estimate in actor.estimates.values()) < 110


@pytest.mark.parametrize("part", ["landmarks_2d", "covariances", "landmarks_3d", "rotation", "translation", "score"])
def test_an_estimate_that_is_no_number_is_no_face(part: str) -> None:
    class Broken(Gaze):
        def _one(self, image: Image, box: Box, focal: float) -> Estimate:
            estimate = super()._one(image, box, focal)
            return replace(estimate, **{part: np.nan * np.asarray(getattr(estimate, part))})

    assert follow(moving(5), regress=Broken()).ranked() == []


# ---------------------------------------------------------------- the road


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plates(tmp_path_factory.mktemp("plates"), moving())


def test_a_take_comes_out(plates: Path) -> None:
    (take,) = run(plates)
    assert take.actor == "Actor 1"
    assert take.frames.tolist() == list(range(1, 31))
    assert take.valid.all()
    assert take.residuals.max() < 1.0


def test_the_provenance_tells_where_it_comes_from(plates: Path) -> None:
    (take,) = run(plates)
    story = take.provenance
    assert story["footage"]["file"] == "plate_0001.png"
    assert len(story["footage"]["sha256"]) == 64
    assert story["models"]["Gaze"] == {"name": "gaze", "sha256": "none"}
    assert story["frames"] == {"read": 30, "with_face": 30}
    assert {"decode", "detect", "landmarks", "solve", "smooth"} <= story["milliseconds"].keys()
    assert story["settings"]["solve"]["interpupillary"] == 0.063
    assert set(story["program"]) >= {"facelift", "python", "numpy", "av"}
    json.dumps(dict(story))


def test_a_range_of_the_clip(plates: Path) -> None:
    (take,) = run(plates, TrackSettings(start=11, end=25))
    assert take.frames.tolist() == list(range(11, 26))


def test_all_actors_or_one(tmp_path: Path) -> None:
    path = write_plates(tmp_path, [draw([(80 + k, 90, 22, 100), (240 - k, 90, 40, 200)]) for k in range(20)])
    everyone = run(path, TrackSettings(actor=None))
    assert [take.actor for take in everyone] == ["Actor 1", "Actor 2"]
    (second,) = run(path, TrackSettings(actor=2))
    assert np.allclose(second.raw.landmarks_2d, everyone[1].raw.landmarks_2d)
    assert "were left out: Actor 1 in 1-20." in " ".join(second.provenance["warnings"])
    with pytest.raises(FaceLiftError, match=r"Actor 3 was asked for, but plate_0001\.png shows 2"):
        run(path, TrackSettings(actor=3))


def test_an_actor_who_entered_between_two_looks_is_followed_back(tmp_path: Path) -> None:
    path = write_plates(tmp_path, [draw([(80, 90, 30, 100)] + ([(240 - k, 90, 20, 200)] if k >= 10 else [])) for k in range(60)])
    late = run(path, TrackSettings(actor=2))[0]
    assert late.frames.tolist() == list(range(11, 61))


def test_looking_back_ends_at_a_cut(tmp_path: Path) -> None:
    before = [draw([(90, 90, 30, 100)]) for _ in range(20)]
    path = write_plates(tmp_path, [*before, *(draw([(230, 80, 30, 100)], ground=180) for _ in range(25))])
    assert [(take.frames[0], take.frames[-1]) for take in run(path, TrackSettings(actor=None))] == [(21, 45), (1, 20)]


def test_progress_counts_frames_and_then_actors(plates: Path) -> None:
    told = list(track_steps(plates, detect=Eye(), regress=Gaze()))
    frames = [progress for progress in told if progress.station == "landmarks"]
    assert [progress.done for progress in frames] == list(range(1, 31))
    assert {progress.total for progress in frames} == {30}
    assert told[-1].station == "solve"
    assert told[-1].done == told[-1].total == 1


def test_progress_tells_the_time_left() -> None:
    progress = Progress(done=25, total=100, station="landmarks", seconds=5.0)
    assert (progress.frames_per_second, progress.eta) == (5.0, 15.0)
    assert Progress(0, 100, "landmarks", 0.0).eta == 0.0


def test_stopping_keeps_what_is_done(plates: Path) -> None:
    asked = iter(range(1000))
    (take,) = run(plates, stop=lambda: next(asked) >= 14)
    assert take.frames.tolist() == list(range(1, 16))
    assert "stopped after 15 of 30 frames" in " ".join(take.provenance["warnings"])


def test_stopped_and_resumed_it_comes_to_the_same_as_unbroken(tmp_path: Path) -> None:
    discs = [(100 + 3 * k, 90 + 20 * np.sin(k / 5), 30, 100) for k in range(40)]
    entering = [[disc, (290 - k, 60, 18 + k / 2, 200)] if k >= 5 else [disc] for k, disc in enumerate(discs)]
    path = write_plates(tmp_path / "plates", [draw([] if k in (20, 21) else seen) for k, seen in enumerate(entering)])
    settings = TrackSettings(actor=None)
    unbroken = run(path, settings)
    tracker, partial, progress = open_tracker(path, settings, Eye(), Gaze()), [], []
    for _ in range(6):
        steps = track_steps(path, settings, _after(tracker, 7), tracker=tracker)
        partial.append(_drained(steps, progress))
    assert [max(len(take) for take in takes) for takes in partial[:2]] == [7, 14]
    assert [step.done for step in progress if step.station == "landmarks"] == list(range(1, 41))
    assert np.all(np.diff([step.seconds for step in progress if step.station == "landmarks"]) >= 0)
    assert len(unbroken) == len(partial[-1]) > 1
    for whole, resumed in zip(unbroken, partial[-1], strict=True):
        assert np.array_equal(whole.raw.landmarks_2d, resumed.raw.landmarks_2d, equal_nan=True)
        assert np.array_equal(whole.landmarks, resumed.landmarks, equal_nan=True)
        assert whole.provenance["warnings"] == resumed.provenance["warnings"]


def test_every_second_frame_is_looked_at_and_the_rest_bridged(plates: Path) -> None:
    gaze = Gaze()
    (take,) = run(plates, TrackSettings(every=2), regress=gaze)
    whole = Gaze()
    (full,) = run(plates, regress=whole)
    assert gaze.crops < 0.6 * whole.crops
    assert take.raw.found[::2].all()
    assert not take.raw.found[1::2].any()
    assert take.valid.all()
    assert np.abs(take.translations - full.translations[: len(take)]).max() < 0.05
    assert not any("have a picture" in text for text in take.provenance["warnings"])


def _after(tracker: Tracker, count: int) -> Callable[[], bool]:
    enough = tracker.read + count
    return lambda: enough <= tracker.read < 40


def _drained(steps: Iterator[Progress], progress: list[Progress]) -> list[Take]:
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            return end.value


def test_stopping_before_any_face_returns_nothing(tmp_path: Path) -> None:
    path = write_plates(tmp_path, [draw([])] * 5)
    assert run(path, stop=lambda: True) == []


def test_no_face_at_all(tmp_path: Path) -> None:
    path = write_plates(tmp_path, [draw([])] * 5)
    with pytest.raises(FaceLiftError, match=r"No face was found in the 5 frames of plate_0001\.png"):
        run(path)


def test_a_face_in_three_frames_only(tmp_path: Path) -> None:
    path = write_plates(tmp_path, [draw([(100, 90, 30, 100)] if 3 <= k < 6 else []) for k in range(30)])
    (take,) = run(path)
    assert take.valid.sum() == 3
    assert "seen in 3 frames only" in " ".join(take.provenance["warnings"])


def test_a_face_in_one_frame(tmp_path: Path) -> None:
    (take,) = run(write_plates(tmp_path, [draw([(100, 90, 30, 100)])]))
    assert take.frames.tolist() == [1]
    assert take.residuals[0] < 1.0


def test_gaps_in_the_footage_are_told_and_survived(tmp_path: Path) -> None:
    path = write_plates(tmp_path, moving())
    for number in (10, 11):
        (tmp_path / f"plate_{number:04d}.png").unlink()
    (take,) = run(path)
    assert "lacks 2 of its frames: 10, 11" in " ".join(take.provenance["warnings"])
    assert not take.raw.found[[9, 10]].any()


@pytest.mark.parametrize(
    ("clip", "settings", "focal"),
    [
        (Clip("a", 1280, 720, 24, 1), SolveSettings(), 1536),
        (Clip("a", 720, 1280, 24, 1), SolveSettings(), 1536),
        (Clip("a", 1280, 720, 24, 1), SolveSettings(focal_mm=50, sensor_width=25), 2560),
        (Clip("a", 1280, 720, 24, 1, focal_mm=50), SolveSettings(focal_mm=36), 1280),
    ],
)
def test_the_focal_length_to_begin_with(clip: Clip, settings: SolveSettings, focal: float) -> None:
    assert assumed_focal(clip, settings) == pytest.approx(focal)


def test_observations_are_nan_where_nothing_was_found() -> None:
    tracker = follow([draw([(100, 90, 30, 100)] if not 10 <= k < 20 else []) for k in range(40)])
    seen = tracker.actors[0].observations(focal=400.0)
    parts: list[Array] = [seen.landmarks_2d, seen.covariances, seen.landmarks_3d, seen.rotations, seen.translations]
    for part in parts:
        assert np.isfinite(part[seen.found]).all()
        assert np.isnan(part[~seen.found]).all()


def test_only_the_extensions_own_model_gets_a_second_look() -> None:
    from facelift_blender.capture.landmarks import Regressor
    from facelift_blender.capture.second_look import LookingTwice
    from facelift_blender.capture.track import looking

    own, other = Regressor(threads=1), Gaze()
    assert looking(other, TrackSettings(second_look=True)) is other
    assert looking(own, TrackSettings(second_look=False)) is own
    twice = looking(own, TrackSettings(second_look=True))
    assert isinstance(twice, LookingTwice)
    assert looking(own, TrackSettings()).look is twice.look
    assert twice.regress is own
