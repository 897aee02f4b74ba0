"""What a run has used, what it may use, and the bar that shows both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Budget", "Prices", "Tally"]

_MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """What a million tokens cost, in any currency; the endpoint's own list is not known here."""

    input_per_million: float
    output_per_million: float

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """Return the cost of so many tokens."""
        spent = input_tokens * self.input_per_million + output_tokens * self.output_per_million
        return spent / _MILLION


@dataclass(frozen=True)
class Budget:
    """What the answers of one file may use in all.

    Attributes:
        tokens: read and written together; None is no limit.
        cost: in the currency of the prices; None is no limit.
        prices: needed for ``cost``.
    """

    tokens: int | None = None
    cost: float | None = None
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if self.cost is not None and self.prices is None:
            raise ValueError("a limit of the cost needs prices (--price-in and --price-out)")
        for name in ("tokens", "cost"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise ValueError(f"a limit of {name} must be above 0, got {getattr(self, name)}")


@dataclass
class Tally:
    """What was used so far, the answers of earlier runs of the same file included."""

    budget: Budget = field(default_factory=Budget)
    input_tokens: int = 0
    output_tokens: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    _largest: tuple[int, int] = (0, 0)

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Count the tokens and failures of lines of the answers file."""
        for line in lines:
            tokens = line.get("tokens") or {}
            read, written = tokens.get("input") or 0, tokens.get("output") or 0
            self.input_tokens += read
            self.output_tokens += written
            if read + written > sum(self._largest):
                self._largest = (read, written)
            if line["error"] is not None:
                self.failures[line["error"]["kind"]] += 1

    @property
    def cost(self) -> float | None:
        """What was spent; None without prices."""
        prices = self.budget.prices
        return None if prices is None else prices.cost(self.input_tokens, self.output_tokens)

    def allows(self, in_flight: int) -> bool:
        """Whether one more question fits, if every one in flight uses as much as the largest yet.

        Before the first answer nothing is known, so what is in flight then may exceed the limits.
        """
        read, written = ((in_flight + 1) * tokens for tokens in self._largest)
        tokens, cost, prices = self.budget.tokens, self.budget.cost, self.budget.prices
        if tokens is not None and self.used_tokens + max(read + written, 1) > tokens:
            return False
        if cost is None or prices is None:
            return True
        return prices.cost(self.input_tokens + read, self.output_tokens + written) <= cost

    @property
    def used_tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens

    def shown(self) -> dict[str, str]:
        """Return what the progress bar says."""
        found = {"tokens": f"{self.used_tokens:,}"}
        if self.cost is not None:
            found["cost"] = f"{self.cost:.2f}"
        if self.failures:
            found["failed"] = str(sum(self.failures.values()))
        return found
