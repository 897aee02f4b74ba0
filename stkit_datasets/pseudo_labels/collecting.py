"""Videos named on a command line to jobs: names, and where files go.

``plain`` lays a folder out so that both ``bdd100k`` and ``custom`` load it; ``llava_video`` and
``multisports`` write beside the videos of those data sets.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from stkit_datasets.clip import Domain
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.footage import ClipFootage, VideoFootage
from stkit_datasets.pseudo_labels.labeller import LabelJob
from stkit_datasets.sources.base import SPLITS

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".ts")
LAYOUTS = ("plain", "llava_video", "multisports")
_LISTS = (".txt", ".list")
_HALF = {"train": "train", "validation": "val"}
_SAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME = 100


@dataclass(frozen=True)
class Found:
    """A video, and its path below what was named on the command line."""

    path: Path
    relative: str


@dataclass(frozen=True)
class Place:
    """Where labels go.

    Attributes:
        out: the folder; for ``llava_video`` and ``multisports`` that of the data set.
        layout: one of ``LAYOUTS``.
        split: whose folder ``plain`` takes.
        domain: what the videos show.
    """

    out: Path
    layout: str = "plain"
    split: str = "train"
    domain: Domain = "driving"

    def __post_init__(self) -> None:
        for name, allowed in (("layout", LAYOUTS), ("split", SPLITS), ("domain", get_args(Domain))):
            if getattr(self, name) not in allowed:
                value = getattr(self, name)
                raise ConfigError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")

    @property
    def labels(self) -> Path:
        """The folder of the label files."""
        return self.out / "pseudo_labels"


def find_videos(named: Sequence[Path]) -> list[Found]:
    """Collect videos from files, folders (with all below) and lists (``.txt``, a path a line).

    Raises:
        ConfigError: a file or folder is not there, is no video, or holds none.
    """
    found: list[Found] = []
    for path in named:
        if path.is_dir():
            below = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            below = [p for p in below if p.is_file() and not p.name.startswith(".")]
            if not below:
                raise ConfigError(f"{path}: no video in this folder ({', '.join(SUFFIXES)})")
            found += [Found(p, p.relative_to(path).as_posix()) for p in below]
        elif path.suffix.lower() in _LISTS and path.is_file():
            found += _listed(path)
        elif path.suffix.lower() in SUFFIXES and path.is_file():
            found.append(Found(path, path.name))
        else:
            raise ConfigError(f"{path}: expected a video, a folder or a list of videos (.txt)")
    unique = {item.path.resolve(): item for item in reversed(found)}
    return [item for item in found if unique.pop(item.path.resolve(), None) is not None]


def _listed(path: Path) -> list[Found]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: a list must be text, one path a line") from error
    names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    # A video that is not there becomes an outcome of its own: one line must not stop thousands.
    return [Found(path.parent / name, Path(name).name if _up(name) else name) for name in names]


def _up(name: str) -> bool:
    return Path(name).is_absolute() or ".." in Path(name).parts


def video_jobs(found: Sequence[Found], place: Place) -> list[LabelJob]:
    """Give every video its name and place."""
    if place.layout == "plain":
        return [_plain_job(item, name, place) for item, name in _names(found).items()]
    return [_data_set_job(item, place) for item in found]


def clip_jobs(
    source: str, data_dir: Path | None, options: Mapping[str, Any], place: Place
) -> list[LabelJob]:
    """Name the clips of an annotated source's split, to be labelled as if nothing were known.

    Raises:
        ConfigError, SourceError: the source cannot be opened or read.
    """
    from stkit_datasets.sources import open_source

    opened = open_source(source, data_dir, options)
    jobs: list[LabelJob] = []
    for unit in opened.units(place.split):
        for clip in opened.read(place.split, unit).clips:
            name = clip_name(clip.clip_id, clip.camera.name)
            footage = ClipFootage(
                source, data_dir, place.split, unit, clip.clip_id, clip.camera.name, dict(options)
            )
            path = f"{source}/{name}"
            labels = place.labels / _HALF[place.split] / f"{name}.parquet"
            jobs.append(LabelJob(name, path, footage, labels, clip.domain, name))
    if not jobs:
        raise SourceError(str(data_dir), f"no {place.split} clips of {source!r}")
    return jobs


def clip_name(clip_id: str, camera: str) -> str:
    """Return the video id under which a clip of an annotated source is labelled."""
    return f"{_safe(clip_id)}.{_safe(camera)}"


def _names(found: Sequence[Found]) -> dict[Found, str]:
    """Names that are safe in any file system and as clip ids, alike from run to run."""
    plain = [_safe(str(Path(item.relative).with_suffix(""))) for item in found]
    counts = Counter(plain)
    out: dict[Found, str] = {}
    for item, name in zip(found, plain, strict=True):
        original = str(Path(item.relative).with_suffix("").as_posix())
        if counts[name] > 1 or name != original:
            text = item.relative if counts[name] == 1 else str(item.path.resolve())
            name += "-" + hashlib.sha256(text.encode()).hexdigest()[:8]
        out[item] = name
    return out


def _safe(text: str) -> str:
    return _SAFE.sub("_", text).strip("_")[:_MAX_NAME] or "video"


def _plain_job(item: Found, name: str, place: Place) -> LabelJob:
    half = _HALF[place.split]
    # The sources look for the suffix of BDD100K's own videos; what is inside may be any format.
    path = f"videos/{half}/{name}.mov"
    labels = place.labels / half / f"{name}.parquet"
    return LabelJob(name, path, VideoFootage(item.path), labels, place.domain, name)


def _data_set_job(item: Found, place: Place) -> LabelJob:
    try:
        path = item.path.resolve().relative_to(place.out.resolve()).as_posix()
    except ValueError as error:
        raise ConfigError(
            f"{item.path}: with layout {place.layout} videos must lie below --out {place.out}"
        ) from error
    below = path
    if place.layout == "multisports":
        below = path.removeprefix("data/").removeprefix("trainval/")
    stem = Path(below).with_suffix("").as_posix()
    video_id = Path(stem).name if place.layout == "multisports" else stem
    domain: Domain = "sports" if place.layout == "multisports" else place.domain
    labels = place.labels / f"{stem}.parquet"
    return LabelJob(video_id, path, VideoFootage(item.path), labels, domain, stem)


def link_videos(jobs: Sequence[LabelJob], place: Place) -> None:
    """Put the videos of a ``plain`` layout where the sources look: linked, or copied."""
    for job in jobs:
        if place.layout != "plain" or not isinstance(job.footage, VideoFootage):
            continue
        target, video = place.out / job.path, job.footage.path.resolve()
        if target.exists() or not video.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # a link to what is no longer there
        try:
            target.symlink_to(video)
        except OSError:
            shutil.copyfile(video, target)
