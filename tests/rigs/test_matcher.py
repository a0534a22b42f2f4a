# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigs as the tools write them: all mapped without a hand, none wrongly, and what does not match is listed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelift_blender.rigs import arkit
from facelift_blender.rigs.dialects import TABLES, Dialect, expand, parse_sum
from facelift_blender.rigs.mapping import Mapping
from facelift_blender.rigs.matcher import match
from facelift_blender.rigs.names import form, plain


def pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def short(name: str, left: str = "_L", right: str = "_R") -> str:
    """As Face Cap and Polywink write sides; a shape that moves to a side is no side."""
    if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
        return name
    return re.sub("Right$", right, re.sub("Left$", left, name))


def snake(name: str) -> str:
    return "_".join(re.findall("[A-Z]?[a-z]+", name)).lower()


SPELLINGS: dict[str, Callable[[str], str]] = {
    "ARKit": lambda name: name,
    "Live Link Face": pascal,
    "Polywink": lambda name: f"blendShape1.{pascal(name)}",
    "BS_node": lambda name: f"BS_node.{short(name)}",
    "Face Cap": short,
    "Blender": lambda name: short(name, ".L", ".R"),
    "small": lambda name: f"head_geo.{short(name).lower()}",
    "capitals": str.upper,
    "snake": snake,
    "Maya namespace": lambda name: f"char:face_{short(name, '_l', '_r')}".replace("face_", "face|"),
    "Rokoko": lambda name: f"ShapesAll__{name}",
}


def driven(mapping: Mapping) -> dict[str, dict[str, float]]:
    return {channel.target: dict(channel.shares) for channel in mapping.channels}


def alone(mapping: Mapping) -> dict[str, str]:
    """What drives each key that one shape alone drives."""
    return {channel.target: channel.shares[0][0] for channel in mapping.channels if len(channel.shares) == 1}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_arkit_in_every_spelling(spell: Callable[[str], str]) -> None:
    mapping = match({"head": ["Basis", *map(spell, arkit.NAMES)]})
    assert mapping.dialect == "ARKit"
    assert driven(mapping) == {spell(name): {name: 1.0} for name in arkit.NAMES}
    assert (mapping.unmatched, mapping.ambiguous, mapping.unreached) == ((), (), ())
    assert mapping.score >= 0.95


@pytest.mark.parametrize("dialect", TABLES, ids=[dialect.name for dialect in TABLES])
def test_a_whole_dialect_is_recognised_and_every_key_goes_where_its_line_says(dialect: Dialect) -> None:
    table = expand(dialect)
    mapping = match({"head": ["Basis", *table]})
    assert mapping.dialect == dialect.name
    assert driven(mapping) == {key: dict(shares) for key, (shares, _) in table.items() if key not in mapping.covered}
    assert (mapping.unmatched, mapping.ambiguous) == ((), ())


@pytest.mark.parametrize("dialect", TABLES, ids=[dialect.name for dialect in TABLES])
def test_every_line_names_arkit_shapes_and_no_two_names_are_spelled_alike(dialect: Dialect) -> None:
    table = expand(dialect)
    assert {name for shares, _ in table.values() for name, _ in shares} <= set(arkit.NAMES)
    assert len({plain(name) for name in table}) == len(table)


CC4_BODY = """Brow_Raise_Inner_L Brow_Raise_Inner_R Brow_Raise_Outer_L Brow_Drop_R Brow_Compress_L Eye_Blink_L Eye_Blink_R Eye_Squint_L
Eye_Wide_R Eye_L_Look_L Eye_R_Look_L Eye_L_Look_R Eye_R_Look_R Eye_L_Look_Up Eye_R_Look_Down Nose_Sneer_L Cheek_Raise_L Cheek_Puff_R
Mouth_Smile_L Mouth_Smile_Sharp_L Mouth_Frown_R Mouth_Pucker_Up_L Mouth_Funnel_Down_R Mouth_Roll_In_Upper_L Mouth_L Mouth_R Mouth_Up
Mouth_Down_Lower_L Mouth_Up_Upper_R Mouth_Close Jaw_Open Jaw_L Jaw_Up Tongue_Out V_Open V_Explosive""".split()  # noqa: SIM905


