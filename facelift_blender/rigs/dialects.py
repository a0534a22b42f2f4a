# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that tools give to shape keys, and what each is made of in ARKit's terms: data alone.

A line says: this name is driven by that sum. '@' stands for both sides: the tool's own L and R in the name, Left and Right in
the sum; '~' in a sum is the other side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Shares = tuple[tuple[str, float], ...]
"""ARKit names and how much of each."""


@dataclass(frozen=True, eq=False)
class Dialect:
    """A tool's names. `quorum` of them must be there before any counts; `split` are the tool's words for left and right.

    signed: names that run below zero.
    """

    name: str
    lines: Mapping[str, str]
    quorum: int = 4
    split: tuple[str, str] = ("L", "R")
    signed: frozenset[str] = field(default_factory=frozenset)


_BOTH_BLINK: Final = "0.5 eyeBlinkLeft + 0.5 eyeBlinkRight"
_BOTH_SMILE: Final = "0.5 mouthSmileLeft + 0.5 mouthSmileRight"
_BOTH_FROWN: Final = "0.5 mouthFrownLeft + 0.5 mouthFrownRight"
_BOTH_DOWN: Final = "0.5 browDownLeft + 0.5 browDownRight"
_BROWS_UP: Final = "0.4 browInnerUp + 0.3 browOuterUpLeft + 0.3 browOuterUpRight"
_UP: Final = "0.5 eyeLookUpLeft + 0.5 eyeLookUpRight"
_DOWN: Final = "0.5 eyeLookDownLeft + 0.5 eyeLookDownRight"
_LEFT: Final = "0.5 eyeLookOutLeft + 0.5 eyeLookInRight"
_RIGHT: Final = "0.5 eyeLookInLeft + 0.5 eyeLookOutRight"

_VOWELS: Final = {
    "a": "1.3 jawOpen - 0.8 mouthFunnel - 0.8 mouthPucker - 0.3 mouthStretchLeft - 0.3 mouthStretchRight",
    "i": "0.7 mouthStretchLeft + 0.7 mouthStretchRight + 0.15 mouthSmileLeft + 0.15 mouthSmileRight",
    "u": "1.1 mouthPucker",
    "e": "0.4 mouthLowerDownLeft + 0.4 mouthLowerDownRight + 0.4 mouthUpperUpLeft + 0.4 mouthUpperUpRight",
    "o": "1.1 mouthFunnel",
}
"""The five mouths of speech that cartoon rigs have, from what a face does."""

_MOODS: Final = {
    "joy": "0.5 mouthSmileLeft + 0.5 mouthSmileRight - 0.5 jawOpen",
    "anger": "0.5 browDownLeft + 0.5 browDownRight",
    "sorrow": "0.3 mouthFrownLeft + 0.3 mouthFrownRight + 0.4 browInnerUp - 0.4 browOuterUpLeft - 0.4 browOuterUpRight",
    "surprise": "0.5 eyeWideLeft + 0.5 eyeWideRight",
    "fun": "0.4 cheekSquintLeft + 0.4 cheekSquintRight",
}

VRM_1: Final = Dialect("VRM 1.0", {
    "aa": _VOWELS["a"], "ih": _VOWELS["i"], "ou": _VOWELS["u"], "ee": _VOWELS["e"], "oh": _VOWELS["o"],
    "blink": _BOTH_BLINK, "blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight",
    "lookUp": _UP, "lookDown": _DOWN, "lookLeft": _LEFT, "lookRight": _RIGHT,
    "happy": _MOODS["joy"], "angry": _MOODS["anger"], "sad": _MOODS["sorrow"], "surprised": _MOODS["surprise"], "relaxed": _MOODS["fun"],
}, quorum=5)  # fmt: skip

VRM_0: Final = Dialect("VRM 0.x", {
    **{vowel.upper(): line for vowel, line in _VOWELS.items()},
    "Blink": _BOTH_BLINK, "Blink_@": "eyeBlink@", "LookUp": _UP, "LookDown": _DOWN, "LookLeft": _LEFT, "LookRight": _RIGHT,
    "Joy": _MOODS["joy"], "Angry": _MOODS["anger"], "Sorrow": _MOODS["sorrow"], "Fun": _MOODS["fun"], "Surprised": _MOODS["surprise"],
}, quorum=5)  # fmt: skip

