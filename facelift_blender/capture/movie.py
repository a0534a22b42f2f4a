# SPDX-License-Identifier: GPL-3.0-or-later
"""Movies, frame by frame as Blender shows them.

Blender places clip frame i at `start + (i - 1) / rate` and shows the picture that is on screen then, so a hole in the
timing repeats the earlier picture, and a clip of 40 coded frames can span 58 clip frames. The same is done here, with
the same guess of the rate and of the length.

PyAV, not OpenCV: of 23 kinds of clips, rendered frame by frame in Blender, PyAV agrees with 5.2 on all, and with 4.5 on
all but MPEG program streams, which 4.5 itself shows wrongly (4.3 also does not turn clips upright). OpenCV 4.11
takes the average for the rate of a clip with a variable one, does not name the length of the stream, ignores the rotation in
the display matrix, has no AV1, and shows BT.709 in the wrong colours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .limits import cores
from .types import Clip, FaceLiftError, Image

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

HOLD = 0.5
"""Seconds that the last picture may stand beyond its own end: sound is often that much longer."""

UNSEEKABLE = "mpeg"
"""MPEG program streams have no table of key frames: they are read from their start."""

TEXT_ART = frozenset(("tty", "bin", "xbin", "adf", "idf"))
"""What FFmpeg takes any text for."""

PQ, HLG = 16, 18
"""Transfer characteristics of high dynamic range, as H.273 numbers them."""

SLOWEST, FASTEST, MOST_FRAMES = Fraction(1, 100), 10_000, 10_000_000
"""Frames a second, and of a clip, that are believed."""

MOST_PIXELS = 1 << 28
"""Of a picture: 16,384 by 16,384."""
_STEPS = 65535
"""Of linear light from black to white: twenty to the smallest step of 8-bit sRGB."""

_FEW_CORES, _SMALL = 2, 1280 * 720
"""Where these many cores are all, pictures up to this many pixels are decoded by one thread: others would take the networks' core."""

FOCAL_KEYS = ("com.apple.quicktime.camera.focal_length.35mm_equivalent", "com.android.camera.focal_length.35mm_equivalent")


@dataclass(frozen=True)
class Timing:
    """Which presentation time each clip frame shows, in units of the stream's time base."""

    rate: Fraction
    time_base: Fraction
    start: int
    count: int

    def pts(self, frame: int) -> int:
        """Presentation time of a clip frame (1-based), rounded half up as Blender does."""
        return self.start + math.floor(Fraction(frame - 1) / (self.rate * self.time_base) + Fraction(1, 2))

    def units(self, seconds: float) -> int:
        return round(seconds / self.time_base)


def probe_movie(path: Path, fps: float | None = None) -> Clip:
    """What a movie says of itself; `fps` counts only where the movie names no rate. Raises FaceLiftError."""
    with _open(path) as (container, stream):
        timing = _timing(container, stream, fps)
    with _open(path) as (container, stream):
        frame = next(_decode(container, stream), None)
        if frame is None or timing.count < 1:
            raise FaceLiftError(f"No picture of {path.name} can be decoded; the file is damaged or was cut off.")
        turned = _quarter_turns(frame) % 2
        width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        aspect = float(stream.sample_aspect_ratio or 1)
        return Clip(
            path=str(path),
            width=width,
            height=height,
            fps=float(timing.rate),
            frame_count=timing.count,
            pixel_aspect=1 / aspect if turned else aspect,
            focal_mm=_focal_mm(container, stream),
        )


def read_movie(clip: Clip, start: int, end: int) -> Iterator[tuple[int, Image]]:
    """Clip frames `start` to `end` (both included) of a movie, streamed; ends early where the file does."""
    path = Path(clip.path)
    with _open(path) as (container, stream):
        timing = _timing(container, stream, clip.fps)
    convert = _Converter(clip.width, clip.height)
    wanted, shown, image = start, None, None
    for frame in _decode_from(path, timing, timing.pts(start)):
        if shown is not None and timing.pts(wanted) < frame.pts:
            image = convert(shown)
        while shown is not None and wanted <= end and timing.pts(wanted) < frame.pts:
            yield wanted, image
            wanted += 1
        if wanted > end:
            return
        shown = frame
    if shown is None:
        return
    image = convert(shown)
    last = shown.pts + (shown.duration or 0) + timing.units(HOLD)
    while wanted <= end and timing.pts(wanted) <= last:
        yield wanted, image
        wanted += 1


