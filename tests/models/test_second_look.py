# SPDX-License-Identifier: GPL-3.0-or-later
"""The second look in miniature: patches keep their labels, the loss falls, the export is exact and runs in the tracker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facelift_blender.capture.second_look import COLUMNS, KINDS, OUTPUTS, SecondLook
from facelift_blender.capture.topology import MIRROR
from models.training import second_look
from models.training.export_look import TOLERANCE, export
from models.training.second_look_network import Look, LookConfig
from models.training.second_look_samples import CONTEXT, CUT, Patches, opening
from models.training.shipped import save_tensors

TINY = LookConfig(32, (4, 8, 12, 16))


def patches(count: int, seed: int) -> Patches:
    """Patches with a bright spot of its own colour at each of three landmarks of their kind."""
    random = np.random.default_rng(seed)
    pictures = np.full((count, CUT, CUT, 3), 60, np.uint8)
    kind, points, trust = random.integers(0, 3, count), np.zeros((count, OUTPUTS, 2), np.float32), np.zeros((count, OUTPUTS), np.float32)
    for k in range(count):
        for step, row in enumerate(range(COLUMNS[KINDS[kind[k]].name].start, OUTPUTS)[:3]):
            points[k, row], trust[k, row] = random.uniform(0.25, 0.75, 2), 1.0
            x, y = np.rint(((points[k, row] - 0.5) / CONTEXT + 0.5) * CUT).astype(int)
            pictures[k, y - 4 : y + 5, x - 4 : x + 5] = np.eye(3)[step] * 255
    return Patches(pictures, kind, points, trust, np.ones(count))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patches")
    patches(60, 0).save(folder / "photographs")
    patches(40, 1).save(folder / "views")
    return folder


def test_patches_are_read_as_they_were_written(data: Path) -> None:
    again, truth = Patches.load(data / "views"), patches(40, 1)
    assert np.array_equal(again.pictures, truth.pictures)
    assert np.array_equal(again.points, truth.points)


def test_labels_stay_on_what_they_mark(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However a patch is placed; in the mirror, a landmark's label goes to its twin."""
    monkeypatch.setattr(second_look, "wear", lambda picture, _random: picture.astype(np.float32))
    draws = second_look.Draws({"views": Patches.load(data / "views")}, 64, 1, 3)
    spots = []
    for _ in range(60):
        picture, points, trust = draws.draw()
        for x, y in points[trust > 0] * 64:
            spots.append(picture[:, int(np.clip(y, 0, 63)), int(np.clip(x, 0, 63))].max())
    assert np.mean(np.array(spots) > 0.6) > 0.9


def test_mirroring_twice_changes_nothing() -> None:
    for k, kind in enumerate(KINDS):
        order = second_look.mirror_order(k)
        assert np.array_equal(order[order], np.arange(OUTPUTS))
        if kind.name != "eye":
            columns = COLUMNS[kind.name]
            assert [kind.landmarks[i - columns.start] for i in order[columns]] == [MIRROR[n] for n in kind.landmarks]


def test_shut_eyes_are_told_from_open_ones() -> None:
    eye = np.random.default_rng(0).uniform(size=(len(KINDS[0].landmarks), 2))
    place = [KINDS[0].landmarks.index(k) for k in range(36, 42)]
    eye[place] = [[0, 0], [1, -0.5], [2, -0.5], [3, 0], [2, 0.4], [1, 0.4]]
    assert opening(eye) == pytest.approx(0.3)


def test_shut_eyes_are_drawn_more_often() -> None:
    part = patches(10, 2)
    part.lids[:2] = 0.05
    chances = second_look._chances(part)
    assert chances.sum() == pytest.approx(1.0)
    assert chances[0] / chances[5] == pytest.approx(second_look.SHUT_COUNTS)


def test_the_loss_falls_and_a_run_goes_on(data: Path, tmp_path: Path) -> None:
    config = {"batch": 24, "rate": 6e-3, "report": 15, "workers": 0, "warm_up": 5, "bfloat16": False, "network": TINY}
    run = second_look.train(second_look.LookTraining(steps=45, **config), data, tmp_path)
    first, *_, last = run.progress.history
    assert last["likelihood"] < first["likelihood"] - 0.5
    again = second_look.train(second_look.LookTraining(steps=60, **config), data, tmp_path)
    assert again.step == 60
    assert len(again.progress.history) == 4
    assert json.loads((tmp_path / "second_look.json").read_text())["network"]["patch"] == 32


def test_the_exported_network_is_the_trained_one(tmp_path: Path) -> None:
    network = Look(TINY)
    torch.nn.init.normal_(network.whole[-1].weight, std=0.1)
    path = tmp_path / "second_look.onnx"
    assert export(network, path, torch.rand(6, 3, 32, 32)) < TOLERANCE
    look = SecondLook(path, threads=1)
    assert look.size == 32
    assert look.name == "second_look"


def test_a_run_begins_from_shipped_weights(tmp_path: Path) -> None:
    network = Look(TINY)
    torch.nn.init.normal_(network.whole[-1].weight, std=0.1)
    save_tensors(network, tmp_path / "second_look.safetensors")
    run = second_look.Run(second_look.LookTraining(network=TINY), tmp_path / "run")
    run.begin(tmp_path / "second_look.safetensors")
    picture = torch.rand(3, 3, 32, 32)
    for begun in (run.network, run.average):
        assert torch.allclose(begun.eval()(picture).points, network.eval()(picture).points, atol=2e-3)
