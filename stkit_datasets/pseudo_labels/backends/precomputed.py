"""Backends that read arrays from disk, one NumPy archive a video and stage, without pickles.

``<folder>/<video_id>.npz`` holds the frames at which something is known, ``timestamps_s``, and the
fields of ``Geometry``, ``MetricDepth`` or ``Segmentation`` for them, which are listed in
``docs/pseudo-labels.md``. A clip takes the frames at its own times.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.atomic import replacing
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.backends import Context
from stkit_datasets.pseudo_labels.backends.following import seen_objects
from stkit_datasets.pseudo_labels.interfaces import (
    PROMPTS,
    FloatArray,
    Geometry,
    IntArray,
    MetricDepth,
    Segmentation,
    VideoClip,
)

SAME_TIME_S = 0.02
"""A frame of the archive this near to one of the clip is that frame."""

_GEOMETRY = ("depths", "world_SE3_camera", "intrinsics")
_METRIC = ("depths_m",)
_SEMANTICS = (
    *("object_ids", "categories", "instances"),
    *("boxes_px", "box_confidences", "text_confidences"),
)


@dataclass(frozen=True)
class PrecomputedOptions:
    """Where the archives are.

    Attributes:
        folder: of the archives.
    """

    folder: str | Path

    def __post_init__(self) -> None:
        if not Path(self.folder).is_dir():
            raise ConfigError(f"folder must be a folder of archives, got {str(self.folder)!r}")


class _Precomputed:
    Options = PrecomputedOptions
    name = "precomputed"

    def __init__(self, folder: Path, video_id: str | None = None) -> None:
        self._folder = folder
        self._video_id = video_id
        self._archive: _Archive | None = None  # read once for all windows of a video

    @classmethod
    def open(cls, options: PrecomputedOptions, context: Context) -> Self:
        """Open the folder."""
        return cls(Path(options.folder))

    def of_video(self, video_id: str) -> Self:
        """Return the backend for one video, which it must be told."""
        return type(self)(self._folder, video_id)

    def _read(self, names: tuple[str, ...], optional: tuple[str, ...]) -> _Archive:
        if self._video_id is None:
            raise ConfigError("a precomputed backend needs to be told the video: of_video(…)")
        if self._archive is None:
            path = self._folder / f"{self._video_id}.npz"
            arrays = read_arrays(path, ("timestamps_s", *names), optional)
            self._archive = _Archive(path, arrays)
        return self._archive


class PrecomputedGeometry(_Precomputed):
    """Geometry from disk; see ``GeometryBackend``."""

    def estimate(self, clip: VideoClip) -> Geometry:
        """Return the archive's frames at the clip's times."""
        archive = self._read(_GEOMETRY, ("confidences", "is_metric", "up"))
        at = archive.all_frames(clip.timestamps_s)
        values = archive.values
        with archive.checked():
            return Geometry(
                depths=values["depths"][at].astype(np.float32),
                world_SE3_camera=values["world_SE3_camera"][at].astype(np.float64),
                intrinsics=values["intrinsics"][at].astype(np.float64),
                width_px=clip.width_px,
                height_px=clip.height_px,
                is_metric=bool(values.get("is_metric", False)),
                confidences=_taken(values, "confidences", at, np.float32),
                up=values["up"].astype(np.float64) if "up" in values else None,
            )


class PrecomputedMetric(_Precomputed):
    """Metric depth from disk; see ``MetricBackend``."""

    def estimate(self, clip: VideoClip, geometry: Geometry) -> MetricDepth:
        """Return the archive's frames that are among the clip's."""
        archive = self._read(_METRIC, ("confidences", "focal_px"))
        frames, at = archive.common_frames(clip.timestamps_s)
        values = archive.values
        with archive.checked():
            return MetricDepth(
                frames=frames,
                depths_m=values["depths_m"][at].astype(np.float32),
                confidences=_taken(values, "confidences", at, np.float32),
                focal_px=_taken(values, "focal_px", at, np.float64),
            )


class PrecomputedSemantics(_Precomputed):
    """Objects and masks from disk; see ``SemanticsBackend``."""

    def find(self, clip: VideoClip, prompts: Sequence[str] = PROMPTS) -> Segmentation:
        """Return the objects that are seen in the clip; ``prompts`` change nothing."""
        archive = self._read(_SEMANTICS, ())
        at = archive.all_frames(clip.timestamps_s)
        values = archive.values
        with archive.checked():
            whole = Segmentation(
                object_ids=tuple(map(str, values["object_ids"])),
                categories=tuple(map(str, values["categories"])),
                instances=values["instances"][at].astype(np.int16),
                boxes_px=values["boxes_px"][:, at].astype(np.float64),
                box_confidences=values["box_confidences"][:, at].astype(np.float64),
                text_confidences=values["text_confidences"][:, at].astype(np.float64),
                width_px=clip.width_px,
                height_px=clip.height_px,
            )
        return seen_objects(whole)


def read_arrays(
    path: Path, names: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, NDArray[Any]]:
    """Read named arrays of an archive; pickled ones are refused.

    Raises:
        SourceError: the file is missing or broken, or an array is.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise SourceError(path, "expected an archive (.npz), got a single array")
        with loaded as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise SourceError(path, f"expected the arrays {', '.join(missing)}")
            known = [name for name in (*names, *optional) if name in archive.files]
            return {name: archive[name] for name in known}
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(path, "expected a precomputed archive for this video") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise SourceError(path, f"cannot be read without pickles: {error}") from error


