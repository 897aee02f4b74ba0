"""Frames of a video file by time, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import VideoError
from .pictures import SizePx, require_av, upright_size

SEEK_AFTER_S = 10.0
"""Clips that start later than this are reached by one seek; before it, decoding on is as fast."""

# Enough to overlap decoding with encoding, without a crowd in a build of many processes.
_DECODER_THREADS = 2
# A short video's mean rate is off by its last frame's duration; a few dropped frames do no harm.
_SAME_RATE = 0.1
_ROUNDING_S = 1e-3


class VideoFile:
    """A video file; nothing is opened before it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size_px: SizePx | None = None

    @property
    def size_px(self) -> SizePx:
        """(width, height) of the first frame, upright."""
        if self._size_px is None:
            with self._opened() as (container, stream):
                frame = next(container.decode(stream), None)
                if frame is None:
                    raise VideoError(f"{self._path}: the video stream holds no frame")
                self._size_px = self._upright_size(frame)
        return self._size_px

    def frames_at(self, times_s: Sequence[float]) -> Iterator[Any]:
        """Yield the ``av.VideoFrame`` on screen at each time; times in order.

        Raises:
            VideoError: see :class:`~stkit_datasets.video.frames.VideoFrames`.
        """
        with self._opened() as (container, stream):
            pending = iter(times_s)
            time_s = next(pending)
            shown: Any = None
            for frame, start_s in self._frames_from(container, stream, times_s[0]):
                while start_s > time_s + _tolerance_s(stream):
                    yield self._intact(shown, time_s)
                    following = next(pending, None)
                    if following is None:
                        return
                    time_s = following
                shown, shown_start_s = frame, start_s
            if shown is None:
                raise VideoError(f"{self._path}: the video stream holds no frame")
            end_s = shown_start_s + _duration_s(shown, stream)
            for last_s in (time_s, *pending):
                if last_s > end_s + _tolerance_s(stream):
                    raise VideoError(
                        f"{self._path}: the video ends at {end_s:.3f} s, "
                        f"before the frame asked for at {last_s:.3f} s"
                    )
                yield self._intact(shown, last_s)

    def _frames_from(
        self, container: Any, stream: Any, first_s: float
    ) -> Iterator[tuple[Any, float]]:
        """Yield (frame, its time) in order, from a frame not after ``first_s`` on."""
        frames = self._timed_frames(container, stream)
        if first_s > SEEK_AFTER_S:
            offset = int(first_s / stream.time_base) + (stream.start_time or 0)
            container.seek(offset, stream=stream, backward=True)
            head = next(frames, None)
            if head is not None and head[1] <= first_s:
                yield head
            else:
                # An index that points too late; read from the front instead.
                container.seek(stream.start_time or 0, stream=stream, backward=True)
                frames = self._timed_frames(container, stream)
        yield from frames

    def _timed_frames(self, container: Any, stream: Any) -> Iterator[tuple[Any, float]]:
        start = stream.start_time or 0
        for index, frame in enumerate(container.decode(stream)):
            if frame.pts is None:
                raise VideoError(f"{self._path}: decoded frame {index} has no timestamp")
            yield frame, float((frame.pts - start) * stream.time_base)

    def _intact(self, frame: Any, time_s: float) -> Any:
        if frame is None:
            raise VideoError(f"{self._path}: the video has no frame at {time_s:.3f} s yet")
        if frame.is_corrupt:
            raise VideoError(f"{self._path}: the frame at {time_s:.3f} s is damaged")
        size_px = self._upright_size(frame)
        if self._size_px not in (None, size_px):
            raise VideoError(
                f"{self._path}: the frame at {time_s:.3f} s is {size_px}, "
                f"expected {self._size_px} like the first"
            )
        self._size_px = size_px
        return frame

    def _upright_size(self, frame: Any) -> SizePx:
        try:
            return upright_size(frame)
        except VideoError as error:
            raise VideoError(f"{self._path}: {error}") from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        av = require_av()
        if not self._path.is_file():
            raise VideoError(f"{self._path}: no such video file")
        try:
            with av.open(str(self._path), metadata_errors="replace") as container:
                if not container.streams.video:
                    raise VideoError(f"{self._path}: no video stream; expected one")
                stream = container.streams.video[0]
                if stream.codec_context is None:
                    raise VideoError(f"{self._path}: the video is in a format without a decoder")
                stream.thread_type = "AUTO"
                stream.codec_context.thread_count = _DECODER_THREADS
                yield container, stream
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{self._path}: the video does not decode: {error}") from error


def _tolerance_s(stream: Any) -> float:
    """Return by how much a frame may start after the time asked for: half a frame.

    With a variable rate there is no such thing as half a frame; only rounding is forgiven.
    """
    mean, base = stream.average_rate, stream.base_rate
    if mean and base and abs(mean / base - 1) < _SAME_RATE:
        return float(0.5 / base)
    return _ROUNDING_S


def _duration_s(frame: Any, stream: Any) -> float:
    if frame.duration:
        return float(frame.duration * frame.time_base)
    return float(1 / stream.average_rate) if stream.average_rate else 0.0
