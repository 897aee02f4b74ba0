"""One row of a bench as a harness puts it: the text, and the frames that the text names."""

from __future__ import annotations

import atexit
import hashlib
import tempfile
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_bench.harness.settings import HarnessError, HarnessSettings
from stkit_datasets.atomic import replacing

__all__ = ["frames", "picture_files", "prompt", "video_file"]

Row = Mapping[str, Any]


def prompt(row: Row, settings: HarnessSettings) -> str:
    """Return the text beside the video; it names the frames that are shown."""
    from stkit_bench.run.put import put
    from stkit_datasets.wording import load_wording

    return put(row, settings.asking(), load_wording(settings.wording)).text


def frames(row: Row, settings: HarnessSettings) -> NDArray[np.uint8]:
    """Return the frames that the prompt names, (T, H, W, 3) RGB.

    Raises:
        HarnessError: the row holds no video.
        FramesError, VideoError: its video does not decode, or into another number of frames.
    """
    from stkit_bench.run.frames import chosen_frames

    return chosen_frames(_video(row), len(row["timestamps_s"]), _places(row, settings))


def video_file(row: Row, settings: HarnessSettings) -> str:
    """Return the path of an MP4 file with the frames that the prompt names and no others.

    The file is the row's own, or lies in a folder that goes when this process ends.

    Raises:
        HarnessError, FramesError, VideoError: as :func:`frames`.
    """
    if len(_places(row, settings)) < len(row["timestamps_s"]):
        return _kept(_key(row, settings, "cut"), ".mp4", lambda: _encoded(row, settings))
    video = _video(row)
    if isinstance(video, Path):
        return str(video)
    return _kept(hashlib.sha256(video).hexdigest(), ".mp4", lambda: video)


def picture_files(row: Row, settings: HarnessSettings) -> list[str]:
    """Return the paths of PNG files, one for each frame that the prompt names.

    Raises:
        HarnessError, FramesError, VideoError: as :func:`frames`.
    """
    shown, key = frames(row, settings), _key(row, settings, "picture")
    return [_kept(f"{key}-{n:02d}", ".png", partial(_png, shown[n])) for n in range(len(shown))]


def _places(row: Row, settings: HarnessSettings) -> list[int]:
    from stkit_bench.run.put import frame_places

    return frame_places(len(row["timestamps_s"]), row["fps"], settings.asking())


def _video(row: Row) -> bytes | Path:
    video = row.get("video") or {}
    if video.get("bytes") is not None:
        return bytes(video["bytes"])
    if video.get("path") and Path(video["path"]).is_file():
        return Path(video["path"])
    raise HarnessError(
        f"row {row['id']}: holds no video; build the bench with --video overlay, not none"
    )


def _encoded(row: Row, settings: HarnessSettings) -> bytes:
    from stkit_datasets.video.encode import encode_mp4
    from stkit_datasets.video.pictures import require_av

    # Planes by PyAV's own default: lmms-eval holds PyAV back to a release whose conversion lacks
    # the exact modes that the package's own uses.
    of_array = require_av().VideoFrame.from_ndarray
    planes = (
        of_array(frame, format="rgb24").to_ndarray(format="yuv420p")
        for frame in frames(row, settings)
    )
    return encode_mp4(planes, Fraction(settings.fps))


def _png(frame: NDArray[np.uint8]) -> bytes:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _key(row: Row, settings: HarnessSettings, kind: str) -> str:
    told = f"{row['id']}/{settings.fps}/{settings.max_frames}/{kind}"
    return hashlib.sha256(told.encode()).hexdigest()


def _kept(key: str, suffix: str, make: Callable[[], bytes]) -> str:
    path = _folder() / f"{key[:32]}{key[64:]}{suffix}"
    if not path.exists():
        with replacing(path) as unfinished:
            unfinished.write_bytes(make())
    return str(path)


@cache
def _folder() -> Path:
    held = tempfile.TemporaryDirectory(prefix="stkit-bench-")
    atexit.register(held.cleanup)
    return Path(held.name)
