"""Build a bench from the official validation splits: candidates, a selection, its videos.

Candidates are rows without video, so that the many that are not chosen cost little; only the
questions of the selection are drawn.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stkit_bench.bench_card import bench_card
from stkit_bench.bench_report import BenchReport
from stkit_bench.overlap import assert_disjoint, scenes
from stkit_bench.roots import Root
from stkit_bench.selection import PUBLISHED_SOURCE_SHARES, Selection, select
from stkit_bench.selection.balance import check_shares
from stkit_datasets import atomic
from stkit_datasets._version import __version__
from stkit_datasets.atomic import write_text
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.built import row_files, rows_note
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError
from stkit_datasets.rows import RowConfig
from stkit_datasets.sources import SOURCES, open_source
from stkit_datasets.units_of_work import Report, build_fingerprint, code_digest

__all__ = ["BENCH_FILE", "SPLIT", "build_bench", "default_shares"]

SPLIT = "test"
"""What a bench's shards are called; the rows' own ``split`` is the official one."""
BENCH_FILE = "bench.json"

_OFFICIAL = "validation"
_CANDIDATES = ".candidates"
# What a selection and its checks read of a candidate; boxes and positions stay on disk.
_LEAVES = (
    *("id", "source", "split", "scene_id", "clip_id", "task", "polarity"),
    *("target.value_si", "target.clock", "target.choice"),
    *("objects.list.element.color", "provenance.unit"),
)


def build_bench(
    roots: Mapping[str, Root],
    out: Path,
    *,
    per_task: int = 200,
    source_shares: Mapping[str, float] | None = None,
    seed: int = 0,
    rows: RowConfig | None = None,
    engine: Engine | None = None,
    on_error: str = "raise",
    train: Sequence[Path] = (),
    progress: bool = True,
) -> BenchReport:
    """Build a bench into ``out/SOURCE/test-NNNNN-of-NNNNN.parquet``, ``bench.json`` and a card.

    The same arguments and files give the same bytes, with any number of workers and after a build
    that was killed at any point and started again. A bench that is finished is not built again.

    Args:
        roots: source -> where its official files lie.
        out: the folder to write to.
        per_task: questions of each of the seven tasks.
        source_shares: share of each source in all questions; None for :func:`default_shares`.
        seed: of the selection; the draws of the rows have their own in ``rows``.
        rows: what decides the rows; by default boxes drawn on the video.
        engine: how many scenes are worked on at once, and where.
        on_error: ``raise``, or ``skip`` to count a broken scene in the report and go on.
        train: training sets that must share no scene with the bench.
        progress: show bars.

    Raises:
        ConfigError: a setting is wrong.
        SourceError: a file of a source is missing or broken.
        OverlapError: a scene of the bench is in a training set.
    """
    rows, engine = rows or RowConfig(), engine or Engine()
    if not roots:
        raise ConfigError("a bench needs at least one source, got none")
    if per_task < 1:
        raise ConfigError(f"per_task must be at least 1, got {per_task}")
    given = default_shares(roots) if source_shares is None else source_shares
    shares = dict(sorted(given.items()))
    if set(shares) != set(roots):
        raise ConfigError(
            f"source_shares must name the sources of the roots, {', '.join(sorted(roots))}; "
            f"got {', '.join(sorted(shares))}"
        )
    check_shares(shares)
    for path in train:
        scenes(path)  # a training set that cannot be read is told before the work
    settings = {
        "code": code_digest("stkit_bench", "stkit_datasets"),
        "sources": {name: _fingerprint(name, roots[name], rows) for name in sorted(roots)},
        "shares": shares,
        "per_task": per_task,
        "seed": seed,
        "on_error": on_error,
    }
    fingerprint = _digest(json.dumps(settings, sort_keys=True))
    report = BenchReport.read(out / BENCH_FILE)
    if report is None or report.fingerprint != fingerprint or not _is_whole(report, out):
        # From here on until the end the folder must not pass for a whole bench.
        (out / BENCH_FILE).unlink(missing_ok=True)
        maker = _Maker(roots, out, rows, engine, on_error, progress)
        candidates = {name: maker.candidates(name) for name in sorted(roots)}
        selection, chosen = _selected(out, sorted(roots), per_task, shares, seed)
        for path in train:
            assert_disjoint(chosen, path)
        report = BenchReport(
            version=__version__,
            fingerprint=fingerprint,
            questions_digest=_digest("\n".join(sorted(selection.ids))),
            rows={**asdict(rows), "wording_fingerprint": rows.wording.fingerprint},
            shares=shares,
            scenes=_scenes_by_source(chosen),
            candidates=candidates,
            built=maker.questions(chosen),
            selection=selection.report,
        )
        notes = {name: rows_note(files) for name, files in row_files(out).items()}
        write_text(out / "README.md", bench_card(report, SPLIT, notes))
        write_text(out / BENCH_FILE, report.to_json())
    for path in train:
        assert_disjoint(out, path)
    atomic.remove_leftovers(out)
    shutil.rmtree(out / _CANDIDATES, ignore_errors=True)
    return report


def default_shares(sources: Iterable[str]) -> dict[str, float]:
    """Return the published shares of the sources, brought to a sum of 1.

    Sources that are all without a published share get even ones.

    Raises:
        ConfigError: some have a published share and others have none.
    """
    names = sorted(sources)
    unknown = [name for name in names if name not in PUBLISHED_SOURCE_SHARES]
    if not unknown:
        total = sum(PUBLISHED_SOURCE_SHARES[name] for name in names)
        return {name: PUBLISHED_SOURCE_SHARES[name] / total for name in names}
    if len(unknown) == len(names):
        return {name: 1 / len(names) for name in names}
    raise ConfigError(
        f"{', '.join(unknown)}: no published share of a bench, while others have one; give the "
        "shares of all sources"
    )


@dataclass(frozen=True)
class _Maker:
    """The two builds of every source."""

    roots: Mapping[str, Root]
    out: Path
    rows: RowConfig
    engine: Engine
    on_error: str
    progress: bool

    def candidates(self, name: str) -> Report:
        """Build all questions of a source's validation split, annotations only."""
        return self._build(name, self.out / _CANDIDATES, replace(self.rows, video="none"), None)

    def questions(self, chosen: pa.Table) -> dict[str, Report]:
        """Build the chosen questions with their videos; of other sources nothing stays."""
        built = {}
        for name, units in _units(chosen).items():
            built[name] = self._build(name, self.out, self.rows, units)
            ids = frozenset[str]().union(*units.values())
            _check_built(self.out / name, ids, built[name])
        for name in SOURCES:
            if name not in built:
                _remove_source(self.out, name)
        return built

    def _build(
        self, name: str, out: Path, rows: RowConfig, units: Mapping[str, frozenset[str]] | None
    ) -> Report:
        config = BuildConfig(
            source=name,
            data_dir=self.roots[name].data_dir,
            out=out,
            splits=(_OFFICIAL,),
            rows=rows,
            source_options=self.roots[name].options,
            engine=self.engine,
            on_error=self.on_error,
            selected=units,
            shard_names={} if units is None else {_OFFICIAL: SPLIT},
        )
        return build(config, progress=self.progress)