VROID: Final = Dialect("VRoid", {
    **{f"Fcl_MTH_{vowel.upper()}": line for vowel, line in _VOWELS.items()},
    "Fcl_EYE_Close": _BOTH_BLINK, "Fcl_EYE_Close_@": "eyeBlink@", "Fcl_EYE_Spread": "0.5 eyeWideLeft + 0.5 eyeWideRight",
    "Fcl_BRW_Angry": _BOTH_DOWN, "Fcl_BRW_Surprised": _BROWS_UP, "Fcl_MTH_Down": _BOTH_FROWN, "Fcl_MTH_Fun": _BOTH_SMILE,
})  # fmt: skip

MMD: Final = Dialect("MikuMikuDance", {
    "あ": _VOWELS["a"], "い": _VOWELS["i"], "う": _VOWELS["u"], "え": _VOWELS["e"], "お": _VOWELS["o"],
    "まばたき": _BOTH_BLINK, "ウィンク２": "eyeBlinkLeft", "ｳｨﾝｸ２右": "eyeBlinkRight", "びっくり": "0.5 eyeWideLeft + 0.5 eyeWideRight",
    "怒り": _BOTH_DOWN, "上": _BROWS_UP, "口角上げ": _BOTH_SMILE, "口角下げ": _BOTH_FROWN,
})  # fmt: skip

_SAME: Final = {
    f"{part}@": f"{part}@" for part in (
        "browDown", "browOuterUp", "eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "cheekSquint",
        "noseSneer", "mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthPress", "mouthUpperUp", "mouthLowerDown",
    )
}  # fmt: skip
_JAW: Final = {"jawOpen": "jawOpen", "jawForward": "jawForward", "jawLeft": "jawLeft", "jawRight": "jawRight"}
_ASIDE: Final = {"mouthLeft": "mouthLeft", "mouthRight": "mouthRight", "tongueOut": "tongueOut"}

DAZ_8_1: Final = Dialect("Daz Genesis 8.1", {
    **_SAME, **_JAW, **_ASIDE, "eyesWide@": "eyeWide@", "browInnerUp": "browInnerUp", "cheekPuff": "cheekPuff",
    **{name: name for name in ("mouthClose", "mouthFunnel", "mouthPucker", "mouthRollUpper", "mouthRollLower", "mouthShrugUpper",
                               "mouthShrugLower")},
}, split=("Left", "Right"))  # fmt: skip

DAZ_9: Final = Dialect("Daz Genesis 9", {
    **_SAME, **_JAW, **_ASIDE, "browInnerUp@": "browInnerUp", "cheekPuff@": "cheekPuff", "eyelidOpenUpper@": "eyeWide@",
    "eyelidOpenLower@": "eyeWide@", "eyeWide@": "eyeWide@", "mouthPressUpper@": "mouthPress@", "mouthPressLower@": "mouthPress@",
    **{f"mouth{tool}{lip}@": f"mouth{shape}" for lip in ("Upper", "Lower")
       for tool, shape in (("Close", "Close"), ("Funnel", "Funnel"), ("Purse", "Pucker"))},
    **{f"mouth{part}{lip}@": f"mouth{part}{lip}" for lip in ("Upper", "Lower") for part in ("Roll", "Shrug")},
}, split=("Left", "Right"))  # fmt: skip

DAZ_8: Final = Dialect("Daz Genesis 8", {
    "EyesClosed": _BOTH_BLINK, "EyesClosed@": "eyeBlink@", "EyesSquint@": "eyeSquint@", "CheekFlex@": "cheekSquint@",
    "CheeksBalloon": "cheekPuff", "NoseWrinkle": "0.5 noseSneerLeft + 0.5 noseSneerRight", "MouthOpen": "jawOpen",
    "BrowInnerUp-Down@": "browInnerUp - 0.5 browDown@", "BrowOuterUp-Down@": "browOuterUp@ - 0.5 browDown@", "JawOut-In": "jawForward",
    "MouthSmileSimple": _BOTH_SMILE, "MouthSmileSimple@": "mouthSmile@", "MouthFrown": _BOTH_FROWN, "MouthFrown@": "mouthFrown@",
    "MouthCornerBack@": "mouthStretch@", "LipTopUp-Down@": "mouthUpperUp@", "LipBottomUp-Down@": "- mouthLowerDown@",
    "LipsPucker": "mouthPucker", "LipsPuckerWide": "mouthFunnel",
}, signed=frozenset({"BrowInnerUp-Down@", "BrowOuterUp-Down@", "LipBottomUp-Down@"}))  # fmt: skip

