# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of arrays that nobody vouches for: what fuzzing found, and what it looked for."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from facelift_blender.capture.npz import DAMAGE, read_arrays
from facelift_blender.capture.take import load_take, read_provenance, save_take
from facelift_blender.capture.types import FaceLiftError, Take

HEADERS = {
    "open bracket": b"{'descr': '<f8', 'fortran_order': False, 'shape': (3,", "no python": b"{'descr': '<f8', ((((", "null": b"\0" * 40,
    "object": b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "text": b"{'descr': '<U9', 'fortran_order': False, 'shape': (3,), }",
    "huge": b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", "deep": b"[" * 5000,
    "negative": b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }",
    "call": b"__import__('os').abort()",
}  # fmt: skip


def array_file(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_lies_is_damage(tmp_path: Path, header: bytes, synthetic_take: Take) -> None:
    save_take(synthetic_take, tmp_path / "good.npz")
    for name in ("times.npy", "header.npy"):
        with zipfile.ZipFile(tmp_path / "good.npz") as good, zipfile.ZipFile(tmp_path / "bad.npz", "w") as bad:
            for member in good.namelist():
                bad.writestr(member, array_file(header) if member == name else good.read(member))
        with pytest.raises(DAMAGE):
            read_arrays(tmp_path / "bad.npz", [name.removesuffix(".npy")])
        with pytest.raises(FaceLiftError):
            load_take(tmp_path / "bad.npz")
    with pytest.raises(FaceLiftError):
        read_provenance(tmp_path / "bad.npz")


@given(some.binary(max_size=200))
def test_any_bytes_are_damage(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "x.npz"
    path.write_bytes(data)
    with pytest.raises((FaceLiftError, OSError)):
        load_take(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", array_file(b"{'descr': '|u1', 'fortran_order': False, 'shape': (50000000,), }") + bytes(50_000_000))
    assert (tmp_path / "x.npz").stat().st_size < 100_000
    with pytest.raises(ValueError, match="claims"):
        read_arrays(tmp_path / "x.npz", ["a"], most_bytes=1_000_000)


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(6.0).reshape(2, 3), b=np.array([True, False]))
    told = read_arrays(tmp_path / "x.npz", ["a", "b"])
    assert told["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert told["b"].dtype == bool
