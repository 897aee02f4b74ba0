"""Ask a model behind an OpenAI-compatible endpoint the four questions of filter 2."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from stkit_datasets.atomic import cut_half_line
from stkit_datasets.built import RowFile
from stkit_datasets.config import FPS
from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.interfaces import UInt8Array
from stkit_datasets.pseudo_labels.judge import CRITERIA
from stkit_datasets.pseudo_labels.judgements import Responses, question_digest
from stkit_datasets.pseudo_labels.samples import Sample, View

if TYPE_CHECKING:
    from stkit_datasets.model_clients.base import Model, Reply

MAX_FRAMES = 16
"""Frames of a video that are shown, evenly spread [ours]."""


@dataclass
class Asked:
    """What a run of requests did.

    Attributes:
        answered: responses that came, and are in the file.
        failures: kind of failure -> requests that ended so; they are asked again next time.
    """

    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)


def ask_all(
    model: Model,
    samples: Sequence[Sample],
    files: Mapping[str, Sequence[RowFile]],
    responses: Responses,
    out: Path,
    questions: Mapping[str, str],
    *,
    max_frames: int = MAX_FRAMES,
    progress: bool = True,
) -> Asked:
    """Ask what is missing in ``responses``, add it there, and append it to a file at once.

    Args:
        model: whom to ask; it asks again by itself where that may help.
        samples: the rows.
        files: their shards, with video.
        responses: what is known already; added to.
        out: the file, gone on with.
        questions: sentence of each criterion.
        max_frames: of a video.
        progress: show a bar.

    Raises:
        ConfigError: the rows hold no video with boxes.
        ModelError: no request can be answered at all, as with a wrong key.
    """
    missing = {
        sample.view: [name for name in CRITERIA if name not in responses.get(sample.view, {})]
        for sample in samples
    }
    views = {sample.id: sample.view for sample in samples}
    asked = Asked()
    total = sum(map(len, missing.values()))
    if not total:
        return asked
    if out.exists():
        with out.open("rb+") as earlier:
            cut_half_line(earlier.fileno())
    videos = _videos(files, views, {view for view, names in missing.items() if names})
    out.parent.mkdir(parents=True, exist_ok=True)
    width = max(1, model.concurrency)
    with (
        out.open("a", encoding="utf-8") as file,
        ThreadPoolExecutor(width) as pool,
        tqdm(total=total, unit="question", disable=not progress) as bar,
    ):
        running: dict[Future[Reply], _Job] = {}

        def finish(count: int) -> None:
            while len(running) > count:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    _take(future.result(), running.pop(future), model.name, responses, file, asked)
                    bar.update()

        try:
            for row_id, view, mp4 in videos:
                frames, times_s = _shown(mp4, max_frames)
                for name in missing[view]:
                    # Few videos are held at once, however many there are.
                    finish(2 * width - 1)
                    job = _Job(row_id, view, name, questions[name])
                    running[pool.submit(_ask, model, job, frames, times_s)] = job
            finish(0)
        finally:
            for future in running:
                future.cancel()
    return asked


@dataclass(frozen=True)
class _Job:
    row_id: str
    view: View
    criterion: str
    question: str


def _ask(model: Model, job: _Job, frames: UInt8Array, times_s: tuple[float, ...]) -> Reply:
    from stkit_datasets.model_clients.base import Request, Turn, VideoPart

    turn = Turn("user", (VideoPart(frames, times_s), job.question))
    request = Request(f"{job.row_id}/{job.criterion}", (turn,))
    (reply,) = model.respond(model.prepare([request]))
    return reply


def _take(
    reply: Reply, job: _Job, name: str, responses: Responses, file: IO[str], asked: Asked
) -> None:
    if reply.text is None:
        asked.failures[reply.failure.kind if reply.failure is not None else "model"] += 1
        return
    line = {
        "id": job.row_id,
        "criterion": job.criterion,
        "response": reply.text,
        "model": name,
        "question": question_digest(job.question),
    }
    file.write(json.dumps(line, sort_keys=True) + "\n")
    file.flush()
    responses.setdefault(job.view, {})[job.criterion] = reply.text
    asked.answered += 1


def _videos(
    files: Mapping[str, Sequence[RowFile]], views: Mapping[str, View], wanted: set[View]
) -> Iterator[tuple[str, View, bytes]]:
    """Yield (row id, view, MP4 bytes), each view once, reading no group that has none."""
    left = set(wanted)
    for file in (file for own in files.values() for file in own):
        with pq.ParquetFile(file.path) as parquet:
            for group in range(parquet.num_row_groups):
                ids = parquet.read_row_group(group, columns=["id"])["id"].to_pylist()
                if not any(views[name] in left for name in ids):
                    continue
                table = parquet.read_row_group(group, columns=["video", "boxes_drawn"])
                drawn = table["boxes_drawn"].to_pylist()
                for index, name in enumerate(ids):
                    view = views[name]
                    if view not in left:
                        continue
                    left.remove(view)
                    video = table["video"][index].as_py()
                    if not drawn[index] or not video or not video["bytes"]:
                        raise ConfigError(
                            f"{file.path}: row {name}: filter 2 needs videos with the boxes drawn; "
                            "build with --video overlay, or give --judgements of another run"
                        )
                    yield name, view, video["bytes"]


def _shown(mp4: bytes, max_frames: int) -> tuple[UInt8Array, tuple[float, ...]]:
    """Decode a row's video and choose frames, evenly spread."""
    from stkit_datasets.video.encode import decode_mp4

    images = decode_mp4(mp4)
    count = min(max_frames, len(images))
    frames = np.linspace(0, len(images) - 1, count).round().astype(np.int64)
    return images[frames], tuple(float(frame / FPS) for frame in frames)
