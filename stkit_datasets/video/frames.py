"""Where pictures come from: image files, a video file, or arrays in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .errors import VideoError
from .pictures import SizePx, UInt8Array, require_av, to_planes, to_rgb, upright_size
from .video_file import VideoFile


class _DecodedFrames:
    """What the sources below share: a stream of ``av.VideoFrame`` turned into either form."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        if not self.names:
            raise ValueError("a clip needs at least one frame")
        if not all(self.names):
            raise ValueError(f"frame {self.names.index('')} has an empty name")

    def __len__(self) -> int:
        return len(self.names)

    def read(self, height_px: int | None = None) -> Iterator[UInt8Array]:
        """Yield H x W x 3 uint8 RGB frames; see :class:`Frames`."""
        return self._converted(to_rgb, height_px)

    def read_planes(self, height_px: int | None = None) -> Iterator[UInt8Array]:
        """Yield (3 H / 2) x W uint8 planes; see :class:`Frames`."""
        return self._converted(to_planes, height_px)

    def _converted(
        self, convert: Callable[[Any, int | None], UInt8Array], height_px: int | None
    ) -> Iterator[UInt8Array]:
        if height_px is not None and height_px < 2:
            raise ValueError(f"height_px must be at least 2, got {height_px}")
        failures = (ValueError, require_av().error.FFmpegError)
        for name, frame in zip(self.names, self._decode(), strict=True):
            try:
                picture = convert(frame, height_px)
            except failures as error:
                raise VideoError(f"{name}: the picture cannot be scaled: {error}") from error
            yield picture

    def _decode(self) -> Iterator[Any]:
        raise NotImplementedError


class EncodedFrames(_DecodedFrames):
    """JPEG or PNG pictures in memory, or read on access by an iterable of one's own (a table).

    Pictures are taken as stored: an Exif orientation is not applied, as annotations count pixels
    of the stored picture.

    Args:
        names: one per picture.
        pictures: the encoded pictures in that order, iterated anew whenever frames are read.
        size_px: the (width, height) that the annotation states; by default the first picture's.

    Raises (on reading):
        VideoError: a picture does not decode, is cut short, or differs in size.
    """

    def __init__(
        self, names: Sequence[str], pictures: Iterable[bytes], size_px: SizePx | None = None
    ) -> None:
        super().__init__(names)
        self._pictures = pictures
        self._size_px = size_px

    @property
    def size_px(self) -> SizePx:
        """(width, height) stated, or found in the first picture."""
        if self._size_px is None:
            first = _decode_image(*next(iter(self._encoded())))
            self._size_px = (first.width, first.height)
        return self._size_px

    def _encoded(self) -> Iterator[tuple[str, bytes]]:
        """Yield what an error calls each picture, and its bytes."""
        yield from zip(self.names, self._pictures, strict=True)

    def _decode(self) -> Iterator[Any]:
        for where, data in self._encoded():
            frame = _decode_image(where, data)
            size_px = (frame.width, frame.height)
            self._size_px = self._size_px or size_px
            if size_px != self._size_px:
                raise VideoError(
                    f"{where}: the picture is {size_px[0]}x{size_px[1]}, expected "
                    f"{self._size_px[0]}x{self._size_px[1]} like the annotation "
                    "or the clip's first picture"
                )
            yield frame


class ImageFrames(EncodedFrames):
    """JPEG or PNG files under one folder.

    Args:
        root: the data root.
        names: the files' paths relative to it.
        size_px: as in ``EncodedFrames``.

    Raises (on reading):
        VideoError: a file is missing, or as in ``EncodedFrames``.
    """

    def __init__(self, root: Path, names: Sequence[str], size_px: SizePx | None = None) -> None:
        super().__init__(names, (), size_px)
        self._root = Path(root)

    def _encoded(self) -> Iterator[tuple[str, bytes]]:
        for name in self.names:
            path = self._root / name
            try:
                yield str(path), path.read_bytes()
            except OSError as error:
                raise VideoError(f"{path}: cannot read the picture: {error.strerror}") from error


