# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage against the numbers burnt into it; against Blender's own pictures in test_footage_blender.py."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from coded_clips import KINDS, PROGRAM_STREAM, UNEVEN, code_of, picture, write_clip, write_sound

from facelift_blender.capture import footage
from facelift_blender.capture.footage import probe, read_frames, read_looked_at
from facelift_blender.capture.movie import PQ
from facelift_blender.capture.sequence import read_image
from facelift_blender.capture.types import FaceLiftError, Image


def codes(path: Path, start: int = 1, end: int | None = None) -> list[int]:
    return [code_of(image) for _, image in read_frames(probe(path), start, end)]


# ---------------------------------------------------------------- movies


@pytest.mark.parametrize("name", [name for name in KINDS if "turned" not in name and "variable" not in name])
def test_frames_come_in_the_order_of_presentation(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, **KINDS[name])
    count = KINDS[name].get("count", 40)
    assert codes(path) == list(range(1, count + 1))


@pytest.mark.parametrize("name", ["variable.mp4", "variable.mkv"])
def test_a_hole_in_the_timing_repeats_the_earlier_picture(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, **KINDS[name])
    on_screen = [sum(t <= frame for t in UNEVEN) for frame in range(54)]
    assert probe(path).fps == pytest.approx(30)
    assert codes(path) == on_screen


def test_a_repeated_picture_is_the_same_array(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "variable.mp4", **KINDS["variable.mp4"])
    images = [image for _, image in read_frames(probe(path), 1, 4)]
    assert images[0] is images[1]
    assert images[1] is not images[2]


def test_each_picture_is_looked_at_where_it_is_decoded(tmp_path: Path) -> None:
    path, by = write_clip(tmp_path / "variable.mp4", **KINDS["variable.mp4"]), set()

    def look(image: Image) -> int:
        by.add(threading.current_thread().name.split("_")[0])
        return code_of(image)

    told = [(frame, seen) for frame, _, seen in read_looked_at(probe(path), 3, 9, look)]
    assert told == [(frame, code_of(image)) for frame, image in read_frames(probe(path), 3, 9)]
    assert by == {"decode"}


@pytest.mark.parametrize("name", ["b_frames.mp4", "open_gop.mp4", "variable.mp4", "late.ts", "vp9.webm", "motion_jpeg.avi"])
def test_reading_from_the_middle_gives_the_same_pictures(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, **{**KINDS[name], "count": 40})
    clip = probe(path)
    whole = [image for _, image in read_frames(clip)]
    for start in range(2, clip.frame_count + 1, 7):
        part = list(read_frames(clip, start, min(start + 2, clip.frame_count)))
        assert [frame for frame, _ in part] == list(range(start, min(start + 2, clip.frame_count) + 1))
        assert all(np.array_equal(image, whole[frame - 1]) for frame, image in part)


def test_a_program_stream_is_read_from_its_start(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "stream.mpg", **PROGRAM_STREAM)
    read = codes(path)
    assert read == list(range(1, len(read) + 1))
    assert codes(path, 20, 22) == [20, 21, 22]


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(25), Fraction(60)])
def test_the_rate_is_the_clips_own(rate: Fraction, tmp_path: Path) -> None:
    assert probe(write_clip(tmp_path / "clip.mp4", count=8, rate=rate)).fps == pytest.approx(float(rate), abs=1e-9)


@pytest.mark.parametrize(("name", "turns"), [("turned_left.mp4", 1), ("turned_over.mp4", 2), ("turned_right.mp4", 3)])
def test_a_turned_clip_comes_upright(name: str, turns: int, tmp_path: Path) -> None:
    clip = probe(write_clip(tmp_path / name, count=3, **KINDS[name]))
    _, image = next(read_frames(clip))
    assert image.shape == (clip.height, clip.width, 3)
    assert code_of(np.rot90(image, -turns)) == 1


def test_a_clip_without_a_length_is_measured(tmp_path: Path) -> None:
    """A browser's recording is written to a stream that cannot go back to note its length."""
    whole = write_clip(tmp_path / "whole.webm", codec="libvpx-vp9", options={"deadline": "realtime"})
    with av.open(str(whole)) as source, av.open(Unseekable(tmp_path / "recorded.webm"), "w", format="webm") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    assert probe(tmp_path / "recorded.webm").frame_count == 40
    assert codes(tmp_path / "recorded.webm") == list(range(1, 41))


