# SPDX-License-Identifier: GPL-3.0-or-later
"""The generator's stages in miniature: it learns heads from views, survives a restart, contends, and is measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("matplotlib")

from models.training import adversarial, gates, paths, pretrain_generator, sources
from models.training.discriminator import Discriminator, DiscriminatorConfig
from models.training.generator import (
    CENTRE,
    RADII,
    Cameras,
    Generator,
    GeneratorConfig,
    Rays,
    load_generator,
    pixel_places,
    spans,
    where_matter_is,
    window,
)
from models.training.heads import Camera, look_at
from models.training.posed import Posed
from models.training.shipped import save_tensors
from models.training.view_set import UNKNOWN, ViewSet

SIDE = 16
SMALL = GeneratorConfig(code=8, width=16, channels=(16, 16, 12), plane=8, hidden=16, samples=12)
EYE = np.array(CENTRE)


def views_of_ellipsoids(heads: int = 4, views: int = 6) -> ViewSet:
    """Ellipsoids of several sizes and colours, brighter upwards, before noise."""
    random = np.random.default_rng(0)
    rows = []
    for head in range(heads):
        radii = np.array(RADII) * (0.5 + 0.1 * head)
        tint = random.uniform(0.3, 1.0, 3)
        for yaw in np.linspace(-1.0, 1.0, views):
            camera = look_at(yaw, 0.1, 0.0, 1.0, 2.6 * SIDE, SIDE, EYE)
            rays = sources.as_tensors(camera, SIDE).rays(pixel_places(SIDE)[None])
            start, direction = (x[0].numpy().astype(float) for x in rays)
            a = ((direction / radii) ** 2).sum(axis=1)
            b = ((start - EYE) * direction / radii**2).sum(axis=1)
            inside = b**2 - a * ((((start - EYE) / radii) ** 2).sum(axis=1) - 1)
            distance = np.where(inside > 0, (-b - np.sqrt(np.maximum(inside, 0))) / a, np.nan)
            height = np.nan_to_num((start + direction * distance[:, None] - EYE)[:, 1] / radii[1])
            colour = np.where((inside > 0)[:, None], tint * (160 + 80 * height[:, None]), random.uniform(0, 255, (len(a), 3)))
            depth = (distance - np.linalg.norm(start - EYE, axis=1)).astype(np.float16)
            rows.append((colour.astype(np.uint8).reshape(SIDE, SIDE, 3), depth.reshape(SIDE, SIDE), camera, head))
    pictures, depth, cameras, identity = zip(*rows, strict=True)
    rotation, translation = (np.stack([getattr(camera, part) for camera in cameras]) for part in ("rotation", "translation"))
    landmarks = random.normal(0, 0.05, (heads, 150, 3))
    return ViewSet(np.stack(pictures), np.stack(depth), np.full(len(rows), 2.6), rotation, translation, np.array(identity), landmarks)


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of_ellipsoids()


@pytest.fixture(scope="module")
def pretrained(views: ViewSet, tmp_path_factory: pytest.TempPathFactory) -> pretrain_generator.Pretraining:
    config = pretrain_generator.PretrainConfig(
        steps=60, identities=2, views=2, patch=12, rate=5e-3, code_rate=1e-2, average=0.8, report=10, bfloat16=False, generator=SMALL
    )
    return pretrain_generator.pretrain(config, views, tmp_path_factory.mktemp("generator"))


def photographs(views: ViewSet) -> Posed:
    return Posed(views.pictures, views.rotation, views.translation, views.focal)


def test_cameras_rays_go_where_the_camera_projects() -> None:
    camera = look_at(0.6, -0.3, 0.2, 0.8, 300.0, 100, np.array([0.01, -0.02, 0.0]))
    rays = sources.as_tensors(camera, 100).rays(torch.tensor([[[0.3, 0.7], [0.5, 0.5]]]))
    points = (rays.start + 0.77 * rays.direction)[0].numpy()
    assert np.allclose(camera.project(points), [[30, 70], [50, 50]], atol=1e-3)


def test_rays_are_cut_at_the_ellipsoid() -> None:
    start = torch.tensor([[[CENTRE[0], CENTRE[1], 1.0], [1.0, 1.0, 1.0]]])
    near, far = spans(Rays(start, torch.tensor([[[0.0, 0.0, -1.0]] * 2])))
    assert torch.allclose(near[0, 0], torch.tensor(1.0 - CENTRE[2] - RADII[2]), atol=1e-5)
    assert torch.allclose(far[0, 0], torch.tensor(1.0 - CENTRE[2] + RADII[2]), atol=1e-5)
    assert near[0, 1] == far[0, 1]


def test_more_samples_go_where_matter_is() -> None:
    weights = torch.full((1, 1, 10), 0.0)
    weights[0, 0, 7] = 1.0
    more = where_matter_is(weights, torch.tensor([[2.0]]), torch.tensor([[3.0]]), 20, jitter=False)
    assert ((more > 2.7) & (more < 2.8)).float().mean() > 0.9
    assert (more.diff(dim=2) >= 0).all()


def test_importance_and_plain_samples_agree() -> None:
    torch.manual_seed(0)
    plain = Generator(GeneratorConfig(**{**SMALL.__dict__, "samples": 200}))
    finer = Generator(GeneratorConfig(**{**SMALL.__dict__, "samples": 24, "importance": 24}))
    finer.load_state_dict(plain.state_dict())
    rays = sources.as_tensors(look_at(0.3, 0, 0, 1.0, 2.6 * 8, 8, EYE), 8).rays(pixel_places(8)[None])
    with torch.no_grad():
        planes = plain.planes(torch.randn(1, SMALL.code))
        one, other = plain.render(planes, rays), finer.render(planes, rays)
    assert (one.colour - other.colour).abs().max() < 0.05
    assert (one.opacity <= 1.0001).all()
    assert one.opacity.max() > 0.2


def test_the_window_depends_on_where_the_head_is() -> None:
    share = window(sources.as_tensors(look_at(0.5, 0, 0, 1.0, 2.6 * 32, 32, EYE), 32).rays(pixel_places(32)[None])).view(32, 32)
    assert share[16, 16] > 0.99
    assert share[0, 0] < 0.05


def test_the_auto_decoder_learns_colour_outline_and_depth(pretrained: pretrain_generator.Pretraining) -> None:
    first, last = pretrained.progress.history[0], pretrained.progress.history[-1]
    assert last["colour"] < 0.7 * first["colour"]
    assert last["depth"] < 0.7 * first["depth"]
    assert last["opacity"] < 0.8 * first["opacity"]
    assert {path.name for path in pretrained.folder.iterdir()} >= {"auto_decoder.pt", "auto_decoder.png", "auto_decoder_curves.png"}


def test_it_goes_on_from_its_checkpoint(pretrained: pretrain_generator.Pretraining, views: ViewSet) -> None:
    again = pretrain_generator.Pretraining(pretrained.config, views, pretrained.folder)
    again.resume()
    assert again.step == pretrained.step == 60
    assert torch.equal(again.codes, pretrained.codes)
    for a, b in zip(again.average.state_dict().values(), pretrained.average.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_codes_are_drawn_as_the_identities_lie(pretrained: pretrain_generator.Pretraining) -> None:
    codes = torch.randn(400, SMALL.code) @ torch.diag(torch.linspace(0.2, 2.0, SMALL.code)) + 3.0
    generator = Generator(SMALL)
    pretrain_generator.set_normal_codes(generator, codes)
    drawn = generator.codes(torch.randn(20000, SMALL.code)).detach()
    assert torch.allclose(drawn.mean(dim=0), codes.mean(dim=0), atol=0.1)
    assert torch.allclose(drawn.std(dim=0), codes.std(dim=0), rtol=0.2, atol=0.12)


def test_weights_are_kept_in_half_the_size(pretrained: pretrain_generator.Pretraining, tmp_path: Path) -> None:
    save_tensors(pretrained.average, tmp_path / "g.safetensors")
    again = load_generator(tmp_path / "g.safetensors")
    assert again.config == SMALL
    camera = look_at(0.2, 0, 0, 1.0, 2.6 * SIDE, SIDE, EYE)
    code = sources.TriplaneSource(again).draw(np.random.default_rng(0))
    one, other = (sources.TriplaneSource(g, SIDE).render(code, [camera], SIDE)[0].astype(int) for g in (pretrained.average, again))
    assert np.abs(one - other).max() <= 6


def test_the_contest_runs_at_both_sizes_and_resumes(pretrained: pretrain_generator.Pretraining, views: ViewSet) -> None:
    config = adversarial.AdversarialConfig(
        steps=10, coarse_steps=6, batch=4, picture=SIDE, adversary_first=2, lazy=4, report=2, smooth_every=2, bfloat16=False,
        generator=SMALL, discriminator=DiscriminatorConfig(channels=(8, 12, 16), width=16, largest=SIDE),
    )  # fmt: skip
    contest = adversarial.contend(config, photographs(views), pretrained.folder, pretrained.checkpoint)
    assert all(np.isfinite(value) for row in contest.progress.history for value in row.values())
    assert {"adversary", "generator", "r1", "smooth", "told_apart"} <= {name for row in contest.progress.history for name in row}
    moved = contest.average.constant - pretrained.average.constant
    assert 0 < moved.abs().max() < 0.5
    again = adversarial.Contest(config, photographs(views), pretrained.folder)
    again.begin(None)
    assert again.step == 10
    assert torch.equal(again.average.constant, contest.average.constant)


def test_the_adversary_learns_to_tell_apart_and_asks_for_the_camera(views: ViewSet) -> None:
    torch.manual_seed(0)
    config = adversarial.AdversarialConfig(
        steps=30, coarse_steps=0, batch=8, picture=SIDE, adversary_first=30, lazy=8, r1=0.1, adversary_rate=3e-3, report=5, bfloat16=False,
        generator=SMALL, discriminator=DiscriminatorConfig(channels=(8, 12, 16), width=16, largest=SIDE),
    )  # fmt: skip
    contest = adversarial.Contest(config, photographs(views), Path())
    random = np.random.default_rng(0)
    losses = [contest.advance(random)["adversary"] for _ in range(30)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:3])
    pictures, cameras = contest.photographs.draw(4, SIDE, random)
    other = Cameras(-cameras.rotation, cameras.translation, cameras.focal)
    assert not torch.allclose(contest.adversary(pictures, cameras), contest.adversary(pictures, other))


def test_mirrored_photographs_have_mirrored_cameras(views: ViewSet) -> None:
    row = np.array([1, 1])
    cameras = photographs(views).cameras(row, np.array([False, True]))
    point = torch.tensor([0.03, -0.05, 0.02])
    seen = [cameras.rotation[k] @ (point * torch.tensor([(-1.0) ** k, 1, 1])) + cameras.translation[k] for k in (0, 1)]
    assert torch.allclose(seen[0] * torch.tensor([-1, 1, 1]), seen[1], atol=1e-6)


class _Pinhole:
    """Has EG3D's interface and shows one bright place of its world."""

    z_dim = 4
    place = torch.tensor([0.1, 0.25, 0.3])

    def mapping(self, z: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        assert c.shape == (1, 25)
        return z

    def synthesis(self, _: torch.Tensor, c: torch.Tensor) -> dict[str, torch.Tensor]:
        pose, intrinsics = c[0, :16].view(4, 4), c[0, 16:].view(3, 3)
        seen = intrinsics @ (pose[:3, :3].T @ (self.place - pose[:3, 3]))
        image = -torch.ones(1, 3, 64, 64)
        x, y = (64 * seen[:2] / seen[2]).long()
        image[0, :, y, x] = 1.0
        return {"image": image}


def test_a_larger_generator_sees_by_our_cameras() -> None:
    source = sources.EG3DSource(_Pinhole(), units=2.7, origin=(0.0, 0.08, 0.01))
    code = source.draw(np.random.default_rng(0))
    camera = look_at(0.4, 0.1, 0.0, 1.0, 3.0 * 64, 64, np.zeros(3))
    picture = source.render(code, [camera], 64)[0]
    place = (_Pinhole.place.numpy() - source.origin) / 2.7
    y, x = np.unravel_index(picture[..., 0].argmax(), (64, 64))
    assert np.allclose([x + 0.5, y + 0.5], camera.project(place), atol=0.51)


def test_gates_know_good_from_bad() -> None:
    random = np.random.default_rng(0)
    real, alike = random.normal(0, [3.0, 2.0, 1.0], (400, 3)), random.normal(0, [3.0, 2.0, 1.0], (400, 3))
    assert gates.frechet(alike, real, real) < 0.1
    assert gates.frechet(alike * 0.2, real, real) > 1.0
    shifted = real + [3.0, 0, 0]
    assert gates.frechet(shifted, real, real) == pytest.approx(1.0, abs=0.2)
    assert gates.spread(0.5 * real) == pytest.approx(0.5 * gates.spread(real))
    good = gates.Measured(10, 0.0, 0.015, 1.1, 3.0, 0.8, 2.0, 0.5)
    assert all(good.passed(gates.Gates()).values())
    flat = gates.Measured(10, 0.0, 0.03, 0.7, 3.0, 0.2, 2.0, 0.5)
    assert not any(flat.passed(gates.Gates()).values())


def test_gates_measure_a_source(views: ViewSet, monkeypatch: pytest.MonkeyPatch) -> None:
    from facelift_blender.capture.topology import COUNT
    from models.training.regressor import Regressor, RegressorConfig

    truth = random_face()

    class Still:
        """Shows nothing; the labeller below knows where its landmarks are."""

        def draw(self, random: np.random.Generator) -> np.ndarray:
            return random.standard_normal(2)

        def render(self, code: np.ndarray, cameras: list[Camera], size: int) -> list[np.ndarray]:
            return [np.full((size, size, 3), int(128 + 20 * code[0]) % 256, np.uint8) for _ in cameras]

    cameras = gates.grid_of_cameras(gates.SIZE)
    assert len(cameras) == 31
    places = iter(cameras * 3)

    def label(*_: object) -> tuple[np.ndarray, np.ndarray, float, float]:
        points = next(places).project(truth)
        return points + np.random.default_rng(0).normal(0, 0.3, points.shape), np.full(COUNT, 1.0), 0.99, 110.0

    monkeypatch.setattr(gates, "label_view", label)
    regressor = Regressor(RegressorConfig(picture=32, width=16, heads=2, encoder=1, decoder=1)).eval()
    found = gates.measure(Still(), 3, None, truth + 0.004, photographs(views), regressor, 0)
    assert found.residual < 0.01
    assert abs(found.relief - 1) < 0.1
    assert found.refused == 0
    assert found.shapes < 0.5


def random_face() -> np.ndarray:
    """(COUNT, 3) points on the front of an ellipsoid, the nose's tip before the eyes' corners."""
    from facelift_blender.capture.topology import COUNT

    random = np.random.default_rng(2)
    yaw, pitch = random.uniform([-0.5, -0.6], [0.5, 0.5], (COUNT, 2)).T
    unit = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=1)
    points = unit * [0.075, 0.11, 0.1] + [0.0, -0.03, -0.07]
    points[30], points[36], points[45] = [0, -0.03, 0.05], [-0.045, 0, 0.0], [0.045, 0, 0.0]
    return points