def test_character_creator_4_looks_and_lips() -> None:
    mapping = match({"CC_Base_Body": ["Basis", *CC4_BODY]})
    found = alone(mapping)
    assert found["Eye_L_Look_L"] == "eyeLookOutLeft"
    assert found["Eye_R_Look_L"] == "eyeLookInRight"
    assert found["Mouth_L"] == "mouthLeft"
    assert found["Cheek_Raise_L"] == "cheekSquintLeft"
    assert found["Mouth_Up_Upper_R"] == "mouthUpperUpRight"
    assert set(mapping.unmatched) == {"Brow_Compress_L", "Mouth_Smile_Sharp_L", "Mouth_Up", "Jaw_Up", "V_Open", "V_Explosive"}


def test_ex_plus_keys_win_over_the_base_keys_of_the_same_body() -> None:
    ex_plus = [
        "A14_Eye_Blink_Left",
        "A15_Eye_Blink_Right",
        "A25_Jaw_Open",
        "A38_Mouth_Smile_Left",
        "A39_Mouth_Smile_Right",
        "A30_Mouth_Pucker",
    ]
    mapping = match({"CC_Base_Body": ["Basis", "Eye_Blink_L", "Eye_Blink_R", "Mouth_Smile_L", *ex_plus]})
    assert set(driven(mapping)) == set(ex_plus)
    assert set(mapping.unmatched) == {"Eye_Blink_L", "Eye_Blink_R", "Mouth_Smile_L"}


def test_daz_genesis_9_as_diffeomorphic_and_the_bridge_write_it() -> None:
    keys = [f"facs_bs_{part}" for part in (
        "MouthSmileLeft_div2", "MouthSmileWidenLeft", "EyelidOpenUpperRight", "MouthPurseLowerLeft", "JawOpen", "JawOpenWide",
        "BrowInnerUpLeft",
    )]  # fmt: skip
    for prefix in ("", "Genesis9__"):
        mapping = match({"Genesis9": [prefix + key for key in keys]})
        found = {key.removeprefix(prefix): shape for key, shape in alone(mapping).items()}
        assert found == {
            keys[0]: "mouthSmileLeft", keys[2]: "eyeWideRight", keys[3]: "mouthPucker", keys[4]: "jawOpen", keys[6]: "browInnerUp",
        }  # fmt: skip
        assert {key.removeprefix(prefix) for key in mapping.unmatched} == {keys[1], keys[5]}


def test_daz_genesis_8_brows_run_both_ways() -> None:
    keys = ["EyesClosedL", "EyesClosedR", "BrowInnerUp-DownL", "MouthOpen", "MouthSmileSimpleL"]
    mapping = match({"G8": [f"Genesis8Female__eCTRL{key}" for key in keys]})
    assert mapping.dialect == "Daz Genesis 8"
    brow = mapping.find("Genesis8Female__eCTRLBrowInnerUp-DownL")
    assert (dict(brow.shares), brow.low) == ({"browInnerUp": 1.0, "browDownLeft": -0.5}, -1.0)


@pytest.mark.parametrize("prefix", ["CTRL_expressions_", "head_lod0_mesh__", ""])
def test_metahuman(prefix: str) -> None:
    keys = ["browDownL", "mouthCornerPullL", "mouthLipsPurseUR", "eyeLookLeftR", "jawFwd", "eyeWidenL", "jawOpenExtreme"]
    mapping = match({"head": [prefix + key for key in keys]})
    shapes = ["browDownLeft", "mouthSmileLeft", "mouthPucker", "eyeLookInRight", "jawForward", "eyeWideLeft"]
    assert alone(mapping) == dict(zip((prefix + key for key in keys), shapes, strict=False))
    assert mapping.unmatched == (f"{prefix}jawOpenExtreme",)


def test_ready_player_me_brings_more_than_arkit() -> None:
    extra = ["viseme_aa", "viseme_PP", "mouthOpen", "eyesClosed", "eyesLookUp"]
    mapping = match({"Wolf3D_Head": ["Basis", *arkit.NAMES, "mouthSmile", *extra]})
    assert len(mapping.channels) == 52
    assert mapping.covered == ("mouthSmile",)
    assert mapping.unmatched == tuple(extra)


def test_vrm_blink_is_driven_where_the_sides_are_not_there() -> None:
    both = match({"Face": ["aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight", "neutral"]})
    assert both.covered == ("blink",)
    one = match({"Face": ["aa", "ih", "ou", "ee", "oh", "blink"]})
    assert driven(one)["blink"] == {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.5}


