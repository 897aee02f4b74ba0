"""Where an endpoint is and how it is asked, as options of a command."""

from __future__ import annotations

from typing import Any


def add_endpoint_options(group: Any, per: str) -> None:
    """Add them to a parser or a group of one; ``per`` is what attempts are counted for."""
    group.add_argument("--base-url", help="such as http://localhost:8000/v1; default: OpenAI's")
    group.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="environment variable that holds the key (default: OPENAI_API_KEY)",
    )
    group.add_argument("--concurrency", type=int, default=8, help="requests at once (default: 8)")
    group.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="of an attempt (default: 120 s)"
    )
    group.add_argument("--attempts", type=int, default=6, help=f"per {per} (default: 6)")
