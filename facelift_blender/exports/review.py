# SPDX-License-Identifier: GPL-3.0-or-later
"""The review sheet: one self-contained HTML page a take, by which a lead judges it without opening Blender.

It has the take over its plate, the curves of the main weights and of the confidence, the worst frames, the solve's figures and
the settings. The curves are SVG, written here: the extension carries no plotting library.
"""

from __future__ import annotations

import base64
import html
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..capture import topology
from ..capture.footage import read_frames
from ..capture.overlay import draw_take, write_video
from ..capture.refine import take_confidence, worst_frames
from ..capture.take import project
from ..capture.types import Array, FaceLiftError, Image, Take
from ..rigs import arkit
from .files import replacing

CURVES: Final = 12
"""Weights that are drawn: those that move most."""
_WIDTH, _HEIGHT = 900, 46
_PICTURE: Final = 360
_ROOM, _LARGEST = 1.5, 3.0
"""Side of a picture over the face's, and the most that a small plate is enlarged."""
_MOST_VIDEO: Final = 24 << 20
"""Bytes of a film that are put into the page; a longer take has its strip of pictures alone."""

_STYLE: Final = """
body{font:14px/1.5 system-ui,sans-serif;background:#17181b;color:#dcdde0;margin:0 auto;padding:24px;max-width:1180px}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px;color:#fff}p{margin:4px 0;color:#a8abb2}
table{border-collapse:collapse}td{padding:2px 18px 2px 0;vertical-align:top}td:first-child{color:#a8abb2}
.warn{color:#ffcc66}.row{display:flex;flex-wrap:wrap;gap:10px}figure{margin:0}figcaption{color:#a8abb2;font-size:12px}
img,video{max-width:100%;border-radius:4px;display:block}.curve{display:grid;
grid-template-columns:170px 1fr 48px;align-items:center;gap:10px}
svg{background:#202226;border-radius:3px;width:100%;height:46px}.name{font-size:12px;text-align:right;color:#c8cad0}
pre{background:#202226;padding:12px;border-radius:4px;overflow:auto;font-size:12px;max-height:340px}
"""