def test_vroid_keys_keep_their_mesh_prefix() -> None:
    mapping = match({"Face": [f"Face.M_F00_000_00_Fcl_{key}" for key in ("MTH_A", "MTH_I", "EYE_Close_L", "EYE_Close_R", "ALL_Joy")]})
    assert mapping.dialect == "VRoid"
    assert alone(mapping)["Face.M_F00_000_00_Fcl_EYE_Close_R"] == "eyeBlinkRight"
    assert mapping.unmatched == ("Face.M_F00_000_00_Fcl_ALL_Joy",)


def test_perfect_sync_takes_arkit_and_leaves_the_presets() -> None:
    mapping = match({"Face": [*map(pascal, arkit.NAMES), "aa", "ih", "ou", "ee", "oh", "happy", "blink"]})
    assert mapping.dialect == "ARKit"
    assert mapping.unmatched == ("aa", "ih", "ou", "ee", "oh", "happy", "blink")


def test_a_middle_shape_in_two_halves() -> None:
    mapping = match({"head": ["browInnerUp_L", "browInnerUp_R", "cheekPuff_L", "jawOpen"]})
    assert alone(mapping) == {
        "browInnerUp_L": "browInnerUp",
        "browInnerUp_R": "browInnerUp",
        "cheekPuff_L": "cheekPuff",
        "jawOpen": "jawOpen",
    }


def test_two_keys_that_say_the_same_are_refused() -> None:
    mapping = match({"head": ["EyeBlink_L", "eye_blink_left", "eyeBlinkRight", "eyeBlinkRight.001", "jawOpen", "JawOpen"]})
    assert driven(mapping) == {"jawOpen": {"jawOpen": 1.0}}, "ARKit's very name is sure; two spellings of one thing are not"
    assert set(mapping.ambiguous) == {"EyeBlink_L", "eye_blink_left", "eyeBlinkRight", "eyeBlinkRight.001", "JawOpen"}


def test_the_same_key_on_several_meshes_is_no_ambiguity() -> None:
    mapping = match({"face": ["jawOpen", "eyeBlink_L"], "teeth": ["jawOpen"], "lashes": ["eyeBlink_L"]})
    assert len(mapping.channels) == 2
    assert not mapping.ambiguous


@pytest.mark.parametrize("keys", [
    [], ["Basis"], ["Key 1", "Key 2", "Width", "Fat"], ["A", "O", "happy"], ["Mouth_Up", "Jaw_Up", "eyes"],
    ["left", "L", "_", ".", "__", "🙂"],
    ["jaw", "mouth", "brow", "LeftArm", "openJawWide", "blinker", "smile"],
])  # fmt: skip
def test_what_is_no_face_is_not_guessed(keys: list[str]) -> None:
    mapping = match({"thing": keys})
    assert not mapping.channels
    assert mapping.unmatched == tuple(key for key in keys if key != "Basis")
    assert mapping.score == 0


@given(st.lists(st.text(max_size=40), max_size=30, unique=True))
def test_any_text_is_either_driven_or_listed(keys: list[str]) -> None:
    mapping = match({"thing": keys})
    told = [*driven(mapping), *mapping.unmatched, *mapping.ambiguous, *mapping.covered]
    assert len(told) == len(set(told))
    assert set(told) <= set(keys)


@pytest.mark.parametrize(("name", "stem", "side"), [
    ("eyeBlink_L", "eyeblink", "L"), ("Eye_Left_Blink", "eyeblink", "L"), ("EYEBLINKLEFT", "eyeblink", "L"), ("left", "", "L"),
    ("Eye_L_Look_R", "eyelook", "LR"), ("browInnerUp", "browinnerup", ""), ("a:b|eye-blink right", "eyeblink", "R"), ("jaw.L", "jaw", "L"),
])  # fmt: skip
def test_forms(name: str, stem: str, side: str) -> None:
    assert (form(name).stem, form(name).side) == (stem, side)


def test_sums() -> None:
    assert parse_sum("0.5 a + 2 b - c - 0.25 d") == (("a", 0.5), ("b", 2.0), ("c", -1.0), ("d", -0.25))
    assert parse_sum("- a") == (("a", -1.0),)
