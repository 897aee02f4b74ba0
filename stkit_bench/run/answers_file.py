"""The answers file: one fsynced line a question, whatever happens, and the bench's order at last.

Beside ``answers.jsonl`` stand ``answers.run.json``, what decides the answers, and
``answers.timing.jsonl``, what differs from run to run. Other processes of one run write
``answers.part-00001.jsonl`` and so on, which the first process joins to the file at the end.
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stkit_bench.files import FileError
from stkit_bench.run.settings import RunError, differences
from stkit_datasets.atomic import cut_half_line, write_text

__all__ = ["AnswersFile", "claim_settings", "read_kept"]

#: Of ``answers.run.json``; the first did not say which boxes and videos were asked about.
_FORMAT = 2


class AnswersFile:
    """Answers as they come, in the order in which they come.

    Args:
        path: the answers file.
        rank: of this process, from 0.

    Raises:
        RunError: another process writes to the same file.
    """

    def __init__(self, path: Path, rank: int = 0) -> None:
        self.path = path
        self._own = path if rank == 0 else _part(path, rank)
        self._own.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._own, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            cut_half_line(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        timing = path.with_name(f"{path.stem}.timing.jsonl")
        # Lines are short and appended whole, so that several processes can share this file.
        self._timing = os.open(timing, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, lines: Sequence[Mapping[str, Any]], timings: Iterable[Mapping[str, Any]]) -> None:
        """Write the answers of one batch; when this returns they survive a kill and a power cut."""
        _write(self._descriptor, "".join(map(_line, lines)))
        os.fsync(self._descriptor)
        _write(self._timing, "".join(map(_line, timings)))

    def close(self) -> None:
        """Let another run write."""
        os.close(self._descriptor)
        os.close(self._timing)

    def finish(self, ids: Sequence[str]) -> None:
        """Rewrite the file in the bench's order, one line a question, parts of others joined.

        For the first process, when all are done.
        """
        kept = read_kept(self.path)
        write_text(self.path, "".join(_line(kept[i]) for i in ids if i in kept))
        for part in _parts(self.path):
            part.unlink()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{self._own}: another run is writing to it") from error
        # A run that ended just now has put a new file in the place of the one opened here.
        if os.fstat(self._descriptor).st_ino != self._own.stat().st_ino:
            raise RunError(f"{self._own}: another run has just finished it; start again")


def read_kept(path: Path) -> dict[str, dict[str, Any]]:
    """Return the line of every question that was asked, the parts of other processes included.

    Of several lines to one question a response goes before a failure, and a later line before an
    earlier one. A last line that a kill cut short is not there.

    Raises:
        FileError: a line is no answer.
    """
    kept: dict[str, dict[str, Any]] = {}
    for file in (path, *_parts(path)):
        if not file.exists():
            continue
        for number, line in _whole_lines(file):
            identity = line.get("id")
            if not isinstance(identity, str) or not {"response", "error"} <= line.keys():
                raise FileError(file, "is no line of an answers file of `stkit-bench run`", number)
            earlier = kept.get(identity)
            if earlier is None or line["error"] is None or earlier["error"] is not None:
                kept[identity] = line
    return kept


def claim_settings(path: Path, settings: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Write down what decides the answers, or check that it is what was written down.

    Args:
        path: the answers file.
        settings: what decides the answers.
        told: what else a reader wants to know.

    Raises:
        RunError: the file was started with other settings, and the message says which differ, or
            by a version that wrote less of them down.
    """
    sidecar = path.with_name(f"{path.stem}.run.json")
    if not sidecar.exists():
        if path.exists() and path.stat().st_size:
            raise RunError(f"{path}: exists, but {sidecar.name} does not; choose another --out")
        heads = {"format": _FORMAT, **told}
        text = json.dumps({**heads, "settings": settings}, indent=2, ensure_ascii=False)
        write_text(sidecar, text + "\n")
        return
    try:
        read = json.loads(sidecar.read_text(encoding="utf-8"))
        old, written = read["settings"], read.get("format", 1)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{sidecar}: is not what a run wrote: {error}") from error
    if written != _FORMAT:
        raise RunError(
            f"{path}: was started by another version of STKit: {sidecar.name} is of format "
            f"{written}, now {_FORMAT}, so what it asked cannot be held against what is asked now. "
            "Finish it with that version, or choose another --out"
        )
    found = differences(old, settings)
    if found:
        listed = "; ".join(f"{name} was {a!r}, now {b!r}" for name, a, b in found)
        raise RunError(f"{path}: was started with other settings: {listed}. Choose another --out")


def _whole_lines(file: Path) -> Iterable[tuple[int, dict[str, Any]]]:
    data = file.read_bytes()
    if data and not data.endswith(b"\n"):
        # Only the last line can be half, as every write ends in a line's end.
        data = data[: data.rfind(b"\n") + 1]
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            value = json.loads(line)
        except ValueError as error:
            raise FileError(file, f"not valid JSON: {error}", number) from error
        if not isinstance(value, dict):
            raise FileError(file, f"must be a JSON object, got {type(value).__name__}", number)
        yield number, value


def _part(path: Path, rank: int) -> Path:
    return path.with_name(f"{path.stem}.part-{rank:05d}{path.suffix}")


def _parts(path: Path) -> list[Path]:
    name = f"{glob.escape(path.stem)}.part-{'[0-9]' * 5}{path.suffix}"
    return sorted(path.parent.glob(name))


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _write(descriptor: int, text: str) -> None:
    data = memoryview(text.encode())
    while data:
        data = data[os.write(descriptor, data) :]
