"""The errors a person can cause or meet; each message names the thing, what was got, what was allowed and what to do.

`InputError("column 'label' missing from rows.csv (has: id, text); set source.columns.label")`
"""

from __future__ import annotations

from collections.abc import Sequence


class EvergreenError(Exception):
    """The work failed for a reason that one line can tell. Commands exit with `exit_code`."""

    exit_code = 1


class InputError(EvergreenError):
    """What was given (data, configuration, instance) cannot be used."""

    exit_code = 2


class DatasetError(InputError):
    """A dataset breaks rules; `violations` has one line a rule."""

    def __init__(self, rows: int, violations: Sequence[str]) -> None:
        rules = "1 rule" if len(violations) == 1 else f"{len(violations)} rules"
        super().__init__("\n- ".join([f"dataset of {rows:,} rows breaks {rules}:", *violations]))
        self.violations = tuple(violations)


class InstanceError(InputError):
    """One instance of a prediction request cannot be used; `index` is its position in the request, `reason` why."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(f"instances[{index}]: {message}")
        self.index = index
        self.reason = message


class RequestTooLargeError(InputError):
    """A prediction request holds more, as sent or unpacked, than a server takes; fewer instances may help."""


class EndpointError(EvergreenError):
    """An endpoint or a worker behind it did not do what was asked of it."""


class BusyError(EvergreenError):
    """Somebody else is at work on the same model or output."""


def own_error(error: BaseException) -> EvergreenError | None:
    """The project's error that an exception is, or that a library raised another one over; None where there is none."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        if isinstance(current, EvergreenError):
            return current
        seen.add(id(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return None
