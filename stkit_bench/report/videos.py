"""Videos of rows as ``data:`` URIs, as many as a page can carry."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from stkit_bench.report.data import Row

__all__ = ["MAX_VIDEO_BYTES", "video_uris"]

#: All videos of a page together; as base64 they take a third more.
MAX_VIDEO_BYTES = 16_000_000

_WEBM = b"\x1a\x45\xdf\xa3"


def video_uris(rows: Sequence[Row], budget: int = MAX_VIDEO_BYTES) -> list[tuple[str | None, str]]:
    """Return for each row its video as a URI, or None and why there is none.

    Rows that ask about the same objects share a video, but a page must carry it once a row.
    """
    found: list[tuple[str | None, str]] = []
    for row in rows:
        content = _content(row)
        kind = None if content is None else _kind(content)
        if content is None:
            found.append((None, "This row was built without video."))
        elif kind is None:
            found.append((None, "This row’s video is neither MP4 nor WebM."))
        elif len(content) > budget:
            found.append((None, "Left out to keep the page small; the row holds the video."))
        else:
            budget -= len(content)
            found.append((f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}", ""))
    return found


def _content(row: Row) -> bytes | None:
    video = row.get("video")
    content = video.get("bytes") if isinstance(video, dict) else video
    return content if isinstance(content, bytes) and content else None


def _kind(content: bytes) -> str | None:
    if content[4:8] == b"ftyp":
        return "video/mp4"
    return "video/webm" if content.startswith(_WEBM) else None
