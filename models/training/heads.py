# SPDX-License-Identifier: GPL-3.0-or-later
"""Textured heads for the multi-view stage: a 3D face fitted to a photograph, the photograph projected onto it.

Canonical frame: metres, x to the viewer's right, y up, z out of the face, origin midway between the eyeballs.
Camera axes are OpenCV's. A head is rendered by casting rays; what a ray hits looks up its colour where that point of the
face lay in the photograph, or, where the photograph did not see it, where its mirror twin lay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.spatial import cKDTree

from facelift_blender.capture.types import Array, Image

from . import paths

FACE, SKIN = 9409, 11248
"""Vertices below are the face; the head and neck; then the mouth, the eye sockets, gums and tongue, teeth, eyeballs."""
_MOUTH, _GUMS, _TEETH, _EYES, _LASHES = 13294, 14062, 17039, 21451, 24591
FLIP = np.diag([1.0, -1.0, -1.0])
"""Canonical axes to the camera's, for a face that looks straight into it."""
FACE_HEIGHT = 0.19
"""Metres, of the box about a face's landmarks."""


class FaceModel:
    """The linear face: vertices = base + identity + expression, canonical metres."""

    def __init__(self) -> None:
        table = np.load(paths.DATA / "geometry" / "ict_facekit_light.npz")
        base = table["base"][:_LASHES].astype(np.float32) / 100.0
        self.eye_centres: Array = np.stack([base[_EYES:23021].mean(axis=0), base[23021:].mean(axis=0)])
        self.origin = self.eye_centres.mean(axis=0)
        self.base = base - self.origin
        self.eye_centres = self.eye_centres - self.origin
        self.identity = table["identity"][:, :_LASHES].astype(np.float32) / 100.0
        self.expression = table["expression"][:, :_LASHES].astype(np.float32) / 100.0
        self.expression_names = [str(name) for name in table["expression_names"]]
        triangles = table["tri"]
        self.triangles = np.ascontiguousarray(triangles[triangles.max(axis=1) < _LASHES], dtype=np.int32)
        self.lm68 = table["lm68"]

    def vertices(self, identity: Array, expression: Array) -> Array:
        """(V, 3) float32 from coefficients (<=100,) and (53,)."""
        shaped = self.base + np.tensordot(identity.astype(np.float32), self.identity[: len(identity)], axes=1)
        return shaped + np.tensordot(expression.astype(np.float32), self.expression, axes=1)

    @cached_property
    def lid_trust(self) -> Array:
        """(V,) falls where a blink moves the skin: an open eye's photograph does not show the lid."""
        blinks = [k for k, name in enumerate(self.expression_names) if name.startswith("eyeBlink")]
        moved = np.linalg.norm(self.expression[blinks].astype(float).sum(axis=0), axis=1)
        return np.clip(1.6 - moved / 0.004, 0, 1)

    @cached_property
    def twins(self) -> Array:
        """(V,) the vertex on the other side of the face."""
        return cKDTree(self.base).query(self.base * [-1, 1, 1])[1]


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in a head's canonical frame. rotation (3, 3) and translation (3,): canonical to camera; pixels."""

    focal: float
    center: tuple[float, float]
    rotation: Array
    translation: Array

    def project(self, points: Array) -> Array:
        """(..., 3) canonical -> (..., 2) pixels."""
        seen = points @ self.rotation.T + self.translation
        return self.focal * seen[..., :2] / seen[..., 2:] + np.array(self.center)


@dataclass(frozen=True)
class Fit:
    """A photograph explained by the face model: coefficients and the camera that took it."""

    identity: Array
    expression: Array
    camera: Camera
    residual: float
    """RMS distance of the points over the face's size."""


