"""Whether a quote that opens a field over several lines was meant as one, or swallows the rows that follow.

    5	"Rates rise	money
    6	Nobody knows why"	law

One row of a text with a line break, or two rows whose texts begin and end with a quote? Both readings have three fields
in every row, so the file has to decide: quotes elsewhere in it that cannot be letters show that it is quoted.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

QUOTE = '"'
TOO_MANY = 6
"""Lines in sequence that all have as many delimiters as a row: more than a text has by chance."""
MOST_VALUES = 1000


class Columns:
    """What rows of one line hold in each column: a few values that repeat, such as labels, or numbers alone."""

    def __init__(self, width: int) -> None:
        self._counts: list[Counter[str] | None] = [Counter() for _ in range(width)]
        self._numbers = [True] * width

    def see(self, values: Sequence[str]) -> None:
        """Notes one row."""
        for at, value in enumerate(values[: len(self._counts)]):
            counts = self._counts[at]
            if counts is not None:
                counts[value] += 1
                if len(counts) > MOST_VALUES:
                    self._counts[at] = None
            self._numbers[at] = self._numbers[at] and _is_number(value)

    def know(self, values: Sequence[str], places: range) -> bool:
        """Whether one of the values, at these places, is such as its column holds."""
        return any(self._knows(at, values[at].strip(QUOTE)) for at in places if at < len(values))

    def _knows(self, at: int, value: str) -> bool:
        counts = self._counts[at]
        return (counts is not None and counts[value] > 1) or (self._numbers[at] and _is_number(value))


def _is_number(value: str) -> bool:
    return value.strip().lstrip("+-").replace(".", "", 1).isdecimal()


@dataclass(frozen=True)
class Quotes:
    """What quotes mean in a file whose rows have `width` fields."""

    delimiter: str
    escape: str | None
    width: int

    def are_doubtful(self, lines: Sequence[str]) -> bool:
        """Whether most lines of a record are rows of their own, if quotes are letters or close within their line."""
        filled = [line for line in lines if line.strip()]
        return len(filled) > 1 and 2 * sum(self._row(line) is not None for line in filled) > len(filled)

    def swallow_rows(self, lines: Sequence[str], columns: Columns) -> bool:
        """Whether a doubtful record's lines hold what other rows hold in these columns, or are too many for chance.

        Before the quote that opens the text, and behind the quote that closes it, the record's own fields stand.
        """
        filled = [line for line in lines if line.strip()]
        rows = [self._row(line) for line in filled]
        if self.width > 1 and None not in rows and len(rows) >= TOO_MANY:
            return True
        known = 0
        for number, row in enumerate(rows):
            if row is None:
                continue
            quoted = [at for at, field in enumerate(row) if QUOTE in field] or [0]
            first = quoted[0] + 1 if number == 0 else 0
            last = quoted[-1] if number == len(rows) - 1 else self.width
            known += columns.know(row, range(first, last))
        return known > 0 and 2 * known >= len(filled)

    def are_proven_by(self, values: Sequence[str], lines: Sequence[str]) -> bool:
        """Whether the record has quotes that cannot be letters of its text.

        They enclose every field, or line ends or a delimiter that else would make no row, or hold quotes written twice.
        """
        whole = "".join(lines)
        if QUOTE not in whole:
            return False
        is_doubled = any(QUOTE in value and value not in whole for value in values)
        if len(lines) > 1:
            return is_doubled or not self.are_doubtful(lines)
        line = lines[0].rstrip("\r\n")
        if self._fields(line) != self.width:
            return True
        between = f"{QUOTE}{self.delimiter}{QUOTE}"
        if line.startswith(QUOTE) and line.endswith(QUOTE) and line.count(between) == self.width - 1 and len(line) > 1:
            return self.width > 1
        return is_doubled

    def are_letters_of(self, lines: Sequence[str]) -> bool:
        """Whether the only field of a record holds quotes and is not enclosed in them, as no writer leaves it."""
        return self.width == 1 and QUOTE in "".join(lines) and not lines[0].startswith(QUOTE)

    def _row(self, line: str) -> list[str] | None:
        """The fields of a line that is a row of its own, if quotes are letters or close within it."""
        line = line.rstrip("\r\n")
        if self._fields(line) == self.width:
            return line.split(self.delimiter)
        if QUOTE not in line:
            return None
        try:
            fields = next(csv.reader([line], delimiter=self.delimiter, escapechar=self.escape, strict=True), [])
        except csv.Error:
            return None
        return fields if len(fields) == self.width else None

    def _fields(self, line: str) -> int:
        escaped = line.count(self.escape + self.delimiter) if self.escape else 0
        return line.count(self.delimiter) - escaped + 1
