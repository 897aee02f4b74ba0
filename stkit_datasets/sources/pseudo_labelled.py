"""What the sources without 3D annotation share: clips out of pseudo-label files.

The schema of these files is docs/pseudo-labels.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, Clip, Domain, FloatArray, Tracks
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.sources.base import MIN_FRAMES, SPLITS, Skipped, UnitResult, clip_name, windows
from stkit_datasets.sources.options import SamplingConfig, config_from_options

IntArray = NDArray[np.int64]

NO_FILE = "no pseudo-label file"
_SEPARATOR = "+"


@dataclass(frozen=True)
class PseudoLabelledConfig(SamplingConfig):
    """What may be set for these sources.

    Attributes:
        pseudo_labels: the folder of the pseudo-label files, relative to the data folder.
    """

    pseudo_labels: str = "pseudo_labels"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.pseudo_labels, str | Path) or not str(self.pseudo_labels):
            raise ConfigError(f"pseudo_labels must name a folder, got {self.pseudo_labels!r}")


class PseudoLabelledSource:
    """What these sources are made of: a data folder and settings, and nothing else in a pickle.

    Args:
        data_dir: the data folder.
        options: fields of ``PseudoLabelledConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name: str

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(PseudoLabelledConfig, self.name, options)

    def __getstate__(self) -> dict[str, Any]:
        return {"data_dir": self.data_dir, "config": self.config}


@dataclass(frozen=True, eq=False)
class ImageTracks:
    """M objects that the data set itself annotates in the picture, by R boxes.

    Attributes:
        track_ids: M names, unique, sorted.
        categories: M categories, or None where the data set names none.
        track_index: (R,) the object of each box; rows sorted by object, then by time.
        timestamps_ns: (R,) when.
        boxes_px: (R, 4) x0, y0, x1, y1.
        exhaustive: whether an object without a box is not visible. Else nothing is known of it.
    """

    track_ids: tuple[str, ...]
    categories: tuple[str, ...] | None
    track_index: IntArray
    timestamps_ns: IntArray
    boxes_px: FloatArray
    exhaustive: bool


@dataclass(frozen=True)
class Video:
    """One video of a source, and where its files lie.

    Attributes:
        source: the name of the source.
        split: ``train`` or ``validation``.
        unit: names the clips.
        video_id: the name that its pseudo-label file must state.
        data_dir: the data folder.
        labels_path: the pseudo-label file.
        path: the video, relative to the data folder.
        files: annotation files of the data set itself, relative to the data folder.
        domain: what the file must state; None where that is left to it.
    """

    source: str
    split: str
    unit: str
    video_id: str
    data_dir: Path
    labels_path: Path
    path: str
    files: tuple[str, ...] = ()
    domain: Domain | None = None


def check_split(split: str) -> None:
    """Refuse what is no split.

    Raises:
        ConfigError: the message names the splits.
    """
    if split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")


def unit_of(video_id: str) -> str:
    """Turn a video's path into one file-system safe name."""
    return _SEPARATOR.join(quote(part, safe="") for part in video_id.split("/"))


def video_id_of(unit: str) -> str | None:
    """Undo ``unit_of``; None where no video has the name."""
    video_id = "/".join(unquote(part) for part in unit.split(_SEPARATOR))
    unsafe = {"", ".", ".."} & {*video_id.split("/")}
    return None if unsafe or unit_of(video_id) != unit else video_id


def read_video(
    video: Video,
    config: PseudoLabelledConfig,
    image_tracks: Callable[[PseudoLabels], ImageTracks | None] = lambda labels: None,
) -> UnitResult:
    """Read one video's pseudo-label file into one clip, or several when it is longer than 20 s.

    Args:
        video: which one.
        config: how labels are sampled. A grid time moves to a labelled frame at most
            ``image_tolerance_s`` away.
        image_tracks: gives the data set's own objects in the picture; an object of the file with
            the name of one of them takes its boxes and category.

    Raises:
        SourceError: a file is broken, or is that of another video or domain.
    """
    if not video.labels_path.is_file():
        return UnitResult((), (Skipped(video.unit, NO_FILE),))
    labels = read_pseudo_labels(video.labels_path)
    _check_identity(labels, video)
    if not len(labels):
        return UnitResult((), (Skipped(video.unit, "no object in the pseudo-label file"),))
    grid_ns = _grid_ns(labels, video.labels_path, config)
    tracks, boxes_px = _tracks(labels, grid_ns, config)
    annotated = image_tracks(labels)
    if annotated is not None:
        tracks, boxes_px = _with_annotated_boxes(tracks, boxes_px, annotated, grid_ns, config)
    boxes_px = geometry.cut_at_edge(boxes_px, labels.video.width_px, labels.video.height_px)
    return _cut(labels, video, grid_ns, tracks, boxes_px)


def _check_identity(labels: PseudoLabels, video: Video) -> None:
    stated = labels.video
    if stated.video_id != video.video_id:
        rule = f"expected the labels of video {video.video_id!r}, got {stated.video_id!r}"
        raise SourceError(video.labels_path, rule)
    if video.domain not in (None, stated.domain):
        rule = f"expected domain {video.domain!r}, got {stated.domain!r}"
        raise SourceError(video.labels_path, rule)


