# SPDX-License-Identifier: GPL-3.0-or-later
"""What the face does: the actor's neutral, and ARKit weights from landmarks.

Of landmarks that are exact, the weights of all frames are one bounded, sparse least squares problem (`fit_weights`): the moves
of the landmarks away from the actor's own neutral, and beside them what tells an expression sharpest (the lids' and the lips'
gaps, the irises between the corners of the eye), against the same of a basis whose moves are brought to the actor's size, part
by part. The tracker's landmarks move less than the face does, and their errors move together: from them the weights are read
(`read_weights`) by a linear regression that rendered faces have taught how this tracker sees each shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..rigs import arkit
from ..rigs.proportions import scale_by_part
from . import topology
from .types import Array
from .weights import model_path, read_learned

UNSEEN = ("tongueOut", "cheekPuff")
"""Shapes that landmarks cannot show, whatever they do to a few of them."""

_NOISE = np.array([1.0, 1.0, 2.5]) * 1e-3
"""Metres by which a landmark's move away from neutral may be off: to the side, up, and in depth."""
_GAP_NOISE, _GAZE_NOISE = 0.7e-3, 0.7e-3
_PRIOR = 0.35
_RIDGE, _SPARSITY, _SMALL = 0.8, 24.0, 0.1
"""Penalties of the fit: on squares, on weights about zero, and the weight from which the latter lets go."""
_USUAL, _USUAL_SHARE = ("jawOpen", "eyeBlink", "eyeLook", "mouthSmile"), 0.1
"""What faces do all the time, and the share of the penalty on it: a closing eye is rather a blink than a squint that looks down."""
_ROUNDS, _ITERATIONS = 3, 80
_CALM_SHARE = 0.3
_CLOSED_SHARE = 0.4
_CALMEST, _SPREAD = 0.1, 0.9
"""The share of frames with the least smile, and how far below nothing they are read, in doubts, by errors alone."""
_LIDS = (((37, 38), (41, 40)), ((43, 44), (47, 46)))
_LIPS = ((61, 67), (62, 66), (63, 65))


@dataclass(frozen=True)
class Basis:
    """A face whose expressions are known: neutral (N, 3) canonical metres; shapes (52, N, 3), what weight 1 adds."""

    neutral: Array
    shapes: Array


@lru_cache(maxsize=1)
def head_basis() -> Basis:
    """The landmarks of the head that the extension ships."""
    from ..rigs.head import load_head

    head = load_head()
    return Basis(head.landmarks, head.landmark_shapes)


def find_neutral(shapes: Array) -> Array:
    """The actor's face at rest (N, 3), from aligned canonical shapes (T, N, 3): the commonest look of each part of the face.

    Eyes, brows and the lower face are judged apart; for the lower face only frames with nearly closed lips count. The irises
    are laid where they look straight ahead, which need not be where this actor looks most.
    """
    neutral = np.median(shapes, axis=0)
    gap = np.mean([np.linalg.norm(shapes[:, upper] - shapes[:, lower], axis=1) for upper, lower in _LIPS], axis=0)
    closed = gap <= np.quantile(gap, _CLOSED_SHARE)
    eyes, brows = topology.region_indices("eyes", "irises"), topology.region_indices("brows", "forehead")
    lower = [index for index in range(shapes.shape[1]) if index not in {*eyes, *brows}]
    for part, candidates in ((list(eyes), shapes), (list(brows), shapes), (lower, shapes[closed])):
        neutral[part] = _commonest(candidates[:, part])
    return _looking_ahead(neutral)


def _looking_ahead(neutral: Array) -> Array:
    """The face with both irises moved: sideways to mirror each other, upwards to where the known head has them in its eyes."""
    ahead, known = neutral.copy(), head_basis().neutral
    offsets, heights = np.zeros((2, 2)), np.zeros(2)
    for eye, (iris, corners) in enumerate(zip(topology.IRIS_CENTERS, topology.EYE_CORNERS, strict=True)):
        offsets[eye] = (neutral[iris] - neutral[list(corners)].mean(axis=0))[:2]
        width, known_width = (np.linalg.norm(face[corners[0]] - face[corners[1]]) for face in (neutral, known))
        heights[eye] = (known[iris] - known[list(corners)].mean(axis=0))[1] / known_width * width
    sideways = 0.5 * (offsets[1, 0] - offsets[0, 0])
    for eye, side in enumerate(("right", "left")):
        rows = [row for row in topology.region_indices("irises") if side in topology.NAMES[row]]
        ahead[rows, :2] += np.array([(-sideways, sideways)[eye], heights[eye]]) - offsets[eye]
    return ahead