def write_geometry(path: Path, geometry: Geometry, timestamps_s: FloatArray) -> None:
    """Write what ``PrecomputedGeometry`` reads; (T,) times of the frames."""
    values = {name: getattr(geometry, name) for name in (*_GEOMETRY, "is_metric")}
    extra = {name: getattr(geometry, name) for name in ("confidences", "up")}
    _write(path, timestamps_s, values | {k: v for k, v in extra.items() if v is not None})


def write_metric(path: Path, metric: MetricDepth, timestamps_s: FloatArray) -> None:
    """Write what ``PrecomputedMetric`` reads; (T,) times of all the clip's frames."""
    extra = {name: getattr(metric, name) for name in ("confidences", "focal_px")}
    values = {"depths_m": metric.depths_m, **{k: v for k, v in extra.items() if v is not None}}
    _write(path, timestamps_s[metric.frames], values)


def write_semantics(path: Path, segmentation: Segmentation, timestamps_s: FloatArray) -> None:
    """Write what ``PrecomputedSemantics`` reads; (T,) times of the frames."""
    values = {name: getattr(segmentation, name) for name in _SEMANTICS}
    for name in ("object_ids", "categories"):
        values[name] = np.array(values[name], dtype=np.str_)
    _write(path, timestamps_s, values)


def _write(path: Path, timestamps_s: FloatArray, values: Mapping[str, Any]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, timestamps_s=timestamps_s, **values)


class _Archive:
    def __init__(self, path: Path, values: dict[str, NDArray[Any]]) -> None:
        self.path = path
        self.values = values
        self._times_s = values["timestamps_s"]
        if self._times_s.ndim != 1 or self._times_s.dtype.kind not in "if":
            raise SourceError(path, "expected (T,) numbers", "timestamps_s")

    def common_frames(self, times_s: FloatArray) -> tuple[IntArray, IntArray]:
        """Frames of the clip that the archive has, and where it has them."""
        if not len(self._times_s):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        off = np.abs(self._times_s - times_s[:, None])
        at = off.argmin(axis=1)
        found = np.flatnonzero(off[np.arange(len(times_s)), at] <= SAME_TIME_S)
        return found, at[found]

    def all_frames(self, times_s: FloatArray) -> IntArray:
        """Where the archive has every frame of the clip."""
        found, at = self.common_frames(times_s)
        if len(found) != len(times_s):
            missing = np.setdiff1d(np.arange(len(times_s)), found)
            raise SourceError(
                self.path,
                f"expected a frame at {times_s[missing[0]]:.3f} s ({len(missing)} of "
                f"{len(times_s)} frames are missing)",
                "timestamps_s",
            )
        return at

    def checked(self) -> _Named:
        return _Named(self.path)


class _Named:
    """Turns what the interfaces refuse into an error that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError | IndexError | TypeError):
            raise SourceError(self._path, str(error)) from error


def _taken(
    values: Mapping[str, NDArray[Any]], name: str, at: IntArray, kind: type[np.floating[Any]]
) -> NDArray[Any] | None:
    return values[name][at].astype(kind) if name in values else None
