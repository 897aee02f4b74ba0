"""What a language model read before, on disk: asked once by (model, prompt, response).

One SQLite file in a folder. Every entry is committed by itself, so a kill loses nothing that was
paid for, and several processes may use the folder at once. Failures are never kept.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from pathlib import Path

__all__ = ["CacheError", "ReadingCache"]

_FILE = "readings-1.sqlite"
_BUSY_S = 60.0
_CREATE = """
CREATE TABLE IF NOT EXISTS readings (
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    digest BLOB NOT NULL,
    response TEXT NOT NULL,
    reply TEXT NOT NULL,
    PRIMARY KEY (model, prompt, digest)
) WITHOUT ROWID
"""
_GET = "SELECT reply FROM readings WHERE model = ? AND prompt = ? AND digest = ?"
_PUT = "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?, ?)"


class CacheError(ValueError):
    """The folder or its file cannot be used; the message names it."""


class ReadingCache:
    """Replies by model, prompt and response; safe for threads and for several processes.

    Args:
        folder: where the file lies; made where it is missing.

    Raises:
        CacheError: the folder cannot be written, or the file is no cache.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / _FILE
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            # Where the file system cannot share memory SQLite stays with its older journal.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute(_CREATE)
        except (OSError, sqlite3.Error) as error:
            raise CacheError(f"{self.path}: is no cache of readings: {error}") from error

    def get(self, model: str, prompt: str, response: str) -> str | None:
        """Return what was replied, or None."""
        try:
            with self._lock:
                key = (model, prompt, _digest(response))
                row = self._database.execute(_GET, key).fetchone()
        except sqlite3.Error as error:
            raise CacheError(f"{self.path}: cannot be read: {error}") from error
        return None if row is None else str(row[0])

    def put(self, model: str, prompt: str, response: str, reply: str) -> None:
        """Keep a reply; the first one to a response stays. On disk when this returns."""
        entry = (model, prompt, _digest(response), _text(response), _text(reply))
        try:
            with self._lock:
                self._database.execute(_PUT, entry)
        except sqlite3.Error as error:
            raise CacheError(f"{self.path}: cannot be written: {error}") from error

    def __len__(self) -> int:
        with self._lock:
            return int(self._database.execute("SELECT COUNT(*) FROM readings").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


def _digest(response: str) -> bytes:
    return hashlib.sha256(response.encode("utf-8", "surrogatepass")).digest()


def _text(text: str) -> str:
    # Half of a surrogate pair, from broken JSON, is no text that a file can hold.
    return text.encode("utf-8", "replace").decode()