def _grid_ns(labels: PseudoLabels, path: Path, config: PseudoLabelledConfig) -> IntArray:
    frames_ns = _ns(labels.frame_timestamps_s)
    snapping = replace(config.grid, snap_s=config.image_tolerance_s)
    try:
        return resample.grid_timestamps_ns(frames_ns, snapping)
    except ValueError as error:
        raise SourceError(path, f"frame_timestamps_s: {error}") from error


def _tracks(
    labels: PseudoLabels, grid_ns: IntArray, config: PseudoLabelledConfig
) -> tuple[Tracks, FloatArray]:
    timestamps_ns, n = _ns(labels.timestamps_s), len(labels.track_ids)
    found = resample.locate(labels.track_index, timestamps_ns, n, grid_ns, config.grid)
    half, zero = labels.yaws_rad / 2, np.zeros(len(labels))
    rotations_wxyz = np.stack([np.cos(half), zero, zero, np.sin(half)], axis=1)
    rotations_wxyz[np.isnan(half)] = np.nan
    tracks = Tracks(
        track_ids=labels.track_ids,
        categories=labels.categories,
        kinds=labels.kinds,
        centers_m=resample.interpolate(labels.centers_m, found),
        sizes_lwh_m=resample.interpolate(labels.sizes_lwh_m, found),
        rotations_wxyz=resample.interpolate_rotations(rotations_wxyz, found),
        annotation_keys=resample.annotation_keys(timestamps_ns, found),
        sigmas_m=resample.interpolate(labels.sigmas_m[:, None], found)[..., 0],
        scale_sigma=labels.scale_sigma,
    )
    return tracks, resample.interpolate(labels.boxes_px, found)


def _with_annotated_boxes(
    tracks: Tracks,
    boxes_px: FloatArray,
    annotated: ImageTracks,
    grid_ns: IntArray,
    config: PseudoLabelledConfig,
) -> tuple[Tracks, FloatArray]:
    place = {name: index for index, name in enumerate(annotated.track_ids)}
    rows = np.array([i for i, name in enumerate(tracks.track_ids) if name in place], dtype=np.int64)
    which = np.array([place[tracks.track_ids[i]] for i in rows], dtype=np.int64)
    found = resample.locate(
        annotated.track_index,
        annotated.timestamps_ns,
        len(annotated.track_ids),
        grid_ns,
        config.grid,
    )
    theirs = resample.interpolate(annotated.boxes_px, found)[which]
    boxes_px = boxes_px.copy()
    kept = np.isfinite(theirs) | annotated.exhaustive
    boxes_px[rows] = np.where(kept, theirs, boxes_px[rows])
    categories = list(tracks.categories)
    if annotated.categories is not None:
        for row, index in zip(rows.tolist(), which.tolist(), strict=True):
            categories[row] = annotated.categories[index]
    return replace(tracks, categories=tuple(categories)), boxes_px


def _cut(
    labels: PseudoLabels, video: Video, grid_ns: IntArray, tracks: Tracks, boxes_px: FloatArray
) -> UnitResult:
    from stkit_datasets.video.frames import VideoFrames

    spans = windows(len(grid_ns))
    if not spans:
        reason = f"{len(grid_ns)} frames on the grid, a clip needs {MIN_FRAMES}"
        return UnitResult((), (Skipped(video.unit, reason),))
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    for k, (start, stop) in enumerate(spans):
        clip_id = clip_name(video.unit, k, len(spans))
        seen = np.flatnonzero(tracks.annotated[:, start:stop].any(axis=1))
        if not len(seen):
            skipped.append(Skipped(clip_id, "no object lies at a time of the grid"))
            continue
        times_s = (grid_ns[start:stop] / resample.NS_PER_S).tolist()
        clips.append(
            Clip(
                source=video.source,
                split=video.split,
                clip_id=clip_id,
                scene_id=video.unit,
                camera=_camera(labels),
                timestamps_s=(grid_ns[start:stop] - grid_ns[start]) / resample.NS_PER_S,
                tracks=tracks.window(start, stop),
                frames=VideoFrames(video.data_dir / video.path, times_s, video.data_dir),
                files=(_relative(video.labels_path, video.data_dir), *video.files),
                domain=labels.video.domain,
                boxes_px=boxes_px[seen, start:stop],
                start_ns=int(grid_ns[start]),
                notes={} if labels.intrinsics is not None else {"intrinsics": "not given"},
            )
        )
    return UnitResult(tuple(clips), tuple(skipped))


def _camera(labels: PseudoLabels) -> Camera:
    width_px, height_px = labels.video.width_px, labels.video.height_px
    matrix = labels.intrinsics
    if matrix is None:
        # Nothing is projected; a camera object asks for some intrinsics all the same.
        matrix = np.array([[width_px, 0, width_px / 2], [0, width_px, height_px / 2], [0, 0, 1.0]])
    return Camera("camera", width_px, height_px, matrix)


def _relative(path: Path, data_dir: Path) -> str:
    if path.is_relative_to(data_dir):
        return path.relative_to(data_dir).as_posix()
    return path.as_posix()


def _ns(times_s: FloatArray) -> IntArray:
    return np.round(times_s * resample.NS_PER_S).astype(np.int64)
