"""Records of a JSON list or of JSON lines, read one at a time: the file may be tens of gigabytes.

OpenSpatialDataset is one list of 32 GB. The file is parsed once, piece by piece, to find where each
record lies; those places are kept in a cache beside other caches, so that later runs start at once
and a worker reads only the records that it needs.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.seeding import stable_hex

_PIECE_BYTES = 1 << 22
_LARGEST_RECORD = 1 << 27
_LAYOUT = 1
_BETWEEN = re.compile(r"[ \t\r\n,]*")


def cache_folder() -> Path:
    """Return where places of records are kept: ``$STKIT_CACHE``, or ``~/.cache/stkit``."""
    return Path(os.environ.get("STKIT_CACHE") or Path.home() / ".cache" / "stkit")


class JsonRecords:
    """The objects of one file, by number.

    Args:
        path: a JSON list of objects, or one object a line.

    Raises:
        ValueError: the file is missing, or is neither; the message names the place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ValueError(f"{path}: no such file")
        self._places = _cached_places(path)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> dict[str, Any]:
        start, length = (int(value) for value in self._places[number])
        with self.path.open("rb") as file:
            file.seek(start)
            record = json.loads(file.read(length))
        return dict(record)


def iterate(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file in order, without finding their places first."""
    for record, _, _ in _parsed(path):
        yield record


def _cached_places(path: Path) -> NDArray[np.int64]:
    state = path.stat()
    name = stable_hex(_LAYOUT, str(path.resolve()), state.st_size, state.st_mtime_ns)
    cached = cache_folder() / "json_records" / f"{name}.npy"
    if cached.is_file():
        return np.load(cached, allow_pickle=False)
    places = np.array([(start, end - start) for _, start, end in _parsed(path)], np.int64)
    places = places.reshape(-1, 2)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cached.parent, suffix=".tmp", delete=False) as file:
        np.save(file, places)
    os.replace(file.name, cached)
    return places


def _parsed(path: Path) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Yield every object with the bytes from which and to which it reaches."""
    decode = json.JSONDecoder().raw_decode
    reader = codecs.getincrementaldecoder("utf-8-sig")()
    text, at, ended, is_list, begun = "", 0, False, False, False
    with path.open("rb") as file:
        place = 3 if file.read(3) == codecs.BOM_UTF8 else 0
        file.seek(0)
        while True:
            skipped = len(_BETWEEN.match(text, at)[0])  # type: ignore[index]
            at, place = at + skipped, place + skipped
            if not begun and at < len(text):
                begun, is_list = True, text[at] == "["
                at, place = at + is_list, place + is_list
                continue
            if is_list and text[at : at + 1] == "]":
                return
            end = -1
            try:
                if at < len(text):
                    record, end = decode(text, at)
            except json.JSONDecodeError as error:
                if ended or len(text) - at > _LARGEST_RECORD:
                    raise ValueError(f"{path}: not JSON near byte {place}: {error}") from error
            if end == -1 or (end == len(text) and not ended):
                if ended:
                    if is_list:
                        raise ValueError(f"{path}: the list has no end")
                    return
                piece = file.read(_PIECE_BYTES)
                ended = not piece
                text, at = text[at:] + reader.decode(piece, final=ended), 0
                continue
            if not isinstance(record, dict):
                raise ValueError(f"{path}: expected objects, found {type(record).__name__}")
            length = len(text[at:end].encode())
            yield record, place, place + length
            at, place = end, place + length
