# SPDX-License-Identifier: GPL-3.0-or-later
"""Lens: distortion both ways, pixels and millimetres; Blender's own compositor is the judge where bpy is at hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelift_blender.capture import camera
from facelift_blender.capture.types import Clip, Distortion, FaceLiftError, Lens

small = st.floats(-0.03, 0.03)
MODELS = st.one_of(
    st.tuples(st.just("NONE"), st.tuples()),
    st.tuples(st.just("POLYNOMIAL"), st.tuples(small, small, small)),
    st.tuples(st.just("DIVISION"), st.tuples(small, small)),
    st.tuples(st.just("NUKE"), st.tuples(small, small)),
    st.tuples(st.just("BROWN"), st.tuples(small, small, small, small, st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))),
)
GRID = np.stack(np.meshgrid(np.linspace(-0.6, 0.6, 9), np.linspace(-0.4, 0.4, 7)), -1).reshape(-1, 2)


@given(MODELS)
def test_distortion_round_trip(model: tuple[str, tuple[float, ...]]) -> None:
    distortion = Distortion(*model)
    for there, back in ((camera.distort, camera.undistort), (camera.undistort, camera.distort)):
        np.testing.assert_allclose(back(there(GRID, distortion, 0.7), distortion, 0.7), GRID, atol=1e-9)


def test_polynomial_by_hand() -> None:
    bent = camera.distort(np.array([[0.3, -0.4]]), Distortion("POLYNOMIAL", (0.1, 0.02, -0.004)))
    np.testing.assert_allclose(bent, np.array([[0.3, -0.4]]) * (1 + 0.1 * 0.25 + 0.02 * 0.0625 - 0.004 * 0.015625))


def test_formula_jacobian_against_finite_differences() -> None:
    distortion, step = Distortion("BROWN", (0.1, -0.05, 0.02, 0.01, 0.004, -0.003)), 1e-6
    _, jacobian = camera._formula(GRID, distortion)
    for axis, move in enumerate(np.eye(2) * step):
        slope = (camera._formula(GRID + move, distortion)[0] - camera._formula(GRID - move, distortion)[0]) / (2 * step)
        np.testing.assert_allclose(jacobian[..., axis], slope, atol=1e-8)


def test_radial_models_keep_the_mirror() -> None:
    flip = np.array([-1.0, 1.0])
    for distortion in (Distortion("POLYNOMIAL", (0.1,)), Distortion("DIVISION", (0.1, 0.02)), Distortion("NUKE", (-0.1, 0.02))):
        np.testing.assert_allclose(camera.distort(GRID * flip, distortion), camera.distort(GRID, distortion) * flip, atol=1e-12)


def test_fold_gives_nan_and_not_a_wrong_point() -> None:
    assert np.isnan(camera.undistort(np.array([[3.0, 0.0]]), Distortion("POLYNOMIAL", (-0.3,)))).all()


@pytest.mark.parametrize("distortion", [Distortion("FISHEYE", ()), Distortion("NUKE", (0.1, 0.1, 0.1)), Distortion("DIVISION", (np.nan,))])
def test_bad_models_are_named(distortion: Distortion) -> None:
    with pytest.raises(FaceLiftError, match=distortion.model):
        camera.distort(GRID, distortion)


def test_pixels_round_trip_with_wide_pixels() -> None:
    distortion = Distortion("NUKE", (0.05, 0.01))
    lens = Lens(1440, 1080, np.array([1500.0, 1600.0]), (1, 2), (700.0, 560.0), pixel_aspect=1.333, distortion=distortion)
    pixels = np.random.default_rng(0).uniform((0, 0), (1440, 1080), (2, 50, 2))
    np.testing.assert_allclose(camera.to_pixels(camera.to_rays(pixels, lens), lens), pixels, atol=1e-6)


def test_intrinsics_agree_with_the_matrix() -> None:
    lens = Lens(1440, 1080, np.array([1500.0]), (1, 2), (700.0, 560.0), pixel_aspect=1.333)
    ray = np.array([0.2, -0.1, 1.0])
    np.testing.assert_allclose(camera.to_pixels(ray[None, None, :2], lens)[0, 0], (lens.matrix(0) @ ray)[:2])


def test_focal_units() -> None:
    assert camera.focal_to_pixels(50.0, 36.0, 1280) == pytest.approx(1777.78, abs=0.01)
    assert camera.focal_to_mm(camera.focal_to_pixels(35.0, 23.6, 1920), 23.6, 1920) == pytest.approx(35.0)
    assert camera.metadata_focal(Clip("a", 3000, 2000, 24, 1, focal_mm=50.0)) == pytest.approx(50 / 36 * 3000)
    assert camera.metadata_focal(Clip("a", 3000, 2000, 24, 1)) is None
    with pytest.raises(FaceLiftError, match="focal length"):
        camera.focal_to_pixels(-5.0, 36.0, 1280)
