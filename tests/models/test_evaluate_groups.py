# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of held-out photographs: who is in them, and the figure of each."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.training import evaluate, paths


def test_every_name_that_is_listed_is_a_held_out_photograph() -> None:
    if not (paths.DATA / "labelled68").is_dir():
        pytest.skip("needs the hand-labelled photographs")
    from models.training.labels import labelled68

    listed = [name for names in json.loads(evaluate.LOOKS.read_text(encoding="utf-8")).values() for name in names]
    assert len(listed) > 80
    assert set(listed) <= {face.path.stem for face in labelled68()[1]}


def test_nobody_is_a_child_and_old() -> None:
    looks = json.loads(evaluate.LOOKS.read_text(encoding="utf-8"))
    assert list(looks) == ["glasses", "child", "old"]
    groups = evaluate.by_look([name for names in looks.values() for name in names])
    ages = [groups["children"], groups["neither young nor old"], groups["old"]]
    np.testing.assert_array_equal(np.sum(ages, axis=0), 1)
    np.testing.assert_array_equal(groups["with glasses"], ~groups["without glasses"])


def test_a_groups_figure_is_the_median_of_its_faces_means() -> None:
    errors = {"us": np.array([[0.01, 0.03], [0.04, 0.04], [0.10, 0.30], [1.0, 1.0]])}
    groups = {"all but one": np.array([True, True, True, False]), "nobody": np.zeros(4, bool)}
    (row,) = evaluate.by_group(groups, errors)
    assert row.what == "inner, all but one (3), us"
    assert row.value == pytest.approx(4.0)
