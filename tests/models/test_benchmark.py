# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark counts what it lost, measures what it says, and the README tells what it measured. Nothing of the peer is needed here."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facelift_blender.capture.footage import probe
from facelift_blender.capture.solve import solve
from facelift_blender.capture.topology import COUNT
from facelift_blender.capture.types import FaceLiftError, Take
from models.benchmark import __main__ as command
from models.benchmark import accuracy, clips, looks, machine, peers, publish, speed
from models.benchmark.apart import apart
from models.benchmark.figures import Figure, Findings, figure_of, verdict, written
from models.performer.bench_measure import clip_of, true_observations
from models.performer.truth import Truth, load_truth
from models.training import paths

ROOT = Path(__file__).resolve().parents[2]
FRAMES = 48


@pytest.fixture(scope="module")
def truth() -> Truth:
    whole = load_truth(clips.truth_beside(clips.DEMO))
    by_frame = ("camera_rotations", "camera_translations", "rotations", "translations", "weights", "landmarks", "pixels", "visible")
    return replace(whole, **{name: getattr(whole, name)[:FRAMES] for name in by_frame})


@pytest.fixture(scope="module")
def take(truth: Truth) -> Take:
    return solve(true_observations(truth, 0), clip_of(truth, str(clips.DEMO)))


# ---------------------------------------------------------------- figures


FIGURES = (
    Figure("speed", "slow", "ms", 3.0, 1.0), Figure("speed", "quick", "ms", 1.0, 3.0, 2.0), Figure("looks", "restless", "%", 2.0, 3.0, 1.5),
    Figure("accuracy", "correlation", "", 0.5, 0.4, more=True), Figure("accuracy", "nothing found", "mm", np.nan, 4.0),
    Figure("startup", "start", "s", 0.2),
)  # fmt: skip


def test_every_lost_figure_is_named_and_no_other() -> None:
    told = verdict(FIGURES, "the peer")
    assert "loses to the peer in 2 of 5 compared figures: slow (3.00 against 1.00 ms); nothing found (- against 4.00 mm)." in told
    assert told.endswith("It misses 1 of 2 bars: restless (2.00, to be at most 1.50 %).")


def test_a_figure_comes_back_from_its_file() -> None:
    told = json.loads(json.dumps(Findings(list(FIGURES)).as_json(), allow_nan=False))
    assert [str(figure_of(row)) for row in told["figures"]] == [str(figure) for figure in FIGURES]


@pytest.mark.parametrize(
    ("value", "text"), [(123.4, "123"), (0.012345, "0.0123"), (1234.5, "1234"), (0.0, "0"), (np.nan, "-"), (-2.5, "-2.50")]
)
def test_three_digits(value: float, text: str) -> None:
    assert written(value) == text


# ---------------------------------------------------------------- what is kept


def content() -> dict:
    return {"made": machine.made_on("quick", 1.0), **Findings(list(FIGURES)).as_json()}


def test_the_readme_is_filled_between_its_marks_and_nowhere_else() -> None:
    readme = "# A\n\ntext\n\n## Terms\n\nmore\n"
    told = content()
    once = publish.filled(readme, told, ["size.png"])
    assert once.startswith("# A\n\ntext\n\n<!--")
    assert once.endswith("-->\n\n## Terms\n\nmore\n")
    assert "| slow | 3.00 | 1.00 | - | ms | behind |" in once
    assert "| start |" not in once
    assert publish.filled(once, told, ["size.png"]) == once
    assert publish.filled(once, told, []) != once


def test_the_readme_tells_the_figures_of_the_committed_run() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    kept = json.loads((publish.FOLDER / "bench.json").read_text(encoding="utf-8"))
    assert publish.filled(readme, kept, sorted(path.name for path in publish.FOLDER.iterdir())) == readme
    assert verdict(map(figure_of, kept["figures"]), kept["made"]["peer"]) == kept["verdict"]


# ---------------------------------------------------------------- measuring


def test_clips_have_the_size_and_length_that_was_asked_for(tmp_path: Path) -> None:
    path = clips.looped("360p", 7, tmp_path)
    clip = probe(path)
    assert (clip.width, clip.height, clip.frame_count) == (640, 360, 7)
    made = path.stat().st_mtime_ns
    assert clips.looped("360p", 7, tmp_path).stat().st_mtime_ns == made


