# SPDX-License-Identifier: GPL-3.0-or-later
"""The take over its plate: the solved head as a wire mesh, the landmarks by confidence, the head's axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..rigs.head import PARTS, Head, load_head
from .camera import to_pixels
from .footage import read_frames
from .topology import CONTOUR_LINES, IRIS_CENTERS
from .types import Array, FaceLiftError, Image, Take
from .whole_files import replacing

WIRE = (40, 150, 225)
LINE = (255, 255, 255)
SURE, UNSURE = (90, 255, 120), (255, 70, 60)
AXES = ((255, 80, 80), (110, 230, 110), (90, 150, 255))
INK, PAPER = (240, 240, 240), (18, 18, 20)

AXIS_LENGTH = 0.045
"""Metres."""

SOLID_PARTS = tuple(PARTS.index(name) for name in ("skin", "lips"))
SHARP = 4
"""Bits of subpixel that OpenCV draws with."""


def draw_take(image: Image, take: Take, index: int, scale: float = 1.0) -> Image:
    """The picture of the take's frame `index` with what was solved drawn over it.

    image: (H, W, 3) RGB plate, left as it is. scale: enlargement of the result, so that a small plate is drawn sharply.
    """
    canvas = _enlarged(image, scale)
    if take.valid[index]:
        eye_distance = _eye_distance(take, index) * scale
        _draw_head(canvas, take, index, scale)
        _draw_axes(canvas, take, index, scale, eye_distance)
        pixels = _on_plate(take, index, take.landmarks[index]) * scale
        _draw_contours(canvas, pixels, eye_distance)
        _draw_landmarks(canvas, pixels, take.confidence[index], eye_distance)
    _draw_caption(canvas, _caption(take, index))
    return canvas


def write_sheet(take: Take, path: str | Path, frames: int = 4, width: int = 1600) -> None:
    """A picture of `frames` plate frames, spread over the take, with the take drawn over them.

    width: of the picture, pixels. Raises FaceLiftError if footage or target cannot be used.
    """
    import cv2

    indices = _spread(take, frames)
    columns = _columns(len(indices), take.clip.height > take.clip.width)
    scale = width / columns / take.clip.width
    tiles = [draw_take(_plate(take, index), take, index, scale) for index in indices]
    tiles += [np.full_like(tiles[0], PAPER)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    encoded = cv2.imencode(".png", cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 6])[1]
    with replacing(Path(path), make_folder=False) as part:
        part.write_bytes(encoded.tobytes())


def write_video(take: Take, path: str | Path, least_height: int = 540) -> None:
    """All frames of the take with the take drawn over them, as an .mp4 (H.264).

    least_height: a smaller plate is enlarged to it. Raises FaceLiftError if footage or target cannot be used.
    """
    scale = max(1.0, min(least_height / take.clip.height, 3.0))
    first, last = int(take.frames[0]), int(take.frames[-1])
    rows = {int(frame): index for index, frame in enumerate(take.frames)}
    with replacing(Path(path), make_folder=False) as part:
        plates = _plates(take, first, last)
        _encode(((frame - first, draw_take(image, take, rows[frame], scale)) for frame, image in plates), take.clip.fps, part)


# ---------------------------------------------------------------- drawing


def _enlarged(image: Image, scale: float) -> Image:
    import cv2

    if scale == 1.0:
        return image.copy()
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def _on_plate(take: Take, index: int, points: Array) -> Array:
    """Canonical points (M, 3) on the plate: (M, 2) pixels, NaN behind the camera."""
    seen = points @ take.rotations[index].T + take.translations[index]
    depth = np.where(seen[:, 2:] > 1e-6, seen[:, 2:], np.nan)
    lens = replace(take.lens, focal=take.lens.focal[index : index + 1])
    return to_pixels((seen[:, :2] / depth)[None], lens)[0]


def _eye_distance(take: Take, index: int) -> float:
    """Pixels that the distance between the eyes takes if it faces the camera: the measure for all that is drawn."""
    span = np.linalg.norm(np.subtract(*take.neutral[list(IRIS_CENTERS)]))
    return float(span * take.lens.focal[index] / max(take.translations[index, 2], 1e-6))


def _fixed(points: Array) -> np.ndarray:
    """Points as OpenCV's fixed-point integers; far outside the picture they are held at its reach."""
    return np.rint(np.clip(points, -30000, 30000) * (1 << SHARP)).astype(np.int32)


