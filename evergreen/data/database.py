"""DuckDB for what one pass cannot answer (duplicates, joins, counts): it spills to disk instead of growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

WHITE_SPACE = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Every character that Python's `str.strip` takes off, so that a blank text is one to a query and to a server alike."""
MEMORY_LIMIT = "128MiB"
THREADS = 2


@contextmanager
def open_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database that keeps to MEMORY_LIMIT and forgets everything on exit."""
    import duckdb

    with TemporaryDirectory(prefix="evergreen-duckdb-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
        }
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")  # it would draw over a person's log
            yield connection


def read_parquet(paths: Sequence[Path]) -> str:
    """SQL table expression over the Parquet files."""
    listed = ", ".join(quoted(str(path), "'") for path in paths)
    return f"read_parquet([{listed}])"


def quoted(text: str, quote: str = '"') -> str:
    """`text` as an SQL identifier, or as a literal with `quote="'"`."""
    return quote + text.replace(quote, quote * 2) + quote


def is_blank(column: str) -> str:
    """SQL condition: the text of the column has nothing but white space, or nothing at all; null is neither."""
    spaces = "".join(rf"\x{{{ord(one):x}}}" for one in WHITE_SPACE)
    return f"NOT regexp_matches({column}, '[^{spaces}]')"


def stripped(column: str) -> str:
    """SQL expression: the column as Python's `str.strip` gives it."""
    return f"trim({column}, {' || '.join(f'chr({ord(one)})' for one in WHITE_SPACE)})"


def fetch_counts(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    """The one row of the answer as counts; null is zero."""
    (found,) = connection.execute(query).fetchall()
    return tuple(int(value or 0) for value in found)
