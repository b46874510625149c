"""DuckDB for what one pass cannot answer (duplicates, joins, counts): it spills to disk instead of growing.

No query is made of pieces: names of columns and files go through relations, values through parameters and variables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "128MiB"
THREADS = 2
MACROS = r"""
    CREATE MACRO is_blank(words) AS NOT regexp_matches(
        words, '[^\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]'
    );
    CREATE MACRO stripped(words) AS trim(
        words,
        chr(9) || chr(10) || chr(11) || chr(12) || chr(13) || chr(28) || chr(29) || chr(30) || chr(31) ||
        chr(32) || chr(133) || chr(160) || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) ||
        chr(8196) || chr(8197) || chr(8198) || chr(8199) || chr(8200) || chr(8201) || chr(8202) || chr(8232) ||
        chr(8233) || chr(8239) || chr(8287) || chr(12288)
    );
"""
"""`is_blank`: nothing but what Python's `str.strip` takes off, so that a blank text is one to a query and to a server
alike (of null: null). `stripped`: the text as `str.strip` gives it.
"""


@contextmanager
def open_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with MACROS alone that keeps to MEMORY_LIMIT and forgets everything on exit."""
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
            connection.execute(MACROS)
            yield connection


def view_parquet(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Path]) -> None:
    """Adds a view of the rows of Parquet files."""
    connection.read_parquet([str(path) for path in paths]).create_view(name)


def fetch_counts(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()
) -> tuple[int, ...]:
    """The one row of the answer as counts; null is zero."""
    (row,) = connection.execute(query, list(parameters)).fetchall()
    return tuple(int(value or 0) for value in row)


def count_marks(connection: duckdb.DuckDBPyConnection, view: str) -> dict[str, int]:
    """Rows that each mark is true of; marks are all columns of the view but `name` and `place`."""
    marks = connection.view(view).aggregate("count_if(COLUMNS(lambda mark: mark NOT IN ('name', 'place')))")
    (row,) = marks.fetchall()
    return dict(zip(marks.columns, row, strict=True))


def marked(connection: duckdb.DuckDBPyConnection, view: str, mark: str, most: int) -> tuple[str, ...]:
    """The names of up to `most` rows that the mark is true of, in the order of their `place` where the view has it."""
    import duckdb

    rows = connection.view(view).filter(duckdb.ColumnExpression(view, mark))
    ordered = rows.order("place, name") if "place" in rows.columns else rows
    return tuple(name for (name,) in ordered.limit(most).project("name").fetchall())
