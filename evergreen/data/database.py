"""DuckDB for what one pass cannot answer (duplicates, joins, counts): it spills to disk instead of growing."""

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


def fetch_counts(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    """The one row of the answer as counts; null is zero."""
    (found,) = connection.execute(query).fetchall()
    return tuple(int(value or 0) for value in found)
