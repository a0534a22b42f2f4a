# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn over the plate lies where the take says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from coded_clips import write_clip

from facelift_blender.capture.overlay import draw_take, write_sheet, write_video
from facelift_blender.capture.take import project
from facelift_blender.capture.types import FaceLiftError, Take

FRAMES = 12


@pytest.fixture(scope="module")
def take(synthetic_take: Take, tmp_path_factory: pytest.TempPathFactory) -> Take:
    """The first frames of the synthetic take, over a plate that exists."""
    clip = synthetic_take.clip
    path = tmp_path_factory.mktemp("plate") / "plate.mp4"
    write_clip(path, FRAMES, (clip.width, clip.height), rate=24, options={"preset": "ultrafast"})
    rows = (
        "frames",
        "times",
        "valid",
        "camera_poses",
        "rotations",
        "translations",
        "landmarks",
        "covariances",
        "confidence",
        "weights",
        "residuals",
    )
    shortened = {name: getattr(synthetic_take, name)[:FRAMES] for name in rows}
    lens = replace(synthetic_take.lens, focal=synthetic_take.lens.focal[:FRAMES])
    return replace(synthetic_take, clip=replace(clip, path=str(path), frame_count=FRAMES), lens=lens, **shortened)


def blank(take: Take) -> np.ndarray:
    return np.full((take.clip.height, take.clip.width, 3), 60, np.uint8)


def test_landmarks_lie_where_the_take_projects_them(take: Take) -> None:
    sure = replace(take, confidence=np.ones_like(take.confidence))
    drawn = draw_take(blank(take), sure, 5).astype(int)
    points = np.rint(project(take)[5] - 0.5).astype(int)
    x, y = points.T
    green = drawn[y, x, 1] - drawn[y, x, 0]
    assert (green > 40).mean() > 0.95


def test_confidence_gives_the_colour(take: Take) -> None:
    doubted = replace(take, confidence=np.zeros_like(take.confidence))
    drawn = draw_take(blank(take), doubted, 5).astype(int)
    x, y = np.rint(project(take)[5] - 0.5).astype(int).T
    assert (drawn[y, x, 0] - drawn[y, x, 1] > 40).mean() > 0.95


def test_the_plate_is_left_as_it_was(take: Take) -> None:
    plate = blank(take)
    draw_take(plate, take, 0)
    assert (plate == 60).all()


def test_the_head_is_drawn_about_the_face_alone(take: Take) -> None:
    changed = (draw_take(blank(take), take, 5) != 60).any(axis=2)
    changed[-80:] = False
    low, high = project(take)[5].min(axis=0), project(take)[5].max(axis=0)
    rows, columns = np.nonzero(changed)
    reach = (high - low).max()
    assert changed.mean() > 0.01
    assert low[0] - reach < columns.min() < columns.max() < high[0] + reach
    assert low[1] - reach < rows.min()


def test_a_frame_without_a_face_says_so(take: Take) -> None:
    lost = replace(take, valid=np.zeros(FRAMES, bool), rotations=take.rotations * np.nan)
    drawn = draw_take(blank(take), lost, 3)
    assert (drawn[:-80] == 60).all()
    assert (drawn[-80:] != 60).any()


@pytest.mark.parametrize("scale", [0.37, 1.0, 2.5])
def test_a_scaled_drawing_is_the_same_drawing(take: Take, scale: float) -> None:
    drawn = draw_take(blank(take), take, 5, scale)
    assert drawn.shape[:2] == (round(take.clip.height * scale), round(take.clip.width * scale))
    x, y = np.rint(project(take)[5] * scale - 0.5).astype(int).T
    assert ((drawn[y, x] != 60).any(axis=1)).mean() > 0.95


def test_a_head_half_out_of_the_picture_or_behind_the_camera(take: Take) -> None:
    for move in ([0.4, 0.0, 0.0], [0.0, 0.0, -0.62], [0.0, 0.0, -3.0], [50.0, 0.0, 0.0]):
        moved = replace(take, translations=take.translations + move)
        assert draw_take(blank(take), moved, 5).shape == blank(take).shape