def fit_photograph(model: FaceModel, vertices: Array, points: Array, size: tuple[int, int], weights: Array, rounds: int = 5) -> Fit:
    """Fit identity (60), expression and pose so that `vertices` (K,) project onto `points` (K, 2) of a picture of (width, height).

    The camera is taken to stand 1.2 m away: a portrait's distance. Gauss-Newton on the shape, with normal priors, between
    perspective-n-point solutions of the pose.
    """
    count = 60
    basis = np.concatenate([model.identity[:count, vertices], model.expression[:, vertices]]).astype(float)
    prior = np.concatenate([np.ones(count), np.full(len(model.expression), 0.35)])
    face_size = float(np.ptp(points, axis=0).max())
    focal = 1.2 * face_size / 0.19
    center = (size[0] / 2, size[1] / 2)
    matrix = np.array([[focal, 0, center[0]], [0, focal, center[1]], [0, 0, 1.0]])
    noise = 0.012 * face_size
    coefficients = np.zeros(len(basis))
    vector, offset = cv2.Rodrigues(FLIP)[0], np.array([[0.0], [0.0], [1.2]])
    for _ in range(rounds):
        shape = model.base[vertices] + np.tensordot(coefficients, basis, axes=1)
        _, vector, offset = cv2.solvePnP(shape, points, matrix, None, vector, offset, useExtrinsicGuess=True)
        camera = Camera(focal, center, cv2.Rodrigues(vector)[0], offset[:, 0])
        seen = shape @ camera.rotation.T + camera.translation
        moved = basis @ camera.rotation.T
        slope = focal * (moved[..., :2] / seen[:, 2:] - seen[:, :2] * moved[..., 2:] / seen[:, 2:] ** 2)
        rows = (slope * weights[:, None] / noise).reshape(len(basis), -1)
        error = ((points - camera.project(shape)) * weights[:, None] / noise).reshape(-1)
        normal = rows @ rows.T + np.diag(1 / prior**2)
        step = np.linalg.solve(normal, rows @ error - coefficients / prior**2)
        coefficients = coefficients + step
        coefficients[count:] = np.clip(coefficients[count:], 0.0, 1.0)
    shape = model.base[vertices] + np.tensordot(coefficients, basis, axes=1)
    miss = np.linalg.norm(camera.project(shape) - points, axis=1)
    return Fit(coefficients[:count], coefficients[count:], camera, float(np.sqrt((miss**2 * weights).sum() / weights.sum()) / face_size))


@dataclass(frozen=True)
class Texture:
    """Where each vertex finds its colour: a photograph (H, W, 3), its own place there and its mirror twin's.

    places: (V, 4) pixels (x, y) of the vertex, then of its twin. trust: (V, 2) how well the photograph saw either, 0 to 1.
    tone: (3,) the skin's median colour.
    """

    photograph: Image
    places: Array
    trust: Array
    tone: Array


def project_texture(model: FaceModel, photograph: Image, fit: Fit) -> Texture:
    """Project a photograph onto its fit; where a vertex turns away, its mirror twin's colour is at hand."""
    vertices = model.vertices(fit.identity, fit.expression)
    normals = vertex_normals(vertices, model.triangles)
    pixels = fit.camera.project(vertices)
    away = vertices + fit.camera.rotation.T @ fit.camera.translation
    facing = np.einsum("vi,vi->v", normals, -away / np.linalg.norm(away, axis=1, keepdims=True))
    height, width = photograph.shape[:2]
    inside = (pixels > 2).all(axis=1) & (pixels < [width - 3, 0.94 * height]).all(axis=1)
    trust = np.clip((facing - 0.1) / 0.35, 0, 1) * inside * model.lid_trust
    trust[SKIN:] = 0
    trusted = pixels[:FACE][trust[:FACE] > 0.8].astype(int)
    tone = np.median(photograph[trusted[:, 1], trusted[:, 0]], axis=0) if len(trusted) else np.array([180.0, 140.0, 120.0])
    twin = np.clip(trust[model.twins] - trust, 0, 1)
    places = np.concatenate([pixels, pixels[model.twins]], axis=1).astype(np.float32)
    return Texture(photograph, places, np.stack([trust, twin], axis=1).astype(np.float32), tone)


