# SPDX-License-Identifier: GPL-3.0-or-later
"""The paper's ablations in small: `python -m models.training.ablations open --steps 900` trains, measures and prints each variant.

Every variant is a smaller network of 96 px trained from nothing on as many samples; only what its name says differs. A variant
that has been trained is taken from its folder. Full-sized runs of the same: `train --halves`, `--identities`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facelift_blender.capture.landmarks import Regressor

from . import paths
from .evaluate import Row, estimate, heads, held_out, photographs, portrait_focal
from .export import export, load, samples
from .labels import labelled68
from .regressor import RegressorConfig
from .train import TrainConfig, train

SMALL = RegressorConfig(picture=96)
TOLD = ("NMLC, full, model", "NMLC, contour, model", "rotation, degrees, yaw 0-30", "canonical, mm, yaw 0-30", "helen, full, model")


@dataclass(frozen=True)
class Variant:
    """What differs from the whole method: halves of the batch, identities of the views (0 for all), the network."""

    halves: str = "both"
    identities: int = 0
    regressor: RegressorConfig = SMALL


VARIANTS = {
    "both halves": Variant(),
    "views alone": Variant(halves="views"),
    "frames alone": Variant(halves="frames"),
    "100 identities": Variant(identities=100),
    "30 identities": Variant(identities=30),
    "convolutions alone": Variant(regressor=replace(SMALL, encoder=0, convolutions=3)),
}


def trained(name: str, variant: Variant, steps: int, data: Path, folder: Path) -> Path:
    """The folder of the variant's run, trained to the end."""
    config = TrainConfig(
        name=data.name, steps=steps, batch=24, rate=8e-4, halves=variant.halves, identities=variant.identities, regressor=variant.regressor
    )
    run = folder / name.replace(" ", "_")
    train(config, data, run)
    return run


def measured(regressor: Regressor, data: Path) -> list[Row]:
    """The table's lines that an ablation is read by."""
    rows = heads(held_out(regressor, {}, data / "held_out_views"))
    if (paths.DATA / "labelled68").exists():
        look = {"model": lambda image, box: estimate(regressor, image, box, portrait_focal(image)).landmarks_2d}
        rows += photographs(look, labelled68()[1][::2])
    return [row for row in rows if row.what in TOLD]


def ablate(names: list[str], steps: int, data: Path) -> dict[str, dict[str, float]]:
    """Figures by variant, those of earlier calls too; written after each of them.

    All are trained before any is measured: a process whose libraries have begun threads cannot safely fork the next loader.
    """
    folder = data / "ablations"
    known = folder / "table.json"
    table: dict[str, dict[str, float]] = json.loads(known.read_text()) if known.exists() else {}
    for name, run in [(name, trained(name, VARIANTS[name], steps, data, folder)) for name in names]:
        network = load(run)
        export(network, run / "regressor.onnx", *samples(data, network.config.picture))
        table[name] = {row.what: round(float(row.value), 3) for row in measured(Regressor(run / "regressor.onnx", 1), data)}
        known.write_text(json.dumps(table, indent=1))
    return table


def lines(table: dict[str, dict[str, float]]) -> list[str]:
    """The table, a variant a line."""
    columns = [what for what in TOLD if what in next(iter(table.values()))]
    head = " | ".join(["variant", *columns])
    return [head, *(" | ".join([name, *(f"{row.get(what, np.nan):.2f}" for what in columns)]) for name, row in table.items())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("open", "research"))
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--only", nargs="+", choices=tuple(VARIANTS), default=list(VARIANTS))
    arguments = parser.parse_args()
    print("\n".join(lines(ablate(arguments.only, arguments.steps, paths.RUNS / arguments.name))))


if __name__ == "__main__":
    main()
