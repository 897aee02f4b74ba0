"""Files that are either whole or absent: temporary file in the same folder, fsync, rename.

Files of lines that grow as a run goes on are the exception: of them whole lines are kept.
"""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the place of ``path`` when the block ends well.

    On any error, an interrupt included, the temporary file is removed and ``path`` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.name}.{_owner()}.", suffix=".tmp"
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # mkstemp makes private files; a finished one follows the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file in UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cut_half_line(descriptor: int) -> None:
    """Take away what a killed run left of a file's last line, or the next one would join it.

    Args:
        descriptor: of the file, open for reading and writing.
    """
    size = os.fstat(descriptor).st_size
    end = size
    while end:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of this machine's processes that were killed; others may be alive."""
    for path in folder.glob(f".*.{_HOST}-*.tmp"):
        process = path.name.split(".")[-3].rpartition("-")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            path.unlink(missing_ok=True)


_BLOCK_BYTES = 65536
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _owner() -> str:
    return f"{_HOST}-{os.getpid()}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