@contextmanager
def _open(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The opened movie and its first picture stream. Raises FaceLiftError."""
    import av

    try:
        container = av.open(str(path), metadata_errors="replace")
    except PermissionError:
        raise FaceLiftError(f"{path.name} may not be read; give yourself the right to read it.") from None
    except (av.error.FFmpegError, OSError):
        container = None
    if container is None or container.format.name in TEXT_ART:
        raise FaceLiftError(f"{path.name} is not a movie that can be read; it is damaged, cut off or of another kind.")
    with container:
        yield container, _picture_stream(container, path)


def _picture_stream(container: InputContainer, path: Path) -> VideoStream:
    streams = [s for s in container.streams.video if "attached_pic" not in (s.disposition.name or "")]
    if not streams:
        raise FaceLiftError(f"{path.name} has no picture, only {_kinds(container)}; choose a clip that shows the face.")
    stream = streams[0]
    if stream.codec_context is None:
        raise FaceLiftError(f"The compression of {path.name} is not supported; convert it to H.264, ProRes or an image sequence.")
    require_size(path, stream.codec_context.width, stream.codec_context.height)
    stream.thread_type = "AUTO"
    if cores() <= _FEW_CORES and stream.codec_context.width * stream.codec_context.height <= _SMALL:
        stream.codec_context.thread_count = 1
    return stream


def require_size(path: Path, width: int, height: int) -> None:
    """Raises FaceLiftError for pictures that are too large to be footage."""
    if width * height > MOST_PIXELS:
        raise FaceLiftError(f"{path.name} claims pictures of {width} by {height} pixels, which is too large; scale it down.")


def _kinds(container: InputContainer) -> str:
    return " and ".join(sorted({"sound" if s.type == "audio" else s.type for s in container.streams})) or "an empty shell"


def _timing(container: InputContainer, stream: VideoStream, fps: float | None) -> Timing:
    rate = Fraction(stream.guessed_rate or 0) or Fraction(fps or 24).limit_denominator(1001)
    seconds = _seconds(container, stream, rate)
    count = stream.frames if seconds is None else math.floor(seconds * rate + Fraction(1, 2))
    if not SLOWEST <= rate <= FASTEST or count > MOST_FRAMES:
        name = Path(container.name).name
        raise FaceLiftError(f"{name} claims {count} frames at {float(rate):g} a second, which cannot be; convert it to a constant rate.")
    return Timing(rate, stream.time_base, stream.start_time or 0, count)


def _seconds(container: InputContainer, stream: VideoStream, rate: Fraction) -> Fraction | None:
    """How long the picture runs: the stream's word, else the container's, else (a recording of a browser) by looking."""
    if stream.duration is not None:
        return stream.duration * stream.time_base
    if container.duration is not None:
        sound = next(iter(container.streams.audio), None)
        late = _start(stream) - (_start(sound) if sound else 0)
        return Fraction(container.duration, 1_000_000) - max(late, 0)
    if stream.frames:
        return None
    packets = [packet.pts for packet in container.demux(stream) if packet.size]
    times = [pts for pts in packets if pts is not None]
    return (max(times) - (stream.start_time or 0)) * stream.time_base + 1 / rate if times else len(packets) / rate


def _start(stream: VideoStream) -> Fraction:
    return (stream.start_time or 0) * stream.time_base


def _focal_mm(container: InputContainer, stream: VideoStream) -> float | None:
    for key in FOCAL_KEYS:
        value = container.metadata.get(key) or stream.metadata.get(key)
        try:
            if value and float(value) > 0:
                return float(value)
        except ValueError:
            continue
    return None


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """The frames that decode, in the order of presentation, all with a time; what is damaged is passed over."""
    from av.error import FFmpegError

    expected = stream.start_time or 0
    step = round(1 / ((stream.guessed_rate or 24) * stream.time_base)) or 1
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            packet = None
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            continue
        for frame in frames:
            if frame.pts is None:
                frame.pts = expected
            expected = frame.pts + (frame.duration or step)
            yield frame


def _decode_from(path: Path, timing: Timing, pts: int) -> Iterator[VideoFrame]:
    """Frames from the one on screen at `pts`, or from some before it, on: seeks, and looks whether it came early enough."""
    for seconds in (0.2, 2.0, 20.0, math.inf):
        target = pts - timing.units(seconds) if seconds < math.inf else timing.start
        with _open(path) as (container, stream):
            if target <= timing.start or container.format.name == UNSEEKABLE:
                yield from _decode(container, stream)
                return
            container.seek(target, stream=stream, backward=True)
            frames = _from_key_frame(_decode(container, stream))
            first = next(frames, None)
            if first is not None and first.pts <= pts:
                yield first
                yield from frames
                return


def _from_key_frame(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Leaves out what comes before the first key frame: its references were not read."""
    for frame in frames:
        if frame.key_frame:
            yield frame
            break
    yield from frames


def _quarter_turns(frame: VideoFrame) -> int:
    """Turns to the left that bring the picture upright; other angles are left alone, as Blender does."""
    return int(frame.rotation) // 90 % 4 if frame.rotation % 90 == 0 else 0


class _Converter:
    """Decoded frames to upright 8-bit RGB of one size. It keeps the scaler, whose setting up costs more than its work."""

    def __init__(self, width: int, height: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._size = (width, height)
        self._scaler = VideoReformatter()
        self._curve: dict[int, Image] = {}

    def __call__(self, frame: VideoFrame) -> Image:
        turns = _quarter_turns(frame)
        width, height = self._size[::-1] if turns % 2 else self._size
        scaled = self._scaler.reformat(frame, width=width, height=height, format="rgb24", interpolation="POINT")
        image = self._toned(scaled.to_ndarray(), int(frame.color_trc))
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def _toned(self, image: Image, transfer: int) -> Image:
        if transfer not in (PQ, HLG):
            return image
        import cv2

        if transfer not in self._curve:
            self._curve[transfer] = _tone_curve(transfer)
        return cv2.LUT(image, self._curve[transfer])


def _tone_curve(transfer: int) -> Image:
    """(256,) from a high dynamic range signal to sRGB: paper white at 203 cd/m2, what is brighter rolled off."""
    signal = np.linspace(0.0, 1.0, 256)
    if transfer == PQ:
        power = signal ** (1 / 78.84375)
        light = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125) * 10000 / 203
    else:
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        light = scene**1.2 * 1000 / 203
    rolled = light * (1 + light / 16) / (1 + light)
    return encode_srgb(rolled)


def encode_srgb(light: np.ndarray) -> Image:
    """Linear light, 1 for white, to 8-bit sRGB of the same shape."""
    shown = np.minimum(np.fmax(light, 0.0), 1.0)  # what is not a number is black
    return _srgb_table()[(shown * _STEPS + 0.5).astype(np.uint16)]


@lru_cache(maxsize=1)
def _srgb_table() -> Image:
    """(_STEPS + 1,) of evenly spaced light: a large still has a hundred million values, and few different ones."""
    light = np.arange(_STEPS + 1) / _STEPS
    curve = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.rint(curve * 255).astype(np.uint8)
