"""The time window of a run, e.g. `{end: now, length: 7d, grain: 1d}`: a schedule moves, a backfill repeats."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, ValidationError, ValidatorFunctionWrapHandler, field_validator

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.quoting import cut

LONGEST = timedelta(days=100 * 365)
MOST_DIGITS = 9
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _duration(given: object) -> object:
    """Before its type is looked at: whoever wrote a bare number is told of its unit, not of quotes."""
    parse_duration(given if isinstance(given, str) else str(given))
    return given


def parse_duration(text: str) -> timedelta:
    """`90m`, `6h`, `7d` or `2w` as a timedelta.

    Raises:
        ValueError: anything else.
    """
    match = re.fullmatch(r"([1-9]\d*)([mhdw])", text)
    if not match:
        raise ValueError(
            f"{cut(text)!r} is not a duration (allowed: a whole number from 1 and m, h, d or w for minutes, hours, "
            "days or weeks, such as 7d)"
        )
    if len(match[1]) > MOST_DIGITS or (duration := timedelta(**{UNITS[match[2]]: int(match[1])})) > LONGEST:
        raise ValueError(f"{text[:20]!r} is longer than {LONGEST.days // 365} years; give a shorter one")
    return duration


Duration = Annotated[str, BeforeValidator(_duration)]


class Window(Frozen):
    """`length` of time up to `end`, which is cut down to a multiple of `grain` (UTC)."""

    end: Literal["now"] | AwareDatetime = "now"
    length: Duration
    grain: Duration = "1d"

    @field_validator("end", mode="wrap")
    @classmethod
    def _end_has_a_zone(cls, given: object, handler: ValidatorFunctionWrapHandler) -> object:
        is_written_so = isinstance(given, datetime) or (isinstance(given, str) and (given == "now" or "-" in given[:5]))
        try:
            if is_written_so:
                return handler(given)
        except ValidationError:
            pass
        raise ValueError(
            f"should be now, or a day with its time and zone such as 2024-05-01T00:00:00Z, got {cut(str(given))!r}"
        )

    def resolve(self, now: datetime | None = None) -> ResolvedWindow:
        """The half-open interval; `now` is given by tests."""
        end = (now or datetime.now(UTC)) if self.end == "now" else self.end
        grain = parse_duration(self.grain)
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        cut = epoch + ((end - epoch) // grain) * grain
        return ResolvedWindow(start=cut - parse_duration(self.length), end=cut)


class Interval(Frozen):
    """Event times from `start` to `end`, both included."""

    start: AwareDatetime
    end: AwareDatetime
