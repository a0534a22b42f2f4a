# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones that carry a face: which is head, neck and eye by name, and the face rigs whose bones stand for expressions: data alone.

Axes are the head's canonical ones: x to the subject's left, y up, z out of the face. Millimetres are those of a face with
63 mm between the eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .dialects import parse_sum
from .mapping import BoneChannel
from .matcher import NAMED
from .names import bare, form

EYE_SIDEWAYS, EYE_UPWARDS = 30.0, 25.0
"""Degrees that an eye has turned when its look shapes are at 1, sideways and up or down."""
RIGIFY_LEGACY: Final = "Rigify face (legacy)"
RIGIFY: Final = "Rigify face"


@dataclass(frozen=True)
class FaceBones:
    """Bones by their part, '' where there is none. `target`: the bone that both eyes look at, for rigs whose eyes aim.

    jaw: a bone that opens the mouth; used where no key does.
    """

    head: str = ""
    neck: str = ""
    eye_left: str = ""
    eye_right: str = ""
    jaw: str = ""
    target: str = ""
    face_rig: str = ""


_STEMS: Final = {
    "head": ("head", "ccbasehead", "jbipchead", "mixamorighead", "bip01head", "headx", "spine006", "頭"),
    "neck": ("neck", "necktwist01", "ccbasenecktwist01", "jbipcneck", "mixamorigneck", "neck01", "neck1", "necklower", "bip01neck", "首"),
    "eye": ("eye", "ccbaseeye", "jadjfaceeye", "faeye", "faceeye", "eyeball", "faciallfaceeye", "facialeye", "mixamorigeye", "目"),
    "jaw": ("jaw", "jawmaster", "ccbasejawroot", "lowerjaw", "facialcjaw", "jawroot", "mouthjaw"),
}
"""The words of bone names in use, surest first."""
_HELPERS: Final = ("def-", "org-", "mch-", "vis_", "wgt-")


def find_bones(names: Sequence[str]) -> FaceBones:
    """Which of an armature's bones are head, neck, eyes and jaw. A part that several bones claim alike is left out."""
    shown = [name for name in names if not name.lower().startswith(_HELPERS)]
    known = set(names)
    face_rig = next((rig for rig, marks in _MARKS.items() if known.issuperset(marks)), "")
    return FaceBones(
        head=_surest(shown, "head", ""),
        neck=_surest(shown, "neck", ""),
        eye_left=_surest(shown, "eye", "L"),
        eye_right=_surest(shown, "eye", "R"),
        jaw=_surest(shown, "jaw", ""),
        target=next((name for name in ("eyes", "eye_common") if face_rig and name in known), ""),
        face_rig=face_rig,
    )


def _surest(names: Iterable[str], part: str, side: str) -> str:
    """The one bone with the surest of a part's words on a side; '' where there is none, or more than one."""
    said = {name: form(name) for name in names}
    for stem in _STEMS[part]:
        found = [name for name, words in said.items() if words.stem == stem and words.side in (side, f"{side}{side}")]
        exact = [name for name in found if bare(name).lower() == stem]
        if len(found) == 1 or len(exact) == 1:
            return exact[0] if exact else found[0]
        if found:
            return ""
    return ""


_MARKS: Final = {
    RIGIFY_LEGACY: ("jaw_master", "master_eye.L", "lid.T.L.002", "lips.L"),
    RIGIFY: ("jaw_master", "eye_master.L", "lid.T.L.002", "lip_end.L.001"),
}
_CORNERS: Final = {RIGIFY_LEGACY: "lips.@", RIGIFY: "lip_end.@.001"}

_JAW: Final = {"jawOpen": ((0, 0, 0), (18, 0, 0)), "jawForward": ((0, 0, 6), (0, 0, 0)),
               "jawLeft": ((5, 0, 0), (0, 0, 0)), "jawRight": ((-5, 0, 0), (0, 0, 0))}  # fmt: skip
