# SPDX-License-Identifier: GPL-3.0-or-later
"""From guesses a frame to one performance: one lens, one face, a pose and an expression a frame.

`solve` finds what the whole clip shares (focal length and the actor's neutral face, `bundle`), then what each frame
adds (`head_pose`), smooths it (`smoothing`) and reads the expression (`expression`). `resmooth` does the second half again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import camera, expression, head_pose, pins, topology
from .bundle import ClipEstimate, Prior, estimate_clip, key_frames, turning
from .corrections import Corrections
from .one_thread import one_thread
from .roomy import WINDOW, gathered, rest, roomy, roomy_copy, windows
from .smoothing import Certainty, Path, Smoothing, smooth_path
from .take import project
from .types import Array, Clip, Distortion, FaceLiftError, Lens, Observations, Take
from .zoom import perspectives, zoom_curve

_SAMPLE, _CANDIDATES, _FEW = 1000, 20_000, 100
"""Frames that tell what a clip's frames have in common; among which its key frames are; and that tell how the regressor made them."""
_MODES = 6
_MODE_DOUBT = 0.4
_POINT_DOUBT = (0.0013, 0.3)
"""Metres that any landmark may stray from the regressor's shape, and the share of its own spread over the clip."""
_HIDDEN, _SUDDENLY = 3.0, 8
"""So many times as unsure as usual, a landmark is as likely hidden as seen, and how sharply it is one or the other."""
_COVERED, _SUREST, _UNTELLING = 0.1, 1e-6, 1e12
"""The share of hidden landmarks from which a face does not tell how it rests; metres that any landmark is unsure by; pixels squared
that tell as little as any more.
"""
_FACE, _TRUST, _BRIDGED = 0.15, 0.05, 0.2
"""Width of a face in metres, the share of it by which a landmark may be off at half confidence, and a bridged frame's confidence."""
_ALIKE = 4.0
"""How much less all landmarks together tell of the head's place than if their errors were independent."""
_LEAST_SEEN = 0.1
_ZOOM_ROUNDS = 3
_OWN_PROJECTION, _FEIGNED = 2e-5, 0.6
"""Metres within which landmarks are the projection of the regressor's own face, and the doubt that this casts on their perspective,
in units of the expected one: on rendered clips of 24 to 135 mm nine tenths of the regressor's perspective is the one that it was
told, and three quarters after a second look.
"""
_MEASURED = 40
"""Landmarks measured in the picture too, whatever lens was told, from which on those alone are asked for the focal length."""
_NEARNESS_DOUBT, _UNTOLD = 0.5, 2.5
"""1 / metres by which the nearness that an actor's face tells is off, and the doubt about the landmarks' own perspective beside it, as
above. On stills like those that taught it that is 0.3 (`models.training.habits_fit` prints it), on rendered clips 0.5.
"""
_USUAL_LENS, _LENS_DOUBT, _METADATA_DOUBT = 42.0, 0.6, 0.05
"""The lens expected when nothing is known, in 35 mm equivalents, and the doubts about it and about metadata (of the logarithm)."""


@dataclass(frozen=True)
class SolveSettings:
    """What the user may settle beforehand.

    focal_mm: focal length on a sensor of `sensor_width` mm, or None to solve it. interpupillary: metres between the
    actor's pupils, which sets the scale; measured: two landmarks and the metres between them at rest, which rule over it.
    smoothing: 0 raw to 1 very smooth, for all parts or each. distortion: the clip's own lens model.
    camera_poses: (F, 4, 4) world from camera on every frame of the clip, metres, of a camera that is solved already; else it
    stands still. zoom: the focal length changes over the clip; what is known of it holds for its mean. still_head: the head is
    held where it was on its first frame, and the camera moves about it.
    """

    focal_mm: float | None = None
    sensor_width: float = 36.0
    interpupillary: float = 0.063
    smoothing: float | Smoothing = 0.5
    distortion: Distortion = field(default_factory=Distortion)
    measured: tuple[int, int, float] | None = None
    zoom: bool = False
    camera_poses: Array | None = None
    still_head: bool = False


