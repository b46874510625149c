"""Whether a quote that opens a field over several lines was meant as one, or swallows the rows that follow.

    5	"Rates rise	money
    6	Nobody knows why"	law

One row of a text with a line break, or two rows whose texts begin and end with a quote? Both readings have three fields
in every row, so the file has to decide: quotes elsewhere in it that cannot be letters show that it is quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

QUOTE = '"'


@dataclass(frozen=True)
class Quotes:
    """What quotes mean in a file whose rows have `width` fields."""

    delimiter: str
    escape: str | None
    width: int

    def are_doubtful(self, lines: Sequence[str]) -> bool:
        """Whether most lines of a record are rows of their own if quotes are letters."""
        filled = [line for line in lines if line.strip()]
        return len(filled) > 1 and 2 * sum(self._fields(line) == self.width for line in filled) > len(filled)

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

    def _fields(self, line: str) -> int:
        escaped = line.count(self.escape + self.delimiter) if self.escape else 0
        return line.count(self.delimiter) - escaped + 1