def _commonest(shapes: Array) -> Array:
    """Mean of the frames that are most alike, found by walking from the median to where the frames lie densest."""
    middle, count = np.median(shapes, axis=0), max(1, round(_CALM_SHARE * len(shapes)))
    for _ in range(5):
        apart = np.sum((shapes - middle) ** 2, axis=(1, 2))
        middle = shapes[np.argsort(apart, kind="stable")[:count]].mean(axis=0)
    return middle


def at_rest(shapes: Array) -> Array:
    """The actor's face at rest (N, 3), from aligned canonical shapes (T, N, 3): their commonest look, without a smile that it holds."""
    return relaxed(unsmiling(find_neutral(shapes), shapes))


def unsmiling(neutral: Array, shapes: Array) -> Array:
    """A neutral (N, 3) without the smile of who smiles most of the time: beside it, calmer shapes (T, N, 3) show less than none.

    Nobody smiles less than not at all. What the calmest frames are read to show below that, beyond what errors bring, was in the
    neutral, as far as this also looks like a smile beside them: it might be pressed lips.
    """
    reading, smiles = load_reading(), [arkit.INDEX[name] for name in ("mouthSmileLeft", "mouthSmileRight")]
    read = described(shapes, neutral) @ reading.matrix[:, smiles]
    whole = np.diag(described(neutral + moves(np.eye(52)[smiles], neutral), neutral) @ reading.matrix[:, smiles])
    below = np.quantile(read, _CALMEST, axis=0) + _SPREAD * reading.doubt[smiles]
    calm = shapes[read.sum(axis=1) <= np.quantile(read.sum(axis=1), _CALMEST)].mean(axis=0)
    weights = np.zeros(52)
    weights[smiles] = np.minimum(np.maximum(-below / whole, 0.0), fit_weights(neutral[None], calm)[0, smiles])
    return neutral - moves(weights[None], neutral)[0]


def relaxed(neutral: Array) -> Array:
    """A face (N, 3) at rest without what it still does: of who smiles all along, no frame shows another look.

    What its shape alone tells beyond doubt is taken off, on both sides alike. Where the eyes look is no matter of rest.
    """
    rest = load_resting()
    seems = described(neutral[None], head_basis().neutral)[0] @ rest.matrix - rest.least
    weights = np.clip((seems + seems[list(arkit.MIRROR)]) / 2, 0.0, 1.0) * observable(neutral)
    weights[[name.startswith("eyeLook") for name in arkit.NAMES]] = 0.0
    return neutral - moves(weights[None], neutral)[0]


def fit_weights(landmarks: Array, neutral: Array, covariances: Array | None = None, basis: Basis | None = None) -> Array:
    """ARKit weights (T, 52), 0 to 1, of canonical landmarks (T, N, 3) whose actor rests at `neutral` (N, 3).

    covariances: (T, N, 2, 2) of the landmarks in the picture; only their size from landmark to landmark counts. Frames with
    NaN give NaN. Shapes that are not `observable` stay 0.
    """
    basis = fitted_basis(neutral, basis or head_basis())
    weights = np.full((len(landmarks), len(basis.shapes)), np.nan)
    seen = np.all(np.isfinite(landmarks), axis=(1, 2))
    shown = observable(neutral, basis)
    noise = _noise(covariances)
    system = _features(basis.shapes[shown], neutral) / noise
    moves = _features(landmarks[seen] - neutral, neutral) / noise
    solution = np.zeros((int(seen.sum()), len(shown)))
    solution[:, shown] = _bounded(system, moves, _sparsity()[shown])
    weights[seen] = solution
    return weights


def read_weights(landmarks: Array, neutral: Array) -> Array:
    """ARKit weights (T, 52), 0 to 1, of canonical landmarks (T, N, 3) as the tracker gives them; the actor rests at `neutral` (N, 3).

    Frames with NaN give NaN. Shapes that are not `observable` stay 0. Raises FaceLiftError if what was learned is missing.
    """
    reading = load_reading()
    found = reading.gain * (described(landmarks, neutral) @ reading.matrix - reading.doubt)
    return np.where(observable(neutral), np.clip(found, 0.0, 1.0), np.where(np.isnan(found), np.nan, 0.0))


@dataclass(frozen=True)
class Reading:
    """What rendered faces taught. matrix: (F, 52), what is `described` to weights. doubt: (52,) what a weight has to exceed to
    count, gain: (52,) what then brings it to its full size.
    """

    matrix: Array
    doubt: Array
    gain: Array


@lru_cache(maxsize=1)
def load_reading() -> Reading:
    """The one that the extension ships (`models.training.expression_fit`)."""
    return read_learned(model_path("expression"), Reading)


@dataclass(frozen=True)
class Resting:
    """What a face's own shape tells of what it does, whosever it is. matrix: (F, 52), the shape `described` against the known head
    to weights. least: (52,) what comes of that for a face at rest, and the doubt about it.
    """

    matrix: Array
    least: Array


@lru_cache(maxsize=1)
def load_resting() -> Resting:
    """The one that the extension ships (`models.training.resting_fit`)."""
    return read_learned(model_path("resting"), Resting)