CC4: Final = Dialect("Character Creator 4", {
    "Brow_Raise_Inner_@": "browInnerUp", "Brow_Raise_Outer_@": "browOuterUp@", "Brow_Drop_@": "browDown@",
    "Eye_Blink_@": "eyeBlink@", "Eye_Squint_@": "eyeSquint@", "Eye_Wide_@": "eyeWide@", "Eye_@_Look_Up": "eyeLookUp@",
    "Eye_@_Look_Down": "eyeLookDown@", "Eye_L_Look_L": "eyeLookOutLeft", "Eye_L_Look_R": "eyeLookInLeft", "Eye_R_Look_L": "eyeLookInRight",
    "Eye_R_Look_R": "eyeLookOutRight", "Nose_Sneer_@": "noseSneer@", "Cheek_Raise_@": "cheekSquint@", "Cheek_Puff_@": "cheekPuff",
    **{f"Mouth_{part}_@": f"mouth{part}@" for part in ("Smile", "Frown", "Stretch", "Dimple", "Press")},
    "Mouth_Pucker": "mouthPucker", "Mouth_Pucker_Up_@": "mouthPucker", "Mouth_Pucker_Down_@": "mouthPucker", "Mouth_Funnel": "mouthFunnel",
    "Mouth_Funnel_Up_@": "mouthFunnel", "Mouth_Funnel_Down_@": "mouthFunnel", "Mouth_Roll_In_Upper": "mouthRollUpper",
    "Mouth_Roll_In_Lower": "mouthRollLower", "Mouth_Roll_In_Upper_@": "mouthRollUpper", "Mouth_Roll_In_Lower_@": "mouthRollLower",
    "Mouth_Shrug_Upper": "mouthShrugUpper", "Mouth_Shrug_Lower": "mouthShrugLower", "Mouth_Up_Upper_@": "mouthUpperUp@",
    "Mouth_Down_Lower_@": "mouthLowerDown@", "Mouth_L": "mouthLeft", "Mouth_R": "mouthRight", "Mouth_Close": "mouthClose",
    "Jaw_Open": "jawOpen", "Jaw_Forward": "jawForward", "Jaw_L": "jawLeft", "Jaw_R": "jawRight", "Tongue_Out": "tongueOut",
})  # fmt: skip

CC3: Final = Dialect("Character Creator 3", {
    "Brow_Raise_Inner_@": "browInnerUp", "Brow_Raise_Outer_@": "browOuterUp@", "Brow_Drop_@": "browDown@", "Eye_Blink": _BOTH_BLINK,
    "Eye_Blink_@": "eyeBlink@", "Eye_Squint_@": "eyeSquint@", "Eye_Wide_@": "eyeWide@",
    "Nose_Scrunch": "0.5 noseSneerLeft + 0.5 noseSneerRight",
    "Cheek_Raise_@": "cheekSquint@", "Cheek_Blow_@": "cheekPuff", "Mouth_Smile": _BOTH_SMILE, "Mouth_Smile_@": "mouthSmile@",
    "Mouth_Frown": _BOTH_FROWN, "Mouth_Frown_@": "mouthFrown@", "Mouth_Pucker": "mouthPucker", "Mouth_Pucker_Open": "mouthFunnel",
    "Mouth_Dimple_@": "mouthDimple@", "Mouth_Open": "jawOpen", "Mouth_L": "mouthLeft", "Mouth_R": "mouthRight",
    "Mouth_Top_Lip_Up": "0.5 mouthUpperUpLeft + 0.5 mouthUpperUpRight",
    "Mouth_Bottom_Lip_Down": "0.5 mouthLowerDownLeft + 0.5 mouthLowerDownRight",
    "Mouth_Widen": "0.5 mouthStretchLeft + 0.5 mouthStretchRight", "Mouth_Lips_Tight": "0.5 mouthPressLeft + 0.5 mouthPressRight",
})  # fmt: skip