class VideoFrames(_DecodedFrames):
    """The frames of a video file that are on screen at given times.

    The file is read once from front to back. The frame at time t is the last one whose timestamp
    is at most t plus half a frame; in a video of variable frame rate, at most t (plus 1 ms for
    rounding). A phone's rotation is applied.

    Args:
        path: the video file.
        times_s: seconds from the video's start, in order; the same time may come twice.
        root: the data root, to which ``names`` are relative; by default the file's folder.

    Raises:
        ValueError: a time is negative, not finite, or before the one ahead of it.
        VideoError: on reading: no such file, no video stream, a broken stream, or a stream that
            ends before the last time.
    """

    def __init__(self, path: Path, times_s: Sequence[float], root: Path | None = None) -> None:
        self._file = VideoFile(Path(path))
        self._times_s = tuple(float(time) for time in times_s)
        name = Path(path).relative_to(root or Path(path).parent).as_posix()
        super().__init__([f"{name}#t={time:.3f}" for time in self._times_s])
        previous = 0.0
        for time in self._times_s:
            if not previous <= time < float("inf"):
                raise ValueError(f"{path}: times must be finite, at least 0 and in order: {time}")
            previous = time

    @property
    def size_px(self) -> SizePx:
        """(width, height), upright."""
        return self._file.size_px

    def _decode(self) -> Iterator[Any]:
        return self._file.frames_at(self._times_s)


class ArrayFrames(_DecodedFrames):
    """Pictures in memory, or made on access by a sequence of one's own (a renderer).

    Args:
        images: (H, W, 3) uint8 RGB arrays of one size.
        names: one per image; by default "frame/000000" and so on.

    Raises:
        ValueError: on construction when counts differ; on reading when an array is of another
            shape or type.
    """

    def __init__(self, images: Sequence[UInt8Array], names: Sequence[str] | None = None) -> None:
        super().__init__([f"frame/{i:06d}" for i in range(len(images))] if names is None else names)
        if len(images) != len(self.names):
            raise ValueError(f"{len(images)} images need as many names, got {len(self.names)}")
        self._images = images

    @property
    def size_px(self) -> SizePx:
        """(width, height) of the first image."""
        height, width = self._images[0].shape[:2]
        return width, height

    def _decode(self) -> Iterator[Any]:
        av = require_av()
        width, height = self.size_px
        for name, image in zip(self.names, self._images, strict=True):
            if image.shape != (height, width, 3) or image.dtype != "uint8":
                raise ValueError(
                    f"{name}: expected a {(height, width, 3)} uint8 image, "
                    f"got {image.shape} {image.dtype}"
                )
            yield av.VideoFrame.from_ndarray(image, format="rgb24")


_CODEC_BY_MAGIC = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png"}


def _decode_image(where: str, data: bytes) -> Any:
    """Return the ``av.VideoFrame`` of a JPEG or PNG; three times as fast as Pillow on JPEG."""
    av = require_av()
    codec = next((c for magic, c in _CODEC_BY_MAGIC.items() if data.startswith(magic)), None)
    if codec is None:
        raise VideoError(f"{where}: not a picture that can be read; expected a JPEG or PNG file")
    if not _has_its_end(data, codec):
        raise VideoError(f"{where}: the picture is cut short; expected a whole {codec} stream")
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    decoder.options = {"err_detect": "explode"}
    try:
        frames = decoder.decode(av.Packet(data)) or decoder.decode(None)
    except av.error.FFmpegError as error:
        raise VideoError(f"{where}: the picture does not decode: {error.strerror}") from error
    if len(frames) != 1 or frames[0].is_corrupt:
        raise VideoError(f"{where}: the picture does not decode; expected one whole picture")
    if upright_size(frames[0]) != (frames[0].width, frames[0].height):
        frames[0] = _without_rotation(frames[0])
    return frames[0]


def _has_its_end(data: bytes, codec: str) -> bool:
    """Tell whether the end marker is there; libav fills what is missing with grey."""
    if codec == "png":
        return data.rfind(b"IEND") > 0
    # Inside a scan a 0xFF byte is always stuffed, so the last marker is the true end.
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda")


def _without_rotation(frame: Any) -> Any:
    """Drop what Exif says of the orientation."""
    av = require_av()
    return av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
