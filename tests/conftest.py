# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that every test may use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path[:0] = [str(Path(__file__).resolve().parent.parent), str(Path(__file__).resolve().parent)]

from synthetic import make_take

from facelift_blender.capture.types import Observations, Take

settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")


@pytest.fixture(scope="session")
def synthetic_take() -> Take:
    """Two seconds of a talking, turning head: the truth, with noisy observations as its raw take."""
    return make_take()


@pytest.fixture(scope="session")
def synthetic_observations(synthetic_take: Take) -> Observations:
    """What a noisy regressor says of `synthetic_take`."""
    return synthetic_take.raw
