"""The questions of VLM4D as rows of a table, for ``load_dataset("stkit_bench", "vlm4d", …)``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .items import Item, load
from .prompt_forms import FORMS, prompts

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features

__all__ = ["features", "tables"]

_LETTERS = ("A", "B", "C", "D")
_ROWS_PER_TABLE = 100


def features() -> Features:
    """Return the types of the columns.

    ``video`` is the file where it is there below the data folder, null where it is not;
    ``video_path`` and ``video_url`` name it in either case. ``letters`` are those whose text is
    the answer.
    """
    from datasets import Features, List, Value, Video

    text = Value("string")
    return Features(
        {
            "id": text,
            "split": text,
            "group": text,
            "category": text,
            "question": text,
            "choices": dict.fromkeys(_LETTERS, text),
            "answer": text,
            "letters": List(text),
            "faults": List(text),
            **{f"prompt_{form}": text for form in FORMS},
            "video": Video(decode=False),
            "video_path": text,
            "video_url": text,
        }
    )


def tables(path: Path, data_dir: Path) -> Iterator[pa.Table]:
    """Yield the rows of one official file.

    Raises:
        FileError: the file breaks a rule.
    """
    import pyarrow as pa

    schema = features().arrow_schema
    items = load(path)
    for start in range(0, len(items), _ROWS_PER_TABLE):
        rows = [_row(item, data_dir) for item in items[start : start + _ROWS_PER_TABLE]]
        yield pa.Table.from_pylist(rows, schema=schema)


def _row(item: Item, data_dir: Path) -> dict[str, Any]:
    file = data_dir / item.video
    return {
        "id": item.id,
        "split": item.split,
        "group": item.group,
        "category": item.category,
        "question": item.question,
        "choices": {letter: item.choices.get(letter) for letter in _LETTERS},
        "answer": item.answer,
        "letters": list(item.letters),
        "faults": list(item.faults),
        **{f"prompt_{form}": prompts(item, form) for form in FORMS},
        "video": {"path": str(file.resolve()), "bytes": None} if file.is_file() else None,
        "video_path": item.video,
        "video_url": item.video_url,
    }