_SIDED: Final = (
    ("lid.T.@.002", "eyeBlink@ + 0.5 eyeLookDown@ - 0.25 eyeWide@ - 0.3 eyeLookUp@", (0, -9.0, 0)),
    ("lid.T.@.001", "eyeBlink@ + 0.5 eyeLookDown@ - 0.25 eyeWide@ - 0.3 eyeLookUp@", (0, -6.5, 0)),
    ("lid.T.@.003", "eyeBlink@ + 0.5 eyeLookDown@ - 0.25 eyeWide@ - 0.3 eyeLookUp@", (0, -6.5, 0)),
    ("lid.B.@.002", "0.4 eyeBlink@ + eyeSquint@ + 0.4 cheekSquint@ - 0.3 eyeLookDown@", (0, 2.5, 0)),
    ("lid.B.@.001", "0.4 eyeBlink@ + eyeSquint@ + 0.4 cheekSquint@ - 0.3 eyeLookDown@", (0, 2.0, 0)),
    ("lid.B.@.003", "0.4 eyeBlink@ + eyeSquint@ + 0.4 cheekSquint@ - 0.3 eyeLookDown@", (0, 2.0, 0)),
    ("brow.T.@.001", "browOuterUp@ - 0.6 browDown@", (0, 9, 0)),
    ("brow.T.@.002", "0.5 browOuterUp@ + 0.5 browInnerUp - 0.8 browDown@", (0, 8, 0)),
    ("brow.T.@.003", "browInnerUp - browDown@", (0, 8, 0)),
    ("brow.B.@.001", "browOuterUp@ - 0.6 browDown@", (0, 6, 0)),
    ("brow.B.@.002", "0.5 browOuterUp@ + 0.5 browInnerUp - 0.8 browDown@", (0, 6, 0)),
    ("brow.B.@.003", "browInnerUp - browDown@", (0, 6, 0)),
    ("cheek.B.@.001", "cheekPuff", (4, 0, 5)),
    ("cheek.T.@.001", "cheekSquint@ + 0.4 mouthSmile@", (0, 5, 2)),
    ("nose.@.001", "noseSneer@", (0, 5, 0)),
    ("lip.T.@.001", "mouthUpperUp@ - mouthRollUpper", (0, 5, 0)),
    ("lip.B.@.001", "mouthLowerDown@ - mouthRollLower", (0, -5, 0)),
)  # fmt: skip
"""Bones of the left side (mirrored for the right), what drives them, and where value 1 moves them."""
_CORNER_MOVES: Final = {
    "mouthSmile@": (9, 9, -4), "mouthFrown@": (2, -9, -2), "mouthStretch@": (9, -2, -3), "mouthDimple@": (5, 2, -4),
    "mouthPress@": (2, 0, -1), "mouthPucker": (-11, 0, 8), "mouthFunnel": (-7, 0, 7), "mouthLeft": (8, 0, 0), "mouthRight": (-8, 0, 0),
}  # fmt: skip
_LIPS: Final = {
    "lip.T": {"mouthPucker": (0, 0, 8), "mouthFunnel": (0, 2, 8), "mouthRollUpper": (0, -2, -5), "mouthShrugUpper": (0, 5, 3),
              "mouthLeft": (8, 0, 0), "mouthRight": (-8, 0, 0), "mouthClose": (0, -6, 0)},
    "lip.B": {"mouthPucker": (0, 0, 8), "mouthFunnel": (0, -2, 8), "mouthRollLower": (0, 2, -5), "mouthShrugLower": (0, 6, 3),
              "mouthLeft": (8, 0, 0), "mouthRight": (-8, 0, 0), "mouthClose": (0, 8, 0)},
}  # fmt: skip


def face_channels(bones: FaceBones) -> tuple[BoneChannel, ...]:
    """Channels of a face rig whose bones stand for expressions; none for a rig that is not known.

    A bone that several shapes move has a channel for each, named BONE#SHAPE; what they do is added up.
    """
    if not bones.face_rig:
        return ()
    moves = [(f"jaw_master#{shape}", shape, move, turn) for shape, (move, turn) in _JAW.items()]
    for bone, table in _LIPS.items():
        moves += [(f"{bone}#{shape}", shape, move, (0, 0, 0)) for shape, move in table.items()]
    for side, sign, word in (("L", 1.0, "Left"), ("R", -1.0, "Right")):
        corner = _CORNERS[bones.face_rig].replace("@", side)
        for line, (x, y, z) in _CORNER_MOVES.items():
            across = x if line in ("mouthLeft", "mouthRight") else sign * x
            shape = line.replace("@", word)
            moves.append((f"{corner}#{shape}", shape, (across, y, z), (0, 0, 0)))
        for bone, line, (x, y, z) in _SIDED:
            moves.append((bone.replace("@", side), line.replace("@", word), (sign * x, y, z), (0, 0, 0)))
    return tuple(_channel(*move) for move in moves)


def jaw_channels(jaw: str) -> tuple[BoneChannel, ...]:
    """Channels of a plain jaw bone, for characters without a key that opens the mouth."""
    return tuple(_channel(f"{jaw}#{shape}", shape, move, turn) for shape, (move, turn) in _JAW.items())


def bone_of(target: str) -> str:
    """The bone that a channel's target names."""
    return target.partition("#")[0]


def _channel(target: str, line: str, move: Sequence[float], turn: Sequence[float]) -> BoneChannel:
    move, turn = tuple(map(float, move)), tuple(map(float, turn))
    return BoneChannel(target, parse_sum(line), NAMED, low=-1.0, move=move, turn=turn)
