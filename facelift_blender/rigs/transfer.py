# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 shapes carried to a head that has none: numbers alone.

A few picked points lay the shipped head on the other one; a non-rigid fit draws its skin onto that surface; then each
vertex of the other head knows its place on the shipped one, and takes over how the surface there is deformed by each shape
(deformation transfer, Sumner and Popovic 2004, solved once for all shapes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags, identity
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from ..capture import topology
from ..capture.types import Array, FaceLiftError
from . import arkit
from .bones import EYE_SIDEWAYS, EYE_UPWARDS
from .head import PARTS, Head
from .picks import FEWEST, PICKS
from .proportions import bend_between, similarity

_SKIN: Final = ("skin", "lips", "mouth")
_ROUNDS: Final = (60.0, 25.0, 10.0, 4.0, 2.0)
"""Stiffness of the fit, from round to round."""
_PICKED, _REACH, _FACING = 40.0, 8e-3, 0.4
"""Weight of a picked point; metres and cosine within which a place on the other surface counts."""
_FADE: Final = 12e-3
"""Metres away from the fitted head over which the shapes fade out."""
_HOLD: Final = 2e-2
"""Weight of the carried offsets beside the deformation gradients."""


@dataclass(frozen=True)
class Surface:
    """A mesh: vertices (V, 3) and triangles (F, 3)."""

    vertices: Array
    triangles: np.ndarray

    def normals(self) -> Array:
        """(V, 3) of length 1, by the triangles' areas."""
        corners = self.vertices[self.triangles]
        faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        sums = np.zeros_like(self.vertices)
        for corner in range(3):
            np.add.at(sums, self.triangles[:, corner], faces)
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-20)


@dataclass(frozen=True)
class Transferred:
    """shapes: (52, V, 3) offsets in the target's own units, order `arkit.NAMES`. distance: (V,) metres of the face's size to the
    fitted head. fit: median of it over the face's front, millimetres on a face of 63 mm between the eyes.
    """

    shapes: Array
    distance: Array
    fit: float


def transfer_shapes(head: Head, target: Surface, picks: Mapping[str, Array]) -> Transferred:
    """The shapes for a target of any topology, unit and axes, from picked points by landmark name (see `PICKS`), on its surface.

    Raises FaceLiftError for fewer than `FEWEST` picks, unknown names, or picks that cannot be a face.
    """
    places = _check(picks)
    rows = [topology.NAMES.index(name) for name in places]
    picked = np.array(list(places.values()))
    scale, rotation, shift = similarity(picked, head.landmarks[rows])
    _demand_face(scale * picked @ rotation.T + shift, head.landmarks[rows])
    canonical = Surface(scale * target.vertices @ rotation.T + shift, target.triangles)
    picked = scale * picked @ rotation.T + shift
    source, shapes, marks = _skin(head, rows)
    bend = bend_between(head.landmarks[rows], picked, stiffness=1e-5)
    shapes = np.array([bend.offsets(source.vertices, shape) for shape in shapes])
    start = Surface(bend(source.vertices), source.triangles)
    fitted = _draw_on(start, canonical, marks, picked)
    shapes = np.einsum("vij,svj->svi", _turns(start, fitted), shapes)
    place = _place(fitted, canonical)
    solved = _deform(canonical, fitted, shapes, place)
    for side, ball in _eyeballs(canonical).items():
        _turn_eye(solved, canonical.vertices, side, ball)
    distance = place.distance
    near = distance < _FADE
    return Transferred(solved @ rotation / scale, distance, 1e3 * float(np.median(distance[near])) if near.any() else float("inf"))


def _check(picks: Mapping[str, Array]) -> dict[str, Array]:
    unknown = [name for name in picks if name not in topology.NAMES]
    if unknown:
        raise FaceLiftError(f"There is no landmark {unknown[0]!r}; pick some of {', '.join(PICKS)}.")
    if len(picks) < FEWEST:
        raise FaceLiftError(f"{len(picks)} points are too few: pick at least {FEWEST} of {', '.join(PICKS.values())}.")
    return {name: np.asarray(place, float) for name, place in picks.items()}


def _demand_face(placed: Array, known: Array) -> None:
    size = np.sqrt(np.sum((known - known.mean(axis=0)) ** 2) / len(known))
    off = np.sqrt(np.sum((placed - known) ** 2) / len(known))
    if not np.isfinite(off) or off > 0.35 * size:
        raise FaceLiftError(
            "The picked points do not lie like a face: check that left and right are the character's own, and each one's name."
        )


def _skin(head: Head, rows: list[int]) -> tuple[Surface, Array, csr_matrix]:
    """The head without eyeballs, teeth and lashes: surface, shapes (52, K, 3), and the matrix that gives the landmarks `rows`."""
    faces = head.faces[np.isin(head.parts, [PARTS.index(part) for part in _SKIN])]
    used = np.unique(faces)
    number = np.full(len(head.vertices), -1)
    number[used] = np.arange(len(used))
    faces = number[faces]
    triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    corners, weights = number[head.landmark_vertices[rows]], head.landmark_weights[rows]
    weights = np.where(corners >= 0, weights, 0.0)
    at = (np.repeat(np.arange(len(rows)), 3), np.maximum(corners, 0).ravel())
    marks = csr_matrix((weights.ravel(), at), shape=(len(rows), len(used)))
    return Surface(head.vertices[used], triangles), head.shapes[:, used], marks


