"""Checkpoints that are whole, or are not taken for checkpoints.

A checkpoint is many files from many processes. The last act of writing one is a small file that
says that all others were written; a folder without it was cut short, by a kill or a full disk, and
a resumed run passes over it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path

logger = logging.getLogger(__name__)

MARKER = "checkpoint_is_whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")


def mark_whole(folder: Path) -> None:
    """Say that a checkpoint is whole, once all its files are on the disk.

    The marker lists the files with their sizes, so that a file that is lost or cut later shows.
    """
    sizes = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MARKER:
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    beside = folder / f"{MARKER}.tmp"
    with beside.open("w", encoding="utf-8") as file:
        json.dump({"files": sizes}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, folder / MARKER)


def is_whole(folder: Path) -> bool:
    """Tell whether a checkpoint has its marker and every file that the marker lists."""
    try:
        sizes = json.loads((folder / MARKER).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in sizes.items()
    )


def last_whole(output_dir: Path) -> Path | None:
    """Return the newest whole checkpoint, or None; the ones passed over are logged."""
    found = []
    for folder in output_dir.glob("checkpoint-*"):
        match = _NAME.fullmatch(folder.name)
        if match and folder.is_dir():
            found.append((int(match[1]), folder))
    for _, folder in sorted(found, reverse=True):
        if is_whole(folder):
            return folder
        logger.warning("%s is not whole and is passed over", folder)
    return None


def remove_broken(output_dir: Path) -> list[Path]:
    """Remove checkpoints that are not whole, as a new one of the same name would mix with them."""
    broken = [p for p in output_dir.glob("checkpoint-*") if p.is_dir() and not is_whole(p)]
    for folder in broken:
        shutil.rmtree(folder)
    return broken


def global_step(folder: Path) -> int:
    """Return the optimizer steps that a checkpoint has behind it."""
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    return int(state["global_step"])