def _selected(
    out: Path, names: Sequence[str], per_task: int, shares: Mapping[str, float], seed: int
) -> tuple[Selection, pa.Table]:
    """Select, and return the chosen rows' id, source, scene and unit."""
    files = [
        path
        for name in names
        for path in sorted((out / _CANDIDATES / name).glob(f"{_OFFICIAL}-*-of-*.parquet"))
    ]
    table = pa.concat_tables(pq.ParquetFile(path).read(columns=list(_LEAVES)) for path in files)
    selection = select(table, per_task, shares, seed)
    chosen = table.take(pa.array(selection.indices))
    splits = set(chosen["split"].to_pylist())
    if splits - {_OFFICIAL}:
        raise AssertionError(f"a bench is of {_OFFICIAL} rows only, got {sorted(splits)}")
    unit = pc.struct_field(chosen["provenance"], "unit")
    return selection, chosen.select(["id", "source", "scene_id"]).append_column("unit", unit)


def _units(chosen: pa.Table) -> dict[str, dict[str, frozenset[str]]]:
    """Source -> unit -> ids, sorted."""
    found: dict[str, dict[str, set[str]]] = {}
    for row in chosen.to_pylist():
        found.setdefault(row["source"], {}).setdefault(row["unit"], set()).add(row["id"])
    return {
        name: {unit: frozenset(ids) for unit, ids in sorted(units.items())}
        for name, units in sorted(found.items())
    }


def _check_built(folder: Path, ids: frozenset[str], report: Report) -> None:
    """Fail where a question that was selected was not made again, and nobody was told."""
    made = {
        name
        for path in folder.glob(f"{SPLIT}-*-of-*.parquet")
        for name in pq.ParquetFile(path).read(columns=["id"])["id"].to_pylist()
    }
    missing = sorted(ids - made)
    if made - ids or (missing and not report.failed):
        raise AssertionError(
            f"{folder}: {len(missing)} selected questions were not built, first {missing[:1]}, "
            f"and {len(made - ids)} others were"
        )


def _remove_source(out: Path, name: str) -> None:
    """Remove what an earlier bench in this folder had of a source, or began to build of it."""
    for rest in out.glob(f".unfinished/{name}-*"):
        shutil.rmtree(rest)
    if (out / ".unfinished").is_dir() and not any((out / ".unfinished").iterdir()):
        (out / ".unfinished").rmdir()
    shards = list((out / name).glob(f"{SPLIT}-*-of-*.parquet"))
    for path in shards:
        path.unlink()
    if shards:
        (out / "reports" / f"{name}.json").unlink(missing_ok=True)
        if not any((out / name).iterdir()):
            (out / name).rmdir()


def _is_whole(report: BenchReport, out: Path) -> bool:
    return all(any((out / name).glob(f"{SPLIT}-*-of-*.parquet")) for name in report.built)


def _scenes_by_source(chosen: pa.Table) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, scene in sorted(scenes(chosen)):
        found.setdefault(source, []).append(scene)
    return found


def _fingerprint(name: str, root: Root, rows: RowConfig) -> str:
    source = open_source(name, root.data_dir, root.options)
    options = json.dumps(root.options, sort_keys=True, default=str)
    return build_fingerprint(source, rows, (_OFFICIAL,), options=options)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