@one_thread()
def solve(
    raw: Observations, clip: Clip, settings: SolveSettings = SolveSettings(), actor: str = "Actor 1", provenance: Mapping[str, Any] = {}
) -> Take:
    """One consistent performance from the regressor's guesses.

    Raises FaceLiftError if no frame has a face, or a setting cannot be.
    """
    started = perf_counter()
    _check_settings(settings)
    raw = _checked(raw)
    prior = _prior(clip, settings)
    center = (clip.width / 2, clip.height / 2)
    lens = Lens(
        clip.width, clip.height, np.full(len(raw.frames), prior.focal), (prior.focal, prior.focal), center,
        settings.sensor_width, clip.pixel_aspect, settings.distortion, prior.source,
    )  # fmt: skip
    guide = _Guide.of(raw)
    estimate, reference = _estimate(raw, lens, guide, prior)
    focal = estimate.focal
    lens = replace(lens, focal=np.full(len(raw.frames), focal.value), focal_interval=focal.interval, focal_source=focal.source)
    if settings.zoom:
        lens = _zoomed(_Sight.of(raw, lens, guide), raw, lens, reference, clip)
    neutral = reference * _scale(reference, settings)
    warnings = [*provenance.get("warnings", ()), *estimate.warnings]
    ready = perf_counter()
    amount = Smoothing.of(settings.smoothing)
    take = _finish(guide, raw, clip, lens, neutral, amount, actor, _cameras(raw, settings))
    take = _held(take) if settings.still_head else take
    stations = {"solve": (ready - started) / len(take) * 1e3, "smooth": (perf_counter() - ready) / len(take) * 1e3}
    return replace(
        take,
        provenance={
            **provenance,
            "warnings": warnings,
            "smoothing": asdict(amount),
            "still_head": settings.still_head,
            "solve_ms": stations,
        },
    )


def resmooth(take: Take, smoothing: float | Smoothing) -> Take:
    """The same solve with another smoothing, for all parts or each, from the take's raw part: no tracking, no new lens.

    Corrections are kept: locked frames stay as they are, pins are reached again.
    """
    again = resolve(take, take.corrections, smoothing)
    if not take.corrections:
        return again
    again = replace(pins.corrected(take, again, take.corrections), corrections=take.corrections)
    return describe_motion(again, np.flatnonzero(~np.isin(take.frames, take.corrections.locked)))


@one_thread()
def resolve(take: Take, corrections: Corrections, smoothing: float | Smoothing | None = None) -> Take:
    """Every frame solved again with the take's lens and face, what is muted left out; pins are not in it."""
    amount = smoothing_of(take) if smoothing is None else Smoothing.of(smoothing)
    raw = _checked(pins.told(take.raw, corrections, pinned=False))
    still = bool(take.provenance.get("still_head"))
    cameras = _standing(len(take)) if still else take.camera_poses
    again = _finish(_Guide.of(raw), raw, take.clip, take.lens, take.neutral, amount, take.actor, cameras)
    again = replace(again, raw=take.raw, provenance={**take.provenance, "smoothing": asdict(amount)})
    return _held(again) if still else again


def smoothing_of(take: Take) -> Smoothing:
    """The smoothing that a take was made with."""
    told = take.provenance.get("smoothing", 0.5)
    return Smoothing(**told) if isinstance(told, Mapping) else Smoothing.of(told)


def describe_motion(take: Take, rows: NDArray[np.int64]) -> Take:
    """The take with what follows from its motion told anew on some rows: expression, residuals and confidence."""
    raw = pins.told(take.raw, take.corrections)
    weights, residuals, confidence = (roomy_copy(part) for part in (take.weights, take.residuals, take.confidence))
    for part in _windows(rows):
        weights[part] = expression.read_weights(take.landmarks[part], take.neutral)
        errors = np.linalg.norm(project(take, part) - raw.landmarks_2d[part], axis=-1)
        counted = np.isfinite(errors) & np.isfinite(raw.covariances[part, :, 0, 0])
        squares = np.sum(np.where(counted, errors, 0.0) ** 2, axis=1)
        residuals[part] = np.sqrt(squares / np.where(counted.any(axis=1), counted.sum(axis=1), np.nan))
        confidence[part] = _confidence(take, raw, errors, part)
    return replace(take, weights=weights, residuals=residuals, confidence=confidence)


