# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run looks like: `python -m models.training.plots open --run NAME` draws its curves and a sheet of predictions beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch

from facelift_blender.capture.types import Array, Image

from . import paths
from .batches import Half
from .export import load
from .regressor import Regressor, project

TILE = 256


def curves(history: list[dict[str, float]], path: Path) -> None:
    """One panel a term of the loss, over the steps."""
    names = sorted({name for row in history for name in row} - {"step"})
    figure, panels = plt.subplots(2, -(-len(names) // 2), figsize=(3.2 * -(-len(names) // 2), 5), squeeze=False)
    for panel, name in zip(panels.flat, names, strict=False):
        rows = [(row["step"], row[name]) for row in history if name in row]
        panel.plot(*zip(*rows, strict=True), linewidth=1)
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=7)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def drawn(picture: Array, points: Array, truth: Array) -> Image:
    """A tile (TILE, TILE, 3) BGR of a picture (3, S, S) RGB in 0..1: labels in green, the prediction in red; points in crop sides."""
    tile = cv2.resize(np.ascontiguousarray(picture.transpose(1, 2, 0)[..., ::-1] * 255).astype(np.uint8), (TILE, TILE))
    for rows, colour in ((truth, (0, 220, 0)), (points, (0, 0, 255))):
        for x, y in (rows * TILE).round().astype(int):
            cv2.circle(tile, (int(x), int(y)), 1, colour, -1, cv2.LINE_AA)
    return tile


def sheet(regressor: Regressor, halves: list[Half], path: Path, across: int = 8) -> None:
    """A row of samples of each half, as training sees them."""
    rows = []
    for half in halves:
        batch = half.batch(across)
        with torch.no_grad():
            found = regressor(batch["picture"], batch["focal"])
        points = project(found.landmarks, found.rotation, found.translation, batch["focal"])
        tiles = zip(batch["picture"].numpy(), points.numpy(), batch["points"].numpy(), strict=True)
        rows.append(np.hstack([drawn(*tile) for tile in tiles]))
    cv2.imwrite(str(path), np.vstack(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--run", default="regressor")
    arguments = parser.parse_args()
    data = paths.RUNS / arguments.name
    folder = data / arguments.run
    curves(torch.load(folder / "regressor.pt", weights_only=True)["history"], folder / "curves.png")
    regressor = load(folder)
    kinds = (sorted(data.glob("views*")), sorted(data.glob("held_out_views*")), sorted(data.glob("frames*")))
    sheet(regressor, [Half([store], regressor.config.picture, 0) for kind in kinds for store in kind], folder / "sheet.png")
    print(f"{folder / 'curves.png'}\n{folder / 'sheet.png'}")


if __name__ == "__main__":
    main()
