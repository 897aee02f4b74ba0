"""Every source, every kind of damage: an error that names the file, or nothing lost unsaid.

The files of each source's own tests are damaged one at a time: cut, emptied, replaced by something
else, single bits turned, columns taken away, values of another type. What each source says of
broken values is told by its own tests; here no source and no annotation file may be forgotten.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import argoverse2_maker
import ego_exo4d_maker
import gta_maker
import numpy as np
import nuplan_maker
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import test_source_bdd100k
import test_source_llava_video
import test_source_multisports
import vkitti2_maker
import waymo_maker
from nuscenes_tables_maker import write_release

from stkit_datasets.errors import SourceError, StkitError
from stkit_datasets.sources import SOURCES, open_source
from stkit_datasets.sources.base import SPLITS

MAKERS: dict[str, Callable[[Path], object]] = {
    "argoverse2": lambda root: argoverse2_maker.make_log(root, n_sweeps=31),
    "bdd100k": test_source_bdd100k.make,
    "ego_exo4d": lambda root: ego_exo4d_maker.make_take(root, duration_s=4.0, n_frames=110),
    "gta": lambda root: gta_maker.make_sequence(root, n_frames=40),
    "llava_video": test_source_llava_video.make,
    "multisports": test_source_multisports.make,
    "nuplan": lambda root: nuplan_maker.make_log(root / "nuplan-v1.1"),
    "nuscenes": lambda root: write_release(
        root / "d", "v1.0-trainval", ["scene-0003"], sweeps=False
    ),
    "vkitti2": vkitti2_maker.make_scene,
    "waymo": lambda root: waymo_maker.make_segment(root, n_frames=31),
}
FOLDERS = {"nuscenes": "d", "nuplan": "nuplan-v1.1"}
# Made on the spot from no file; the user's own format, damaged in test_source_custom.py.
WITHOUT = {"simulation", "custom"}


def test_no_source_is_forgotten() -> None:
    assert set(MAKERS) | WITHOUT == set(SOURCES)


@dataclass(frozen=True)
class Reading:
    """How much was read, how much was skipped and counted, and a digest of every number."""

    clips: int
    skipped: int
    digest: str


class Data:
    """A source's small data folder, its annotation files, and what it reads as."""

    def __init__(self, name: str, root: Path) -> None:
        MAKERS[name](root)
        self.name = name
        self.folder = root / FOLDERS.get(name, "")
        source = open_source(name, self.folder)
        found = {
            path for split in SPLITS if source.units(split) for path in source.index_files(split)
        }
        # One of many numbered files stands for the others.
        alike = {re.sub(r"\d", "#", str(path)): path for path in sorted(found, reverse=True)}
        self.files = sorted(path for path in alike.values() if path.is_file())
        self.whole = self.read()
        assert self.files
        assert self.whole.clips > 0

    def read(self) -> Reading:
        """Read everything."""
        source = open_source(self.name, self.folder)
        content = hashlib.sha256()
        clips = skipped = 0
        for split in SPLITS:
            for unit in source.units(split):
                result = source.read(split, unit)
                skipped += len(result.skipped)
                for clip in result.clips:
                    clips += 1
                    tracks = clip.tracks
                    text = (clip.clip_id, clip.camera, tracks.track_ids, tracks.categories)
                    content.update(re.sub(r"\s+", " ", repr(text)).encode())
                    for array in (
                        clip.timestamps_s, tracks.centers_m, tracks.sizes_lwh_m, clip.boxes_px,
                        tracks.rotations_wxyz, clip.camera_SE3_world,
                    ):  # fmt: skip
                        content.update(b"" if array is None else np.ascontiguousarray(array))
        return Reading(clips, skipped, content.hexdigest())

    def outcome(self, path: Path, damaged: bytes) -> Reading | StkitError:
        """Read with one file damaged; whatever is neither a reading nor a named error raises."""
        whole = path.read_bytes()
        path.write_bytes(damaged)
        try:
            return self.read()
        except StkitError as error:
            return error
        finally:
            path.write_bytes(whole)


@pytest.fixture(scope="module", params=MAKERS)
def data(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Data]:
    root = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STKIT_CACHE", str(root / "cache"))
        yield Data(request.param, root)


def names(error: object, path: Path) -> bool:
    return isinstance(error, SourceError) and path.name in str(error)