def test_a_sheet_of_four_plates(take: Take, tmp_path: Path) -> None:
    write_sheet(take, tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    tile = round(take.clip.height * 800 / take.clip.width)
    assert sheet.shape == (2 * tile, 1600, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize(("faces", "rows"), [(1, 2), (2, 1), (3, 2)])
def test_a_sheet_of_a_short_take(take: Take, faces: int, rows: int, tmp_path: Path) -> None:
    """One plate fills the sheet, as high as two rows of two."""
    write_sheet(replace(take, valid=np.arange(FRAMES) < faces), tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 1600
    assert sheet.shape[0] == pytest.approx(rows * take.clip.height * 800 / take.clip.width, abs=2)


def test_upright_plates_stand_in_a_row(take: Take, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "tall.mp4", FRAMES, (180, 320), rate=24, options={"preset": "ultrafast"})
    tall = replace(take, clip=replace(take.clip, path=str(path), width=180, height=320))
    write_sheet(tall, tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (711, 1600, 3)


def test_a_video_as_long_as_the_take(take: Take, tmp_path: Path) -> None:
    write_video(take, tmp_path / "over.mp4")
    with av.open(str(tmp_path / "over.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(take.clip.fps)
        assert sum(1 for _ in container.decode(stream)) == FRAMES


def test_a_video_of_odd_size(take: Take, tmp_path: Path) -> None:
    path = write_clip(tmp_path / "odd.mkv", FRAMES, (333, 187), codec="ffv1", pixels="yuv444p", rate=24)
    small = replace(take, clip=replace(take.clip, path=str(path), width=333, height=187))
    write_video(small, tmp_path / "over.mp4", least_height=187)
    with av.open(str(tmp_path / "over.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.width, context.height) == (332, 186)


def test_a_folder_that_is_not_there(take: Take, tmp_path: Path) -> None:
    for write in (write_sheet, write_video):
        with pytest.raises(FaceLiftError, match="cannot be written"):
            write(take, tmp_path / "none" / "file.mp4")


def test_a_take_without_a_face_has_no_sheet(take: Take, tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="no frame with a face"):
        write_sheet(replace(take, valid=np.zeros(FRAMES, bool)), tmp_path / "sheet.png")


def test_frames_without_a_picture_are_not_shown(take: Take, tmp_path: Path) -> None:
    """A sequence may lack some, over which the solve bridges."""
    found = take.raw.found.copy()
    found[:6] = False
    path = write_clip(tmp_path / "plate.mp4", 6, (take.clip.width, take.clip.height), rate=24)
    shifted = replace(take, frames=take.frames - 6, raw=replace(take.raw, frames=take.raw.frames - 6, found=found))
    write_sheet(replace(shifted, clip=replace(take.clip, path=str(path), frame_count=6)), tmp_path / "sheet.png")
    assert cv2.imread(str(tmp_path / "sheet.png")) is not None


@pytest.mark.parametrize("write", [write_sheet, write_video])
def test_footage_that_has_become_shorter_is_one_sentence(take: Take, write: Callable[..., None], tmp_path: Path) -> None:
    path = write_clip(tmp_path / "plate.mp4", 6, (take.clip.width, take.clip.height), rate=24)
    (tmp_path / "over").write_text("kept", encoding="utf-8")
    later = replace(take, frames=take.frames + 100, raw=replace(take.raw, frames=take.raw.frames + 100))
    with pytest.raises(FaceLiftError, match=r"^plate\.mp4 has no frame 10\d any more: .*track it again\.$"):
        write(replace(later, clip=replace(take.clip, path=str(path), frame_count=112)), tmp_path / "over")
    assert (tmp_path / "over").read_text(encoding="utf-8") == "kept"
