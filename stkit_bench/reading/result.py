"""What a reader returns: a reading, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Changes whenever a rule changes what some response is read as.
READER_VERSION = "1.1.0"


class Reason(StrEnum):
    """Why a response could not be read."""

    EMPTY = "empty"  # nothing was said
    REFUSAL = "refusal"  # the model declined, and no estimate followed
    NO_NUMBER = "no_number"  # no number that could be the value
    NO_UNIT = "no_unit"  # a number in pixels, frames, percent or unnamed units
    WRONG_QUANTITY = "wrong_quantity"  # a speed where a distance was asked, or the reverse
    OUT_OF_RANGE = "out_of_range"  # an hour beyond 12, a number beyond a float
    AMBIGUOUS = "ambiguous"  # two different answers and no sign which is meant
    NO_CLOCK = "no_clock"  # no clock direction
    NO_TIME = "no_time"  # no time that could be an end of the interval
    NO_LENGTH = "no_length"  # "until the end", and the video's length is not stated
    NEVER = "never"  # "it never moves in that direction"
    NO_CHOICE = "no_choice"  # neither object is chosen
    TIE = "tie"  # "both are equal"


@dataclass(frozen=True, slots=True)
class Reading:
    """One response in machine-readable form; only the fields of its task are filled.

    Attributes:
        value_si: metres for ``traveled_distance``, metres per second for ``traveling_speed``.
        clock: 1 to 12 for ``movement_direction``.
        start_s: first second of the interval for ``direction_timestamp``.
        end_s: last second of that interval, never below ``start_s``.
        choice: a colour for the distance and speed comparisons, ``"same"`` or ``"different"``
            for ``movement_direction_comparison``.
        reason: a :class:`Reason` when nothing could be read, else None.
    """

    value_si: float | None = None
    clock: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    choice: str | None = None
    reason: str | None = None

    @property
    def readable(self) -> bool:
        """Whether the response holds an answer that can be scored."""
        return self.reason is None


def unreadable(reason: Reason) -> Reading:
    """Return the reading of a response that holds no answer."""
    return Reading(reason=reason.value)