_EX_PLUS: Final = (  # noqa: SIM905
    "Brow_Inner_Up Brow_Down_Left Brow_Down_Right Brow_Outer_Up_Left Brow_Outer_Up_Right Eye_Look_Up_Left Eye_Look_Up_Right "
    "Eye_Look_Down_Left Eye_Look_Down_Right Eye_Look_Out_Left Eye_Look_In_Left Eye_Look_In_Right Eye_Look_Out_Right Eye_Blink_Left "
    "Eye_Blink_Right Eye_Squint_Left Eye_Squint_Right Eye_Wide_Left Eye_Wide_Right Cheek_Puff Cheek_Squint_Left Cheek_Squint_Right "
    "Nose_Sneer_Left Nose_Sneer_Right Jaw_Open Jaw_Forward Jaw_Left Jaw_Right Mouth_Funnel Mouth_Pucker Mouth_Left Mouth_Right "
    "Mouth_Roll_Upper Mouth_Roll_Lower Mouth_Shrug_Upper Mouth_Shrug_Lower Mouth_Close Mouth_Smile_Left Mouth_Smile_Right "
    "Mouth_Frown_Left Mouth_Frown_Right Mouth_Dimple_Left Mouth_Dimple_Right Mouth_Upper_Up_Left Mouth_Upper_Up_Right "
    "Mouth_Lower_Down_Left Mouth_Lower_Down_Right Mouth_Press_Left Mouth_Press_Right Mouth_Stretch_Left Mouth_Stretch_Right"
).split()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first.lower() + "".join(rest)


CC3_EX_PLUS: Final = Dialect(
    "Character Creator 3+ ExPlus",
    {**{f"A{number:02d}_{name}": _camel(name) for number, name in enumerate(_EX_PLUS, 1)}, "T10_Tongue_Out": "tongueOut"},
)

METAHUMAN: Final = Dialect("MetaHuman", {
    "browDown@": "browDown@", "browRaiseIn@": "browInnerUp", "browRaiseOuter@": "browOuterUp@", "eyeBlink@": "eyeBlink@",
    "eyeWiden@": "eyeWide@", "eyeSquintInner@": "eyeSquint@", "eyeCheekRaise@": "cheekSquint@", "eyeLookUp@": "eyeLookUp@",
    "eyeLookDown@": "eyeLookDown@", "eyeLookLeftL": "eyeLookOutLeft", "eyeLookRightL": "eyeLookInLeft", "eyeLookLeftR": "eyeLookInRight",
    "eyeLookRightR": "eyeLookOutRight", "noseWrinkle@": "noseSneer@", "mouthCheekBlow@": "cheekPuff", "mouthLeft": "mouthLeft",
    "mouthRight": "mouthRight", "mouthUpperLipRaise@": "mouthUpperUp@", "mouthLowerLipDepress@": "mouthLowerDown@",
    "mouthCornerPull@": "mouthSmile@", "mouthCornerDepress@": "mouthFrown@", "mouthStretch@": "mouthStretch@",
    "mouthDimple@": "mouthDimple@", "mouthUpperLipRollIn@": "mouthRollUpper", "mouthLowerLipRollIn@": "mouthRollLower",
    "mouthPressU@": "mouthPress@", "mouthPressD@": "mouthPress@", "mouthLipsPress@": "mouthPress@", "jawOpen": "jawOpen",
    "jawFwd": "jawForward", "jawLeft": "jawLeft", "jawRight": "jawRight", "jawChinRaiseU@": "mouthShrugUpper",
    "jawChinRaiseD@": "mouthShrugLower", "tongueOut": "tongueOut",
    **{f"mouth{tool}{lip}@": f"mouth{shape}" for lip in "UD"
       for tool, shape in (("LipsPurse", "Pucker"), ("Funnel", "Funnel"), ("LipsTogether", "Close"))},
})  # fmt: skip

