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

_DECODER_THREADS = 2


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
                self._size_px = upright_size(frame)
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
                while start_s > time_s + _half_frame_s(stream):
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
                if last_s > end_s + _half_frame_s(stream):
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
        return frame

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        av = require_av()
        if not self._path.is_file():
            raise VideoError(f"{self._path}: no such video file")
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise VideoError(f"{self._path}: no video stream; expected one")
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                stream.codec_context.thread_count = _DECODER_THREADS
                yield container, stream
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(f"{self._path}: the video does not decode: {error}") from error


def _half_frame_s(stream: Any) -> float:
    """Return half the shortest regular frame, so that rounded times find their frame."""
    rates = [float(rate) for rate in (stream.average_rate, stream.base_rate) if rate]
    return 0.5 / max(rates) if rates else 1e-3


def _duration_s(frame: Any, stream: Any) -> float:
    if frame.duration:
        return float(frame.duration * frame.time_base)
    return 2 * _half_frame_s(stream)
