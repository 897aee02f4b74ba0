"""Who reads responses, by name: ``rules``, or ``llm:MODEL`` for a language model.

The rules need nothing and are the default. Everything that scores a file of answers goes through
:func:`open_reader`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stkit_bench.reading import READER_VERSION, Reading, read_response

if TYPE_CHECKING:
    from stkit_bench.reading.llm import LlmReader, LlmReport

__all__ = ["Reader", "RulesReader", "add_llm_options", "open_reader", "read_all", "report_text"]

_LLM = "llm:"


class Reader(Protocol):
    """Turns responses into readings."""

    @property
    def name(self) -> str:
        """What readings are filed under: ``rules`` or ``llm:MODEL``."""

    def describe(self) -> dict[str, Any]:
        """Return what decides the readings, as plain values that JSON can hold."""

    def read(
        self,
        tasks: Sequence[str],
        responses: Sequence[str | None],
        questions: Sequence[str | None],
    ) -> list[Reading | None]:
        """Return one reading per response, None for None."""

    def close(self) -> None:
        """Free what is held."""


class RulesReader:
    """The rules, deterministic and without a network."""

    name = "rules"

    def describe(self) -> dict[str, Any]:
        """Return the name and the version."""
        return {"name": "rules", "version": READER_VERSION}

    def read(
        self,
        tasks: Sequence[str],
        responses: Sequence[str | None],
        questions: Sequence[str | None],
    ) -> list[Reading | None]:
        """Return one reading per response, None for None."""
        return [
            None if response is None else read_response(task, response, question)
            for task, response, question in zip(tasks, responses, questions, strict=True)
        ]

    def close(self) -> None:
        """Hold nothing."""


def read_all(
    reader: Reader,
    references: Sequence[Mapping[str, Any]],
    responses: Sequence[str | None],
) -> list[Reading | None]:
    """Read one response per reference; of a reference only its task and question are used."""
    tasks = [reference["task"] for reference in references]
    questions = [reference.get("question") for reference in references]
    return reader.read(tasks, responses, questions)


def open_reader(name: str, options: argparse.Namespace | None = None) -> Reader:
    """Return the reader of this name.

    Args:
        name: ``rules``, or ``llm:MODEL``.
        options: what :func:`add_llm_options` added; needed for ``llm:MODEL``.

    Raises:
        ValueError: the name is unknown, or a language model is to read without ``--cache``.
    """
    if name == "rules":
        return RulesReader()
    model = name.removeprefix(_LLM)
    if not name.startswith(_LLM) or not model:
        raise ValueError(f"a reader is rules or llm:MODEL, got {name!r}")
    if options is None or options.cache is None:
        raise ValueError(f"{name} needs --cache DIR, so that a response is asked about only once")
    return _llm(model, options)


def add_llm_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``llm:MODEL`` needs."""
    group = parser.add_argument_group("readers llm:MODEL")
    group.add_argument("--cache", type=Path, metavar="DIR", help="where replies are kept")
    group.add_argument("--base-url", help="such as http://localhost:8000/v1; default: OpenAI's")
    group.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        metavar="NAME",
        help="environment variable that holds the key (default: OPENAI_API_KEY)",
    )
    group.add_argument("--prompts", type=Path, metavar="DIR", help="prompts in place of our own")
    group.add_argument("--concurrency", type=int, default=8, help="requests at once (default: 8)")
    group.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="of an attempt (default: 120 s)"
    )
    group.add_argument("--attempts", type=int, default=6, help="per request (default: 6)")
    group.add_argument(
        "--temperature",
        default="0",
        metavar="T",
        help="default: 0; the word default leaves it to the endpoint",
    )
    group.add_argument(
        "--max-new-tokens", type=int, default=2048, help="of a reply (default: 2048)"
    )
    group.add_argument("--max-tokens-total", type=int, metavar="N", help="of all calls")
    group.add_argument("--max-cost", type=float, metavar="X", help="of all calls")
    group.add_argument("--price-in", type=float, metavar="X", help="of a million tokens read")
    group.add_argument("--price-out", type=float, metavar="X", help="of a million tokens written")
    group.add_argument(
        "--extra-body", default="{}", metavar="JSON", help="more fields of every request"
    )


def report_text(reader: Reader) -> str:
    """Return what a language model was asked and failed on, in lines; nothing for the rules."""
    report: LlmReport | None = getattr(reader, "report", None)
    if report is None:
        return ""
    lines = [
        f"{reader.name}: {report.n_cached} responses from the cache, {report.n_read} read with "
        f"{report.n_calls} calls, {report.input_tokens:,} tokens read, "
        f"{report.output_tokens:,} written"
    ]
    lines += [
        f"reader failed on {count} responses ({kind}): {report.told[kind]}"
        for kind, count in report.failures.items()
    ]
    if report.failures:
        lines.append("these are not scored; run again to have them read")
    return "\n".join(lines) + "\n"


def _llm(model: str, options: argparse.Namespace) -> LlmReader:
    from stkit_bench.models.endpoint_errors import Retries
    from stkit_bench.reading.llm import LlmReader, LlmReaderConfig
    from stkit_bench.run.budget import Budget, Prices

    given = (options.price_in, options.price_out)
    if (given[0] is None) != (given[1] is None):
        raise ValueError("give both --price-in and --price-out, or neither")
    prices = None if given[0] is None else Prices(*given)
    return LlmReader(
        LlmReaderConfig(
            model=model,
            cache=options.cache,
            base_url=options.base_url,
            key_variable=options.api_key_env,
            prompts=options.prompts,
            concurrency=options.concurrency,
            timeout_s=options.timeout,
            retries=Retries(options.attempts),
            temperature=_temperature(options.temperature),
            max_new_tokens=options.max_new_tokens,
            budget=Budget(options.max_tokens_total, options.max_cost, prices),
            extra=_json_object(options.extra_body),
            progress=True,
        )
    )


def _temperature(text: str) -> float | None:
    if text == "default":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--temperature must be a number or default, got {text!r}") from None


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--extra-body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"--extra-body must be a JSON object, got {text}")
    return value
