# SPDX-License-Identifier: GPL-3.0-or-later
"""How much landmarks tremble on rendered faces that rest: there the truth knows what is motion, and all else is noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facelift_blender.capture import topology
from facelift_blender.capture.solve import SolveSettings, solve
from facelift_blender.capture.take import project
from facelift_blender.capture.types import Array

from .bench_cases import Case
from .bench_measure import clip_of, face_width
from .bench_observations import mesh_observations, tracked_observations
from .truth import load_truth


@dataclass(frozen=True)
class RestingFigures:
    """RMS acceleration of the error on the plate, % of the face's width, of take, regressor and common net: of all landmarks, and
    parts (3, R) of each region.
    """

    name: str
    whole: Array
    parts: Array


def measure_resting(case: Case, folder: Path, kept: Path) -> RestingFigures:
    """Figures of a rendered clip of a face that rests."""
    truth, clip = load_truth(folder / f"{case.name}_truth.json.gz"), folder / f"{case.name}.mp4"
    raw = tracked_observations(clip, kept, case.distortion)
    mesh = mesh_observations(clip, raw, kept)
    take = solve(raw, clip_of(truth, case.name), SolveSettings(distortion=case.distortion))
    rows = take.frames[take.valid & take.raw.found] - 1
    seen = [project(take)[take.valid & take.raw.found], *(one.landmarks_2d[rows] for one in (raw, mesh))]
    power = np.stack([bends(pixels - truth.pixels[rows]) for pixels in seen]) / face_width(truth) ** 2
    regions = np.array([landmark.region for landmark in topology.TABLE])
    parts = [power[:, :, regions == region].mean(axis=(1, 2)) for region in topology.REGIONS]
    return RestingFigures(case.name, 100 * np.sqrt(power.mean(axis=(1, 2))), 100 * np.sqrt(np.stack(parts, axis=1)))


def bends(errors: Array) -> Array:
    """(T - 2, N) squared second differences of errors (T, N, 2)."""
    return np.sum(np.diff(errors, 2, axis=0) ** 2, axis=-1)


def table(clips: list[RestingFigures]) -> str:
    """The clips one below the other, and their medians beside the aims."""
    lines = [f"{'faces at rest':22}{'take':>7}{'raw':>7}{'net':>7}{'/raw':>7}{'/net':>7}"]
    for clip in clips:
        take, raw, net = clip.whole
        lines.append(f"{clip.name:22}{take:7.3f}{raw:7.3f}{net:7.3f}{take / raw:7.2f}{take / net:7.2f}")
    take, raw, net = np.stack([clip.whole for clip in clips], axis=1)
    by_raw, by_net = float(np.nanmedian(take / raw)), float(np.nanmedian(take / net))
    lines.append(f"rendered faces at rest: take / raw {by_raw:.2f} (aim 0.2), take / net {by_net:.2f} (aim 0.5)")
    parts = np.nanmedian([clip.parts[0] / clip.parts[1] for clip in clips], axis=0)
    told = (f"{region} {part:.2f}" for region, part in zip(topology.REGIONS, parts, strict=True))
    lines.append(f"take / raw by part: {', '.join(told)}")
    return "\n".join(lines) + "\n"
