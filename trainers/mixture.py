"""Which samples a run sees: sources by counts or weights, drawn by a seed, decoded by workers.

A mixture hands out references, a few numbers each; the collator, in a worker process, turns a
reference into a sample. So nothing is decoded before it is needed, nothing twice in an epoch, and
skipping to the middle of an epoch costs nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.samples import Record, record_id
from trainers.sources import Source, SourceConfig

logger = logging.getLogger(__name__)


class Mixture:
    """The samples of a run, numbered.

    Args:
        sources: at least one; all by counts or all by weights.
        data_root: what their paths are relative to.
        seed: which records of a source are taken.
        max_frames: most frames of a video.
        size: how many samples, where sources have weights.

    Raises:
        ValueError: counts and weights are mixed, a source is missing or too short; it names it.
    """

    def __init__(
        self,
        sources: Sequence[SourceConfig],
        data_root: Path,
        *,
        seed: int = 0,
        max_frames: int = 32,
        size: int | None = None,
    ) -> None:
        names = [config.name for config in sources]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"sources need names of their own, got {', '.join(names) or 'none'}")
        weighted = [config for config in sources if config.weight is not None]
        if weighted and len(weighted) != len(sources):
            raise ValueError("give every source a count or every source a weight")
        if bool(weighted) != (size is not None):
            raise ValueError("mixture_size goes with weights, and weights need it")
        self.sources = [Source(config, Path(data_root), max_frames) for config in sources]
        self.seed, self.size = seed, size
        self._places: tuple[NDArray[np.int32], NDArray[np.int64]] | None = None

    @cached_property
    def counts(self) -> list[int | None]:
        """How many samples are asked of every source; None for all of it."""
        if self.size is None:
            return [source.config.count for source in self.sources]
        weights = np.array([source.config.weight for source in self.sources], float)
        edges = np.round(np.cumsum(weights) / weights.sum() * self.size).astype(int)
        return [int(count) for count in np.diff(edges, prepend=0)]

    def prepare(self) -> None:
        """Draw the records; afterwards the mixture has a length."""
        if self._places is not None:
            return
        drawn = [
            self._draw(number, source, count)
            for number, (source, count) in enumerate(zip(self.sources, self.counts, strict=True))
        ]
        owner = np.repeat(np.arange(len(drawn), dtype=np.int32), [len(rows) for rows in drawn])
        self._places = owner, np.concatenate(drawn)

    def __len__(self) -> int:
        return len(self.places[0])

    @property
    def places(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Source and record of every sample."""
        self.prepare()
        assert self._places is not None
        return self._places

    def table(self) -> dict[str, int]:
        """Return how many samples every source gives."""
        owners = np.bincount(self.places[0], minlength=len(self.sources))
        return {s.config.name: int(n) for s, n in zip(self.sources, owners, strict=True)}

    def held_out_ids(self) -> list[str]:
        """Return the ids of the records that training parts of sources leave out."""
        found: list[str] = []
        for source in self.sources:
            if source.config.held_out and source.config.part == "train":
                other = replace(source.config, part="held_out")
                rest = Source(other, source.data_root, source.max_frames)
                found += [record_id(rest.records[int(row)], str(row)) for row in rest.kept]
        return found

    def lengths(self, frame_tokens: int) -> NDArray[np.int64]:
        """Return about how many tokens every sample has, for grouping samples of like length.

        Args:
            frame_tokens: of one frame of a video; an image has about 20 times as many.
        """
        found = np.zeros(len(self), np.int64)
        owner, row = self.places
        for number, source in enumerate(self.sources):
            of_source = owner == number
            found[of_source] = source.lengths(row[of_source], frame_tokens)
        return found

    def where(self, reference: Mapping[str, Any]) -> tuple[Source, Record, str]:
        """Return the source, the record and the name of what a reference points to."""
        source = self.sources[reference["source"]]
        streamed = "record" in reference
        record = reference["record"] if streamed else source.records[reference["row"]]
        name = f"{source.config.name}/{record_id(record, str(reference['row']))}"
        return source, record, name

    def neighbour(self, reference: Mapping[str, Any], step: int) -> dict[str, Any] | None:
        """Return the reference that stands in for one that cannot be read; None in a stream."""
        if self._places is None or "place" not in reference:
            return None
        owner, row = self._places
        own = np.flatnonzero(owner == reference["source"])
        place = int(own[(np.searchsorted(own, reference["place"]) + step) % len(own)])
        return {"source": int(owner[place]), "row": int(row[place]), "place": place}

    def _draw(self, number: int, source: Source, count: int | None) -> NDArray[np.int64]:
        kept = source.kept
        name, rng = source.config.name, np.random.default_rng([self.seed, number])
        if not len(kept):
            raise ValueError(f"source {name!r} holds no sample that is asked for")
        if count is None or len(kept) == count:
            return kept
        if len(kept) > count:
            return np.sort(rng.choice(kept, count, replace=False))
        if source.config.if_short == "error":
            raise ValueError(
                f"source {name!r} holds {len(kept)} samples, {count} are asked for; lower its "
                "count, or set if_short to all or repeat"
            )
        if source.config.if_short == "all":
            logger.warning("source %r holds %d of the %d samples asked", name, len(kept), count)
            return kept
        rest = rng.choice(kept, count % len(kept), replace=False)
        return np.sort(np.concatenate([*[kept] * (count // len(kept)), rest]))


def stream(
    mixture: Mixture, shards: list[int], n_shards: int, skip: int
) -> Iterator[dict[str, Any]]:
    """Yield references with their records, source after source drawn by what is left of them.

    Args:
        mixture: with a count for every source.
        shards: which of ``n_shards`` are yielded; every shard reads the whole stream.
        n_shards: how many there are.
        skip: samples of the whole stream that were seen already.
    """
    counts = np.array(mixture.counts, float)
    rng = np.random.default_rng(mixture.seed)
    streams = [source.stream() for source in mixture.sources]
    given = 0
    while counts.sum():
        number = int(rng.choice(len(counts), p=counts / counts.sum()))
        record = next(streams[number], None)
        if record is None:
            if mixture.sources[number].config.if_short == "error":
                raise ValueError(f"source {mixture.sources[number].config.name!r} is too short")
            counts[number] = 0
            continue
        counts[number] -= 1
        if given >= skip and given % n_shards in shards:
            yield {"source": number, "row": given, "record": record}
        given += 1
