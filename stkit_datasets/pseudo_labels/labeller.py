"""One video through all models to its pseudo-label file: windows, outcomes, cost."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from stkit_datasets.clip import Domain
from stkit_datasets.errors import ConfigError, StkitError
from stkit_datasets.pseudo_labels.backends import BackendSpec, Stage, open_backend
from stkit_datasets.pseudo_labels.files import read_pseudo_labels, write_pseudo_labels
from stkit_datasets.pseudo_labels.footage import WINDOW_S, Facts, Footage, sample
from stkit_datasets.pseudo_labels.interfaces import PROMPTS, VideoClip
from stkit_datasets.pseudo_labels.joining import Window, joined
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.schema import LabelledVideo, PseudoLabels
from stkit_datasets.video.errors import VideoError

OutcomeKind = Literal["labelled", "no objects", "too short", "broken", "failed"]
OUTCOMES: tuple[OutcomeKind, ...] = ("labelled", "no objects", "too short", "broken", "failed")
DECODING = "decoding"
MODEL_STAGES = ("semantics", "geometry", "metric")
OWN_STAGES = ("tracks", "writing")


@dataclass(frozen=True)
class Setup:
    """How videos are labelled: plain values that travel to other machines.

    Attributes:
        geometry: the backend for depth, poses and intrinsics.
        semantics: the backend for objects and masks.
        metric: the backend for metric depth; None where the geometry is metric.
        pipeline: how tracks are made.
        fps: frames per second that are labelled; the sources need 2, or 4 and more.
        height_px: pictures are given to the models at most this high.
        prompts: what is looked for.
    """

    geometry: BackendSpec
    semantics: BackendSpec
    metric: BackendSpec | None = None
    pipeline: PipelineConfig = field(default_factory=PipelineConfig)
    fps: float = 4.0
    height_px: int = 720
    prompts: tuple[str, ...] = PROMPTS

    @property
    def backends(self) -> tuple[BackendSpec, ...]:
        """The backends that are used."""
        return tuple(s for s in (self.geometry, self.metric, self.semantics) if s is not None)

    def describe(self) -> dict[str, Any]:
        """What decides the labels, as JSON values."""
        return {
            **{s.stage: {"name": s.name, "options": _plain(s.options)} for s in self.backends},
            "pipeline": asdict(self.pipeline),
            "fps": self.fps,
            "height_px": self.height_px,
            "prompts": list(self.prompts),
        }

    @property
    def fingerprint(self) -> str:
        """A short name of what decides the labels."""
        text = json.dumps(self.describe(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(options: Mapping[str, object]) -> dict[str, object]:
    return {k: str(v) if isinstance(v, Path) else v for k, v in options.items()}


@dataclass(frozen=True)
class LabelJob:
    """One video and where its labels go.

    Attributes:
        video_id: as in ``LabelledVideo``.
        path: the same.
        footage: the pictures.
        labels_path: the file to write.
        domain: as in ``LabelledVideo``.
        archive_id: the name that precomputed backends look for.
    """

    video_id: str
    path: str
    footage: Footage
    labels_path: Path
    domain: Domain
    archive_id: str


@dataclass(frozen=True)
class Outcome:
    """What became of one video.

    Attributes:
        video_id: which.
        kind: one of ``OUTCOMES``.
        reason: in words; empty where all went well.
        tracks: in the file.
        positions: rows of the file.
        video_s: its length.
        seconds: stage -> seconds spent in it; empty where an earlier run did the work.
    """

    video_id: str
    kind: OutcomeKind
    reason: str = ""
    tracks: int = 0
    positions: int = 0
    video_s: float = 0.0
    seconds: Mapping[str, float] = field(default_factory=dict)


class Labeller:
    """Holds one set of models and labels videos with them.

    Args:
        setup: how.

    Raises:
        ConfigError: a backend cannot be opened.
    """

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self._backends = {spec.stage: open_backend(spec) for spec in setup.backends}

    def label(self, job: LabelJob) -> Outcome:
        """Label one video, or return what an earlier run made of it.

        Never raises for what is wrong with a video: that is its outcome.

        Raises:
            ConfigError: the file that is there was made with other settings.
        """
        done = finished(job, self.setup)
        if done is not None:
            return done
        clock = _Clock()
        try:
            facts = job.footage.facts()
            video = _labelled_video(job, facts)
            windows = list(self._windows(job, facts, video, clock))
        except ConfigError:
            raise
        except StkitError as error:
            return Outcome(job.video_id, "broken", str(error))
        except (ValueError, OSError, MemoryError) as error:
            return Outcome(job.video_id, "failed", _said(error))
        failed = [w for w in windows if w.failure]
        if len(failed) == len(windows):
            return Outcome(job.video_id, "failed", failed[0].failure, video_s=facts.duration_s)
        with clock.counting("writing"):
            notes = {"fingerprint": self.setup.fingerprint, **self.setup.describe()}
            names = {str(stage): backend.name for stage, backend in self._backends.items()}
            labels = joined(video, windows, notes, names)
            write_pseudo_labels(job.labels_path, labels)
        return _outcome(labels, clock.seconds)

    def _windows(
        self, job: LabelJob, facts: Facts, video: LabelledVideo, clock: _Clock
    ) -> Iterator[Window]:
        sampled = sample(facts.times_s, self.setup.fps)
        backends = {
            stage: backend.of_video(job.archive_id) if hasattr(backend, "of_video") else backend
            for stage, backend in self._backends.items()
        }
        images = job.footage.images(sampled.frames, self.setup.height_px)
        numbers, counts = np.unique(sampled.windows, return_counts=True)
        start = 0
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            times_s = facts.times_s[sampled.frames[start : start + count]]
            start += count
            with clock.counting(DECODING):
                pictures = list(islice(images, count))
                if len(pictures) < count:
                    raise VideoError(f"{job.video_id}: the video ends before its last frame")
            if count < 2:
                yield Window(number, times_s, reason="a single frame")
                continue
            clip = VideoClip(np.stack(pictures), times_s, facts.width_px, facts.height_px)
            try:
                yield self._one_window(backends, number, clip, video, clock)
            except ConfigError:
                raise
            except (ValueError, RuntimeError, OSError, MemoryError) as error:
                # One stretch of a long video must not take the others with it.
                yield Window(number, times_s, failure=_said(error))

    def _one_window(
        self,
        backends: Mapping[Stage, Any],
        number: int,
        clip: VideoClip,
        video: LabelledVideo,
        clock: _Clock,
    ) -> Window:
        with clock.counting("semantics"):
            found = backends["semantics"].find(clip, self.setup.prompts)
        if not len(found):
            return Window(number, clip.timestamps_s, reason="no objects")
        seen = int(np.isfinite(found.boxes_px[..., 0]).sum())
        with clock.counting("geometry"):
            geometry = backends["geometry"].estimate(clip)
        metric = None
        if not geometry.is_metric:
            if "metric" not in backends:
                raise ConfigError(
                    f"{backends['geometry'].name} gives depth without a scale: choose a "
                    "backend for metric depth, too"
                )
            with clock.counting("metric"):
                metric = backends["metric"].estimate(clip, geometry)
        with clock.counting("tracks"):
            labels = label_clip(
                video, clip.timestamps_s, geometry, found, metric, self.setup.pipeline
            )
        return Window(number, clip.timestamps_s, labels, objects=len(found), detections=seen)


def finished(job: LabelJob, setup: Setup) -> Outcome | None:
    """Return what an earlier run with the same settings made of a video, or None.

    Raises:
        ConfigError: the file that is there was made with other settings.
        SourceError: it is broken.
    """
    if not job.labels_path.exists():
        return None
    labels = read_pseudo_labels(job.labels_path)
    made_by = labels.making.settings.get("labelling")
    if not isinstance(made_by, dict) or made_by.get("fingerprint") != setup.fingerprint:
        raise ConfigError(
            f"{job.labels_path}: made with other settings; choose another --out, or remove it"
        )
    return _outcome(labels, {})


def _outcome(labels: PseudoLabels, seconds: Mapping[str, float]) -> Outcome:
    labelling: Any = labels.making.settings["labelling"]
    reasons = Counter(w["reason"] for w in labelling["windows"] if w["reason"])
    kind: OutcomeKind = "labelled"
    if not len(labels):
        short = set(reasons) == {"a single frame"} and len(labelling["windows"]) == sum(
            reasons.values()
        )
        kind = "too short" if short else "no objects"
    reason = "; ".join(f"{count} x {name}" for name, count in sorted(reasons.items()))
    if not len(labels) and not reason:
        reason = "no object passed the filters"
    return Outcome(
        video_id=labels.video.video_id,
        kind=kind,
        reason=reason,
        tracks=len(labels.track_ids),
        positions=len(labels),
        video_s=labels.video.duration_s,
        seconds=dict(seconds),
    )


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StkitError) else f"{type(error).__name__}: {error}"


def _labelled_video(job: LabelJob, facts: Facts) -> LabelledVideo:
    return LabelledVideo(
        video_id=job.video_id,
        path=job.path,
        width_px=facts.width_px,
        height_px=facts.height_px,
        fps=facts.fps,
        duration_s=facts.duration_s,
        domain=job.domain,
    )


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def counting(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


__all__ = ["WINDOW_S", "LabelJob", "Labeller", "Outcome", "Setup", "finished"]
