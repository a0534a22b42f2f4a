# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of the method in miniature: lifting recovers known points, the losses fall, the export is exact."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from facelift_blender.capture.topology import COUNT, MIRROR
from models.training import batches, export, lift, losses, processes, regressor, shipped, store, train
from models.training.heads import look_at


def face(seed: int) -> np.ndarray:
    """Points on the front of an ellipsoid, its two sides alike, (COUNT, 3) metres."""
    random = np.random.default_rng(seed)
    yaw, pitch = random.uniform([-1.1, -0.9], [1.1, 0.7], (COUNT, 2)).T
    unit = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=1)
    points = unit * [0.075, 0.11, 0.1] + lift.HEAD_CENTRE
    twin, own = np.array(MIRROR), np.arange(COUNT)
    points = np.where((own > twin)[:, None], points[twin] * [-1, 1, 1], points)
    return np.where((own == twin)[:, None], points * [0, 1, 1], points)


def cameras(random: np.random.Generator, count: int) -> list:
    return [look_at(yaw, random.normal(0, 0.2), 0.0, 1.0, 600.0, store.SIZE, np.zeros(3)) for yaw in np.linspace(-1.1, 1.1, count)]


def test_lifting_recovers_points_from_noisy_views_with_outliers() -> None:
    random = np.random.default_rng(0)
    truth, views = face(0), cameras(random, 25)
    sizes = np.full(25, 110.0)
    points = np.stack([camera.project(truth) for camera in views]) + random.normal(0, 0.8, (25, COUNT, 2))
    seen = lift.visibility(truth, lift.outward_normals(truth), views)
    points += np.where(seen[..., None] < 0.3, random.normal(0, 12, points.shape), 0)
    lifted = lift.lift(views, points, np.full((25, COUNT), 1.0), np.ones(25), sizes, truth + random.normal(0, 0.01, truth.shape))
    enough = lifted.seen > 5
    assert enough.mean() > 0.8
    assert np.linalg.norm(lifted.landmarks - truth, axis=1)[enough].mean() < 0.0015
    assert np.median(lifted.residual) < 0.02