def _windows(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The rows, so many at a time that what is done with them needs little memory however long the clip is."""
    for start in range(0, len(rows), WINDOW):
        yield rows[start : start + WINDOW]
        rest()


def _sampled(raw: Observations, most: int) -> NDArray[np.int64]:
    """Found rows, `most` of them at most, evenly spread over the clip."""
    rows = np.flatnonzero(raw.found)
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(int)] if len(rows) > most else rows


def _check_settings(settings: SolveSettings) -> None:
    camera.check_distortion(settings.distortion)
    Smoothing.of(settings.smoothing)
    if not 0.02 <= settings.interpupillary <= 0.2:
        raise FaceLiftError(f"Pupils {settings.interpupillary * 1e3:g} mm apart are not possible; give 20 to 200 mm, 63 is usual.")
    if settings.measured is not None:
        one, other, length = settings.measured
        if not (0 <= min(one, other) < max(one, other) < topology.COUNT and 1e-3 <= length <= 1.0):
            raise FaceLiftError("A measured length takes two different landmarks of the table and 1 to 1000 mm between them.")
    if settings.still_head and settings.camera_poses is not None:
        raise FaceLiftError("The head cannot be held still before a camera whose motion is given; choose one of the two.")


def _scale(reference: Array, settings: SolveSettings) -> float:
    """What brings the regressor's face (N, 3) to metres."""
    if settings.measured is None:
        return settings.interpupillary / _pupil_distance(reference)
    one, other, length = settings.measured
    return length / float(np.linalg.norm(reference[one] - reference[other]))


def _cameras(raw: Observations, settings: SolveSettings) -> Array:
    """(T, 4, 4) world from camera on the frames of the raw take."""
    if settings.camera_poses is None:
        return _standing(len(raw.frames))
    poses = np.asarray(settings.camera_poses, dtype=float)
    if poses.shape[1:] != (4, 4) or len(poses) < raw.frames.max() or not _are_rigid(poses):
        raise FaceLiftError(f"The solved camera does not cover frames 1 to {raw.frames.max()} with one pose each; solve its motion again.")
    return poses[raw.frames - 1]


def _standing(count: int) -> Array:
    """(T, 4, 4) poses of a camera that does not move."""
    poses = roomy(count, 4, 4)
    for rows in windows(count):
        poses[rows] = np.eye(4)
    return poses


def _are_rigid(poses: Array) -> bool:
    turns = poses[:, :3, :3]
    apart = np.abs(turns @ np.swapaxes(turns, 1, 2) - np.eye(3)).max(initial=0.0)
    return bool(np.isfinite(poses).all() and apart < 1e-3 and np.all(np.linalg.det(turns) > 0))


def _held(take: Take) -> Take:
    """The take with all of the motion given to the camera: the head stays where its first frame has it."""
    rows = np.flatnonzero(take.valid)
    nearest = rows[np.clip(np.searchsorted(rows, np.arange(len(take))), 0, len(rows) - 1)]
    poses = np.tile(np.eye(4), (len(take), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = take.rotations[nearest], take.translations[nearest]
    return replace(take, camera_poses=poses[rows[0]] @ np.linalg.inv(poses))


def _checked(raw: Observations) -> Observations:
    """The raw take with frames that cannot be used marked as not found."""
    found = np.zeros(len(raw.frames), bool)
    for rows in windows(len(found)):
        found[rows] = raw.found[rows] & _usable(raw, rows)
    raw = replace(raw, found=found)
    if found.any() and not _is_face(np.median(gathered(raw.landmarks_3d, _sampled(raw, _FEW)), axis=0)):
        raise FaceLiftError("The landmarks do not form a face: they lie in a row; the regressor's file may be wrong.")
    if not found.any():
        raise FaceLiftError("There is no frame with a face to solve; check the range, or that the face is large enough and not hidden.")
    return raw


def _usable(raw: Observations, rows: slice) -> NDArray[np.bool_]:
    """(R,) which of some rows have all their numbers, and a face in front of the camera of which enough is seen."""
    parts = (raw.landmarks_2d[rows], raw.landmarks_3d[rows], raw.rotations[rows], raw.translations[rows])
    whole = np.all([np.all(np.isfinite(part), axis=tuple(range(1, part.ndim))) for part in parts], axis=0)
    seen = np.mean(np.isfinite(raw.covariances[rows, :, 0, 0]), axis=1) > _LEAST_SEEN
    with np.errstate(invalid="ignore"):
        return whole & seen & (raw.translations[rows, 2] > 0)


def _told_through_pose(raw: Observations, lens: Lens) -> NDArray[np.bool_]:
    """(N,) which landmarks in the picture are the canonical ones under the regressor's own pose and focal length.

    Their perspective is the assumed focal length's for the most part, and their motion tells less than it seems to.
    """
    rows = _sampled(raw, _FEW)
    pose = head_pose.pose_from(raw.rotations[rows], raw.translations[rows], raw.assumed_focal)
    off = head_pose.reproject(gathered(raw.landmarks_3d, rows), pose, 1.0 / raw.assumed_focal) + np.array(lens.center)
    off -= gathered(raw.landmarks_2d, rows)
    return np.median(np.abs(off).max(axis=2) / pose.scales[:, None], axis=0) < _OWN_PROJECTION


def _is_face(shape: Array) -> bool:
    """Whether points (N, 3) spread over at least a plane."""
    spread = np.linalg.svd(shape - shape.mean(axis=0), compute_uv=False)
    return bool(spread[1] > 0.02 * spread[0] > 0)


def _nearness(raw: Observations, found: NDArray[np.int64], focal: float) -> tuple[float, float] | None:
    """The focal length as the face's own perspective tells it, as a multiple of the inverse of one in pixels, and its doubt."""
    found = found[np.isfinite(raw.nearness[found])] if len(raw.nearness) else found[:0]
    if not len(found):
        return None
    times = np.linalg.norm(gathered(raw.translations, found), axis=1) * focal / raw.assumed_focal
    return float(np.median(raw.nearness[found] * times)), _NEARNESS_DOUBT * float(np.median(times))


def _prior(clip: Clip, settings: SolveSettings) -> Prior:
    """What is believed of the focal length before the motion is looked at."""
    if settings.focal_mm is not None:
        return Prior(camera.focal_to_pixels(settings.focal_mm, settings.sensor_width, clip.width), 0.0, "user")
    metadata = camera.metadata_focal(clip)
    if metadata is not None:
        return Prior(metadata, _METADATA_DOUBT, "metadata")
    return Prior(_USUAL_LENS * camera.metadata_focal(replace(clip, focal_mm=1.0)), _LENS_DOUBT, "prior")


def _zoomed(sight: _Sight, raw: Observations, lens: Lens, reference: Array, clip: Clip) -> Lens:
    """The lens with a focal length of its own on every frame, whose mean over the frames with a face stays."""
    seconds = raw.frames[raw.found] / clip.fps
    for _ in range(_ZOOM_ROUNDS):
        sight, focal = sight.through(raw, lens), lens.focal[raw.found]
        fit, points, modes = _fitted(sight, reference, focal)
        told, information = perspectives(sight.pixels, sight.white, points, modes, fit, focal)
        curve = zoom_curve(told, information, fit.pose.scales / focal, seconds)
        curve -= curve.mean()
        lens = replace(lens, focal=lens.focal * np.exp(np.interp(raw.frames / clip.fps, seconds, curve)))
    return lens


def _pupil_distance(shape: Array) -> float:
    right, left = topology.IRIS_CENTERS
    return float(np.linalg.norm(shape[right] - shape[left]))


@dataclass(frozen=True)
class _Guide:
    """What the regressor's canonical shapes of a clip have in common.

    rough and fine: where shapes are laid, (N, 3), and how much each landmark counts in that, (N,), before and after the
    expression is taken out that is seen against `first`, (N, 3). mean, neutral: (N, 3) of the shapes so laid. doubt: (N,) metres
    that these leave in doubt. components: (3 N, C) of their variation, largest first; deviations: (C,). usual: (N,) how unsure of
    its landmarks the regressor is in this clip, in the regressor's metres.
    """

    rough: tuple[Array, Array]
    first: Array
    fine: tuple[Array, Array]
    mean: Array
    neutral: Array
    doubt: Array
    components: Array
    deviations: Array
    usual: Array

    @staticmethod
    def of(raw: Observations, rest: Callable[[Array], Array] = expression.at_rest) -> _Guide:
        rows = _sampled(raw, _SAMPLE)
        landmarks = gathered(raw.landmarks_3d, rows)
        rough = head_pose.common(landmarks)
        laid = head_pose.move(landmarks, head_pose.similarity(landmarks, *rough))
        first = expression.find_neutral(laid)
        still = laid - _moves(laid, first)
        fine = head_pose.common(still)
        shapes = head_pose.move(laid, head_pose.similarity(still, *fine))
        mean = shapes.mean(axis=0)
        doubt = _POINT_DOUBT[0] + _POINT_DOUBT[1] * np.sqrt(np.mean(np.sum((shapes - mean) ** 2, axis=-1), axis=0))
        unsure = _unsure(raw, rows)
        usual = np.maximum(np.median(unsure, axis=0), _SUREST)
        hidden = np.mean(~(unsure < _HIDDEN * usual), axis=1)
        neutral = rest(shapes[hidden <= max(_COVERED, float(np.median(hidden)))])
        return _Guide(rough, first, fine, mean, neutral, doubt, *_components(shapes), usual)

    def believed(self, shapes: Array, unsure: Array) -> Array:
        """Shapes (F, N, 3) at rest where something hides them, by how unsure (F, N) their landmarks are: nothing is invented there.

        Irises stay where they are said to be: of shut eyes nobody knows where they look.
        """
        trust = 1.0 / (1.0 + np.minimum(unsure / (_HIDDEN * self.usual), _HIDDEN) ** _SUDDENLY)
        trust[:, topology.region_indices("irises")] = 1.0
        return self.neutral + trust[..., None] * (shapes - self.neutral)

    def steadied(self, landmarks: Array) -> tuple[Array, tuple[Array, Array, Array]]:
        """Canonical landmarks (F, N, 3) without what is rigid in their motion, and the motion put on each frame.

        A jaw that drops pulls the whole face's middle down: so the face is laid on the mean once as it is, and once more
        without the expression that is then seen in it.
        """
        first = head_pose.similarity(landmarks, *self.rough)
        laid = head_pose.move(landmarks, first)
        second = head_pose.similarity(laid - _moves(laid, self.first), *self.fine)
        shifts = second[0][:, None] * np.einsum("tij,tj->ti", second[1], first[2]) + second[2]
        return head_pose.move(laid, second), (second[0] * first[0], second[1] @ first[1], shifts)

    @property
    def modes(self) -> Array:
        """(N, 3, K): the main components, as large as the regressor is in doubt of them."""
        return (self.components[:, :_MODES] * self.deviations[:_MODES] * _MODE_DOUBT).reshape(*self.neutral.shape, -1)


def _unsure(raw: Observations, rows: NDArray[np.int64]) -> Array:
    """(R, N) deviations of the landmarks of some rows in the picture, in the regressor's metres: a metre where nothing is told."""
    pixels = np.sqrt(np.trace(np.minimum(gathered(raw.covariances, rows), _UNTELLING), axis1=2, axis2=3) / 2)
    return np.nan_to_num(pixels * raw.translations[rows, 2:] / raw.assumed_focal, nan=1.0)


def steadied_shapes(raw: Observations) -> Array:
    """(F, N, 3) the regressor's canonical shapes of the frames where a face was found, what is rigid in their motion taken out."""
    return _Guide.of(raw, rest=expression.find_neutral).steadied(gathered(raw.landmarks_3d, np.flatnonzero(raw.found)))[0]


def _moves(shapes: Array, neutral: Array) -> Array:
    return expression.moves(expression.fit_weights(shapes, neutral), neutral)


@dataclass(frozen=True)
class _Sight:
    """Found frames as the solve wants them.

    pixels: (F, N, 2) straightened, from the picture's centre, in units of a pixel's width.
    own_white: (F, N, 2, 2) whitens the regressor's errors in the picture; white: those and what its shapes leave in doubt.
    shapes: (F, N, 3) canonical, the rigid part taken out; pose: the regressor's, for those shapes.
    """

    guide: _Guide
    rows: NDArray[np.int64]
    pixels: Array
    own_white: Array
    white: Array
    shapes: Array
    pose: head_pose.Pose

    @staticmethod
    def of(raw: Observations, lens: Lens, guide: _Guide, rows: NDArray[np.int64] | None = None) -> _Sight:
        """Rows of the raw take, all that are found if none are named."""
        rows = np.flatnonzero(raw.found) if rows is None else rows
        square = np.array([1.0, lens.pixel_aspect])
        shapes, (scales, turns, shifts) = guide.steadied(gathered(raw.landmarks_3d, rows))
        rotations = raw.rotations[rows] @ np.swapaxes(turns, 1, 2)
        translations = raw.translations[rows] * scales[:, None] - np.einsum("tij,tj->ti", rotations, shifts)
        pose = head_pose.pose_from(rotations, translations, raw.assumed_focal)
        own = gathered(raw.covariances, rows) / (square[:, None] * square)
        white = head_pose.whitener(own + ((pose.scales[:, None] * guide.doubt) ** 2)[..., None, None] * np.eye(2))
        shapes = guide.believed(shapes, _unsure(raw, rows))
        return _Sight(guide, rows, _straight(raw, lens, rows), head_pose.whitener(own), white, shapes, pose)

    def through(self, raw: Observations, lens: Lens) -> _Sight:
        """The same frames seen through another lens."""
        return replace(self, pixels=_straight(raw, lens, self.rows))


def _straight(raw: Observations, lens: Lens, rows: NDArray[np.int64]) -> Array:
    """(F, N, 2) where a pinhole would have seen the landmarks of some rows, from the picture's centre."""
    focal, usual = lens.focal[rows], float(np.median(lens.focal))
    return camera.to_rays(gathered(raw.landmarks_2d, rows), replace(lens, focal=focal), usual) * focal[:, None, None]


def _components(shapes: Array, count: int = 12) -> tuple[Array, Array]:
    """Principal components of shapes (F, N, 3): orthonormal (3 N, count), largest first, and their deviations (count,)."""
    apart = (shapes - shapes.mean(axis=0)).reshape(len(shapes), -1)[:: max(1, len(shapes) // 500)]
    vectors = np.random.default_rng(0).normal(size=(apart.shape[1], count))
    for _ in range(6):
        vectors, _ = np.linalg.qr(apart.T @ (apart @ vectors))
    deviations = np.sqrt(np.mean((apart @ vectors) ** 2, axis=0))
    order = np.argsort(-deviations)
    return vectors[:, order], deviations[order]


def _estimate(raw: Observations, lens: Lens, guide: _Guide, prior: Prior) -> tuple[ClipEstimate, Array]:
    """The clip-wide solve, and the actor's neutral in the regressor's scale.

    Of the regressor's shapes only what this actor's face is wont to do is believed, and each frame may differ from that too.
    """
    found, told = _sampled(raw, _CANDIDATES), _told_through_pose(raw, lens)
    telling = None if np.sum(~told) < _MEASURED else ~told
    pose = head_pose.pose_from(raw.rotations[found], raw.translations[found], raw.assumed_focal)
    sure = np.concatenate([np.median(raw.covariances[rows, :, 0, 0], axis=1) for rows in _windows(found)])
    keys = found[key_frames(pose, np.isfinite(sure) & (sure > 0))]
    sight = _Sight.of(raw, lens, guide, keys)
    apart = (sight.shapes - guide.mean).reshape(len(keys), -1)
    modes = (guide.components * guide.deviations * _MODE_DOUBT).reshape(*guide.mean.shape, -1)
    points = guide.mean + (apart @ guide.components @ guide.components.T).reshape(sight.shapes.shape)
    near = _nearness(raw, found, prior.focal)
    prior = replace(prior, feigned=_UNTOLD if near is not None else _FEIGNED if told.any() else 0.0, near=near)
    estimate = estimate_clip(sight.pixels, sight.white, points, modes, sight.pose, prior, turning(pose), telling)
    return estimate, guide.neutral + estimate.offset


def _finish(
    guide: _Guide, raw: Observations, clip: Clip, lens: Lens, neutral: Array, amount: Smoothing, actor: str, cameras: Array
) -> Take:
    """Pose, landmarks and expression of each frame, given what the clip shares."""
    count = len(raw.frames)
    inwards = roomy(count, 4, 4)
    for rows in windows(count):
        inwards[rows] = np.linalg.inv(cameras[count // 2]) @ cameras[rows]
    path = smooth_path(*_timeline(guide, raw, lens, neutral, inwards), amount, clip.fps)
    if len(path.translations) > count:
        path = path.rows(raw.frames - raw.frames[0])
    for rows in windows(count):
        seen = _seen_by(np.linalg.inv(inwards[rows]), path.rows(rows))
        path.rotations[rows], path.translations[rows] = seen.rotations, seen.translations
    valid = np.isfinite(path.translations[:, 0])
    take = Take(
        actor, clip, raw.frames, (raw.frames - clip.first_frame) / clip.fps, valid, lens, cameras,
        path.rotations, path.translations, neutral, path.landmarks, raw.covariances, roomy(count, len(neutral)),
        roomy(count, 52), expression.observable(neutral), np.zeros(count), raw,
    )  # fmt: skip
    return describe_motion(take, np.arange(count))


def _each_frame(sight: _Sight, neutral: Array, focal: Array) -> tuple[head_pose.Fit, Array]:
    """Poses, and landmarks (F, N, 3) that sit on the plate as far as the picture is surer than the regressor's shape."""
    fit, points, modes = _fitted(sight, neutral, focal)
    points = points + np.einsum("ndk,tk->tnd", modes, fit.coefficients)
    doubt = _size(sight.guide, neutral) * sight.guide.doubt
    return fit, points + head_pose.strays(sight.pixels, sight.own_white, points, fit.pose, 1.0 / focal, doubt)


def _size(guide: _Guide, neutral: Array) -> float:
    """The actor's size in that of the regressor's face."""
    return float(np.linalg.norm(neutral - neutral.mean(axis=0)) / np.linalg.norm(guide.neutral - guide.neutral.mean(axis=0)))


def _fitted(sight: _Sight, neutral: Array, focal: Array) -> tuple[head_pose.Fit, Array, Array]:
    """Poses of each frame; the points (F, N, 3) and modes (N, 3, K) that they were found with."""
    size = _size(sight.guide, neutral)
    points, modes = neutral + size * (sight.shapes - sight.guide.neutral), size * sight.guide.modes
    points = np.where(sight.own_white.any(axis=(2, 3))[..., None], points, neutral)
    start = replace(sight.pose, scales=sight.pose.scales / size)
    return head_pose.fit_poses(sight.pixels, sight.white, points, modes, start, 1.0 / focal), points, modes


def _timeline(guide: _Guide, raw: Observations, lens: Lens, neutral: Array, inwards: Array) -> tuple[Path, Certainty]:
    """What is found, laid out on every frame from the first to the last; NaN where there is nothing.

    The head's motion is told as one camera among them sees it (`inwards`, (T, 4, 4)): only that is smooth where the camera shakes.
    """
    line, count = int(raw.frames[-1] - raw.frames[0]) + 1, len(neutral)

    def laid(*shape: int) -> Array:
        return roomy(line, *shape, fill=np.nan)

    path, certainty = Path(laid(3, 3), laid(3), laid(count, 3)), Certainty(laid(), laid(), laid(), laid(count))
    for rows in _windows(np.flatnonzero(raw.found)):
        fit, landmarks = _each_frame(_Sight.of(raw, lens, guide, rows), neutral, lens.focal[rows])
        moved = _seen_by(inwards[rows], Path(fit.pose.rotations, fit.pose.translations(lens.focal[rows]), landmarks))
        seen = np.nan_to_num(1.0 / np.trace(raw.covariances[rows], axis1=2, axis2=3))
        turn = 1.0 / np.trace(fit.covariances[:, :3, :3], axis1=1, axis2=2)
        place = lens.focal[rows] ** 2 * seen.sum(axis=1) / _ALIKE
        at = raw.frames[rows] - raw.frames[0]
        for goal, values in ((path, moved), (certainty, Certainty(turn, place, 1.0 / fit.covariances[:, 5, 5], seen))):
            for part in fields(goal):
                getattr(goal, part.name)[at] = getattr(values, part.name)
    return path, certainty


def _seen_by(change: Array, path: Path) -> Path:
    """The path after a change of the camera (T, 4, 4)."""
    turn = change[:, :3, :3]
    return replace(path, rotations=turn @ path.rotations, translations=np.einsum("tij,tj->ti", turn, path.translations) + change[:, :3, 3])


def _confidence(take: Take, raw: Observations, errors: Array, rows: NDArray[np.int64]) -> Array:
    """(R, N) of some rows: how far each landmark can be trusted, from the regressor's score and doubt and how it fits the solve."""
    valid = take.valid[rows]
    face = _FACE * take.lens.focal[rows] / np.where(valid, take.translations[rows, 2], 1.0)
    doubt = (np.trace(raw.covariances[rows], axis1=2, axis2=3) + errors**2) / (_TRUST * face[:, None]) ** 2
    seen = raw.scores[rows, None] / (1.0 + doubt)
    bridged = np.where(valid[:, None], _BRIDGED, 0.0)
    return np.clip(np.where(raw.found[rows, None] & np.isfinite(seen), seen, bridged), 0.0, 1.0)
