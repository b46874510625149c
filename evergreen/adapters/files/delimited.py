"""Delimited text (CSV, TSV), streamed row by row; quoted fields may hold delimiters and line breaks.

label,content
3,"Oil prices rose again,
traders said."
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from evergreen.adapters.files.decoding import LONGEST_FIELD, check_decodes, encoding_of, open_bytes, python_encoding
from evergreen.adapters.files.quotes import Columns, Quotes
from evergreen.adapters.files.settings import FilesSettings, Quoting
from evergreen.adapters.files.texts import text_batches
from evergreen.core.errors import InputError
from evergreen.data.canonical import with_row_names
from evergreen.data.row_fields import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_REGULAR = 3
"""Texts of an only column over several lines, from which on quotes that always open and close one are no letters."""
_LONGEST_NAME = 131_072
_DELIMITERS = {",": ",", ";": ";", "\t": "\\t", "|": "|"}
_SEPARATOR = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
"""The first line by which Excel is told the delimiter."""


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

    @classmethod
    def to_write(cls, file: Path, settings: FilesSettings) -> Dialect:
        """How a new file is written. Raises InputError where nothing can be escaped."""
        is_tab_separated = file.name.lower().removesuffix(".gz").endswith(".tsv")
        delimiter = settings.delimiter or ("\t" if is_tab_separated else ",")
        if settings.escape == delimiter:
            raise InputError(
                f"source.escape {settings.escape!r} is the delimiter of {file.name} too; set source.delimiter to "
                "another, or remove source.escape"
            )
        is_given = settings.delimiter is not None
        return cls(settings.encoding, delimiter, is_given, settings.quoting, settings.escape, settings.names)

    @classmethod
    def of(cls, file: Path, name: str, settings: FilesSettings) -> Dialect:
        """How a file is written. Raises InputError as `encoding_of`."""
        return replace(cls.to_write(file, settings), encoding=encoding_of(file, name, settings))

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


def read_delimited(path: Path, name: str, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns, all text, and the rows' names; empty fields are null.

    Raises:
        InputError: a missing column, or as `read_records`.
    """
    dialect = Dialect.of(path, name, settings)
    records = read_records(path, name, dialect)
    header = next(records)
    if len(header) == 1 and any(column not in header for column in settings.needed):
        _check_delimiter(header, name, dialect)
    chosen = check_columns(settings, header, name)
    places = [header.index(column) for column in chosen.values()]
    rows = (tuple(values[place] or None for place in places) for values in records)
    yield from with_row_names(text_batches(rows, list(chosen), name), name)


def read_records(path: Path, name: str, dialect: Dialect) -> Iterator[list[str]]:
    """The names of the columns, then the fields of each row; blank lines between rows are none.

    Raises:
        InputError: empty, undecodable, a row with too many or too few fields, quotes that do not close or may be
            letters of a text.
    """
    csv.field_size_limit(LONGEST_FIELD)
    try:
        with _opened(path, dialect) as file:
            yield from _Records(file, path, name, dialect).read()
    except UnicodeError as error:
        check_decodes(path, name, dialect.encoding)
        raise InputError(f"{name} cannot be read as {dialect.encoding}: {error}; set source.encoding") from error


