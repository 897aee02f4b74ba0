"""One question's audit in text and picture: files, tokens, positions, arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stkit_datasets.audit import audit
from stkit_datasets.birds_eye import birds_eye_svg
from stkit_datasets.errors import SourceError

Row = Mapping[str, Any]


def find_row(data: Path, row_id: str) -> dict[str, Any]:
    """Find one row in a built folder or a Parquet file, without reading its videos.

    Raises:
        SourceError: there are no rows, the file is not one of ours, or no row has the id.
    """
    files = [data] if data.is_file() else sorted(data.rglob("*.parquet"))
    if not files:
        raise SourceError(data, "expected a built folder or a Parquet file of rows")
    for path in files:
        try:
            file = pq.ParquetFile(path)
            if "id" not in file.schema_arrow.names:
                raise SourceError(path, "no column 'id': not a file of STKit rows")
            ids = file.read(columns=["id"]).column("id").to_pylist()
            if row_id in ids:
                names = [name for name in file.schema_arrow.names if name != "video"]
                row: dict[str, Any] = (
                    file.read(columns=names).slice(ids.index(row_id), 1).to_pylist()[0]
                )
                return row
        except (pa.ArrowException, OSError) as error:
            raise SourceError(path, f"not a readable Parquet file: {error}") from error
    raise SourceError(data, f"no row has the id {row_id!r} ({len(files)} files searched)")


def explain(row: Row) -> str:
    """Return the audit of a row as text."""
    checked = audit(row)
    provenance = row["provenance"]
    tokens = provenance["tokens"]
    lines = [
        f"{row['id']}  {row['task']}  ({row['source']}, {row['split']})",
        f"clip {row['clip_id']}, camera {row['camera']}, {row['duration_s']:g} s at "
        f"{row['fps']:g} fps",
        f"question: {row['question']}",
        f"answer:   {row['answer']}",
        "",
        "computed from:",
        *[f"  {name}" for name in provenance["files"]],
        f"  {len(tokens)} annotations:",
        *[f"    {token}" for token in tokens],
        "",
        f"over {row['start_s']:.2f} s to {row['end_s']:.2f} s:",
        *checked.lines,
        "",
        f"target:     {checked.target}",
        f"recomputed: {checked.recomputed}  "
        + ("(agrees)" if checked.agrees else "(DIFFERS from the stored target)"),
    ]
    return "\n".join(lines)


def picture(row: Row) -> str:
    """Return the bird's-eye picture of a row as a stand-alone SVG."""
    return birds_eye_svg(row)
