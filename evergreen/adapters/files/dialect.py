"""How delimited text is written: `3,"Oil prices rose again"` or `3;Oil prices rose again`."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any, Literal

Quoting = Literal["minimal", "none"]


@dataclass(frozen=True)
class Dialect:
    """How bytes become fields.

    `is_given` tells that a person set the delimiter; `quoting` None reads quotes as `minimal` does, and doubts them;
    `names` are those of columns where no header line has them.
    """

    encoding: str
    delimiter: str
    is_given: bool = False
    quoting: Quoting | None = None
    escape: str | None = None
    names: tuple[str, ...] = ()

    def csv_options(self) -> dict[str, Any]:
        """Options of Python's `csv`, to read and to write alike."""
        are_letters = self.quoting == "none"
        return {
            "delimiter": self.delimiter,
            "quoting": csv.QUOTE_NONE if are_letters else csv.QUOTE_MINIMAL,
            "quotechar": None if are_letters else '"',
            "escapechar": self.escape,
            "strict": True,
        }