class _Records:
    """One file while it is read: `lines` are those of the record at hand, `number` its row, 0 for the header."""

    def __init__(self, file: IO[str], path: Path, name: str, dialect: Dialect) -> None:
        self._file, self._path, self._name = file, path, name
        self._pushed = file.readline(LONGEST_FIELD)
        self._before = 0
        self._dialect = dialect = replace(dialect, delimiter=self._delimiter(dialect))
        self._quotes = Quotes(dialect.delimiter, dialect.escape, len(dialect.names))
        self._doubts = dialect.quoting is None
        self._columns: Columns | None = None
        self.lines: list[str] = []
        self._number = 0

    def read(self) -> Iterator[list[str]]:
        """The header, then the rows."""
        for values in self.unchecked():
            if not self._number:
                self._check_header(values)
                self._quotes = replace(self._quotes, width=len(values))
            elif len(values) != self._quotes.width:
                raise self._error(f"Expected {self._quotes.width} columns, got {len(values)}")
            if self._doubts and len(self.lines) > 1 and self._quotes.are_doubtful(self.lines):
                self._check_quotes()
            yield values

    def unchecked(self) -> Iterator[list[str]]:
        """The header and the rows as the quotes cut them, whatever their width."""
        self._number = -1
        if self._dialect.names:
            self._number = 0
            yield list(self._dialect.names)
        try:
            for values in csv.reader(self._taken(), **self._dialect.csv_options()):
                if values:
                    self._number += 1
                    yield values
                self._before += len(self.lines)
                self.lines.clear()
        except csv.Error as error:
            self._number += 1
            raise self._error(_in_words(error)) from error
        if self._number < 0 or (self._dialect.names and not self._before):
            raise InputError(f"{self._name} is empty; give it a header line and rows")

    def _taken(self) -> Iterator[str]:
        line = self._pushed or self._file.readline(LONGEST_FIELD)
        while line:
            self.lines.append(line)
            if len(line) == LONGEST_FIELD:
                raise csv.Error(f"a line is longer than {LONGEST_FIELD:,} characters")
            yield line
            line = self._file.readline(LONGEST_FIELD)

    def _delimiter(self, dialect: Dialect) -> str:
        """What a first line `sep=;` says, which is no row."""
        match = _SEPARATOR.fullmatch(self._pushed)
        if match is None:
            return dialect.delimiter
        if dialect.is_given and match[1] != dialect.delimiter:
            raise InputError(
                f"{self._name} says {self._pushed.strip()!r}, source.delimiter {dialect.delimiter!r}; remove one"
            )
        self._pushed, self._before = "", 1
        return match[1]

    def _check_header(self, header: list[str]) -> None:
        if max(map(len, header)) > _LONGEST_NAME:
            raise InputError(
                f"{self._name} has no header that can be read: a name is longer than {_LONGEST_NAME:,} characters; "
                "give it a first line of column names, or correct source.delimiter or source.format"
            )

    def _check_quotes(self) -> None:
        """Raises InputError where the lines of the record at hand are, or may be, rows of their own."""
        if self._columns is None:
            columns, is_quoted = self._weighed()
            self._columns = columns
            if not is_quoted:
                raise self._swallowed()
        if self._quotes.swallow_rows(self.lines, self._columns):
            raise self._swallowed()

    def _weighed(self) -> tuple[Columns, bool]:
        """What the columns hold, and whether more of the file proves that quotes enclose fields than doubts it."""
        proofs = doubts = letters = 0
        columns = Columns(self._quotes.width)
        with _opened(self._path, self._dialect) as file:
            records = _Records(file, self._path, self._name, self._dialect)
            for number, values in enumerate(records.unchecked()):
                if not records.lines:
                    continue
                if number and len(records.lines) == 1:
                    columns.see(values)
                if self._quotes.are_proven_by(values, records.lines):
                    proofs += 1
                elif len(records.lines) > 1:
                    doubts += self._quotes.are_doubtful(records.lines)
                letters += self._quotes.are_letters_of(records.lines)
        is_regular = self._quotes.width == 1 and doubts >= _REGULAR and not letters
        return columns, proofs > doubts or is_regular  # not where nothing speaks for either

    def _swallowed(self) -> InputError:
        return self._error(
            f"a quote opens a text over {len(self.lines)} lines that are rows of their own if quotes are letters",
            "set source.quoting: none if they are, minimal if texts have line breaks",
        )

    def _error(self, what: str, advice: str | None = None) -> InputError:
        where = f"row {self._name}:{self._number}" if self._number else f"the header of {self._name}"
        otherwise = (
            "correct the row, its quotes or source.delimiter; set source.quoting: none if quotes are letters of the "
            "texts, source.escape if a character stands before them"
        )
        return InputError(f"{self._name} is no CSV: {where} (line {self._before + 1}): {what}; {advice or otherwise}")


def _opened(path: Path, dialect: Dialect) -> io.TextIOWrapper:
    return io.TextIOWrapper(open_bytes(path), encoding=python_encoding(dialect.encoding), newline="")


def _in_words(error: csv.Error) -> str:
    """What Python's `csv` says, as a person would."""
    message = str(error)
    if "expected after" in message:
        return "text stands behind the quote that closes a field"
    if "unexpected end" in message or "field larger" in message:
        return "a quote is not closed"
    return message


def _check_delimiter(header: list[str], name: str, dialect: Dialect) -> None:
    likely = max(_DELIMITERS, key=header[0].count)
    hint = ""
    if likely != dialect.delimiter and likely in header[0]:
        hint = f"; did you mean '{_DELIMITERS[likely]}'? set source.delimiter: \"{_DELIMITERS[likely]}\""
    shown = _DELIMITERS.get(dialect.delimiter, dialect.delimiter)
    raise InputError(f"{name} has one column with delimiter '{shown}': '{header[0][:80]}'{hint}")