def synthetic_store(folder: Path, views: bool) -> None:
    random = np.random.default_rng(1)
    truth = face(0)

    def rows():  # noqa: ANN202
        for camera in cameras(random, 24):
            points = camera.project(truth)
            image = np.full((store.SIZE, store.SIZE, 3), 40, np.uint8)
            for k, (x, y) in enumerate(points.astype(int)):
                image[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = (60 + k % 180, 255 - k, 120)
            row = {"points": points, "score": 1.0, "focal": camera.focal}
            known = {"rotation": camera.rotation, "translation": camera.translation, "landmarks": truth}
            yield image, row | known if views else row

    store.Store(folder).write(rows())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> train.Run:
    data = tmp_path_factory.mktemp("data")
    synthetic_store(data / "views", True)
    synthetic_store(data / "frames", False)
    small = regressor.RegressorConfig(picture=64, width=48, heads=4, encoder=1, decoder=1)
    config = train.TrainConfig(
        steps=200, batch=16, warm_up=10, views_only=120, rate=6e-4, average=0.9, workers=0, regressor=small, bfloat16=False,
        losses=losses.LossConfig(rotation=2.0),
    )  # fmt: skip
    return train.train(config, data, data / "run")


def test_losses_fall_and_training_resumes(trained: train.Run) -> None:
    first, last = trained.progress.history[0], trained.progress.history[-1]
    assert last["mv_rotation"] < 0.7 * first["mv_rotation"]
    assert last["mv_likelihood"] < 0.6 * first["mv_likelihood"]
    again = train.Run(trained.config, trained.folder)
    again.begin(trained.folder)
    assert again.step == 200
    for a, b in zip(again.average.parameters(), trained.average.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("halves", "absent"), [("views", "mf_likelihood"), ("frames", "mv_rotation")])
def test_halves_can_be_left_out(halves: str, absent: str, tmp_path: Path) -> None:
    synthetic_store(tmp_path / "views", True)
    synthetic_store(tmp_path / "frames", False)
    small = regressor.RegressorConfig(picture=32, width=24, heads=2, encoder=0, decoder=1)
    config = train.TrainConfig(steps=6, batch=4, warm_up=2, views_only=0, workers=0, regressor=small, bfloat16=False, halves=halves)
    run = train.train(config, tmp_path, tmp_path / "run")
    assert absent not in run.progress.history[-1]
    assert np.isfinite(run.progress.history[-1]["loss"])


def test_identities_can_be_limited(tmp_path: Path) -> None:
    synthetic_store(tmp_path / "views", True)
    assert len(batches.Half([tmp_path / "views"], 32, 0, identities=1).index) == 24
    assert len(batches.Half([tmp_path / "views"], 32, 0, share=slice(1, None, 2)).index) == 12


def test_a_small_store_is_not_drowned_by_a_large_one(tmp_path: Path) -> None:
    synthetic_store(tmp_path / "frames", False)
    few = list(store.Store(tmp_path / "frames").open()[1]["points"][:4])
    sample = np.zeros((store.SIZE, store.SIZE, 3), np.uint8)
    store.Store(tmp_path / "frames_few").write((sample, {"points": points, "score": 1.0, "focal": 600.0}) for points in few)
    half = batches.Half(sorted(tmp_path.glob("frames*")), 32, 0)
    chances = np.diff(half.chances, prepend=0.0) / half.chances[-1]
    share = sum(chance for chance, (k, _) in zip(chances, half.index, strict=True) if k == 1)
    assert share == pytest.approx(2 / (2 + 24**0.5))


def test_a_bent_picture_takes_its_points_along() -> None:
    random = np.random.default_rng(4)
    points = random.uniform(50, 140, (12, 2))
    for _ in range(5):
        for point in points:
            image = np.zeros((store.SIZE, store.SIZE, 3), np.uint8)
            cv2.circle(image, (round(point[0] * 16), round(point[1] * 16)), 4 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
            seed = int(random.integers(1 << 30))
            bent, moved = batches.bent(image, np.concatenate([point[None], points]), np.random.default_rng(seed))
            weight = bent[:, :, 0].astype(float)
            y, x = np.indices(weight.shape)
            centre = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
            assert np.linalg.norm(centre - moved[0]) < 0.6


def _one_of_two(rank: int, data: str, port: int) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    small = regressor.RegressorConfig(picture=32, width=24, heads=2, encoder=1, decoder=1)
    config = train.TrainConfig(steps=12, batch=4, warm_up=2, views_only=4, workers=0, regressor=small, bfloat16=False)
    with processes.joined():
        run = train.train(config, Path(data), Path(data) / "run")
    weights = torch.cat([parameter.detach().flatten() for parameter in run.network.parameters()])
    torch.save(weights, Path(data) / f"weights{rank}.pt")


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    synthetic_store(tmp_path / "views", True)
    synthetic_store(tmp_path / "frames", False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(_one_of_two, (str(tmp_path), port), nprocs=2)
    one, other = (torch.load(tmp_path / f"weights{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(one, other)
    begun = regressor.Regressor(regressor.RegressorConfig(picture=32, width=24, heads=2, encoder=1, decoder=1))
    assert one.shape == torch.cat([parameter.flatten() for parameter in begun.parameters()]).shape
    assert export.load(tmp_path / "run").config.picture == 32


def test_training_can_start_from_committed_weights(trained: train.Run, tmp_path: Path) -> None:
    shipped.save_tensors(export.load(trained.folder), tmp_path / "small.safetensors")
    again = export.load_weights(tmp_path / "small.safetensors")
    for a, b in zip(again.parameters(), trained.average.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3, rtol=1e-3)


def test_export_equals_torch(trained: train.Run, tmp_path: Path) -> None:
    from facelift_blender.capture.landmarks import Regressor

    path = tmp_path / "small.onnx"
    loaded = export.load(trained.folder)
    pictures = torch.rand(8, 3, loaded.config.picture, loaded.config.picture)
    assert export.export(loaded, path, pictures, torch.linspace(1.5, 4.0, 8)[:, None]) < export.TOLERANCE
    network = Regressor(path, 1)
    image = np.zeros((200, 300, 3), np.uint8)
    one = network(image, [(100, 50, 60, 80)], 400.0)[0]
    two = network(image, [(20, 50, 60, 80), (100, 50, 60, 80)], 400.0)[1]
    assert np.allclose(one.landmarks_2d, two.landmarks_2d, atol=1e-3)
    seen = one.landmarks_3d @ one.rotation.T + one.translation
    assert np.allclose(400.0 * seen[:, :2] / seen[:, 2:] + [150, 100], one.landmarks_2d, atol=1e-3)


def test_likelihood_is_least_where_it_should_be() -> None:
    cholesky = torch.tensor([[[0.01, 0.0, 0.01]]])
    zero = torch.zeros(1, 1, 2)
    near = losses.laplacian_likelihood(zero, zero, cholesky)
    far = losses.laplacian_likelihood(zero, zero + 0.02, cholesky)
    assert near < far
    assert losses.laplacian_likelihood(zero, zero + 0.02, 3 * cholesky) < far


def test_geodesic_is_the_angle() -> None:
    angle = torch.tensor(0.3)
    turn = torch.tensor([[[torch.cos(angle), -torch.sin(angle), 0], [torch.sin(angle), torch.cos(angle), 0], [0, 0, 1.0]]])
    assert abs(float(losses.geodesic(turn, torch.eye(3)[None])) - 0.3) < 1e-5


def test_mirror_twice_is_the_same_sample() -> None:
    camera = cameras(np.random.default_rng(0), 3)[0]
    truth = face(0)
    pose = {"rotation": camera.rotation, "translation": camera.translation}
    row = {"points": camera.project(truth), "landmarks": truth, "focal": np.array(600.0)} | pose
    image = np.random.default_rng(0).integers(0, 255, (store.SIZE, store.SIZE, 3)).astype(np.uint8)
    flipped, mirrored = batches.mirrored(image, row)
    seen = mirrored["landmarks"] @ mirrored["rotation"].T + mirrored["translation"]
    assert np.allclose(600 * seen[:, :2] / seen[:, 2:] + store.SIZE / 2, mirrored["points"])
    again, back = batches.mirrored(flipped, mirrored)
    assert np.array_equal(again, image)
    assert all(np.allclose(back[name], row[name]) for name in row)
    assert [MIRROR[k] for k in MIRROR] == list(range(COUNT))