# ---------------------------------------------------------------- fit


def _draw_on(start: Surface, target: Surface, marks: csr_matrix, picked: Array) -> Surface:
    """The start surface drawn onto the target: picked points reached, neighbours kept together, softer from round to round."""
    places, count = start.vertices.copy(), len(start.vertices)
    smooth = _laplacian(start)
    finder = _Finder(target)
    for stiffness in _ROUNDS:
        found, close = finder(places, Surface(places, start.triangles).normals(), _REACH)
        trust = close.astype(float)
        system = diags(trust) + stiffness * smooth.T @ smooth + _PICKED * marks.T @ marks + 1e-6 * identity(count)
        goal = trust[:, None] * (found - places) + _PICKED * marks.T @ (picked - marks @ places)
        goal -= stiffness * (smooth.T @ (smooth @ (places - start.vertices)))
        places = places + splu(system.tocsc()).solve(goal)
    return Surface(places, start.triangles)


def _laplacian(surface: Surface) -> csr_matrix:
    """(V, V) each vertex less the mean of its neighbours."""
    edges = np.concatenate([surface.triangles[:, [0, 1]], surface.triangles[:, [1, 2]], surface.triangles[:, [2, 0]]])
    count = len(surface.vertices)
    ones = np.ones(2 * len(edges))
    near = coo_matrix((ones, (np.concatenate(edges.T), np.concatenate(edges[:, ::-1].T))), shape=(count, count)).tocsr()
    near.data[:] = 1.0
    return identity(count) - diags(1.0 / np.maximum(np.asarray(near.sum(axis=1)).ravel(), 1.0)) @ near


class _Finder:
    """The nearest place on a surface that faces the same way, by dense samples of it."""

    def __init__(self, surface: Surface) -> None:
        corners, normals = surface.vertices[surface.triangles], surface.normals()
        grid = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]])
        self.places = np.einsum("gk,fkc->fgc", grid, corners).reshape(-1, 3)
        self.normals = np.einsum("gk,fkc->fgc", grid, normals[surface.triangles]).reshape(-1, 3)
        self.triangles = np.repeat(surface.triangles, len(grid), axis=0)
        self.weights = np.tile(grid, (len(corners), 1))
        self.tree = cKDTree(self.places)

    def nearest(self, points: Array, normals: Array) -> tuple[np.ndarray, Array]:
        """Index of the best of several near samples (K,), and its distance (K,); one that faces away counts as farther."""
        distance, index = self.tree.query(points, k=24)
        facing = np.einsum("kc,knc->kn", normals, self.normals[index])
        cost = distance + np.where(facing > _FACING, 0.0, _REACH)
        best = np.argmin(cost, axis=1)
        row = np.arange(len(points))
        return index[row, best], cost[row, best]

    def __call__(self, points: Array, normals: Array, reach: float) -> tuple[Array, np.ndarray]:
        """Places (K, 3), on the plane of the sample found, and which of them (K,) are within reach."""
        index, distance = self.nearest(points, normals)
        normal = self.normals[index] / np.maximum(np.linalg.norm(self.normals[index], axis=1, keepdims=True), 1e-12)
        away = np.sum((points - self.places[index]) * normal, axis=1, keepdims=True)
        return np.where(np.abs(away) < distance[:, None], points - away * normal, self.places[index]), distance < reach


# ---------------------------------------------------------------- carry over


@dataclass(frozen=True)
class _Place:
    """Where each target vertex lies on the fitted head: corners (V, 3), weights (V, 3), distance (V,), share (V,) 1 on it, 0 far off."""

    corners: np.ndarray
    weights: Array
    distance: Array
    share: Array

    def read(self, values: Array) -> Array:
        """Values (K, ...) of the head's vertices at the target's: (V, ...)."""
        return np.einsum("vk...,vk->v...", values[self.corners], self.weights)


def _place(fitted: Surface, target: Surface) -> _Place:
    finder = _Finder(fitted)
    index, distance = finder.nearest(target.vertices, target.normals())
    return _Place(finder.triangles[index], finder.weights[index], distance, np.clip(2.0 - distance / _FADE, 0.0, 1.0))


def _turns(start: Surface, fitted: Surface) -> Array:
    """(K, 3, 3) how the fit has turned and stretched the surface around each vertex, within reason."""
    left, stretch, right = np.linalg.svd(_Gradients(start)(fitted.vertices))
    return left * np.clip(stretch, 0.5, 2.0)[:, None, :] @ right


