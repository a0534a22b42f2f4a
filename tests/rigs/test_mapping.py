# SPDX-License-Identifier: GPL-3.0-or-later
"""Mappings: what channels compute, how they are edited, and what a file may do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.rigs import arkit
from facelift_blender.rigs.dialects import VRM_1, expand
from facelift_blender.rigs.mapping import BoneChannel, Channel, Mapping, describe, load_mapping, merge, parse, save_mapping
from facelift_blender.rigs.matcher import match


def weights(**values: float) -> np.ndarray:
    row = np.zeros((1, 52))
    for name, value in values.items():
        row[0, arkit.INDEX[name]] = value
    return row


def test_a_channel_adds_shares_then_bends_scales_shifts_and_limits() -> None:
    channel = Channel("x", (("jawOpen", 0.5), ("mouthPucker", -0.5)), gain=2.0, offset=0.1, high=0.8)
    assert channel.evaluate(weights(jawOpen=0.6, mouthPucker=0.2)) == pytest.approx([0.5])
    assert channel.evaluate(weights(jawOpen=1.0)) == pytest.approx([0.8])
    assert channel.evaluate(weights(mouthPucker=1.0)) == pytest.approx([0.0])


def test_a_curve_is_straight_between_its_points_and_level_beyond() -> None:
    channel = Channel("x", (("jawOpen", 1.0),), curve=((0.2, 0.0), (0.6, 1.0)))
    got = [float(channel.evaluate(weights(jawOpen=value))[0]) for value in (0.0, 0.2, 0.4, 0.6, 0.9)]
    assert got == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0])


def arkit_mapping() -> Mapping:
    return match({"head": arkit.NAMES}, "Ada")


def test_mute_and_solo() -> None:
    mapping = arkit_mapping().edit("jawOpen", mute=True)
    assert "jawOpen" not in {channel.target for channel in mapping.written}
    assert len(mapping.written) == 51
    solo = mapping.edit("eyeBlinkLeft", symmetric=True, solo=True)
    assert {channel.target for channel in solo.written} == {"eyeBlinkLeft", "eyeBlinkRight"}
    assert not [channel for channel in solo.edit("jawOpen", solo=True).written if channel.target == "jawOpen"], "mute wins"


@pytest.mark.parametrize(("keys", "one", "other"), [
    (["eyeBlink_L", "eyeBlink_R", "jawOpen"], "eyeBlink_L", "eyeBlink_R"),
    (["Eye_Left_Blink", "Eye_Right_Blink"], "Eye_Right_Blink", "Eye_Left_Blink"),
])  # fmt: skip
def test_symmetric_editing_finds_the_twin_in_any_spelling(keys: list[str], one: str, other: str) -> None:
    mapping = match({"head": keys}).edit(one, symmetric=True, gain=1.4)
    assert [mapping.find(key).gain for key in (one, other)] == [1.4, 1.4]


def test_symmetric_shares_are_mirrored() -> None:
    shares = (("mouthSmileLeft", 1.0), ("cheekSquintLeft", 0.5))
    mapping = arkit_mapping().edit("mouthSmileLeft", symmetric=True, shares=shares)
    assert mapping.find("mouthSmileRight").shares == (("mouthSmileRight", 1.0), ("cheekSquintRight", 0.5))


def test_a_person_settles_what_was_refused() -> None:
    mapping = match({"head": ["EyeBlink_L", "eye_blink_left", "smirk"]})
    settled = mapping.assign("eye_blink_left", (("eyeBlinkLeft", 1.0),)).assign("smirk", (("mouthSmileLeft", 0.7),))
    assert (settled.ambiguous, settled.unmatched) == (("EyeBlink_L",), ())
    assert settled.find("smirk").evaluate(weights(mouthSmileLeft=1.0)) == pytest.approx([0.7])
    assert settled.remove("smirk").unmatched == ("smirk",)


def test_an_unknown_channel_is_one_sentence() -> None:
    with pytest.raises(FaceLiftError, match="no channel 'nose'"):
        arkit_mapping().edit("nose", gain=2)


def test_score_and_unreached() -> None:
    mapping = match({"head": ["jawOpen", "eyeBlinkLeft"]})
    assert mapping.score == pytest.approx(2 / 52)
    assert len(mapping.unreached) == 50


def test_vrm_vowels_take_turns() -> None:
    """Each mouth of speech drives its own vowel most."""
    mapping = match({"Face": list(expand(VRM_1))})
    mouths = {
        "aa": weights(jawOpen=0.6), "ou": weights(mouthPucker=0.8, jawOpen=0.1), "oh": weights(mouthFunnel=0.7, jawOpen=0.3),
        "ih": weights(mouthStretchLeft=0.5, mouthStretchRight=0.5, jawOpen=0.1),
    }  # fmt: skip
    for vowel, mouth in mouths.items():
        values = {name: float(mapping.find(name).evaluate(mouth)[0]) for name in ("aa", "ih", "ou", "ee", "oh")}
        assert max(values, key=values.get) == vowel, values


def test_a_mapping_survives_its_file(tmp_path: Path) -> None:
    mapping = arkit_mapping().edit("jawOpen", gain=1.2, curve=((0.0, 0.0), (0.5, 0.7), (1.0, 1.0))).edit("tongueOut", mute=True)
    bone = BoneChannel("jaw", (("jawOpen", 1.0),), turn=(20.0, 0.0, 0.0), move=(0.0, -2.0, 0.0))
    mapping = replace(mapping, channels=(*mapping.channels, bone), unmatched=("Fat",))
    save_mapping(mapping, tmp_path / "ada ö.json")
    assert load_mapping(tmp_path / "ada ö.json") == mapping
    assert [path.name for path in tmp_path.iterdir()] == ["ada ö.json"]


def test_a_saved_mapping_is_laid_over_a_fresh_match() -> None:
    saved = match({"head": ["jawOpen", "gone"]}).edit("jawOpen", gain=0.5).assign("smirk", (("mouthSmileLeft", 1.0),)).edit("smirk", gain=2)
    fresh = merge(match({"head": ["jawOpen", "eyeBlinkLeft", "smirk"]}), saved)
    assert {channel.target: channel.gain for channel in fresh.channels} == {"jawOpen": 0.5, "eyeBlinkLeft": 1.0, "smirk": 2}
    assert not fresh.unmatched


def _spoil(**changes: Any) -> dict[str, Any]:
    content = describe(match({"head": ["jawOpen"]}))
    channel = {**content["channels"][0], **changes.pop("channel", {})}
    return {**content, "channels": [channel], **changes}


@pytest.mark.parametrize("content", [
    [], None, {}, "text", _spoil(version=2), _spoil(format="x"), _spoil(channels={}), _spoil(channels=[3]), _spoil(channels=[{}] * 5000),
    _spoil(channel={"gain": "2"}), _spoil(channel={"gain": float("nan")}), _spoil(channel={"gain": True}), _spoil(channel={"offset": 1e9}),
    _spoil(channel={"offset": 10**400}),
    _spoil(channel={"shares": {"nose": 1}}), _spoil(channel={"shares": []}), _spoil(channel={"target": ""}),
    _spoil(channel={"target": "x" * 9999}),
    _spoil(channel={"expression": "__import__('os')"}), _spoil(channel={"curve": [[0, 0], [0, 1]]}), _spoil(channel={"curve": [[0]]}),
    _spoil(channel={"mute": 1}), _spoil(channel={"low": 2.0}), _spoil(unmatched=[3]), _spoil(name=7),
    _spoil(channels=_spoil()["channels"] * 2), _spoil(channel={"move": [1, 2, 3]}),
])  # fmt: skip
def test_unsound_content_is_one_sentence(content: Any) -> None:
    with pytest.raises(FaceLiftError, match="is not a mapping: "):
        parse(content)


def test_files_that_are_no_mapping(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text("[" * 100_000)
    (tmp_path / "c.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "d.json").write_text(json.dumps({"format": "FaceLift mapping", "pad": "x" * 2_000_000}))
    (tmp_path / "e.json").write_text(json.dumps({**describe(Mapping()), "name": "\ud800"}))
    for name in "abcdef":
        with pytest.raises(FaceLiftError):
            load_mapping(tmp_path / f"{name}.json")
    with pytest.raises(FaceLiftError, match="cannot be written"):
        save_mapping(Mapping(), tmp_path / "nowhere" / "m.json")
