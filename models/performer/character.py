# SPDX-License-Identifier: GPL-3.0-or-later
"""Who performs: identity targets, colours, brows and hair, drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from facelift_blender.capture.types import Array

Color = tuple[float, float, float]
"""Linear red, green, blue."""

_SKINS: Final[Mapping[str, tuple[Color, Color]]] = {
    "african": ((0.19, 0.085, 0.045), (0.075, 0.032, 0.018)),
    "asian": ((0.58, 0.36, 0.24), (0.42, 0.24, 0.14)),
    "caucasian": ((0.66, 0.42, 0.32), (0.47, 0.27, 0.18)),
}
_HAIRS: Final[tuple[Color, ...]] = ((0.012, 0.009, 0.007), (0.03, 0.017, 0.01), (0.07, 0.035, 0.018), (0.16, 0.09, 0.04), (0.3, 0.3, 0.29))
_IRISES: Final[tuple[Color, ...]] = ((0.09, 0.04, 0.018), (0.13, 0.07, 0.03), (0.16, 0.24, 0.3), (0.1, 0.16, 0.09))
_SHIRTS: Final[tuple[Color, ...]] = ((0.03, 0.05, 0.09), (0.3, 0.3, 0.3), (0.15, 0.03, 0.03), (0.05, 0.09, 0.06), (0.4, 0.36, 0.3))

_PAIRS: Final[Mapping[str, float]] = {
    "nose/nose-scale-horiz": 0.5, "nose/nose-scale-vert": 0.4, "nose/nose-scale-depth": 0.4, "nose/nose-hump": 0.5,
    "nose/nose-width1": 0.4, "nose/nose-width3": 0.5, "nose/nose-volume": 0.4, "nose/nose-flaring": 0.4,
    "mouth/mouth-scale-horiz": 0.4, "mouth/mouth-lowerlip-volume": 0.5, "mouth/mouth-upperlip-volume": 0.5,
    "mouth/mouth-upperlip-height": 0.4, "mouth/mouth-lowerlip-height": 0.4, "mouth/mouth-cupidsbow": 0.5,
    "chin/chin-width": 0.5, "chin/chin-height": 0.4, "chin/chin-prominent": 0.4, "chin/chin-jaw-drop": 0.4, "chin/chin-bones": 0.4,
    "head/head-fat": 0.5, "head/head-scale-horiz": 0.3, "head/head-scale-vert": 0.3, "forehead/forehead-scale-vert": 0.4,
    "forehead/forehead-temple": 0.5,
}  # fmt: skip
"""Targets that come as `-decr` and `-incr`, and the spread of their weight."""

_SIDED: Final[Mapping[str, float]] = {
    "cheek/{}-cheek-bones": 0.5, "cheek/{}-cheek-volume": 0.5, "cheek/{}-cheek-inner": 0.4, "ears/{}-ear-scale": 0.4,
    "eyes/{}-eye-height2": 0.3,
}  # fmt: skip
_CARICATURE: Final = 0.7
"""Scales all spreads: 1 and above draws heads that are more odd than people are."""
_ONE_SIDED: Final = ("head/head-oval", "head/head-round", "head/head-square", "head/head-diamond", "head/head-rectangular")


@dataclass(frozen=True)
class Character:
    """identity: target names and weights for `head.build_head`. Colours are linear. `hair_length` in metres, 0 for none."""

    identity: Mapping[str, float]
    skin: Color
    lips: Color
    hair: Color
    iris: Color
    shirt: Color
    hair_length: float
    brow_thickness: float
    stubble: float
    age: float


def draw_character(seed: int) -> Character:
    """The character of a seed."""
    generator = np.random.default_rng([seed, 2])
    male, age = float(generator.beta(0.5, 0.5)), float(generator.beta(1.2, 2.5))
    origins = generator.dirichlet([0.4, 0.4, 0.6])
    skin = _skin(origins, generator)
    redder = np.array([0.8, 0.52, 0.58])
    return Character(
        identity={**_phenotype(origins, male, age), **_details(generator)},
        skin=_color(skin),
        lips=_color(skin * redder),
        hair=_HAIRS[int(generator.choice(len(_HAIRS), p=_hair_odds(age)))],
        iris=_IRISES[int(generator.choice(len(_IRISES), p=[0.45, 0.25, 0.18, 0.12]))],
        shirt=_SHIRTS[int(generator.integers(len(_SHIRTS)))],
        hair_length=float(generator.uniform(0.012, 0.05)),
        brow_thickness=float(generator.uniform(0.75, 1.15) + 0.25 * male),
        stubble=float(max(0.0, generator.uniform(-0.4, 0.7)) * (male > 0.6)),
        age=age,
    )


def _phenotype(origins: Array, male: float, age: float) -> dict[str, float]:
    """Macro targets: origin, sex and age (0 young, 1 old), of middling build."""
    weights: dict[str, float] = {}
    for sex, of_sex in (("female", 1.0 - male), ("male", male)):
        for years, of_age in (("young", 1.0 - age), ("old", age)):
            weights[f"macrodetails/universal-{sex}-{years}-averagemuscle-averageweight"] = of_sex * of_age
            for origin, of_origin in zip(("african", "asian", "caucasian"), origins, strict=True):
                weights[f"macrodetails/{origin}-{sex}-{years}"] = of_sex * of_age * float(of_origin)
    return {name: weight for name, weight in weights.items() if weight > 1e-3}


def _details(generator: np.random.Generator) -> dict[str, float]:
    weights: dict[str, float] = {}
    for name, spread in _PAIRS.items():
        _add_pair(weights, name, float(_CARICATURE * generator.normal(0.0, spread)))
    for name, spread in _SIDED.items():
        value = float(_CARICATURE * generator.normal(0.0, spread))
        for side in "lr":
            _add_pair(weights, name.format(side), value)
    weights[str(generator.choice(_ONE_SIDED))] = float(generator.uniform(0.0, 0.7))
    return weights


def _add_pair(weights: dict[str, float], name: str, value: float) -> None:
    weights[f"{name}-{'incr' if value > 0 else 'decr'}"] = min(abs(value), 1.0)


def _skin(origins: Array, generator: np.random.Generator) -> Array:
    depth = generator.uniform()
    tones = np.array([(1.0 - depth) * np.array(light) + depth * np.array(dark) for light, dark in _SKINS.values()])
    return np.exp(origins @ np.log(tones))


def _hair_odds(age: float) -> Array:
    odds = np.array([0.3, 0.3, 0.2, 0.12, 0.02 + 0.8 * max(0.0, age - 0.4)])
    return odds / odds.sum()


def _color(values: Array) -> Color:
    return float(values[0]), float(values[1]), float(values[2])