def test_clips_are_chosen_evenly() -> None:
    items = [Path(str(k)) for k in range(11)]
    assert [path.name for path in clips.spread(items, 3)] == ["0", "5", "10"]
    assert clips.spread(items, 99) == items


def test_work_apart_has_a_process_of_its_own_and_tells_what_went_wrong() -> None:
    number, peak = apart(os.getpid)
    assert number != os.getpid()
    assert np.isnan(peak) or 5 < peak < 2000
    with pytest.raises(FaceLiftError, match="invalid literal"):
        apart(int, "no number")


def test_a_peer_that_sees_the_truth_has_no_error_on_the_plate(truth: Truth, take: Take) -> None:
    seen = truth.pixels.copy()
    seen[5] = np.nan
    figures = accuracy.of_peer(seen, take, truth)
    assert figures["on the plate, bias removed"] == pytest.approx(0.0, abs=1e-9)
    assert figures["focal length"] == pytest.approx(100 * abs(50 / 36 * truth.shot.width / truth.intrinsics[0, 0] - 1))
    assert figures["head rotation"] < 5.0
    assert accuracy.of_peer(np.full_like(seen, np.nan), take, truth) == {}


def test_the_definition_of_a_landmark_is_no_error_but_its_noise_is(truth: Truth, take: Take) -> None:
    random = np.random.default_rng(0)
    offset, width = random.normal(0, 4, (1, COUNT, 2)), np.median(np.ptp(truth.pixels[..., 0], axis=1))
    noise = random.normal(0, 1, truth.pixels.shape)
    assert accuracy.unbiased(truth.pixels + offset, take, truth) == pytest.approx(0.0, abs=1e-9)
    noisy = accuracy.unbiased(truth.pixels + offset + noise, take, truth)
    assert noisy == pytest.approx(100 * np.sqrt(2) / width, rel=0.1)


def test_lids_that_move_half_as_far_are_told(truth: Truth, take: Take) -> None:
    whole = accuracy.on_plate_events(truth.pixels, take, truth)
    if np.isnan(whole):
        pytest.skip("no blink in these frames")
    assert whole == pytest.approx(1.0, abs=1e-6)


def test_jitter_and_lids_of_the_peer_are_measured_on_common_frames(take: Take) -> None:
    from facelift_blender.capture.take import project

    seen = project(take).copy()
    ours, theirs, lids, their_lids = looks.unrest(take, seen)
    assert ours == theirs
    assert lids == their_lids
    shaken = seen + np.random.default_rng(0).normal(0, 1, seen.shape)
    assert looks.unrest(take, shaken)[1] > 2 * ours
    seen[10] = np.nan
    assert looks.both_seen(take, seen).tolist() == list(range(11, FRAMES))
    assert np.isnan(looks.unrest(take, np.full_like(seen, np.nan))).all()


def test_growth_is_against_a_tenth() -> None:
    figure = speed._growth("x", np.array([100, 300, 1000.0]), np.array([2.0, 9.0, 3.0]))
    assert figure.ours == pytest.approx(1.5)
    assert figure.misses


def test_mesh_points_come_to_the_table_without_a_fitted_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    to_table, mesh = peers.ToTable(), np.random.default_rng(0).normal(size=(478, 2))
    assert to_table.source == "the nearest vertices"
    assert np.array_equal(to_table(mesh)[36], mesh[33])
    assert np.isfinite(to_table(mesh)).all()


# ---------------------------------------------------------------- the command


def test_nothing_new_is_begun_once_the_time_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    progress = command.Progress("looks", 0.0, 0.0)
    assert progress("the first thing")
    assert not progress("the second")
    assert progress.left_out == ["the second"]
    assert "the first thing" in capsys.readouterr().out


def test_a_part_of_the_report_without_a_peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The page is one file that begins with what is lost; pictures and charts are in it."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(peers, "is_installed", lambda: False)
    assert command.main(["--quick", "--parts", "looks", "-o", str(tmp_path)]) == 0
    told = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert told["made"]["peer"] == "MediaPipe (not installed)"
    assert page.index("class=verdict") < page.index("<table")
    assert "data:image/jpeg;base64," in page
    assert '="http' not in page
