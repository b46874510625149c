"""Columns of whatever Arrow type as plain ones, checked: text that is valid, times that a calendar has.

Views and dictionaries become the strings, bytes or numbers that they stand for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from evergreen.core.errors import InputError
from evergreen.core.names import nfc, quoted
from evergreen.core.quoting import excerpt

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds of 0001-01-01 and of the end of 9999-12-31: what ISO 8601 writes with four digits, and Python holds."""
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_A_DAY = 86_400

LONGEST_TIME = 60
"""Characters."""


def plain(column: pa.Array, source: str, rows: pa.Array) -> pa.Array:
    """The column decoded and checked; `source` is its name, `rows` names the rows in messages.

    Raises:
        InputError: text that is no UTF-8, or a time outside the years 1 to 9999; the row and the column are named.
    """
    decoded = _decoded(column)
    _check_valid(decoded, source, rows)
    _check_times(decoded, source, rows)
    return decoded


def text(column: pa.Array, source: str, rows: pa.Array) -> pa.Array:
    """The column as strings. Raises InputError as `plain`, and where it holds what is no text."""
    import pyarrow as pa

    values = plain(column, source, rows)
    if pa.types.is_nested(values.type):
        raise _other(source, values.type, rows)
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid as error:
        for place, value in enumerate(values):
            _check_bytes(value, source, rows[place])
        raise InputError(f"column {quoted(source)} cannot be read as text: {error}; map another column") from error
    except pa.ArrowNotImplementedError as error:
        raise _other(source, values.type, rows) from error


def number(column: pa.Array, source: str, rows: pa.Array) -> pa.Array:
    """The column as float64, blank text as null. Raises InputError as `plain`, and where it holds what is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = plain(column, source, rows)
    if pa.types.is_string(values.type):
        words = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.equal(words, ""), None, words)
    try:
        return values.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        wrong = next((at for at, value in enumerate(values) if not _is_number(value)), 0)
        raise InputError(
            f"column {quoted(source)} of row {rows[wrong]} is no number ({excerpt(str(values[wrong].as_py()))}); "
            "correct it, or take the column out of source.numbers"
        ) from error


def _is_number(value: pa.Scalar) -> bool:
    import pyarrow as pa

    try:
        value.cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True


def _other(source: str, kind: pa.DataType, rows: pa.Array) -> InputError:
    where = f" from row {rows[0]} on" if len(rows) else ""
    return InputError(f"column {quoted(source)} holds {kind}{where}, not text; map another column")


def composed(words: pa.Array) -> pa.Array:
    """The words as NFC, as names are compared; Arrow's own `utf8_normalize` decomposes them for every form."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pc.all(pc.string_is_ascii(words)).as_py() is not False:
        return words
    encoded = words.dictionary_encode()
    names = [None if name is None else nfc(name) for name in encoded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(encoded.indices)


def moments(column: pa.Array, source: str, rows: pa.Array) -> pa.Array:
    """The column as times in UTC: (rows,) timestamp[us, UTC]; those without a zone are in UTC.

    Raises:
        InputError: a value that is no time, or one outside the years 1 to 9999; the row is named.
    """
    import pyarrow as pa

    utc = pa.timestamp("us", tz="UTC")
    values = plain(column, source, rows)
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        zone = getattr(values.type, "tz", None)
        return values.cast(pa.timestamp("us", tz=zone), safe=False).cast(utc)
    return pa.array([_moment(value, source, row) for value, row in zip(values.to_pylist(), rows, strict=True)], utc)


def _moment(value: Any, source: str, row: pa.Scalar) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{_shown(value)} in column {quoted(source)} of row {row} is no ISO 8601 time of the years 1 to 9999 "
            "such as 2024-05-31T12:00:00Z; convert the column or map another"
        ) from error


def _shown(value: Any) -> str:
    """All of a time, whose zone comes last."""
    return repr(value) if isinstance(value, str) and len(value) <= LONGEST_TIME else excerpt(value)


def _check_bytes(value: pa.Scalar, source: str, row: pa.Scalar) -> None:
    content = value.as_py()
    if isinstance(content, bytes):
        try:
            content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _not_text(source, row, f"byte 0x{content[error.start]:02x} at position {error.start}") from error


def _decoded(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _decoded(column.storage)
    if pa.types.is_dictionary(kind):
        return _decoded(column.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        import pyarrow.compute as pc

        return _decoded(pc.run_end_decode(column))
    if kind == pa.string_view():
        return column.cast(pa.string())
    return column.cast(pa.binary()) if kind == pa.binary_view() else column


def _check_valid(column: pa.Array, source: str, rows: pa.Array) -> None:
    """Readers of Arrow trust its strings; files are not to be trusted."""
    import pyarrow as pa

    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        row = rows[_first_invalid(column)]
        raise _not_text(source, row, str(error).splitlines()[0]) from error


def _first_invalid(column: pa.Array) -> int:
    import pyarrow as pa

    for place in range(len(column)):
        try:
            pa.concat_arrays([column.slice(place, 1)]).validate(full=True)
        except pa.ArrowInvalid:
            return place
    return 0


def _not_text(source: str, row: pa.Scalar, what: str) -> InputError:
    return InputError(
        f"column {quoted(source)} of row {row} is no UTF-8 text: {what}; write the file again from what its text was "
        "decoded with, or map another column"
    )


def _check_times(column: pa.Array, source: str, rows: pa.Array) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_timestamp(kind):
        scale, numbers = _UNITS[kind.unit], column.view(pa.int64())
    elif kind == pa.date32():
        scale, numbers = 1, pc.multiply(column.view(pa.int32()).cast(pa.int64()), _SECONDS_A_DAY)
    elif kind == pa.date64():
        scale, numbers = 10**3, column.view(pa.int64())
    else:
        return
    limits = (max(_FIRST * scale, -(2**63)), min((_LAST + 1) * scale - 1, 2**63 - 1))
    outside = pc.fill_null(pc.or_(pc.less(numbers, limits[0]), pc.greater(numbers, limits[1])), False)
    if pc.any(outside).as_py():
        place = pc.index(outside, True).as_py()
        raise InputError(
            f"the time in column {quoted(source)} of row {rows[place]} is outside the years 1 to 9999 "
            f"({numbers[place]} as {kind}); correct it, or leave it empty"
        )