def write_review(take: Take, path: Path, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Write the sheet of a take. `should_stop` leaves out what is left of the pictures.

    Raises FaceLiftError if the footage or the target cannot be used.
    """
    if not take.valid.any():
        raise FaceLiftError(f"{take.actor} has no frame with a face, so there is nothing to review.")
    page = "".join(_page(take, should_stop))
    with replacing(path) as part:
        part.write_text(page, encoding="utf-8")


def _page(take: Take, should_stop: Callable[[], bool]) -> Iterator[str]:
    name = html.escape(f"{Path(take.clip.path).name} . {take.actor}")
    yield f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{name}</title><style>{_STYLE}</style>"
    yield f"<h1>{name}</h1><p>{html.escape(_program(take))}</p>"
    yield from (f"<p class='warn'>{html.escape(str(text))}</p>" for text in take.provenance.get("warnings", ()))
    yield "<h2>Figures</h2>" + _table(figures(take))
    yield "<h2>The take over its plate</h2>" + _film(take, should_stop)
    yield "<h2>Worst frames</h2>" + _pictures(take, worst_frames(take, 6), should_stop)
    yield "<h2>Confidence</h2>" + "".join(_confidence_rows(take))
    yield "<h2>Expression</h2>" + "".join(_weight_rows(take))
    yield "<h2>Settings</h2>" + f"<pre>{html.escape(json.dumps(_settings(take), indent=1, default=str))}</pre></html>"


def _program(take: Take) -> str:
    told = take.provenance.get("program", {})
    version = told.get("facelift", "") if isinstance(told, dict) else ""
    return f"FaceLift {version}, {take.clip.width} x {take.clip.height} at {take.clip.fps:.4g} frames/s".replace("  ", " ")


def figures(take: Take) -> list[tuple[str, str]]:
    """What the solve reached, in words."""
    to_mm = take.lens.sensor_width / take.lens.width
    low, high = (value * to_mm for value in take.lens.focal_interval)
    corrections = take.corrections
    touched = f"{len(corrections.pins)} points, {len(corrections.mutes)} muted stretches, {len(corrections.locked)} locked frames"
    return [
        ("Frames", f"{int(take.frames[0])} to {int(take.frames[-1])}; {int(take.valid.sum())} of {len(take)} with a face"),
        ("Residual", f"{np.nanmedian(take.residuals[take.valid]):.2f} px, worst {np.nanmax(take.residuals[take.valid]):.2f} px"),
        ("Focal length", f"{np.median(take.lens.focal) * to_mm:.1f} mm, 90 % within {low:.1f} to {high:.1f} mm ({take.lens.focal_source})"),
        ("Distance", f"{np.median(take.translations[take.valid, 2]):.2f} m"),
        ("Confidence", f"{100 * np.nanmean(take.confidence[take.valid]):.0f} %"),
        ("Corrected by hand", touched if corrections else "nothing"),
    ]  # fmt: skip


def _settings(take: Take) -> dict[str, Any]:
    kept = ("settings", "smoothing", "models", "provider", "footage", "milliseconds", "solve_ms")
    return {name: take.provenance[name] for name in kept if name in take.provenance}


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><td>{html.escape(label)}</td><td>{html.escape(text)}</td></tr>" for label, text in rows) + "</table>"


# ---------------------------------------------------------------- pictures


def _film(take: Take, should_stop: Callable[[], bool]) -> str:
    """The overlay as a film where it is short enough to be carried, and a strip of pictures."""
    seen = take.frames[take.valid]
    strip = _pictures(take, [int(seen[int((k + 0.5) * len(seen) / 6)]) for k in range(min(6, len(seen)))], should_stop)
    if should_stop():
        return strip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "overlay.mp4"
        write_video(take, path, least_height=1)
        film = path.read_bytes() if path.stat().st_size <= _MOST_VIDEO else b""
    return (f"<video controls loop muted src='data:video/mp4;base64,{base64.b64encode(film).decode()}'></video>" if film else "") + strip


def _pictures(take: Take, frames: Sequence[int], should_stop: Callable[[], bool]) -> str:
    rows = {int(frame): row for row, frame in enumerate(take.frames)}
    figures_of = []
    for frame in frames:
        image = None if should_stop() else next((image for _, image in read_frames(take.clip, frame, frame)), None)
        if image is not None:
            row = rows[frame]
            told = f"Frame {frame}: {100 * np.nanmean(take.confidence[row]):.0f} % sure, residual {take.residuals[row]:.1f} px"
            picture = _jpeg(_close_up(image, take, row))
            figures_of.append(f"<figure><img src='data:image/jpeg;base64,{picture}'><figcaption>{told}</figcaption></figure>")
    return f"<div class='row'>{''.join(figures_of)}</div>"


def _close_up(image: Image, take: Take, row: int) -> Image:
    """The face with the take drawn over it, as large as the page shows it."""
    points = project(take)[row]
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return draw_take(image, take, row, _PICTURE / image.shape[1])
    side = _ROOM * float(np.ptp(points, axis=0).max())
    scale = min(_PICTURE / side, _LARGEST)
    middle, half = (points.min(axis=0) + points.max(axis=0)) / 2 * scale, round(side * scale / 2)
    drawn = draw_take(image, take, row, scale)
    left, top = (int(np.clip(value - half, 0, max(0, room - 2 * half))) for value, room in zip(middle, drawn.shape[1::-1], strict=True))
    return drawn[top : top + 2 * half, left : left + 2 * half]


def _jpeg(image: Image) -> str:
    import cv2

    encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return base64.b64encode(encoded.tobytes()).decode()


# ---------------------------------------------------------------- curves


def _confidence_rows(take: Take) -> Iterator[str]:
    by_region = take_confidence(take)
    yield _curve("all", take.frames, take.confidence.mean(axis=1), "#7fe08f", take.valid)
    for index, region in enumerate(topology.REGIONS):
        yield _curve(region, take.frames, by_region[:, index], "#6fb7d6", take.valid)
    worst = float(np.nanmax(take.residuals[take.valid]))
    yield _curve("residual, px", take.frames, take.residuals / max(worst, 1e-9), "#ff8a70", take.valid, f"{worst:.1f}")


def _weight_rows(take: Take) -> Iterator[str]:
    weights = np.where(take.valid[:, None], take.weights, 0.0)
    for index in np.argsort(-np.ptp(weights, axis=0))[:CURVES]:
        yield _curve(arkit.NAMES[index], take.frames, take.weights[:, index], "#e8c15a", take.valid)


def _curve(name: str, frames: Array, values: Array, color: str, shown: np.ndarray, top: str = "1.0") -> str:
    """One labelled line of values (T,), 0 to 1, over the frames; broken where nothing is known."""
    lines = "".join(
        f"<polyline points='{points}' fill='none' stroke='{color}' stroke-width='1.4'/>" for points in _runs(frames, values, shown)
    )
    span = f"<title>{html.escape(name)}, frames {int(frames[0])} to {int(frames[-1])}</title>"
    picture = f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT}' preserveAspectRatio='none'>{span}{lines}</svg>"
    return f"<div class='curve'><div class='name'>{html.escape(name)}</div>{picture}<div class='name'>{top}</div></div>"


def _runs(frames: Array, values: Array, shown: np.ndarray) -> Iterator[str]:
    known = shown & np.isfinite(values)
    x = (frames - frames[0]) / max(float(frames[-1] - frames[0]), 1.0) * _WIDTH
    y = _HEIGHT - 3 - np.clip(np.nan_to_num(values), 0.0, 1.0) * (_HEIGHT - 6)
    for run in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(known.astype(int))) + 1):
        if known[run[0]]:
            yield " ".join(f"{x[k]:.1f},{y[k]:.1f}" for k in run)