def _thickness(eye_distance: float, share: float) -> int:
    return max(1, round(eye_distance * share))


def _draw_head(canvas: Image, take: Take, index: int, scale: float) -> None:
    """The head's front as a faint wire mesh: faces that look away are left out."""
    import cv2

    mesh = _actor_mesh(*_key(take))
    if mesh is None:
        return
    head, offset = mesh
    pixels = _on_plate(take, index, head.pose(take.weights[index]) + offset) * scale
    polygons = pixels[head.faces[np.isin(head.parts, SOLID_PARTS)]]
    a, b = polygons[:, 2] - polygons[:, 0], polygons[:, 3 if polygons.shape[1] == 4 else 1] - polygons[:, 1]
    with np.errstate(invalid="ignore"):
        front = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] < 0
    polygons = polygons[front & np.isfinite(polygons).all(axis=(1, 2))]
    layer = canvas.copy()
    cv2.polylines(layer, list(_fixed(polygons)), True, WIRE, 1, cv2.LINE_AA, SHARP)
    cv2.addWeighted(layer, 0.38, canvas, 0.62, 0, dst=canvas)


def _draw_contours(canvas: Image, pixels: Array, eye_distance: float) -> None:
    import cv2

    lines = [_fixed(pixels[list(line)]) for line in CONTOUR_LINES if np.isfinite(pixels[list(line)]).all()]
    cv2.polylines(canvas, lines, False, LINE, _thickness(eye_distance, 0.009), cv2.LINE_AA, SHARP)


def _draw_landmarks(canvas: Image, pixels: Array, confidence: Array, eye_distance: float) -> None:
    """A dot each, from red (not to be trusted) to green."""
    import cv2

    radius = max(1.2, 0.018 * eye_distance)
    for point, sure in zip(pixels, np.nan_to_num(confidence), strict=True):
        if np.isfinite(point).all():
            colour = tuple(int(c) for c in np.add(np.multiply(SURE, sure), np.multiply(UNSURE, 1 - sure)))
            center = tuple(_fixed(point).tolist())
            cv2.circle(canvas, center, round(radius * (1 << SHARP)), colour, cv2.FILLED, cv2.LINE_AA, SHARP)


def _draw_axes(canvas: Image, take: Take, index: int, scale: float, eye_distance: float) -> None:
    """Red x, green y, blue z, from between the eyes; the nearest last."""
    import cv2

    ends = np.vstack([np.zeros(3), AXIS_LENGTH * np.eye(3)])
    origin, *tips = _on_plate(take, index, ends) * scale
    nearest_last = np.argsort(-take.rotations[index][2])
    for axis in nearest_last:
        if np.isfinite([origin, tips[axis]]).all():
            start, end = (tuple(_fixed(point).tolist()) for point in (origin, tips[axis]))
            cv2.line(canvas, start, end, AXES[axis], _thickness(eye_distance, 0.02), cv2.LINE_AA, SHARP)


def _caption(take: Take, index: int) -> str:
    frame = f"Frame {int(take.frames[index])}"
    if not take.valid[index]:
        return f"{frame}   no face"
    millimetres = take.lens.focal[index] * take.lens.sensor_width / take.lens.width
    return f"{frame}   residual {take.residuals[index]:.1f} px   {millimetres:.0f} mm   {take.translations[index, 2]:.2f} m"


