# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve on real clips, which have no truth: how it fits what is seen, how it trembles, which frames are worst."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from facelift_blender.capture import topology
from facelift_blender.capture.footage import probe
from facelift_blender.capture.overlay import write_sheet, write_video
from facelift_blender.capture.refine import worst_frames
from facelift_blender.capture.solve import solve
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Array, Observations

from .bench_observations import mesh_observations, tracked_observations
from .bench_still import jitter, jitter_of_parts, still, width

MOST: Final = 150
"""Frames of a clip that are looked at."""


@dataclass(frozen=True)
class ClipFigures:
    """frames: with a face, of all. residual: median, % of the face's width. jitter: where the face rests, of take, regressor and
    common net. moving: RMS acceleration on all frames of take and regressor. worst: frames, the worst first. focal: mm, and its source.
    parts: (R,) jitter of the take where each region rests, of the regressor's.
    """

    name: str
    frames: tuple[int, int]
    residual: float
    jitter: tuple[float, float, float]
    moving: tuple[float, float]
    worst: list[int]
    focal: tuple[float, str]
    parts: Array


def measure_clip(path: Path, kept: Path, overlays: Path | None) -> ClipFigures:
    """Figures of a real clip; its overlay as a sheet and a film go to a folder, if one is named."""
    clip, raw = probe(path), tracked_observations(path, kept, most=MOST)
    mesh = mesh_observations(path, raw, kept)
    take = solve(raw, clip)
    if overlays is not None:
        overlays.mkdir(parents=True, exist_ok=True)
        write_sheet(take, overlays / f"{path.stem}.png")
        write_video(take, overlays / f"{path.stem}.mp4")
    seen, net, solved = _seen(raw), _seen(mesh), project(take)
    rest, whole = still([seen, net]), np.ones(seen.shape[:2], bool)
    focal = float(np.median(take.lens.focal)) / take.lens.width * take.lens.sensor_width
    return ClipFigures(
        path.stem, (int(raw.found.sum()), len(raw.frames)), 100 * float(np.nanmedian(take.residuals)) / width(seen),
        (jitter(solved, rest), jitter(seen, rest), jitter(net, rest)), (jitter(solved, whole), jitter(seen, whole)),
        worst_frames(take, 5), (focal, take.lens.focal_source), jitter_of_parts(solved, rest) / jitter_of_parts(seen, rest),
    )  # fmt: skip


def _seen(raw: Observations) -> Array:
    return np.where(raw.found[:, None, None], raw.landmarks_2d, np.nan)


def table(clips: list[ClipFigures]) -> str:
    """The clips one below the other, and what they come to; accelerations and residual in % of the face's width."""
    rest = f"{'| rest':>8}{'raw':>7}{'net':>7}{'/raw':>6}{'/net':>6}"
    lines = [f"{'real clips':20}{'frames':>8}{'residual':>9}{rest}{'| all':>8}{'raw':>7}{'| focal':>9}  worst frames"]
    for clip in clips:
        take, raw, net = clip.jitter
        rest = "".join(f"{value:7.3f}" for value in clip.jitter) + f"{take / raw:6.2f}{take / net:6.2f}"
        moving = "".join(f"{value:7.2f}" for value in clip.moving)
        frames = "/".join(map(str, clip.frames))
        lines.append(f"{clip.name:20}{frames:>8}{clip.residual:9.2f} {rest} {moving}{clip.focal[0]:6.0f} mm  {clip.worst} {clip.focal[1]}")
    take, raw, net = np.array([clip.jitter for clip in clips]).T
    lines.append(
        f"where the face rests: take / raw {np.nanmedian(take / raw):.2f} (aim 0.2), take / net {np.nanmedian(take / net):.2f} (aim 0.5)"
    )
    parts = (f"{region} {np.nanmedian([clip.parts[k] for clip in clips]):.2f}" for k, region in enumerate(topology.REGIONS))
    lines.append(f"take / raw by part: {', '.join(parts)}")
    return "\n".join(line.replace("nan", "  -") for line in lines) + "\n"
