"""What is labelled: a video file, or the pictures of an annotated source's clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.interfaces import FloatArray, IntArray, UInt8Array

WINDOW_S = 20.0
"""Labels are made in windows of this length, that of a clip [P1 3.2]: the sources cut there too."""
_MIN_FPS = 2.0


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a video without decoding it.

    Attributes:
        times_s: (F,) times of all frames since the first one, increasing.
        width_px: of the upright picture.
        height_px: of the upright picture.
        fps: mean frames per second.
        duration_s: to the end of the last frame.
    """

    times_s: FloatArray
    width_px: int
    height_px: int
    fps: float
    duration_s: float


class Footage(Protocol):
    """Pictures in order of time. Plain values: it travels to other machines."""

    def facts(self) -> Facts:
        """Return what is known without decoding.

        Raises:
            VideoError: it cannot be read.
        """
        ...

    def images(self, frames: IntArray, height_px: int | None) -> Iterator[UInt8Array]:
        """Yield (H, W, 3) RGB of some frames, scaled down to at most a height."""
        ...


@dataclass(frozen=True)
class VideoFootage:
    """A video file."""

    path: Path

    def facts(self) -> Facts:
        """Read the packets' times; only the first frame is decoded."""
        from stkit_datasets.video.video_file import VideoFile

        width_px, height_px = VideoFile(self.path).size_px
        times_s, rate = _packet_times(self.path)
        span = float(times_s[-1])
        fps = (len(times_s) - 1) / span if span > 0 else rate
        last_s = float(np.median(np.diff(times_s))) if span > 0 else 1 / rate
        return Facts(times_s, width_px, height_px, fps, span + last_s)

    def images(self, frames: IntArray, height_px: int | None) -> Iterator[UInt8Array]:
        """Decode from front to back."""
        from stkit_datasets.video.frames import VideoFrames

        times_s = _packet_times(self.path)[0][frames]
        return VideoFrames(self.path, times_s.tolist()).read(height_px)


@dataclass(frozen=True)
class ClipFootage:
    """The pictures of one clip of an annotated source.

    Attributes:
        source: its name.
        data_dir: its official files.
        split: ``train`` or ``validation``.
        unit: the unit that the clip is read from.
        clip_id: the clip.
        camera: its camera.
        options: the source's own settings.
    """

    source: str
    data_dir: Path | None
    split: str
    unit: str
    clip_id: str
    camera: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def facts(self) -> Facts:
        """Take the clip's own times."""
        clip = self._clip()
        times_s = clip.timestamps_s - clip.timestamps_s[0]
        fps = (len(times_s) - 1) / float(times_s[-1]) if len(times_s) > 1 else _MIN_FPS
        size = clip.camera.width_px, clip.camera.height_px
        return Facts(times_s, *size, fps, float(times_s[-1]) + 1 / fps)

    def images(self, frames: IntArray, height_px: int | None) -> Iterator[UInt8Array]:
        """Read the clip's pictures."""
        wanted = set(frames.tolist())
        for index, image in enumerate(self._clip().frames.read(height_px)):
            if index in wanted:
                yield image

    def _clip(self) -> Any:
        from stkit_datasets.sources import open_source

        source = open_source(self.source, self.data_dir, self.options)
        for clip in source.read(self.split, self.unit).clips:
            if (clip.clip_id, clip.camera.name) == (self.clip_id, self.camera):
                if clip.frames is None:
                    raise SourceError(self.clip_id, "the clip has no pictures")
                return clip
        raise SourceError(self.unit, f"no clip {self.clip_id!r} of camera {self.camera!r}")


def _packet_times(path: Path) -> tuple[FloatArray, float]:
    """Return the times of all frames since the stream's start, and the stated rate."""
    from stkit_datasets.video.errors import VideoError
    from stkit_datasets.video.pictures import require_av

    av = require_av()
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            stamps = [
                packet.dts if packet.pts is None else packet.pts
                for packet in container.demux(stream)
                if packet.size and not packet.is_discard
            ]
            start = stream.start_time or 0
            base, rate = stream.time_base, stream.average_rate or stream.base_rate
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise VideoError(f"{path}: the video does not decode: {error}") from error
    known = sorted({stamp - start for stamp in stamps if stamp is not None and stamp >= start})
    if not known:
        raise VideoError(f"{path}: the video stream holds no frame with a time")
    return np.array([float(stamp * base) for stamp in known]), float(rate or _MIN_FPS)


@dataclass(frozen=True, eq=False)
class Sampled:
    """The frames that are labelled, in windows.

    Attributes:
        frames: (T,) indices of the video's frames, increasing.
        windows: (T,) which window of ``WINDOW_S`` each belongs to.
    """

    frames: IntArray
    windows: IntArray


def sample(times_s: FloatArray, fps: float) -> Sampled:
    """Choose the real frames nearest to a grid of ``fps`` that begins with the first frame.

    A grid time without a frame within half a step has none. A last window of a single frame is
    left out, unless it is all there is.

    >>> sample(np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5]), 4).frames.tolist()
    [0, 2, 5]
    """
    if not _MIN_FPS <= fps <= 1000:
        raise ConfigError(f"fps must be from {_MIN_FPS:g} to 1000, got {fps:g}")
    own = times_s - times_s[0]
    # Of each frame the grid times around it: long gaps cost nothing.
    steps = np.unique(np.concatenate([np.floor(own * fps), np.ceil(own * fps)]))
    grid = steps[steps / fps <= own[-1] + 1e-6] / fps
    after = np.clip(np.searchsorted(own, grid), 1, max(len(own) - 1, 1))
    before = np.minimum(after - 1, len(own) - 1)
    after = np.minimum(after, len(own) - 1)
    nearest = np.where(grid - own[before] <= own[after] - grid, before, after)
    near = np.abs(own[nearest] - grid) <= 0.5 / fps + 1e-6
    frames, first = np.unique(nearest[near], return_index=True)
    windows = np.floor(grid[near][first] / WINDOW_S + 1e-6).astype(np.int64)
    if len(frames) > 1 and (windows == windows[-1]).sum() == 1:
        frames, windows = frames[:-1], windows[:-1]
    return Sampled(frames.astype(np.int64), windows)