@pytest.mark.parametrize("kind", ["empty", "cut", "another format"])
def test_a_file_that_is_not_whole_is_named(data: Data, kind: str) -> None:
    for path in data.files:
        whole = path.read_bytes()
        damaged = {
            "empty": b"",
            "cut": whole[: len(whole) // 2].rstrip(b" \r\n0123456789"),
            "another format": b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        }[kind]
        outcome = data.outcome(path, damaged)
        if (data.name, kind, path.parents[1].name) == ("gta", "empty", "bb"):
            continue  # a frame without objects is published as an empty file
        assert names(outcome, path), f"{path}: {outcome}"


def test_a_bit_that_turned_is_a_named_error_or_a_reading(data: Data) -> None:
    places = random.Random(0)
    for path in data.files:
        whole = path.read_bytes()
        for _ in range(12):
            damaged = bytearray(whole)
            damaged[places.randrange(len(whole))] ^= 1 << places.randrange(8)
            outcome = data.outcome(path, bytes(damaged))
            assert isinstance(outcome, Reading) or names(outcome, path), f"{path}: {outcome!r}"


def test_a_column_that_is_missing_or_of_another_type_is_named_or_not_needed(data: Data) -> None:
    tried = 0
    for path in data.files:
        for what, damaged in column_damages(path):
            outcome = data.outcome(path, damaged)
            tried += 1
            said = isinstance(outcome, Reading) and outcome.skipped > data.whole.skipped
            assert outcome == data.whole or said or names(outcome, path), f"{what}: {outcome!r}"
    assert tried > 3


def column_damages(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (what was done, contents) for every column of a table."""
    if path.suffix in (".feather", ".parquet"):
        yield from _arrow_damages(path)
    elif path.suffix == ".json":
        yield from _json_damages(path)
    elif path.suffix == ".db":
        yield from _database_damages(path)
    elif path.suffix in (".csv", ".txt"):
        yield from _text_damages(path)


def _arrow_damages(path: Path) -> Iterator[tuple[str, bytes]]:
    feather = path.suffix == ".feather"
    table = (pa.feather.read_table if feather else pa.parquet.read_table)(path)
    for place, name in enumerate(table.column_names):
        kind = table.schema.field(name).type
        wrong = pa.array([7] * len(table)) if pa.types.is_string(kind) else ["x"] * len(table)
        for what, other in (
            (f"without {name}", table.drop_columns([name])),
            (f"other {name}", table.set_column(place, name, pa.array(wrong))),
        ):
            buffer = io.BytesIO()
            if feather:
                pa.feather.write_feather(other, buffer, compression="uncompressed")
            else:
                pa.parquet.write_table(other, buffer)
            yield what, buffer.getvalue()


def _json_damages(path: Path) -> Iterator[tuple[str, bytes]]:
    def first(content):
        while isinstance(content, list):
            content = content[0]
        return content

    text = path.read_text()
    for key in first(json.loads(text)):
        renamed, wrong = json.loads(text), json.loads(text)
        first(renamed)[f"{key}_"] = first(renamed).pop(key)
        first(wrong)[key] = {"of": "another type"}
        yield f"without {key}", json.dumps(renamed).encode()
        yield f"other {key}", json.dumps(wrong).encode()


def _text_damages(path: Path) -> Iterator[tuple[str, bytes]]:
    text = path.read_text()
    head, _, body = text.partition("\n")
    sign = "," if path.suffix == ".csv" else " "
    columns = head.split(sign)
    if any(re.fullmatch(r"-?[\d.]+", column.strip()) for column in columns):
        return  # no header: columns have no names that could be missing
    for place, name in enumerate(columns):
        renamed = sign.join([*columns[:place], f"{name.strip()}_", *columns[place + 1 :]])
        yield f"without {name}", f"{renamed}\n{body}".encode()
        first, _, rest = body.partition("\n")
        values = first.split(sign)
        if re.fullmatch(r"-?[\d.]+", values[place].strip()):
            values[place] = "of-another-type"
            yield f"other {name}", f"{head}\n{sign.join(values)}\n{rest}".encode()


def _database_damages(path: Path) -> Iterator[tuple[str, bytes]]:
    whole = path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        columns = connection.execute(
            "SELECT m.name, p.name, p.type FROM sqlite_master m, pragma_table_info(m.name) p "
            "WHERE m.type = 'table'"
        ).fetchall()
    for table, column, kind in columns:
        changes = {"without": f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_"'}
        # A token of another value is another token: whom it may refer to is no matter of types.
        if kind != "TEXT" and not column.endswith("token"):
            changes["other"] = f'UPDATE "{table}" SET "{column}" = \'of another type\''
        for what, change in changes.items():
            with closing(sqlite3.connect(":memory:")) as connection:
                connection.deserialize(whole)
                connection.execute(change)
                connection.commit()
                yield f"{what} {table}.{column}", connection.serialize()
