# SPDX-License-Identifier: GPL-3.0-or-later
"""A take on disk: nothing lost, nothing half written, and a clear word for every file that is no take."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import Performance, make_take

from facelift_blender.capture import take as takes
from facelift_blender.capture.corrections import Corrections, Mute, Pin
from facelift_blender.capture.types import Distortion, FaceLiftError, Take


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    if hasattr(one, "__dataclass_fields__"):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return one == other


def with_member(path: Path, name: str, data: bytes) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (members | {name: data}).items():
            archive.writestr(member, content)
    return path


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def with_header(path: Path, **changes: object) -> Path:
    with np.load(path) as file:
        header = json.loads(file["header"].tobytes())
    return with_member(path, "header.npy", npy(np.frombuffer(json.dumps(header | changes).encode(), np.uint8)))


@pytest.fixture
def stored(synthetic_take: Take, tmp_path: Path) -> Path:
    takes.save_take(synthetic_take, tmp_path / "take.npz")
    return tmp_path / "take.npz"


def test_nothing_is_lost(synthetic_take: Take, tmp_path: Path) -> None:
    valid = synthetic_take.valid.copy()
    valid[3] = False
    rotations = synthetic_take.rotations.copy()
    rotations[3] = np.nan
    lens = replace(synthetic_take.lens, distortion=Distortion("NUKE", (0.1, 0.02)))
    take = replace(synthetic_take, actor="Zoë", valid=valid, rotations=rotations, lens=lens, provenance={"warnings": ["a"], "ms": 0.1})
    takes.save_take(take, tmp_path / "dir with spaces é.npz")
    assert same(takes.load_take(tmp_path / "dir with spaces é.npz"), take)


def test_same_take_same_bytes_and_no_rubbish(synthetic_take: Take, stored: Path) -> None:
    before = stored.read_bytes()
    takes.save_take(synthetic_take, stored)
    assert stored.read_bytes() == before
    assert [p.name for p in stored.parent.iterdir()] == ["take.npz"]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="no take at"):
        takes.load_take(tmp_path / "none.npz")


def test_newer_version(stored: Path) -> None:
    with pytest.raises(FaceLiftError, match="newer FaceLift"):
        takes.load_take(with_header(stored, facelift_take=99))


@pytest.mark.parametrize("size", [0, 10, 1000, -100])
def test_truncated(stored: Path, size: int) -> None:
    stored.write_bytes(stored.read_bytes()[:size])
    with pytest.raises(FaceLiftError, match="damaged"):
        takes.load_take(stored)


def test_flipped_bits(stored: Path) -> None:
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 0xFF
    stored.write_bytes(data)
    with pytest.raises(FaceLiftError, match="damaged"):
        takes.load_take(stored)


BARE = b'{"facelift_take": 1, "frames": 48, "landmarks": 150}'


@pytest.mark.parametrize("header", [b"[]", b"{}", b"\xff", b'{"facelift_take": "x"}', BARE])
def test_strange_header(stored: Path, header: bytes) -> None:
    with pytest.raises(FaceLiftError):
        takes.load_take(with_member(stored, "header.npy", npy(np.frombuffer(header, np.uint8))))


def test_pickle_is_refused(stored: Path) -> None:
    with pytest.raises(FaceLiftError):
        takes.load_take(with_member(stored, "neutral.npy", npy(np.array([{}], dtype=object))))


def test_wrong_shape(stored: Path) -> None:
    with pytest.raises(FaceLiftError, match="neutral of shape"):
        takes.load_take(with_member(stored, "neutral.npy", npy(np.zeros((149, 3)))))


def test_absurd_size_is_refused_before_it_is_allocated(stored: Path) -> None:
    claim = io.BytesIO()
    np.lib.format.write_array_header_1_0(claim, {"shape": (10**12, 150, 3), "fortran_order": False, "descr": "<f8"})
    with pytest.raises(FaceLiftError, match="landmarks of shape"):
        takes.load_take(with_member(stored, "landmarks.npy", claim.getvalue()))
    with pytest.raises(FaceLiftError, match="cannot be"):
        takes.load_take(with_header(stored, frames=10**9))


def test_missing_numbers(synthetic_take: Take, stored: Path) -> None:
    neutral = np.full_like(synthetic_take.neutral, np.nan)
    with pytest.raises(FaceLiftError, match="lacks numbers in neutral"):
        takes.load_take(with_member(stored, "neutral.npy", npy(neutral)))
    with pytest.raises(FaceLiftError, match="lacks numbers in neutral"):
        takes.save_take(replace(synthetic_take, neutral=neutral), stored)


@pytest.mark.parametrize("corrections", [Corrections(mutes=(Mute("a\nb", 1, 2),)), Corrections(falloff=-1.0)])
def test_corrections_that_cannot_be_are_one_line(corrections: Corrections) -> None:
    with pytest.raises(FaceLiftError) as told:
        takes.check_corrections(corrections, 150)
    assert "\n" not in str(told.value)


def test_times_that_cannot_be(stored: Path, synthetic_take: Take) -> None:
    times = synthetic_take.times.copy()
    times[-1] = 1e306
    with pytest.raises(FaceLiftError, match="cannot be read"):
        takes.load_take(with_member(stored, "times.npy", npy(times)))


@pytest.mark.parametrize("focal", [0.0, -900.0, 5e-324])
def test_focal_length_that_cannot_be(stored: Path, synthetic_take: Take, focal: float) -> None:
    lengths = synthetic_take.lens.focal.copy()
    lengths[0] = focal
    with pytest.raises(FaceLiftError, match="cannot be read"):
        takes.load_take(with_member(stored, "focal.npy", npy(lengths)))


def test_place_that_cannot_be_written(synthetic_take: Take, tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="cannot be written"):
        takes.save_take(synthetic_take, tmp_path / "no such folder" / "take.npz")


def test_projection_is_the_truth_and_nan_where_not_valid() -> None:
    take = make_take(Performance(frames=5, noise=0.0, canonical_noise=0.0))
    hidden = replace(take, valid=np.array([True, True, False, True, True]))
    pixels = takes.project(hidden)
    np.testing.assert_allclose(pixels[[0, 1, 3, 4]], take.raw.landmarks_2d[[0, 1, 3, 4]], atol=1e-6)
    assert np.isnan(pixels[2]).all()


CORRECTIONS = Corrections((Pin(3, 48, (100.5, 20.0)), Pin(9, 57, (1.0, -2.5))), (Mute("mouth", 4, 8),), (1, 12), 5.5)


def test_corrections_are_kept(synthetic_take: Take, tmp_path: Path) -> None:
    take = replace(synthetic_take, corrections=CORRECTIONS)
    takes.save_take(take, tmp_path / "take.npz")
    assert takes.load_take(tmp_path / "take.npz").corrections == CORRECTIONS


def test_a_take_of_version_1_has_no_corrections(stored: Path) -> None:
    assert takes.load_take(with_header(stored, facelift_take=1, corrections={})).corrections == Corrections()


@pytest.mark.parametrize(
    "corrections",
    [
        [], 7, {"pins": 3}, {"pins": [{}]}, {"pins": [{"frame": 1, "landmark": 150, "point": [0, 0]}]}, {"mutes": [{"region": "ear"}]},
        {"pins": [{"frame": 1, "landmark": 0, "point": [0, float("nan")]}]}, {"pins": [{"frame": 1, "landmark": 0, "point": [0, 0, 0]}]},
        {"mutes": [{"region": "mouth", "start": 9, "end": 1}]}, {"falloff": -1}, {"falloff": "x"}, {"locked": [float("inf")]},
        {"mutes": [{"region": "ear", "start": 1, "end": 2}]},
    ],
)  # fmt: skip
def test_strange_corrections(stored: Path, corrections: object) -> None:
    with pytest.raises(FaceLiftError):
        takes.load_take(with_header(stored, corrections=corrections))


def _spoilt(header: dict, place: str, value: object) -> dict:
    part, _, name = place.partition(".")
    return {part: {**header[part], name: value} if name else value}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("actor", 5), ("actor", "\ud800"), ("clip.width", 0), ("clip.width", "wide"), ("clip.height", 1 << 30), ("clip.fps", 0),
        ("clip.fps", {}),
        ("clip.path", 3), ("clip.missing", [0.5]), ("clip.focal_mm", "long"), ("clip.other", 1), ("lens.sensor_width", 10**400),
        ("lens.focal_interval", [1, {}]), ("lens.focal_interval", [1.0]), ("lens.center", "xy"), ("lens.focal_source", None),
        ("lens.pixel_aspect", -1), ("distortion.model", "FISH"), ("distortion.coefficients", [1.0] * 9), ("assumed_focal", float("nan")),
        ("assumed_focal", True), ("provenance", []), ("provenance.warnings", "w"), ("provenance.warnings", [1]), ("provenance.frames", 7),
        ("provenance.frames", {"read": "x"}), ("provenance.milliseconds", {"solve": None}), ("provenance.note", "\ud800"),
    ],
)  # fmt: skip
def test_strange_values_in_the_header(stored: Path, place: str, value: object) -> None:
    with np.load(stored) as file:
        header = json.loads(file["header"].tobytes())
    with pytest.raises(FaceLiftError):
        takes.load_take(with_header(stored, **_spoilt(header, place, value)))
