"""The dataset card of an export: a template, filled with what the export holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from stkit_datasets.config import FPS
from stkit_datasets.licences import labels, licence
from stkit_datasets.manifest import VIDEO_STATES, Exported, Manifest
from stkit_datasets.schema import features
from stkit_datasets.tasks.names import TASKS

if TYPE_CHECKING:
    from huggingface_hub import DatasetCardData

TEMPLATE = "dataset_card.md"

_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
_SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")


def template(name: str = TEMPLATE) -> str:
    """Return a card template: from the installed package, or from ``cards/`` of a checkout."""
    packaged = resources.files("stkit_datasets") / "cards" / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[1] / "cards" / name).read_text(encoding="utf-8")


def dataset_card(manifest: Manifest) -> str:
    """Return the README of an export; its YAML is what ``load_dataset`` and the Hub read."""
    sources = manifest.sources
    first = next(iter(sources))
    return Template(template()).substitute(
        yaml=f"---\n{_metadata(manifest).to_yaml()}\n---",
        version=manifest.version,
        fps=f"{FPS:g}",
        example_path="path/to/this/folder",
        example_source=first,
        example_split=next(iter(sources[first].splits)),
        sources_table=_sources_table(sources),
        video_notes=_video_notes(sources),
        tasks_table=_tasks_table(sources),
        licences_table=_licences_table(sources),
    )


def _metadata(manifest: Manifest) -> DatasetCardData:
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    sources = manifest.sources
    rows = sum(exported.size.rows for exported in sources.values())
    terms = labels(sources)
    data = DatasetCardData(
        language=["en"],
        license=terms[0] if len(terms) == 1 else terms,
        pretty_name="STKit",
        size_categories=[_SIZE_NAMES[sum(rows >= size for size in _SIZES)]],
        task_categories=["visual-question-answering"],
        tags=["video", "kinematics", "spatio-temporal reasoning", "autonomous driving"],
    )
    if "other" in terms:
        data["license_name"] = "terms-of-each-source"
    configs = {}
    infos = {}
    for name, exported in sources.items():
        splits = SplitDict()
        for split, size in exported.splits.items():
            splits.add(SplitInfo(split, num_bytes=size.arrow_bytes, num_examples=size.rows))
        configs[name] = {
            # The cache of `datasets` goes by this text, not by the files: see `built.rows_note`.
            "description": f"rows {manifest.fingerprint}",
            "data_files": [
                {"split": split, "path": f"{name}/{split}-*.parquet"} for split in exported.splits
            ],
        }
        infos[name] = DatasetInfo(
            config_name=name,
            features=features(),
            splits=splits,
            download_size=exported.size.file_bytes,
            dataset_size=exported.size.arrow_bytes,
        )
    MetadataConfigs(configs).to_dataset_card_data(data)
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data


def _sources_table(sources: Mapping[str, Exported]) -> str:
    body = []
    for name, exported in sources.items():
        rows = ", ".join(f"{split} {size.rows:,}" for split, size in exported.splits.items())
        size = f"{exported.size.file_bytes / 1e6:,.1f} MB"
        video = VIDEO_STATES[exported.video].partition(":")[0]
        body.append((f"`{name}`", licence(name).title, rows, video, size))
    return _table(("config", "made from", "rows", "video", "files"), body)


def _video_notes(sources: Mapping[str, Exported]) -> str:
    notes = []
    withheld = [name for name, exported in sources.items() if exported.video == "withheld"]
    if withheld:
        notes.append(
            f"Rows of {_names(withheld)} come without video, because the licence of the data does "
            "not let it be passed on. `frames` names the owner's files; with your own copy of the "
            "data, `stkit build` makes the same rows with video."
        )
    for name, exported in sources.items():
        if exported.named:
            notes.append(
                f"**The video of `{name}` is under {licence(name).terms}, which does not let it be "
                "passed on to just anybody.** Whoever made this export named the source to have it "
                "in, and vouched for being allowed to. Do not pass it on without reading the terms."
            )
    built_without = [name for name, exported in sources.items() if exported.video == "none"]
    if built_without:
        notes.append(f"Rows of {_names(built_without)} were built without video.")
    return "\n\n".join(notes) or "Every row holds its video."


def _tasks_table(sources: Mapping[str, Exported]) -> str:
    body = [
        (
            f"`{task}`",
            *(f"{exported.questions.get(str(task), 0):,}" for exported in sources.values()),
        )
        for task in TASKS
    ]
    return _table(("task", *(f"`{name}`" for name in sources)), body)


def _licences_table(sources: Mapping[str, Exported]) -> str:
    body = []
    for name in sources:
        terms = licence(name)
        body.append((f"`{name}`", terms.title, terms.terms, str(terms.rows)))
    return _table(("config", "data", "terms", "passing on rows"), body)


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
