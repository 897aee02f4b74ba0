"""Who reads responses, by name: ``rules``, or ``llm:MODEL`` for a language model.

The rules need nothing and are the default. Everything that scores a file of answers goes through
:func:`open_reader`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stkit_bench.endpoint_options import (
    add_connection_options,
    add_extra_body_option,
    add_spending_options,
    budget_of,
    extra_body_of,
    temperature_of,
)
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
    add_connection_options(group, per="request")
    group.add_argument("--prompts", type=Path, metavar="DIR", help="prompts in place of our own")
    group.add_argument(
        "--max-new-tokens", type=int, default=2048, help="of a reply (default: 2048)"
    )
    add_spending_options(group, of="calls")
    add_extra_body_option(group)


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
    from stkit_bench.reading.llm import LlmReader, LlmReaderConfig
    from stkit_datasets.model_clients.endpoint_errors import Retries

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
            temperature=temperature_of(options),
            max_new_tokens=options.max_new_tokens,
            budget=budget_of(options),
            extra=extra_body_of(options),
            progress=True,
        )
    )
