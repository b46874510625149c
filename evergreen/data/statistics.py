"""What the columns of a dataset hold, counted by DuckDB in bounded memory.

Values are hashed once into a narrow file; what repeats is then found part by part, so that no table of all values is
held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset
from evergreen.core.validation import ColumnStatistics
from evergreen.data.database import fetch_counts, open_database, quoted, read_parquet
from evergreen.data.duplicates.keys import normalise
from evergreen.data.shards import iter_batches

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PART_ROWS = 250_000
TOP_VALUES = 20
MOST_DISTINCT = 1_000
"""Columns with more distinct values (ids, texts) have no telling frequent ones."""


@contextmanager
def open_rows(dataset: Dataset) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views `rows` and `hashes` (`hash(value)` by column and row) and the table `repeated`.

    `repeated` has `name` (column), `hash` and `n` (rows) of each value that more than one row has.
    """
    with TemporaryDirectory(prefix="evergreen-hashes-") as scratch, open_database() as connection:
        hashes = Path(scratch) / "hashes.parquet"
        names = [quoted(column) for column in dataset.manifest.columns]
        connection.execute(f"CREATE VIEW rows AS SELECT * FROM {read_parquet(dataset.shards)}")  # noqa: S608 - own paths
        hashed = ", ".join(f"hash({name}) AS {name}" for name in names)
        target = quoted(str(hashes), "'")
        connection.execute(f"COPY (SELECT {hashed} FROM rows) TO {target} (FORMAT parquet)")  # noqa: S608 - quoted
        connection.execute(f"CREATE VIEW hashes AS SELECT * FROM {read_parquet([hashes])}")  # noqa: S608 - own path
        connection.execute("CREATE TABLE repeated (name VARCHAR, hash UBIGINT, n BIGINT)")
        parts = dataset.manifest.rows // PART_ROWS + 1
        for column in dataset.manifest.columns:
            name = quoted(column)
            for part in range(parts):
                connection.execute(f"""
                    INSERT INTO repeated SELECT {quoted(column, "'")}, {name}, count(*) FROM hashes
                    WHERE {name} % {parts} = {part} GROUP BY {name} HAVING count(*) > 1
                """)  # noqa: S608 - quoted
        yield connection


def find_repeated_contents(connection: duckdb.DuckDBPyConnection, dataset: Dataset, folder: Path) -> None:
    """Adds the view `contents` (id, label, content key) and the table `repeated_contents` (key, whether labels differ).

    Contents are what the split takes for equal: texts, case and spacing aside. `folder` holds the keys meanwhile.
    """
    path = str(folder / "contents.parquet")
    connection.register("normalised", _normalised(dataset))
    connection.execute("COPY (SELECT id, label, hash(text) AS key FROM normalised) TO ? (FORMAT parquet)", [path])
    connection.unregister("normalised")
    connection.read_parquet(path).create_view("contents")
    connection.execute("CREATE TABLE repeated_contents (key UBIGINT, conflicting BOOLEAN)")
    parts = dataset.manifest.rows // PART_ROWS + 1
    for part in range(parts):
        connection.execute(
            """
            INSERT INTO repeated_contents SELECT key, min(label) <> max(label) FROM contents
            WHERE key % ?::UBIGINT = ? GROUP BY key HAVING count(*) > 1
            """,
            [parts, part],
        )


def _normalised(dataset: Dataset) -> pa.RecordBatchReader:
    import pyarrow as pa

    columns = ["id", "label", "text"]
    batches = (
        pa.record_batch([batch["id"], batch["label"], normalise(batch["text"])], columns)
        for batch in iter_batches(dataset.shards, columns)
    )
    return pa.RecordBatchReader.from_batches(pa.schema(dict.fromkeys(columns, pa.string())), batches)


def column_statistics(connection: duckdb.DuckDBPyConnection, column: str, arrow_type: str) -> ColumnStatistics:
    """Statistics of one column of a database of `open_rows`."""
    name = quoted(column)
    rows, filled = fetch_counts(connection, f"SELECT count(*), count({name}) FROM rows")  # noqa: S608 - quoted
    (copies,) = fetch_counts(
        connection,
        f"SELECT sum(n - 1) FROM repeated WHERE name = {quoted(column, chr(39))}",  # noqa: S608 - quoted
    )
    distinct = rows - copies - (filled < rows)
    shortest, mean, longest = _lengths(connection, name) if arrow_type == "string" else (None, None, None)
    return ColumnStatistics(
        type=arrow_type,
        nulls=rows - filled,
        distinct=distinct,
        min_length=shortest,
        mean_length=mean,
        max_length=longest,
        top=count_values(connection, column, TOP_VALUES) if distinct <= MOST_DISTINCT else {},
    )


def _lengths(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[int | None, float | None, int | None]:
    (found,) = connection.execute(
        f"SELECT min(length({name})), avg(length({name})), max(length({name})) FROM rows"  # noqa: S608 - quoted
    ).fetchall()
    return found


def count_values(connection: duckdb.DuckDBPyConnection, column: str, limit: int | None = None) -> dict[str, int]:
    """Rows by value of one column of the view `rows`, most frequent first; nulls are left out."""
    name = quoted(column)
    found = connection.execute(
        f"""SELECT {name}::VARCHAR, count(*) FROM rows WHERE {name} IS NOT NULL
        GROUP BY 1 ORDER BY 2 DESC, 1 {f"LIMIT {limit}" if limit else ""}"""  # noqa: S608 - quoted
    ).fetchall()
    return dict(found)


def length_histogram(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[tuple[int, int], ...]:
    """(upper edge in characters, rows) pairs of a text column, edges 1-2-5 up to the longest text."""
    edges = [step * 10**power for power in range(1, 10) for step in (1, 2, 5)]
    counted = connection.execute(
        f"""SELECT edge, count(*) FROM (
            SELECT list_first(list_filter({edges}, lambda edge: edge >= length({quoted(column)}))) AS edge FROM rows
        ) WHERE edge IS NOT NULL GROUP BY edge"""  # noqa: S608 - quoted
    ).fetchall()
    rows = dict(counted)
    if not rows:
        return ()
    return tuple((edge, rows.get(edge, 0)) for edge in edges if min(rows) <= edge <= max(rows))
