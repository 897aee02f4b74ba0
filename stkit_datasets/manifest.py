"""What an export says of itself: ``export.json``, by which it is known, resumed and published."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stkit_datasets import atomic
from stkit_datasets.errors import SourceError

MANIFEST = "export.json"
CARD = "README.md"
FORMAT = 1
"""Raise it whenever an export of the same rows gets other bytes."""

VIDEO_STATES = {
    "embedded": "video embedded",
    "withheld": "annotations only: the licence does not let the video be passed on",
    "none": "annotations only: built without video",
}


@dataclass(frozen=True)
class SplitSize:
    """How large a split is: rows, files, their bytes, and the bytes of the rows in memory."""

    rows: int = 0
    shards: int = 0
    file_bytes: int = 0
    arrow_bytes: int = 0

    def __add__(self, other: SplitSize) -> SplitSize:
        return SplitSize(
            self.rows + other.rows,
            self.shards + other.shards,
            self.file_bytes + other.file_bytes,
            self.arrow_bytes + other.arrow_bytes,
        )


@dataclass(frozen=True)
class Exported:
    """What was exported of one source.

    Attributes:
        video: a key of ``VIDEO_STATES``.
        named: whether video went in because the user named this source.
        splits: split -> size.
        questions: task -> rows.
    """

    video: str
    named: bool
    splits: dict[str, SplitSize]
    questions: dict[str, int]

    @property
    def size(self) -> SplitSize:
        """All splits together."""
        return sum(self.splits.values(), SplitSize())


@dataclass(frozen=True)
class Manifest:
    """What an export holds.

    Attributes:
        version: of STKit.
        fingerprint: of all that decided its bytes.
        sources: source -> what was exported of it.
        files: path of a shard in the export -> bytes.
    """

    version: str
    fingerprint: str
    sources: dict[str, Exported]
    files: dict[str, int]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of an export.

        Raises:
            SourceError: the folder is no finished export, or its manifest is broken.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise SourceError(
                path, "missing; expected a folder that `stkit export` has written and finished"
            ) from error
        except (OSError, ValueError) as error:
            raise SourceError(path, f"must be JSON: {error}") from error
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            raise SourceError(path, f"format must be {FORMAT}, got {found!r}; export again")
        try:
            return cls(
                str(content["version"]),
                str(content["fingerprint"]),
                {name: _exported(values) for name, values in content["sources"].items()},
                {str(name): int(size) for name, size in content["files"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(path, f"not a manifest of an export: {error!r}") from error

    def write(self, folder: Path) -> None:
        """Write the manifest, atomically."""
        content = {"format": FORMAT, **asdict(self)}
        atomic.write_text(folder / MANIFEST, json.dumps(content, indent=2, sort_keys=True) + "\n")

    def is_whole(self, folder: Path) -> bool:
        """Whether the card and all shards stand there in their sizes."""
        return (folder / CARD).is_file() and all(
            (folder / name).is_file() and (folder / name).stat().st_size == size
            for name, size in self.files.items()
        )

    def to_text(self) -> str:
        """Return lines for a terminal."""
        total = sum(self.files.values())
        lines = [f"{len(self.files)} shards, {total / 1e6:,.1f} MB"]
        for name, exported in self.sources.items():
            lines.append(f"{name}: {exported.size.rows:,} rows, {VIDEO_STATES[exported.video]}")
        return "\n".join(lines)


def _exported(values: dict[str, Any]) -> Exported:
    if values["video"] not in VIDEO_STATES:
        raise ValueError(f"video must be one of {', '.join(VIDEO_STATES)}")
    splits = {name: SplitSize(**size) for name, size in values["splits"].items()}
    questions = {str(task): int(count) for task, count in values["questions"].items()}
    return Exported(values["video"], bool(values["named"]), splits, questions)
