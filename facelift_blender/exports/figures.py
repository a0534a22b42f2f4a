# SPDX-License-Identifier: GPL-3.0-or-later
"""What a take reached, in figures and in words."""

from __future__ import annotations

import numpy as np

from ..capture.roomy import windows
from ..capture.types import Take


def table(take: Take, seconds: dict[str, float]) -> str:
    """What was reached, as lines of text; milliseconds a frame by station."""
    rows = [("actor", take.actor), *figures(take)]
    tracking = {**take.provenance.get("milliseconds", {}), **take.provenance.get("solve_ms", {})}
    rows += [(station, f"{value:.2f} ms per frame") for station, value in tracking.items()]
    rows += [(step, f"{1e3 * value / frames_read(take):.2f} ms per frame") for step, value in seconds.items()]
    rows += [("note", warning) for warning in take.provenance.get("warnings", ())]
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:<{width}}  {text}" for label, text in rows)


def figures(take: Take) -> list[tuple[str, str]]:
    """Frames, faces, focal length with its interval, and the residual, in words."""
    millimetres = take.lens.sensor_width / take.lens.width
    low, high = (value * millimetres for value in take.lens.focal_interval)
    residual = median_residual(take)
    found, read = int(take.raw.found.sum()), frames_read(take)
    return [
        ("frames", str(read)),
        ("faces found", f"{found} ({100.0 * found / read:.1f} %)"),
        ("focal length", f"{np.median(take.lens.focal) * millimetres:.1f} mm ({low:.1f} to {high:.1f}, {take.lens.focal_source})"),
        ("residual", f"{residual:.2f} px, {100.0 * residual / face_size(take):.2f} % of the face"),
    ]


def median_residual(take: Take) -> float:
    """Pixels; NaN where no frame has a pose."""
    return float(np.nanmedian(take.residuals[take.valid])) if take.valid.any() else float("nan")


def frames_read(take: Take) -> int:
    """Frames of the clip that were looked at."""
    return max(int(take.provenance.get("frames", {}).get("read", len(take))), 1)


def face_size(take: Take) -> float:
    """Median over the frames of the side, in pixels, of a square as large as the box around the landmarks."""
    found = take.raw.found
    parts = (take.raw.landmarks_2d[rows][found[rows]] for rows in windows(len(found)))
    sizes = [np.sqrt(np.prod(np.ptp(points, axis=1), axis=1)) for points in parts]
    return float(np.median(np.concatenate(sizes))) if found.any() else float("nan")
