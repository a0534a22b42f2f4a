# SPDX-License-Identifier: GPL-3.0-or-later
"""Shot lists, good and hostile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from facelift_blender.capture.types import FaceLiftError
from facelift_blender.farm.shots import ListSettings, Shot, from_json, read_shots, to_json


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def test_a_folder_has_movies_sequences_and_folders_of_pictures(tmp_path: Path) -> None:
    _touch(tmp_path, "b.mp4", "a.MOV", "plate_001.png", "plate_002.png", "notes.txt", ".hidden.mp4", "seq/x.0001.exr", "seq/x.0002.exr")
    shots = {shot.name: shot.clip.name for shot in read_shots(str(tmp_path))}
    assert shots == {"a": "a.MOV", "b": "b.mp4", "seq": "x.0001.exr", "plate": "plate_001.png"} or shots["a"] == "a.MOV"
    assert sorted(shots.values()) == ["a.MOV", "b.mp4", "plate_001.png", "x.0001.exr"]


def test_a_pattern_and_names_that_clash(tmp_path: Path) -> None:
    _touch(tmp_path, "one/take.mp4", "two/take.mp4", "two/take.mov")
    names = [shot.name for shot in read_shots(str(tmp_path / "*" / "take.*"))]
    assert len({name.lower() for name in names}) == 3


def test_one_name_in_many_folders_is_told_apart_by_the_folders(tmp_path: Path) -> None:
    _touch(tmp_path, "int_010/main.mov", "int_020/main.mov", "int_030/plate.0001.exr", "int_040/plate.0001.exr", "int_040/plate.0002.exr")
    names = {shot.name: shot.clip.name for shot in read_shots(str(tmp_path / "*" / "*"))}
    assert sorted(names) == ["int_010_main", "int_020_main", "int_030_plate", "int_040_plate"]
    assert names["int_040_plate"] == "plate.0001.exr"


def test_results_are_no_footage(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "out/b/b.mp4")
    assert [shot.name for shot in read_shots(str(tmp_path), ListSettings(leave_out=tmp_path / "out"))] == ["a"]


@pytest.mark.parametrize("text", [
    "name,clip,start,end,focal,exports\nint_010,plates/a.mp4,2,9,50,\"fbx,csv\"\n",
    "\ufeffName;Clip;Start;End;Focal;Exports\r\n int_010 ; plates/a.mp4 ; 2 ; 9 ; 50 ; fbx csv \r\n\r\n",
    "name\tclip\tstart\tend\tfocal\texports\nint_010\tplates/a.mp4\t2\t9\t50\tfbx;csv",
])  # fmt: skip
def test_a_csv_as_spreadsheets_write_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.csv").write_text(text, encoding="utf-8")
    (shot,) = read_shots(str(tmp_path / "list.csv"), ListSettings({"smoothing": 0.25}))
    assert shot == Shot("int_010", tmp_path.resolve() / "plates" / "a.mp4", 2, 9, focal=50.0, smoothing=0.25, exports=("fbx", "csv"))


def test_a_json_list(tmp_path: Path) -> None:
    told = {"shots": [{"clip": "a.mp4"}, {"name": "b", "clip": "a.mp4", "actor": "all", "fps": 25}]}
    (tmp_path / "list.json").write_text(json.dumps(told))
    first, second = read_shots(str(tmp_path / "list.json"))
    assert (first.name, second.name, second.actor, second.fps) == ("a", "b", None, 25.0)
    assert from_json(json.loads(json.dumps(to_json(second)))) == second


@pytest.mark.parametrize(("row", "words"), [
    ({"name": "../../etc/cron.d/x", "clip": "a.mp4"}, "no plain file name"),
    ({"name": ".hidden", "clip": "a.mp4"}, "no plain file name"),
    ({"name": "NUL", "clip": "a.mp4"}, "no plain file name"),
    ({"name": "a\nb", "clip": "a.mp4"}, "no plain file name"),
    ({"name": "a", "clip": "../../../etc/passwd"}, "lies outside"),
    ({"name": "a", "clip": "/etc/passwd"}, "lies outside"),
    ({"name": "a", "clip": "a\0.mp4"}, "is no path"),
    ({"name": "a"}, "lacks clip"),
    ({"name": "a", "clip": "a.mp4", "start": 0}, "whole number from 1"),
    ({"name": "a", "clip": "a.mp4", "start": 1e300}, "whole number from 1"),
    ({"name": "a", "clip": "a.mp4", "start": True}, "whole number from 1"),
    ({"name": "a", "clip": "a.mp4", "end": "9" * 5000}, "whole number from 1"),
    ({"name": "a", "clip": "a.mp4", "start": 9, "end": 2}, "before the first"),
    ({"name": "a", "clip": "a.mp4", "focal": "NaN"}, "not a number from"),
    ({"name": "a", "clip": "a.mp4", "focal": [[]]}, "not a number from"),
    ({"name": "a", "clip": "a.mp4", "exports": "fbx,exe"}, "names 'exe'"),
    ({"name": "a", "clip": "a.mp4", "exports": ["c\nsv"]}, "not among"),
    ({"name": "a", "clip": "a.mp4", "exports": {"a": 1}}, "no list of file formats"),
    ({"name": "a", "clip": "a.mp4", "os.system": "rm"}, "unknown column"),
])  # fmt: skip
def test_what_cannot_be_is_one_sentence_with_its_place(tmp_path: Path, row: dict[str, object], words: str) -> None:
    (tmp_path / "list.json").write_text(json.dumps([{"name": "good", "clip": "good.mp4"}, row]))
    with pytest.raises(FaceLiftError, match=words) as told:
        read_shots(str(tmp_path / "list.json"))
    assert str(told.value).startswith("list.json, shot 2")
    assert "\n" not in str(told.value)


def test_a_link_does_not_lead_outside(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (tmp_path / "inside" / "way out").symlink_to(tmp_path)
    (tmp_path / "inside" / "list.json").write_text('[{"clip": "way out/secret.mp4"}]')
    with pytest.raises(FaceLiftError, match="lies outside"):
        read_shots(str(tmp_path / "inside" / "list.json"))
    assert read_shots(str(tmp_path / "inside" / "list.json"), ListSettings(root=tmp_path))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"[" * 200_000, b"{}", b"null", b'[1, "a"]', b"NaN", b'{"shots": {"a": 1}}'])
@pytest.mark.parametrize("name", ["list.json", "list.csv"])
def test_damaged_lists_are_one_sentence(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FaceLiftError):
        read_shots(str(tmp_path / name))


def test_a_huge_list_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "list.csv").open("wb") as file:
        file.truncate(20 << 20)
    with pytest.raises(FaceLiftError, match="larger than"):
        read_shots(str(tmp_path / "list.csv"))


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20) | some.sampled_from(["a.mp4", "..", "all"]),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
ROWS = some.dictionaries(some.sampled_from(["name", "clip", "start", "end", "actor", "focal", "fps", "parts", "exports", "?"]), JSON)


@given(some.lists(ROWS, max_size=4))
def test_any_json_gives_shots_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "list.json"
    path.write_text(json.dumps(rows))
    _read_or_sentence(path)


@given(some.text(max_size=300) | some.lists(some.text(max_size=20), max_size=9).map(lambda cells: "name,clip,end\n" + ",".join(cells)))
def test_any_text_gives_shots_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "list.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    _read_or_sentence(path)


def _read_or_sentence(path: Path) -> None:
    try:
        shots = read_shots(str(path))
    except FaceLiftError as error:
        sentence = str(error)
        shots = []
    else:
        sentence = ""
    assert "\n" not in sentence
    for shot in shots:
        assert shot.clip.is_relative_to(path.parent.resolve())
        assert (path.parent / shot.name).resolve().parent == path.parent.resolve()


def test_a_character_is_kept_inside_too(tmp_path: Path) -> None:
    row = {"clip": "a.mp4", "character": "rigs/hero.blend", "rig": "Hero", "map": "rigs/map.json", "profile": "mia.json"}
    (tmp_path / "list.json").write_text(json.dumps([row]))
    (shot,) = read_shots(str(tmp_path / "list.json"))
    assert (shot.character, shot.rig) == (tmp_path.resolve() / "rigs" / "hero.blend", "Hero")
    assert from_json(json.loads(json.dumps(to_json(shot)))) == shot
    for name in ("character", "map", "profile"):
        (tmp_path / "list.json").write_text(json.dumps([{**row, name: "../outside"}]))
        with pytest.raises(FaceLiftError, match=f"{name} lies outside"):
            read_shots(str(tmp_path / "list.json"))