def test_a_bare_stream_without_times_is_counted(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "bare.h264", options={"preset": "ultrafast"})
    assert codes(path) == list(range(1, 41))


class Unseekable:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def write(self, data: bytes) -> int:
        return self._file.write(data)


@pytest.mark.parametrize("name", ["constant.mp4", "alpha.mov", "alpha_10_bit.mov", "hevc_10_bit.mp4", "odd_size.mkv", "motion_jpeg.avi"])
def test_colours_survive(name: str, tmp_path: Path) -> None:
    path = write_clip(tmp_path / name, **{**KINDS[name], "count": 2})
    _, image = next(read_frames(probe(path)))
    truth = picture(1, image.shape[1], image.shape[0])
    assert image.dtype == np.uint8
    assert np.abs(image[:20].astype(int) - truth[:20]).mean() < 4


def test_high_dynamic_range_becomes_a_picture_of_usual_brightness(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "hdr.mp4", 2, pixels="yuv420p10le", options={"crf": "8"}, transfer=PQ)
    _, image = next(read_frames(probe(path)))
    ramp = image[:20, :, 0].mean(axis=0)
    paper_white = np.abs(picture(1)[0, :, 0].astype(int) - round(0.58 * 255)).argmin()
    assert 175 < ramp[paper_white] < 215
    assert (np.diff(ramp[8:-8:8]) > -3).all()


def test_metadata_names_the_lens(tmp_path: Path) -> None:
    path = tmp_path / "phone.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata["com.apple.quicktime.camera.focal_length.35mm_equivalent"] = "26"
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(1, 64, 64), format="rgb24")))
        container.mux(stream.encode())
    assert probe(path).focal_mm == 26


# ---------------------------------------------------------------- sequences


def test_a_picture_that_claims_to_be_huge_is_refused_at_once(tmp_path: Path) -> None:
    """A few hundred bytes for 400 million pixels: in a process of its own, as OpenCV is told before it is imported."""
    data = cv2.imencode(".jpg", picture(1))[1].tobytes()
    frame = data.index(b"\xff\xc0") + 5
    (tmp_path / "huge.jpg").write_bytes(data[:frame] + struct.pack(">HH", 20000, 20000) + data[frame + 4 :])
    ask = f"from facelift_blender.capture.sequence import *; read_image(Path({str(tmp_path / 'huge.jpg')!r}))"
    told = subprocess.run([sys.executable, "-c", ask], check=False, capture_output=True, text=True, timeout=60)
    assert "far too large" in told.stderr


def write_sequence(folder: Path, numbers: list[int], ending: str = ".png") -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        data = cv2.imencode(ending, picture(number % 256)[:, :, ::-1])[1]
        (folder / f"shot_{number:04d}{ending}").write_bytes(data.tobytes())
    return folder / f"shot_{numbers[0]:04d}{ending}"


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
def test_a_sequence_counts_from_the_file_that_is_named(ending: str, tmp_path: Path) -> None:
    write_sequence(tmp_path, list(range(3, 11)), ending)
    clip = probe(tmp_path / f"shot_0005{ending}")
    assert (clip.frame_count, clip.missing, clip.fps) == (6, (), 24)
    assert [(frame, code_of(image)) for frame, image in read_frames(clip)] == [(n - 4, n) for n in range(5, 11)]


def test_gaps_in_a_sequence_are_named_and_left_out(tmp_path: Path) -> None:
    clip = probe(write_sequence(tmp_path, [7, 8, 11, 12, 15]), fps=25)
    assert clip.missing == (3, 4, 7, 8)
    assert (clip.frame_count, clip.fps) == (9, 25)
    assert [(frame, code_of(image)) for frame, image in read_frames(clip, 2, 6)] == [(2, 8), (5, 11), (6, 12)]


@pytest.mark.parametrize("first", [1_234_567_890, 20_261_122_180_000_000])
def test_huge_numbers(first: int, tmp_path: Path) -> None:
    clip = probe(write_sequence(tmp_path, [first, first + 1, first + 3, first + 10**9]))
    assert (clip.frame_count, clip.missing) == (4, (3,))
    assert [frame for frame, _ in read_frames(clip)] == [1, 2, 4]


