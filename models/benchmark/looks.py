# SPDX-License-Identifier: GPL-3.0-or-later
"""Ours beside the peer on filmed clips, to be looked at: overlays in strips, and how restless each is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np

from facelift_blender.capture.footage import probe, read_frames
from facelift_blender.capture.overlay import draw_take
from facelift_blender.capture.take import project
from facelift_blender.capture.track import TrackSettings, track
from facelift_blender.capture.types import Array, FaceLiftError, Image, Take
from models.training import measures

from . import clips, peers
from .accuracy import blink_gap, upper_face
from .apart import apart
from .figures import Chart, Figure, Findings, Picture, Say, Table

CLIPS: Final = {"quick": 0, "usual": 5, "full": 99}
FRAMES: Final = {"quick": 16, "usual": 72, "full": 240}
TILES, TILE = 5, 300
_COLOUR: Final = (255, 190, 40)


def run(extent: str, say: Say) -> Findings:
    """extent: quick, usual or full. The pictures of clips other than the bundled one are not for publishing."""
    found, rows = Findings(), []
    for path in clips.filmed(CLIPS[extent]):
        if not say(f"ours beside the peer on {path.stem}"):
            continue
        count = min(FRAMES[extent], probe(path).frame_count)
        try:
            take = track(path, TrackSettings(end=count))[0]
        except FaceLiftError as error:
            found.notes.append(f"{path.stem} could not be tracked: {error}")
            continue
        seen = apart(peers.followed, path, count)[0] if peers.is_installed() else np.full((count, 150, 2), np.nan)
        found.pictures.append(Picture(path.stem, f"{path.stem}: above FaceLift, below the peer", strip(take, seen), path == clips.DEMO))
        found.charts.append(_curve(path.stem, take, seen))
        rows.append((path.stem, *unrest(take, seen)))
    if rows:
        found.add(_figures(rows))
    return found


def unrest(take: Take, seen: Array) -> tuple[float, float, float, float]:
    """Jitter of the upper face in its own frame, % of the eyes' distance, of the take and of pixels (F, N, 2) on the same frames;
    and how far the lids move, 95th less 5th percentile of their opening. NaN where there are no frames in a row that both see.
    """
    rows = both_seen(take, seen)
    if len(rows) < 8:
        return (float("nan"),) * 4
    ours, theirs = project(take)[rows], seen[take.frames[rows] - 1]
    jitter = [100 * measures.unrest(upper_face(points), float(np.linalg.norm(points[0, 36] - points[0, 45]))) for points in (ours, theirs)]
    lids = [float(np.ptp(np.quantile(blink_gap(points), (0.05, 0.95)))) for points in (ours, theirs)]
    return jitter[0], jitter[1], lids[0], lids[1]


def both_seen(take: Take, seen: Array) -> np.ndarray:
    """The longest run of the take's rows without a hole in either."""
    good = take.valid & np.isfinite(seen[take.frames - 1]).all(axis=(1, 2)) & np.isfinite(project(take)).all(axis=(1, 2))
    runs = np.split(np.flatnonzero(good), np.flatnonzero(np.diff(np.flatnonzero(good)) > 1) + 1)
    return max(runs, key=len)


def _figures(rows: list[tuple[str, float, float, float, float]]) -> Findings:
    table = Table(
        "Filmed clips", ("clip", "jitter: ours", "the peer's", "lids' range: ours", "the peer's"), rows,
        "Jitter: RMS acceleration of brows, nose and eyes in the face's own frame, % of the eyes' distance. Lids: opening over width.",
    )  # fmt: skip
    values = np.array([row[1:] for row in rows])
    values = values[np.isfinite(values).all(axis=1)]
    if not len(values):
        return Findings(tables=[table])
    jitter, peer = np.median(values[:, :2], axis=0)
    share = float(np.median(values[:, 2] / values[:, 3]))
    many = f", median of {len(values)} clips"
    return Findings([
        Figure("looks", "jitter of the upper face" + many, "% of the eyes", float(jitter), float(peer), float(peer) / 2),
        Figure("looks", "range of the lids over the peer's" + many, "times", share, bar=0.9, more=True),
    ], [table])  # fmt: skip


def _curve(name: str, take: Take, seen: Array) -> Chart:
    rows = both_seen(take, seen)
    series = {}
    for who, points in (("FaceLift", project(take)[rows]), ("the peer", seen[take.frames[rows] - 1])):
        if len(rows) >= 3:
            size = float(np.linalg.norm(points[0, 36] - points[0, 45]))
            restless = 100 * np.sqrt((np.diff(upper_face(points), n=2, axis=0) ** 2).sum(axis=2).mean(axis=1)) / size
            series[who] = (take.frames[rows][1:-1].tolist(), restless.tolist())
    return Chart(f"Jitter: {name}", "frame", "% of the eyes' distance a frame²", series)


# ---------------------------------------------------------------- strips


def strip(take: Take, seen: Array) -> bytes:
    """JPEG of close-ups of frames spread over the take: above with the take drawn over it, below the peer's points."""
    rows = np.flatnonzero(take.valid)[np.linspace(0, take.valid.sum() - 1, TILES).astype(int)]
    wanted = {int(take.frames[row]): int(row) for row in rows}
    tiles = []
    for frame, image in read_frames(probe(Path(take.clip.path)), min(wanted), max(wanted)):
        if frame in wanted:
            window = _window(project(take)[wanted[frame]], image)
            tiles.append((close_up(draw_take(image, take, wanted[frame]), window), close_up(_dotted(image, seen[frame - 1]), window)))
    sheet = np.vstack([np.hstack(row) for row in zip(*tiles, strict=True)])
    return cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _window(points: Array, image: Image) -> tuple[int, int, int]:
    """Left, top and side in pixels of a square about the face."""
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    side = int(min(1.7 * max(high - low), *image.shape[:2]))
    middle = (low + high) / 2 - side / 2
    left, top = np.clip(middle, 0, np.array(image.shape[1::-1]) - side).astype(int)
    return int(left), int(top), side


def close_up(image: Image, window: tuple[int, int, int]) -> Image:
    left, top, side = window
    part = image[top : top + side, left : left + side]
    return cv2.resize(part, (TILE, TILE), interpolation=cv2.INTER_AREA if side > TILE else cv2.INTER_LINEAR)


def _dotted(image: Image, points: Array) -> Image:
    canvas = image.copy()
    if np.isfinite(points).all():
        radius = max(1, round(0.012 * float(np.linalg.norm(points[36] - points[45]))))
        for x, y in points:
            cv2.circle(canvas, (round(x * 16), round(y * 16)), radius * 16, _COLOUR, -1, cv2.LINE_AA, 4)
    return canvas
