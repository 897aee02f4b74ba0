"""What every command that asks an OpenAI-compatible endpoint is told on the command line."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from stkit_datasets.model_clients.options import add_endpoint_options

if TYPE_CHECKING:
    from stkit_bench.run.budget import Budget

__all__ = [
    "add_connection_options",
    "add_extra_body_option",
    "add_spending_options",
    "budget_of",
    "extra_body_of",
    "temperature_of",
]


def add_connection_options(group: Any, per: str) -> None:
    """Add where the endpoint is and how it is asked; ``per`` is what attempts are counted for."""
    add_endpoint_options(group, per)
    group.add_argument(
        "--temperature",
        default="0",
        metavar="T",
        help="default: 0; the word default leaves it to the endpoint",
    )


def add_extra_body_option(group: Any) -> None:
    """Add fields that a server understands beside the common ones."""
    group.add_argument(
        "--extra-body", default="{}", metavar="JSON", help="more fields of every request"
    )


def add_spending_options(group: Any, of: str) -> None:
    """Add what may be spent; ``of`` is what is counted, in the plural."""
    group.add_argument("--max-tokens-total", type=int, metavar="N", help=f"of all {of}")
    group.add_argument("--max-cost", type=float, metavar="X", help=f"of all {of}")
    group.add_argument("--price-in", type=float, metavar="X", help="of a million tokens read")
    group.add_argument("--price-out", type=float, metavar="X", help="of a million tokens written")


def temperature_of(options: argparse.Namespace) -> float | None:
    """Read ``--temperature``; None leaves it to the endpoint.

    Raises:
        ValueError: it is neither a number nor the word ``default``.
    """
    text = options.temperature
    if text == "default":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--temperature must be a number or default, got {text!r}") from None


def extra_body_of(options: argparse.Namespace) -> dict[str, Any]:
    """Read ``--extra-body``.

    Raises:
        ValueError: it is not a JSON object.
    """
    text = options.extra_body
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--extra-body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"--extra-body must be a JSON object, got {text}")
    return value


def budget_of(options: argparse.Namespace) -> Budget:
    """Read what ``add_spending_options`` added.

    Raises:
        ValueError: one of the two prices is missing.
    """
    from stkit_bench.run.budget import Budget, Prices

    price_in, price_out = options.price_in, options.price_out
    if (price_in is None) != (price_out is None):
        raise ValueError("give both --price-in and --price-out, or neither")
    prices = None if price_in is None else Prices(price_in, price_out)
    return Budget(options.max_tokens_total, options.max_cost, prices)