SRANIPAL: Final = Dialect("SRanipal", {
    "Eye_@_Blink": "eyeBlink@", "Eye_@_Wide": "eyeWide@", "Eye_@_Squeeze": "eyeSquint@", "Eye_@_Up": "eyeLookUp@",
    "Eye_@_Down": "eyeLookDown@", "Eye_Left_Left": "eyeLookOutLeft", "Eye_Left_Right": "eyeLookInLeft",
    "Eye_Right_Left": "eyeLookInRight", "Eye_Right_Right": "eyeLookOutRight", "Jaw_Left": "jawLeft", "Jaw_Right": "jawRight",
    "Jaw_Forward": "jawForward", "Jaw_Open": "jawOpen", "Mouth_Ape_Shape": "mouthClose", "Mouth_O_Shape": "mouthFunnel",
    "Mouth_Pout": "mouthPucker", "Mouth_Smile_@": "mouthSmile@", "Mouth_Sad_@": "mouthFrown@", "Cheek_Puff_@": "cheekPuff",
    "Mouth_Upper_Up@": "mouthUpperUp@", "Mouth_Lower_Down@": "mouthLowerDown@", "Mouth_Upper_Inside": "mouthRollUpper",
    "Mouth_Lower_Inside": "mouthRollLower", "Mouth_Lower_Overlay": "mouthShrugLower", "Tongue_LongStep2": "tongueOut",
}, split=("Left", "Right"))  # fmt: skip

META_MOVEMENT: Final = Dialect("Meta Movement", {
    "Brow_Lowerer_@": "browDown@", "Inner_Brow_Raiser_@": "browInnerUp", "Outer_Brow_Raiser_@": "browOuterUp@",
    "Eyes_Closed_@": "eyeBlink@", "Lid_Raiser_@": "eyeWide@", "Lid_Tightener_@": "eyeSquint@", "Eyes_Look_Up_@": "eyeLookUp@",
    "Eyes_Look_Down_@": "eyeLookDown@", "Eyes_Look_Left_L": "eyeLookOutLeft", "Eyes_Look_Right_L": "eyeLookInLeft",
    "Eyes_Look_Left_R": "eyeLookInRight", "Eyes_Look_Right_R": "eyeLookOutRight", "Nose_Wrinkler_@": "noseSneer@",
    "Cheek_Raiser_@": "cheekSquint@", "Cheek_Puff_@": "cheekPuff", "Jaw_Drop": "jawOpen", "Jaw_Thrust": "jawForward",
    "Jaw_Sideways_Left": "jawLeft", "Jaw_Sideways_Right": "jawRight", "Lip_Corner_Puller_@": "mouthSmile@",
    "Lip_Corner_Depressor_@": "mouthFrown@", "Dimpler_@": "mouthDimple@", "Lip_Stretcher_@": "mouthStretch@",
    "Lip_Pressor_@": "mouthPress@", "Lip_Pucker_@": "mouthPucker", "Upper_Lip_Raiser_@": "mouthUpperUp@",
    "Lower_Lip_Depressor_@": "mouthLowerDown@", "Mouth_Left": "mouthLeft", "Mouth_Right": "mouthRight", "Chin_Raiser_T": "mouthShrugUpper",
    "Chin_Raiser_B": "mouthShrugLower", "Lips_Toward": "mouthClose", "Lip_Funneler_@T": "mouthFunnel", "Lip_Funneler_@B": "mouthFunnel",
    "Lip_Suck_@T": "mouthRollUpper", "Lip_Suck_@B": "mouthRollLower", "Tongue_Out": "tongueOut",
})  # fmt: skip

TABLES: Final = (CC3_EX_PLUS, CC4, CC3, DAZ_9, DAZ_8_1, DAZ_8, METAHUMAN, META_MOVEMENT, SRANIPAL, VROID, VRM_1, VRM_0, MMD)
"""Every tool whose names are not ARKit's own in another spelling; those need no table."""


def parse_sum(line: str) -> Shares:
    """'0.5 eyeBlinkLeft - jawOpen' as names and shares."""
    shares, sign, share = [], 1.0, 1.0
    for word in line.split():
        if word in "+-":
            sign = -1.0 if word == "-" else 1.0
        elif word[0].isdigit():
            share = float(word)
        else:
            shares.append((word, sign * share))
            sign, share = 1.0, 1.0
    return tuple(shares)


def expand(dialect: Dialect) -> dict[str, tuple[Shares, bool]]:
    """Each full name of a dialect, both sides written out: its shares, and whether it runs below zero."""
    names: dict[str, tuple[Shares, bool]] = {}
    for name, line in dialect.lines.items():
        signed = name in dialect.signed
        if "@" not in name:
            names[name] = parse_sum(line), signed
            continue
        for side, other, word in (("Left", "Right", dialect.split[0]), ("Right", "Left", dialect.split[1])):
            names[name.replace("@", word)] = parse_sum(line.replace("@", side).replace("~", other)), signed
    return names