def vertex_normals(vertices: Array, triangles: Array) -> Array:
    """(V, 3) unit normals, area-weighted."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.stack([np.bincount(triangles.ravel(), np.repeat(face[:, axis], 3), len(vertices)) for axis in range(3)], axis=1)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


@dataclass(frozen=True)
class Look:
    """What varies between renders of one head: gaze (2,) radians (yaw, pitch), light direction and strength, eye and hair colour."""

    gaze: Array
    light: Array
    ambient: float
    iris: Array
    hair: Array
    flatten: float = 0.35


def random_look(random: np.random.Generator) -> Look:
    """A look drawn at random."""
    light = np.array([random.normal(0, 0.7), random.normal(0.3, 0.5), 1.0])
    iris = np.array([[70, 45, 30], [95, 120, 140], [85, 105, 75], [40, 28, 22]])[random.integers(4)] * random.uniform(0.7, 1.2)
    hair = np.array([[30, 25, 22], [80, 55, 38], [150, 115, 70], [120, 118, 115]])[random.integers(4)] * random.uniform(0.7, 1.2)
    gaze = random.normal(0, [0.22, 0.13])
    return Look(gaze, light / np.linalg.norm(light), float(random.uniform(0.45, 0.85)), iris, hair)


class Head:
    """One head ready to be looked at: geometry in a ray-casting scene, texture and look."""

    def __init__(self, model: FaceModel, vertices: Array, texture: Texture, look: Look) -> None:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self.model, self.texture, self.look = model, texture, look
        self.vertices = np.ascontiguousarray(vertices, dtype=np.float32)
        self.normals = vertex_normals(self.vertices, model.triangles).astype(np.float32)
        self.scene = rtcore_scene.EmbreeScene()
        self.mesh = TriangleMesh(self.scene, self.vertices, model.triangles)

    def cast(self, camera: Camera, pixels: Array) -> tuple[Array, Array]:
        """Triangle hit by the ray of each pixel (P, 2) or -1, and its barycentric weights (P, 3)."""
        rays = np.concatenate([(pixels - camera.center) / camera.focal, np.ones((len(pixels), 1))], axis=1) @ camera.rotation
        rays = np.ascontiguousarray(rays, dtype=np.float32)
        origin = np.ascontiguousarray(np.broadcast_to(-camera.rotation.T @ camera.translation, rays.shape), dtype=np.float32)
        hit = self.scene.run(origin, rays, query="INTERSECT", output=1)
        u, v = hit["u"], hit["v"]
        return hit["primID"], np.stack([1 - u - v, u, v], axis=1)

    def render(self, camera: Camera, size: int, background: Image) -> Image:
        """(size, size, 3)."""
        y, x = np.mgrid[:size, :size]
        pixels = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
        triangle, weights = self.cast(camera, pixels)
        picture = background.reshape(-1, 3).astype(np.float32)
        seen = triangle >= 0
        corners = self.model.triangles[triangle[seen]]
        picture[seen] = self._shade(corners, weights[seen].astype(np.float32))
        return np.clip(picture, 0, 255).astype(np.uint8).reshape(size, size, 3)

    def _shade(self, corners: Array, weights: Array) -> Array:
        """Colour (P, 3) of hit points."""

        def blend(values: Array) -> Array:
            return np.einsum("pk,pkc->pc", weights, values[corners])

        texture, look, first = self.texture, self.look, corners[:, 0]
        places, trust = blend(texture.places), blend(texture.trust)
        normal = blend(self.normals)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        place = blend(self.model.base.astype(np.float32))
        hairy = np.clip((place[:, 1] - 0.062 + 0.25 * np.minimum(place[:, 2], 0)) / 0.015, 0, 1)
        hairy = np.maximum(hairy, np.clip((-0.075 - place[:, 2]) / 0.02, 0, 1) * (place[:, 1] > -0.06))[:, None]
        plain = hairy * look.hair + (1 - hairy) * texture.tone
        colour = (1 - trust.sum(axis=1, keepdims=True)) * plain
        for side in (0, 1):
            x, y = places[None, :, 2 * side], places[None, :, 2 * side + 1]
            photo = cv2.remap(texture.photograph, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
            colour += trust[:, side, None] * photo
        colour = self._inner_parts(first, place, colour)
        lit = np.clip(np.einsum("pi,i->p", normal, look.light), 0, 1)[:, None] * (1.35 - look.ambient) + look.ambient
        own = np.where(first[:, None] < SKIN, look.flatten, 0.8)
        return colour * (1 - own + own * lit)

    def _inner_parts(self, first: Array, place: Array, colour: Array) -> Array:
        """Mouth, teeth and eyes have colours of their own."""
        for start, end, tone in ((SKIN, _MOUTH, (70, 28, 28)), (_MOUTH, _GUMS, (120, 70, 65)), (_GUMS, _TEETH, (130, 62, 62))):
            colour = np.where(((first >= start) & (first < end))[:, None], np.array(tone, dtype=np.float32), colour)
        colour = np.where(((first >= _TEETH) & (first < _EYES))[:, None], np.array((205, 198, 182), dtype=np.float32), colour)
        for side, (start, end) in enumerate(((_EYES, 23021), (23021, _LASHES))):
            on_eye = (first >= start) & (first < end)
            if on_eye.any():
                colour[on_eye] = self._eye(place[on_eye] - self.model.eye_centres[side])
        return colour

    def _eye(self, local: Array) -> Array:
        """Sclera, iris, pupil and a highlight, by the angle from the line of sight: (P, 3) about the eye's centre."""
        yaw, pitch = self.look.gaze
        axis = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        unit = local / np.linalg.norm(local, axis=1, keepdims=True)
        angle = np.arccos(np.clip(unit @ axis, -1, 1))[:, None]
        edge = np.clip((angle - 0.44) / 0.05, 0, 1)
        rim = np.clip((angle - 0.36) / 0.08, 0, 1)
        iris = self.look.iris * (1 - 0.55 * rim)
        pupil = np.clip((0.19 - angle) / 0.03, 0, 1)
        colour = edge * np.array([222.0, 214.0, 208.0]) + (1 - edge) * ((1 - pupil) * iris + pupil * 12)
        between = axis * 0.9 + self.look.light * 0.35
        glint = unit @ between / np.linalg.norm(between)
        return np.where((glint > np.cos(0.09))[:, None], 245.0, colour)


