"""What the columns of a dataset hold, counted by DuckDB in bounded memory.

Values are hashed once into a narrow file; what repeats is then found part by part, so that no table of all values is
held.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from evergreen.core.artifacts import Dataset
from evergreen.core.validation import ColumnStatistics
from evergreen.data.database import fetch_counts, open_database, view_parquet
from evergreen.data.duplicates.keys import normalise
from evergreen.data.shards import iter_batches

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

PART_ROWS = 250_000
TOP_VALUES = 20
NUMBER_TYPES = ("int", "uint", "float", "halffloat", "double", "decimal")
"""How the names of Arrow's types of numbers begin."""
LENGTHS = "SELECT min(length(value)), avg(length(value)), max(length(value)) FROM chosen"
NUMBERS = """
    SELECT min(number), CASE WHEN isfinite(avg(number)) THEN avg(number) ELSE avg(number / 2 ** 64) * 2 ** 64 END,
    max(number) FROM (SELECT value::DOUBLE AS number FROM chosen) WHERE isfinite(number)
"""
"""A sum may be too large for a float, a mean is not: parts of 2^64 have a sum, of whatever rows there are."""
MOST_DISTINCT = 1_000
"""Columns with more distinct values (ids, texts) have no telling frequent ones."""


@contextmanager
def open_rows(dataset: Dataset) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the views `rows` and `hashes` (`hash(value)` by column and row) and the table `repeated`.

    `repeated` has `name` (column), `hash` and `n` (rows) of each value that more than one row has.
    """
    import duckdb

    with TemporaryDirectory(prefix="evergreen-hashes-") as scratch, open_database() as connection:
        hashes = Path(scratch) / "hashes.parquet"
        columns = list(dataset.manifest.columns)
        view_parquet(connection, "rows", dataset.shards)
        hashed = [
            duckdb.FunctionExpression("hash", duckdb.ColumnExpression("rows", column)).alias(column)
            for column in columns
        ]
        connection.view("rows").select(*hashed).write_parquet(str(hashes))
        view_parquet(connection, "hashes", [hashes])
        connection.execute("CREATE TABLE repeated (name VARCHAR, hash UBIGINT, n BIGINT)")
        parts = dataset.manifest.rows // PART_ROWS + 1
        for column in columns:
            _choose(connection, "hashes", column)
            for part in range(parts):
                connection.execute(
                    """
                    INSERT INTO repeated SELECT ?, value, count(*) FROM chosen
                    WHERE value % ?::UBIGINT = ? GROUP BY value HAVING count(*) > 1
                    """,
                    [column, parts, part],
                )
        yield connection


def find_repeated_contents(connection: duckdb.DuckDBPyConnection, dataset: Dataset, folder: Path) -> None:
    """Adds the view `contents` (id, label, content key) and the table `repeated_contents` (key, whether labels differ).

    Contents are what the split takes for equal: texts, case and spacing aside. `folder` holds the keys meanwhile.
    """
    path = folder / "contents.parquet"
    connection.register("normalised", _normalised(dataset))
    connection.execute("COPY (SELECT id, label, hash(text) AS key FROM normalised) TO ? (FORMAT parquet)", [str(path)])
    connection.unregister("normalised")
    view_parquet(connection, "contents", [path])
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
    _choose(connection, "rows", column)
    rows, filled = fetch_counts(connection, "SELECT count(*), count(value) FROM chosen")
    (copies,) = fetch_counts(connection, "SELECT sum(n - 1) FROM repeated WHERE name = ?", [column])
    distinct = rows - copies - (filled < rows)
    nothing = (None, None, None)
    shortest, mean_length, longest = _spread(connection, LENGTHS) if arrow_type == "string" else nothing
    minimum, mean, maximum = _spread(connection, NUMBERS) if arrow_type.startswith(NUMBER_TYPES) else nothing
    return ColumnStatistics(
        type=arrow_type,
        nulls=rows - filled,
        distinct=distinct,
        min_length=shortest,
        mean_length=mean_length,
        max_length=longest,
        minimum=minimum,
        mean=mean,
        maximum=maximum,
        top=count_values(connection, column, TOP_VALUES) if distinct <= MOST_DISTINCT else {},
    )


def count_values(connection: duckdb.DuckDBPyConnection, column: str, limit: int | None = None) -> dict[str, int]:
    """Rows by value of one column of the view `rows`, most frequent first; nulls are left out."""
    _choose(connection, "rows", column)
    value_counts = connection.execute(
        """
        SELECT value::VARCHAR, count(*) FROM chosen WHERE value IS NOT NULL
        GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?
        """,
        [limit],
    ).fetchall()
    return dict(value_counts)


def length_histogram(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[tuple[int, int], ...]:
    """(upper edge in characters, rows) pairs of a text column, edges 1-2-5 up to the longest text."""
    edges = [step * 10**power for power in range(1, 10) for step in (1, 2, 5)]
    _choose(connection, "rows", column)
    counted = connection.execute(
        """
        SELECT edge, count(*) FROM (
            SELECT list_first(list_filter(?, lambda edge: edge >= length(value))) AS edge FROM chosen
        ) WHERE edge IS NOT NULL GROUP BY edge
        """,
        [edges],
    ).fetchall()
    rows = dict(counted)
    if not rows:
        return ()
    return tuple((edge, rows.get(edge, 0)) for edge in edges if min(rows) <= edge <= max(rows))


def _spread(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, Any, Any]:
    """The least, the mean and the most, None where there is no value."""
    (row,) = connection.execute(query).fetchall()
    return row


def _choose(connection: duckdb.DuckDBPyConnection, view: str, column: str) -> None:
    """Makes one column of a view the `value` of the view `chosen`."""
    import duckdb

    named = duckdb.ColumnExpression(view, column)  # qualified, since a column that is named `*` would be all of them
    connection.view(view).select(named.alias("value")).create_view("chosen", replace=True)