def _draw_caption(canvas: Image, text: str) -> None:
    import cv2

    size = max(0.35, min(canvas.shape[0] / 1300, canvas.shape[1] / 1100))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    pad = height
    left, top = pad, canvas.shape[0] - 3 * pad
    box = canvas[top : top + 2 * pad, left : left + width + 2 * pad]
    box[:] = (0.35 * box + 0.65 * np.array(PAPER)).astype(np.uint8)
    cv2.putText(canvas, text, (left + pad, top + pad + height // 2), cv2.FONT_HERSHEY_SIMPLEX, size, INK, 1, cv2.LINE_AA)


# ---------------------------------------------------------------- the actor's head


def _key(take: Take) -> tuple[bytes, tuple[int, ...]]:
    return np.ascontiguousarray(take.neutral, dtype=np.float64).tobytes(), take.neutral.shape


@lru_cache(maxsize=4)
def _actor_mesh(neutral: bytes, shape: tuple[int, ...]) -> tuple[Head, Array] | None:
    """The head of the add-on in the actor's proportions, and what its vertices are moved by besides."""
    head = load_head()
    target = np.frombuffer(neutral, np.float64).reshape(shape)
    if head.landmarks.shape != target.shape:
        return None
    source = head.landmarks
    stretch = ((source - source.mean(axis=0)) * (target - target.mean(axis=0))).sum(axis=0) / np.var(source, axis=0) / len(source)
    shift = target.mean(axis=0) - stretch * source.mean(axis=0)
    fitted = replace(head, vertices=head.vertices * stretch + shift, shapes=head.shapes * stretch)
    return fitted, _spread_offsets(fitted.vertices, fitted.landmarks, target)


def _spread_offsets(vertices: Array, landmarks: Array, target: Array, reach: float = 0.015) -> Array:
    """(V, 3) what moves each vertex with the landmarks near it to where the actor has them; nothing far from them."""
    distances = ((vertices[:, None] - landmarks[None]) ** 2).sum(axis=-1)
    near = np.exp(-distances / (2 * reach**2))
    return near @ (target - landmarks) / (near.sum(axis=1, keepdims=True) + 0.5)


# ---------------------------------------------------------------- frames and files


def _spread(take: Take, count: int) -> Sequence[int]:
    """Indices of frames with a face, evenly over the take; what was bridged may have no picture."""
    valid = np.flatnonzero(take.valid & np.isin(take.frames, _seen(take)))
    if not len(valid):
        raise FaceLiftError(f"{take.actor} has no frame with a face, so there is nothing to show.")
    count = min(count, len(valid))
    return [int(valid[int((k + 0.5) * len(valid) / count)]) for k in range(count)]


def _columns(count: int, upright: bool) -> int:
    """Upright plates stand in one row, wide ones two by two."""
    return count if upright else min(count, 2)


def _seen(take: Take) -> Array:
    """The clip frames in which the face was found: each has a picture."""
    return take.raw.frames[take.raw.found]


def _plate(take: Take, index: int) -> Image:
    frame = int(take.frames[index])
    return next(image for _, image in _plates(take, frame, frame))


def _plates(take: Take, first: int, last: int) -> Iterator[tuple[int, Image]]:
    """The take's frames from `first` to `last` with their pictures. Raises FaceLiftError where the footage has less than the take saw."""
    wanted = set(range(first, last + 1)) & set(take.frames.tolist())
    missing = wanted & set(_seen(take).tolist())
    for frame, image in read_frames(take.clip, first, last):
        missing.discard(frame)
        if frame in wanted:
            yield frame, image
    if missing:
        name = Path(take.clip.path).name
        raise FaceLiftError(f"{name} has no frame {min(missing)} any more: it was changed since it was tracked; track it again.")


def _encode(frames: Iterator[tuple[int, Image]], fps: float, path: Path) -> None:
    """Frames (number from 0, RGB) to H.264, sides made even by leaving out the last row or column."""
    import av

    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for number, image in frames:
            even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
                stream.height, stream.width, stream.pix_fmt = even.shape[0], even.shape[1], "yuv420p"
            picture = av.VideoFrame.from_ndarray(even, format="rgb24")
            picture.pts, picture.time_base = number, 1 / rate
            container.mux(stream.encode(picture))
        if stream is not None:
            container.mux(stream.encode())
