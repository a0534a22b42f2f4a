# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates that lie elsewhere are read when they are asked for, and those of late rule over them."""

from __future__ import annotations

import numpy as np
import pytest

from facelift_blender.capture.estimates import Estimates, Kept


def kept(first: int, last: int, asked: list[int]) -> Kept:
    def read(frame: int) -> str:
        asked.append(frame)
        return f"kept {frame}"

    return Kept(np.arange(first, last + 1), read)


def test_they_are_one_mapping() -> None:
    asked: list[int] = []
    estimates = Estimates({5: "recent 5", 7: "recent 7"}, [kept(2, 5, asked)])
    assert list(estimates) == [2, 3, 4, 5, 7]
    assert len(estimates) == 5
    assert asked == []
    assert (estimates[3], estimates[5]) == ("kept 3", "recent 5")
    assert asked == [3]
    assert 6 not in estimates
    with pytest.raises(KeyError):
        estimates[6]


def test_a_copy_takes_up_more_by_itself() -> None:
    first = Estimates({1: "one"})
    twin = first.copy()
    twin[2] = "two"
    assert (list(first), list(twin)) == ([1], [1, 2])


def test_later_ones_are_joined_from_their_own_first_frame_on() -> None:
    asked: list[int] = []
    first, second = Estimates(kept=[kept(1, 6, asked)]), Estimates({9: "nine"}, [kept(4, 8, asked)])
    whole = first.joined(second.since(7))
    assert list(whole) == list(range(1, 10))
    assert (whole[6], whole[8], whole[9]) == ("kept 6", "kept 8", "nine")
    assert list(second.since(9)) == [9]