def described(landmarks: Array, neutral: Array) -> Array:
    """What weights are read from, (T, F), no unit: the features of moves brought to the known head's size, over their noise."""
    known = head_basis().neutral
    return _features(scale_by_part(landmarks - neutral, neutral, known), known) / _noise(None)


def moves(weights: Array, neutral: Array, basis: Basis | None = None) -> Array:
    """What weights (T, 52) add to the landmarks of an actor who rests at `neutral`: (T, N, 3) metres."""
    return np.tensordot(weights, fitted_basis(neutral, basis or head_basis()).shapes, axes=1)


def observable(neutral: Array, basis: Basis | None = None) -> Array:
    """(52,) which shapes landmarks can tell: at least half of what was unknown before is known after a look at them."""
    basis = fitted_basis(neutral, basis or head_basis())
    system = _features(basis.shapes, neutral) / _noise(None)
    posterior = np.linalg.inv(system @ system.T + np.eye(len(system)) / _PRIOR**2)
    told = np.diag(posterior) < 0.5 * _PRIOR**2
    told[[arkit.INDEX[name] for name in UNSEEN]] = False
    return told


def fitted_basis(neutral: Array, basis: Basis) -> Basis:
    """The basis with the moves of each part as much larger or smaller as the actor's part is (`rigs.proportions`)."""
    return Basis(neutral, scale_by_part(basis.shapes, basis.neutral, neutral))


def _features(moves: Array, neutral: Array) -> Array:
    """What the fit compares, (..., 3 N + extra) metres: moves (..., N, 3), the gaps of lids and lips, the irises in their eyes."""
    flat = moves.reshape(*moves.shape[:-2], -1)
    gaps = [_gap(moves, neutral, upper, lower) for upper, lower in _LIDS] + [_gap(moves, neutral, (u,), (v,)) for u, v in _LIPS]
    eyes = zip(topology.IRIS_CENTERS, topology.EYE_CORNERS, strict=True)
    gaze = [moves[..., iris, :2] - moves[..., corners, :2].mean(axis=-2) for iris, corners in eyes]
    return np.concatenate([flat, np.stack(gaps, axis=-1), *gaze], axis=-1)


def _gap(moves: Array, neutral: Array, upper: tuple[int, ...], lower: tuple[int, ...]) -> Array:
    """How much wider than at rest a slit is, measured across it."""
    across = neutral[list(upper)].mean(axis=0) - neutral[list(lower)].mean(axis=0)
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    return (moves[..., list(upper), :].mean(axis=-2) - moves[..., list(lower), :].mean(axis=-2)) @ across


def _noise(covariances: Array | None) -> Array:
    """Standard deviations (3 N + extra,) of the features, in metres."""
    trust = np.ones(topology.COUNT)
    trust[list(topology.region_indices("contour"))] = 3.0
    trust[list(topology.region_indices("cheeks", "forehead"))] = 1.5
    if covariances is not None:
        variance = np.nanmedian(np.trace(covariances, axis1=2, axis2=3), axis=0)
        trust *= np.clip(np.sqrt(variance / np.nanmedian(variance)), 0.5, 3.0)
    return np.concatenate([np.outer(trust, _NOISE).ravel(), np.full(len(_LIDS) + len(_LIPS), _GAP_NOISE), np.full(4, _GAZE_NOISE)])


def _bounded(system: Array, moves: Array, sparsity: Array) -> Array:
    """Weights (T, K) in [0, 1] that minimise |weights @ system - moves|^2 / 2 + a sparse prior, by accelerated projected gradients.

    The prior is weighed anew by what was found (log-sum penalty), so that it clears away what is small and leaves the
    amplitude of what is large.

    system: (K, F); moves: (T, F); sparsity: (K,).
    """
    normal = system @ system.T + np.eye(len(system)) * _RIDGE
    step = 1.0 / max(float(np.linalg.eigvalsh(normal)[-1]), 1e-9)
    pull = moves @ system.T
    weights = _descend(normal, pull, step, np.zeros_like(pull))
    for _ in range(_ROUNDS):
        weights = _descend(normal, pull - sparsity * _SMALL / (_SMALL + weights), step, weights)
    return weights


def _sparsity() -> Array:
    return np.array([_SPARSITY * (_USUAL_SHARE if name.startswith(_USUAL) else 1.0) for name in arkit.NAMES])


def _descend(normal: Array, goal: Array, step: float, weights: Array) -> Array:
    previous, pace = weights, 1.0
    for _ in range(_ITERATIONS):
        faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * pace * pace))
        ahead = weights + (pace - 1.0) / faster * (weights - previous)
        previous, weights = weights, np.clip(ahead - step * (ahead @ normal - goal), 0.0, 1.0)
        pace = faster
    return weights
