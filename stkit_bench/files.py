"""Files of answers and references, checked line by line; writing is whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_bench.rows import TARGET_FIELDS, reference
from stkit_datasets.atomic import replacing, write_text

__all__ = [
    "Answers",
    "FileError",
    "read_answers",
    "read_jsonl",
    "read_references",
    "read_table",
    "write_text",
]

_ROWS_PER_BATCH = 100
#: Columns that neither scoring nor selecting needs, and that may be gigabytes.
_HEAVY = ("video", "messages", "prompt", "answer", "frames", "provenance", "timestamps_s")
#: What scores are broken down by, and what the baselines go by.
_ATTRIBUTES = (
    *("split", "scene_id", "camera", "form", "polarity", "fps", "duration_s", "domain"),
    *("occluded", "n_objects", "object_count", "camera_motion", "object_size"),
)


class FileError(ValueError):
    """A file breaks a rule; the message names the file, the line and the rule."""

    def __init__(self, path: Path, rule: str, line: int | None = None) -> None:
        self.path, self.rule, self.line = path, rule, line
        super().__init__(f"{path}: {rule}" if line is None else f"{path}:{line}: {rule}")

    def __reduce__(self) -> tuple[type[FileError], tuple[Path, str, int | None]]:
        return type(self), (self.path, self.rule, self.line)


@dataclass(frozen=True)
class Answers:
    """Responses beside their references, in the references' order.

    Attributes:
        responses: None where the file has no response to a question.
    """

    references: list[dict[str, Any]]
    responses: list[str | None]


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSONL file with their line numbers; blank lines are skipped.

    Raises:
        FileError: the file is missing or not UTF-8, or a line is not a JSON object.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(path, number, line)
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise FileError(path, f"must be UTF-8 text: {error.reason}") from error


def read_answers(path: Path, references: Sequence[Mapping[str, Any]] | None = None) -> Answers:
    """Read a JSONL file of answers.

    Args:
        path: each line is an object with ``id`` and ``response`` (text, or null for none) and,
            when no references are given, ``task``, ``target`` (or its fields) and ``question``.
        references: what the answers are to; each needs an ``id``. A question without a line has
            the response None. A line's own ``question`` goes before the reference's, as it is what
            was asked: it may be a paraphrase.

    Raises:
        FileError: the file and line, and the rule that is broken.
    """
    known = None if references is None else {r["id"]: n for n, r in enumerate(references)}
    seen: dict[str, int] = {}
    found: list[dict[str, Any]] = []
    responses: list[str | None] = [] if references is None else [None] * len(references)
    asked: dict[str, str] = {}
    for number, line in read_jsonl(path):
        identity, response = _answer(path, number, line)
        if identity in seen:
            raise FileError(path, f"id {identity!r} repeats line {seen[identity]}", number)
        seen[identity] = number
        if known is None:
            found.append(_own_reference(path, number, line))
            responses.append(response)
        elif identity in known:
            responses[known[identity]] = response
            if isinstance(line.get("question"), str):
                asked[identity] = line["question"]
        else:
            raise FileError(path, f"id {identity!r} is not among the references", number)
    if not seen:
        raise FileError(path, "holds no answers")
    if references is not None:
        found = [{**r, "question": asked.get(r["id"], r.get("question"))} for r in references]
    return Answers(found, responses)


def read_references(path: Path) -> list[dict[str, Any]]:
    """Read references from a JSONL file of rows, a Parquet file, or a folder of Parquet files.

    Raises:
        FileError: nothing is there, a row has no id or repeats one, or it breaks another rule.
    """
    numbered = list(_numbered_rows(path))
    found = []
    seen: set[Any] = set()
    for number, row in numbered:
        try:
            whole = reference(row)
        except ValueError as error:
            raise FileError(path, str(error), number) from error
        if whole["id"] is None:
            raise FileError(path, "a reference needs an id", number)
        if whole["id"] in seen:
            raise FileError(path, f"id {whole['id']!r} repeats an earlier row's", number)
        seen.add(whole["id"])
        found.append(whole)
    if not found:
        raise FileError(path, "holds no references")
    return found


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Read a Parquet file, or all Parquet files of a folder, as one pyarrow ``Table``.

    Args:
        path: file or folder.
        columns: those to read, where they exist; None reads all but the heavy ones.

    Raises:
        FileError: no Parquet is there, or it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.dataset as pads

    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise FileError(path, "holds no *.parquet file")
    try:
        dataset = pads.dataset([str(file) for file in files], format="parquet")
        names = dataset.schema.names
        kept = [n for n in names if (n not in _HEAVY if columns is None else n in columns)]
        return dataset.to_table(columns=kept)
    except (OSError, pa.ArrowException) as error:
        raise FileError(path, f"cannot be read as Parquet: {error}") from error


def write_selected(path: Path, out: Path, ids: frozenset[str]) -> None:
    """Copy the rows with these ids, in their order: Parquet to Parquet, JSONL to JSONL.

    Rows are streamed, so that videos never fill the memory.
    """
    parquet = path.is_dir() or path.suffix == ".parquet"
    if (out.suffix == ".parquet") != parquet:
        kind = "Parquet" if parquet else "JSONL"
        raise FileError(out, f"rows from {path} are written as {kind}: choose that suffix")
    if not parquet:
        kept = (row for _, row in read_jsonl(path) if str(row.get("id")) in ids)
        write_text(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
        return
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq

    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    dataset = pads.dataset([str(file) for file in files], format="parquet")
    wanted = pa.array(sorted(ids))
    with replacing(out) as unfinished, pq.ParquetWriter(unfinished, dataset.schema) as writer:
        for batch in dataset.to_batches(batch_size=_ROWS_PER_BATCH):
            rows = batch.filter(pc.is_in(batch["id"].cast(pa.string()), value_set=wanted))
            if rows.num_rows:
                writer.write_batch(rows)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise FileError(
            path, f"not valid JSON: {error.msg} at column {error.colno}", number
        ) from error
    except RecursionError as error:
        raise FileError(path, "not valid JSON: nested too deeply", number) from error
    if not isinstance(value, dict):
        raise FileError(path, f"must be a JSON object, got {type(value).__name__}", number)
    return value


def _answer(path: Path, number: int, line: Mapping[str, Any]) -> tuple[str, str | None]:
    for key in ("id", "response"):
        if key not in line:
            raise FileError(path, f"key {key!r} is missing", number)
    identity, response = line["id"], line["response"]
    if not isinstance(identity, str):
        raise FileError(path, f"id must be a text, got {identity!r}", number)
    if response is not None and not isinstance(response, str):
        raise FileError(path, f"response must be a text or null, got {response!r}", number)
    return identity, response


def _own_reference(path: Path, number: int, line: Mapping[str, Any]) -> dict[str, Any]:
    if "task" not in line and not isinstance(line.get("target"), Mapping):
        raise FileError(path, "key 'task' is missing (or give the references' file)", number)
    if "target" not in line and not any(line.get(name) is not None for name in TARGET_FIELDS):
        raise FileError(path, "key 'target' is missing (or give the references' file)", number)
    try:
        whole = reference({k: v for k, v in line.items() if k != "response"})
    except ValueError as error:
        raise FileError(path, str(error), number) from error
    return whole


def _numbered_rows(path: Path) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    if not path.exists():
        raise FileError(path, "does not exist")
    if path.is_dir() or path.suffix == ".parquet":
        for row in read_table(
            path,
            (
                *("id", "cluster", "source", "clip_id", "task", "question", "target"),
                *TARGET_FIELDS,
                *_ATTRIBUTES,
            ),
        ).to_pylist():
            yield None, row
    else:
        yield from read_jsonl(path)