def test_what_lies_outside_the_volume_is_not_judged(views: ViewSet) -> None:
    config = pretrain_generator.PretrainConfig(patch=6, identities=1, views=1)
    batch = pretrain_generator.Patches(views, config).draw(np.random.default_rng(0))
    unknown = batch._replace(depth=torch.full_like(batch.depth, UNKNOWN))
    rays = Rays(*(x.flatten(1, 2) for x in batch.cameras.rays(batch.places)))
    seen = Generator(SMALL).render(torch.randn(1, 3, SMALL.plane, 16, 16), rays)
    start = torch.zeros(1, 36, 3)
    with torch.no_grad():
        terms = pretrain_generator.reconstruction(seen, unknown, start, config)
    assert terms["colour"] == 0
    assert terms["depth"] == 0


def test_discriminator_takes_each_size() -> None:
    network = Discriminator(DiscriminatorConfig(channels=(4, 6, 8), width=8, largest=16))
    cameras = Cameras(torch.eye(3).expand(2, 3, 3), torch.tensor([[0.0, 0, 1]] * 2), torch.full((2,), 3.0))
    assert [network(torch.zeros(2, 3, size, size), cameras).shape for size in (16, 8)] == [(2,), (2,)]


def test_the_shipped_generator_draws_heads_and_its_card_has_its_figures() -> None:
    measured = json.loads((paths.WEIGHTS / "generator_auto_decoder.json").read_text())
    card = (paths.WEIGHTS / "generator_auto_decoder.md").read_text()
    assert all(measured["passed"].values())
    assert f"{100 * measured['residual']:.1f} % of the face's box" in card
    assert f"| {measured['relief']:.2f} |" in card
    assert f"| {measured['frechet']:.1f} (two halves of the photographs: {measured['halves']:.1f})" in card
    source = sources.TriplaneSource(load_generator(paths.WEIGHTS / "generator_auto_decoder.safetensors"), pixels=24)
    random = np.random.default_rng(0)
    heads = [source.render(source.draw(random), gates.grid_of_cameras(24)[:2], 24) for _ in range(2)]
    middles = np.array([[picture[8:16, 8:16].mean(axis=(0, 1)) for picture in head] for head in heads])
    assert np.ptp(middles[:, 0], axis=0).max() > 2, "two heads look alike"
    assert all(np.abs(picture[0, 0].astype(int) - 128).max() <= 1 for head in heads for picture in head), "air is not empty"