def test_numbers_padded_otherwise_are_another_sequence(tmp_path: Path) -> None:
    """Blender writes the next number with as many digits as the first has."""
    first = write_sequence(tmp_path, [8, 9])
    (tmp_path / "shot_00010.png").write_bytes(first.read_bytes())
    assert probe(first).frame_count == 2
    for number in (8, 9, 10):
        (tmp_path / f"take{number}.png").write_bytes(first.read_bytes())
    assert probe(tmp_path / "take8.png").frame_count == 3


def test_a_folder_stands_for_its_longest_sequence(tmp_path: Path) -> None:
    write_sequence(tmp_path, [4, 5, 6])
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "poster.png").write_bytes((tmp_path / "shot_0004.png").read_bytes())
    assert codes(tmp_path) == [4, 5, 6]


def test_a_picture_without_a_number_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "still.png"
    path.write_bytes(write_sequence(tmp_path, [9]).read_bytes())
    assert (probe(path).frame_count, codes(path)) == (1, [9])


def test_linear_light_is_encoded_for_the_eye(tmp_path: Path) -> None:
    path = tmp_path / "plate_0001.exr"
    light = np.zeros((3, 16, 16), np.float32)
    light[:, :, :4], light[:, :, 4:8], light[:, :, 8:12], light[:, :, 12:] = 0.0, 0.18, 1.0, 7.0
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream("exr", rate=24)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "gbrpf32le"
        frame = av.VideoFrame(16, 16, "gbrpf32le")
        for plane, values in zip(frame.planes, light, strict=True):
            rows = np.zeros((16, plane.line_size // 4), np.float32)
            rows[:, :16] = values
            plane.update(rows)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    _, image = next(read_frames(probe(path)))
    assert image[5, ::5, 1].tolist() == [0, 118, 255, 255]


def test_sixteen_bit_pictures_keep_their_brightness(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    path.write_bytes(cv2.imencode(".png", np.full((8, 8, 3), 30000, np.uint16))[1].tobytes())
    assert abs(int(read_image(path)[0, 0, 0]) - 30000 // 257) <= 1


def test_exif_names_the_lens_and_turns_stills_alone(tmp_path: Path) -> None:
    """Blender leaves a sequence as it lies; a still is turned upright."""
    path = tmp_path / "photo.jpg"
    plain = cv2.imencode(".jpg", picture(5)[:, :, ::-1])[1].tobytes()
    directory = struct.pack("<HHHIHHHHIII", 2, 0x0112, 3, 1, 6, 0, 0x8769, 4, 1, 38, 0)
    lens = struct.pack("<HHHIHHI", 1, 0xA405, 3, 1, 35, 0, 0)
    exif = b"Exif\0\0" + struct.pack("<2sHI", b"II", 42, 8) + directory + lens
    path.write_bytes(plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:])
    clip = probe(path)
    assert (clip.width, clip.height, clip.focal_mm) == (192, 108, 35)
    assert read_image(path, upright=True).shape == (192, 108, 3)


# ---------------------------------------------------------------- reading ahead


def test_no_more_than_a_few_frames_are_decoded_ahead() -> None:
    made: list[int] = []

    def decode() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    taken = footage._ahead(decode(), depth=4)
    for expected in range(20):
        assert next(taken) == expected
        time.sleep(0.005)
        assert len(made) <= expected + 6
    taken.close()
    assert len(made) < 30


def test_the_decoding_thread_ends_with_the_reader(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", options={"preset": "ultrafast"})
    before = threading.active_count()
    frames = read_frames(probe(path))
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_an_error_of_the_thread_reaches_the_reader(tmp_path: Path) -> None:
    clip = probe(write_sequence(tmp_path, [1, 2, 3]))
    (tmp_path / "shot_0002.png").write_bytes(b"no picture")
    with pytest.raises(FaceLiftError, match=r"shot_0002\.png is not a picture"):
        list(read_frames(clip))


# ---------------------------------------------------------------- bad input


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match=r"gone\.mp4 does not exist"):
        probe(tmp_path / "gone.mp4")


@pytest.mark.parametrize("name", ["empty.mp4", "empty.png"])
def test_empty_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(FaceLiftError, match="is empty"):
        probe(tmp_path / name)


@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text"])
def test_not_a_video(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("This is a letter, not a film.\n" * 40)
    with pytest.raises(FaceLiftError, match="is not a movie that can be read"):
        probe(tmp_path / name)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".exr", ".tga"])
def test_not_a_picture(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"text{ending}"
    path.write_text("This is a letter, not a picture.\n" * 40)
    with pytest.raises(FaceLiftError, match="is not a picture that can be read"):
        probe(path)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="holds no pictures"):
        probe(tmp_path)


def test_sound_only(tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="has no picture, only sound"):
        probe(write_sound(tmp_path / "voice.m4a"))


def test_unknown_compression(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", 3)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(FaceLiftError, match=r"compression of clip\.mp4 is not supported"):
        probe(path)


def test_a_movie_cut_off_keeps_the_frames_that_decode(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "whole.mkv", options={"g": "10", "preset": "ultrafast", "crf": "5"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = probe(cut)
    read = [(frame, code_of(image)) for frame, image in read_frames(clip)]
    assert 5 < len(read) < 40
    assert all(frame == code for frame, code in read[:-16])
    assert clip.frame_count == 40


def test_sound_may_run_on_a_little(tmp_path: Path) -> None:
    """Blender counts by the longest stream and holds the last picture."""
    path = tmp_path / "clip.mkv"
    with av.open(str(write_clip(tmp_path / "silent.mkv"))) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 8000 * 48 // 30), np.int16), format="s16", layout="mono")
        samples.rate = 8000
        target.mux(sound.encode(samples))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                target.mux(packet)
    assert codes(path) == [*range(1, 41), *[40] * 8]


def test_a_movie_that_lost_its_table_of_contents(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(FaceLiftError, match="damaged, cut off"):
        probe(path)


def test_a_movie_with_damage_in_the_middle_goes_on_after_it(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", options={"g": "5", "bf": "0", "preset": "ultrafast", "crf": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = os.urandom(300)
    path.write_bytes(data)
    read = codes(path)
    assert read[:10] == list(range(1, 11))
    assert read[-8:] == list(range(33, 41))


@pytest.mark.parametrize("name", ["two words.mp4", "Bewegung—été.mp4", "映像 тест.mp4"])
def test_names_with_spaces_and_letters_of_any_script(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "фильмы 映画"
    folder.mkdir()
    path = write_clip(folder / name, 3)
    assert codes(path) == [1, 2, 3]
    assert codes(write_sequence(folder / "séq ü", [3, 4])) == [3, 4]


@pytest.mark.parametrize(("start", "end"), [(0, 5), (41, 41), (5, 4), (1, 41), (10**12, 10**12)])
def test_a_range_outside_the_clip(start: int, end: int, tmp_path: Path) -> None:
    clip = probe(write_clip(tmp_path / "clip.mp4", options={"preset": "ultrafast"}))
    with pytest.raises(FaceLiftError, match=f"Frames {start} to {end} were asked for, but the clip has frames 1 to 40"):
        read_frames(clip, start, end)


@pytest.mark.parametrize("fps", [0.0, -24.0])
def test_a_rate_that_is_none(fps: float, tmp_path: Path) -> None:
    with pytest.raises(FaceLiftError, match="is no rate"):
        probe(write_sequence(tmp_path, [1]), fps)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "clip.mp4", 3)

    def refuse(*args: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(FaceLiftError, match="may not be read"):
        probe(path)


@pytest.mark.parametrize("size", [(200, 150), (7680, 4320)])
def test_small_and_huge_plates(size: tuple[int, int], tmp_path: Path) -> None:
    clip = probe(write_clip(tmp_path / "clip.mp4", 2, size, options={"preset": "ultrafast"}))
    assert (clip.width, clip.height) == size
    assert [code_of(image) for _, image in read_frames(clip)] == [1, 2]


def test_pixels_that_are_not_square(tmp_path: Path) -> None:
    upright = write_clip(tmp_path / "wide.mp4", 2, options={"aspect": "4:3"})
    turned = write_clip(tmp_path / "tall.mp4", 2, options={"aspect": "4:3"}, turn=90)
    assert probe(upright).pixel_aspect == pytest.approx(4 / 3)
    assert probe(turned).pixel_aspect == pytest.approx(3 / 4)