def look_at(yaw: float, pitch: float, roll: float, distance: float, focal: float, size: int, aim: Array) -> Camera:
    """A camera that sees the head turned by yaw (to the viewer's right), pitch (up) and roll, `aim` at the picture's centre."""
    c, s = np.cos, np.sin
    turn_y = np.array([[c(yaw), 0, s(yaw)], [0, 1, 0], [-s(yaw), 0, c(yaw)]])
    turn_x = np.array([[1, 0, 0], [0, c(pitch), s(pitch)], [0, -s(pitch), c(pitch)]])
    turn_z = np.array([[c(roll), s(roll), 0], [-s(roll), c(roll), 0], [0, 0, 1]])
    rotation = FLIP @ turn_z @ turn_x @ turn_y
    return Camera(focal, (size / 2, size / 2), rotation, np.array([0, 0, distance]) - rotation @ aim)


def random_camera(random: np.random.Generator, yaw: float, size: int) -> Camera:
    """A camera at a natural distance; the face takes about 60 % of the sample, roughly in the middle of a picture of `size`."""
    pitch, roll = np.clip(random.normal(0, 0.22), -0.6, 0.6), random.normal(0, 0.15)
    distance = float(np.exp(random.uniform(np.log(0.32), np.log(2.5))))
    focal = 0.6 * size * distance / FACE_HEIGHT * random.uniform(0.9, 1.1)
    aim = np.array([0.0, -0.025, 0.02]) + random.normal(0, 0.008, 3)
    return look_at(yaw, pitch, roll, distance, focal, size, aim)