class _Gradients:
    """How a surface is deformed around each vertex when its vertices move: the mean over the triangles there."""

    def __init__(self, surface: Surface) -> None:
        count, faces = len(surface.vertices), len(surface.triangles)
        corners = (surface.triangles.T.ravel(), np.tile(np.arange(faces), 3))
        around = coo_matrix((np.ones(3 * faces), corners), shape=(count, faces)).tocsr()
        self.mean = diags(1.0 / np.maximum(np.asarray(around.sum(axis=1)).ravel(), 1.0)) @ around
        self.before = np.linalg.pinv(_frames(surface.vertices[surface.triangles]))
        self.triangles = surface.triangles

    def __call__(self, moved: Array) -> Array:
        """(V, 3, 3) for moved vertices (V, 3)."""
        return (self.mean @ (_frames(moved[self.triangles]) @ self.before).reshape(-1, 9)).reshape(-1, 3, 3)


def _frames(corners: Array) -> Array:
    """(F, 3, 3) columns of triangles (F, 3, 3): two edges, and the normal at the root of its length."""
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    normal = np.cross(one, other)
    normal /= np.sqrt(np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-20))
    return np.stack([one, other, normal], axis=2)


def _deform(target: Surface, fitted: Surface, shapes: Array, place: _Place) -> Array:
    """Offsets (52, V, 3) with which the target's edges turn and stretch as the fitted head does there, solved for all shapes at once."""
    edges = _edges(target.triangles)
    along = target.vertices[edges[:, 0]] - target.vertices[edges[:, 1]]
    lengths = np.maximum(np.linalg.norm(along, axis=1), 1e-6)
    weight = np.minimum(np.median(lengths) / lengths, 10.0)
    at, count = np.arange(len(edges)), len(target.vertices)
    signs = np.repeat([1.0, -1.0], len(edges))
    gradient = coo_matrix((signs, (np.tile(at, 2), edges.T.ravel())), shape=(len(edges), count)).tocsr()
    hold = np.where(place.share > 0.0, _HOLD, 1.0)
    pull = gradient.T @ diags(weight)
    solver = splu((pull @ gradient + diags(hold)).tocsc())
    gradients, solved = _Gradients(fitted), np.zeros((len(shapes), count, 3))
    for index, shape in enumerate(shapes):
        change = place.read(gradients(fitted.vertices + shape) - np.eye(3)) * place.share[:, None, None]
        wanted = np.einsum("eij,ej->ei", 0.5 * (change[edges[:, 0]] + change[edges[:, 1]]), along)
        carried = place.read(shape) * place.share[:, None]
        solved[index] = solver.solve(pull @ wanted + hold[:, None] * carried)
    return solved


def _edges(triangles: np.ndarray) -> np.ndarray:
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return np.unique(edges, axis=0)


# ---------------------------------------------------------------- eyes


_EYE: Final = {"Left": np.array([0.0315, 0.0, 0.0]), "Right": np.array([-0.0315, 0.0, 0.0])}
"""Middle of the eyeballs, canonical metres."""


def _eyeballs(target: Surface) -> dict[str, np.ndarray]:
    """Vertices of the loose parts that lie where an eyeball is, by side; nothing where eyes are objects of their own."""
    count = len(target.vertices)
    edges = _edges(target.triangles)
    joined = coo_matrix((np.ones(len(edges)), tuple(edges.T)), shape=(count, count))
    _, part = connected_components(joined, directed=False)
    found: dict[str, list[np.ndarray]] = {}
    for number in np.unique(part[edges.ravel()]):
        rows = np.flatnonzero(part == number)
        middle, size = target.vertices[rows].mean(axis=0), np.ptp(target.vertices[rows], axis=0)
        for side, center in _EYE.items():
            if np.linalg.norm(middle - center) < 0.014 and size.max() < 0.05 and np.median(size) > 0.5 * size.max():
                found.setdefault(side, []).append(rows)
    return {side: np.concatenate(parts) for side, parts in found.items()}


def _turn_eye(shapes: Array, vertices: Array, side: str, ball: np.ndarray) -> None:
    """An eyeball does nothing but turn, as far as the look shapes mean at weight 1."""
    shapes[:, ball] = 0.0
    middle = 0.5 * (vertices[ball].min(axis=0) + vertices[ball].max(axis=0))
    out = 1.0 if side == "Left" else -1.0
    looks = {"Up": (-EYE_UPWARDS, 0.0), "Down": (EYE_UPWARDS, 0.0), "Out": (0.0, out * EYE_SIDEWAYS), "In": (0.0, -out * EYE_SIDEWAYS)}
    for look, (pitch, yaw) in looks.items():
        arm = vertices[ball] - middle
        shapes[arkit.INDEX[f"eyeLook{look}{side}"], ball] = arm @ (_turn(pitch, yaw) - np.eye(3)).T


def _turn(pitch: float, yaw: float) -> Array:
    """Rotation (3, 3) about x, then about y, in degrees."""
    (a, b), (c, d) = ((np.cos(angle), np.sin(angle)) for angle in np.radians([pitch, yaw]))
    return np.array([[c, 0, d], [0, 1, 0], [-d, 0, c]]) @ np.array([[1, 0, 0], [0, a, -b], [0, b, a]])
