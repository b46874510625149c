"""Texts that are nearly equal, every pair of them, in bounded memory.

Two texts are as similar as their sets of word pairs: `|A ∩ B| / |A ∪ B|` (Jaccard). Sets at least `t` similar share one
of their `|A| - ceil(t |A|) + 1` rarest members, whatever the order that defines rare (prefix filtering: Bayardo, Ma,
Srikant: Scaling up all pairs similarity search, 2007). So rows that share a rare word pair are compared exactly, and
boilerplate that many texts share makes no pairs of texts that have more than it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evergreen.data.database import fetch_counts, view_parquet
from evergreen.data.duplicates.keys import PROTECTED, Codes, Rows
from evergreen.data.duplicates.similarity import Hashes, WordPairs, jaccard, may_be_similar

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyarrow import parquet as pq

COUNTERS = 1 << 22
"""Word pairs are counted by this many counters; those that share one only count as less rare than they are."""
PART_ENTRIES = 500_000
"""Rare word pairs that one query groups, so that it keeps to the database's memory limit however many there are."""
MEETINGS = 4_000_000
"""Meetings of two rows in a rare word pair that one query joins; a row that has more has a query of its own."""
HELD_WORDS = 1 << 19
"""Word pairs, 8 bytes each, held for comparing."""


def find_straddling(connection: duckdb.DuckDBPyConnection, signatures: Path, splits: Codes, similarity: float) -> Rows:
    """Row numbers whose text is at least `similarity` to a text of a split with a smaller code: (found,), sorted.

    The Parquet file `signatures` has the `pairs` of each row, `splits` its code: (rows,) uint8; rows with a code above
    PROTECTED take no part.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(signatures, pre_buffer=False) as file:
        entries = _write_rare(file, splits, similarity, signatures.with_name("rare.parquet"))
        _meet(connection, signatures.with_name("rare.parquet"), entries)
        at_once = max(1, HELD_WORDS * splits.size // (2 * _count_word_pairs(file)))
        first = 0
        while (last := _last_of_slice(connection, first)) is not None:
            for rows, others in _candidates(connection, (first, last), similarity, at_once):
                _record(connection, _similar(file, rows, others, similarity))
            first = last + 1
    return np.asarray(connection.execute("SELECT row FROM found ORDER BY row").fetchnumpy()["row"], dtype=np.uint32)


def _count_word_pairs(file: pq.ParquetFile) -> int:
    column = next(n for n in range(file.metadata.num_columns) if file.schema.column(n).path.startswith("pairs."))
    return sum(file.metadata.row_group(group).column(column).num_values for group in range(file.num_row_groups))


def _groups(file: pq.ParquetFile) -> Iterator[tuple[int, pa.ListArray]]:
    """Number of the first row, and word pairs, of each row group."""
    first = 0
    for group in range(file.num_row_groups):
        pairs = file.read_row_group(group, columns=["pairs"], use_threads=False)["pairs"].combine_chunks()
        yield first, pairs
        first += len(pairs)


def _write_rare(file: pq.ParquetFile, splits: Codes, similarity: float, path: Path) -> int:
    """Writes the rarest word pairs of each row that takes part, and gives their number.

    Columns: `pair`, `row`, `split` and `size`, the number of distinct word pairs of the row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    counts = np.zeros(COUNTERS, dtype=np.uint32)
    for _, pairs in _groups(file):
        np.add.at(counts, pairs.flatten().to_numpy() % np.uint32(COUNTERS), 1)
    entries = 0
    types = {"pair": pa.uint32(), "row": pa.uint32(), "split": pa.uint8(), "size": pa.uint32()}
    with pq.ParquetWriter(path, pa.schema(types), compression="lz4", use_dictionary=False) as writer:
        for first, pairs in _groups(file):
            rare, place, size = rarest_pairs(pairs, counts, similarity)
            split = splits[first : first + len(pairs)][place]
            table = pa.table({"pair": rare, "row": (first + place).astype(np.uint32), "split": split, "size": size})
            writer.write_table(table.filter(pa.array(split <= PROTECTED)))
            entries += table.num_rows
    return entries


def rarest_pairs(pairs: pa.ListArray, counts: Hashes, similarity: float) -> tuple[Hashes, Rows, Rows]:
    """The word pairs of which similar rows share one, each with its row's place in `pairs` and distinct pairs.

    `counts` tells how often pairs occur: (counters,) uint32, a pair's at its hash modulo their number.
    """
    offsets, hashes = pairs.offsets.to_numpy(), pairs.values.to_numpy()
    place = np.repeat(np.arange(len(pairs), dtype=np.uint32), np.diff(offsets))
    rarity = (counts[hashes % np.uint32(counts.size)].astype(np.uint64) << np.uint64(32)) | hashes
    order = np.lexsort((rarity, place))
    place, rarity = place[order], rarity[order]
    distinct = np.append(True, (place[1:] != place[:-1]) | (rarity[1:] != rarity[:-1]))[: place.size]
    place, rarity = place[distinct], rarity[distinct]
    sizes = np.bincount(place, minlength=len(pairs))
    number = np.arange(place.size) - (np.cumsum(sizes) - sizes)[place]  # from 0 in each row, the rarest first
    needed = sizes - np.ceil(similarity * sizes - 1e-9).astype(np.int64) + 1
    rare = number < needed[place]
    return rarity[rare].astype(np.uint32), place[rare], sizes[place[rare]].astype(np.uint32)


def _meet(connection: duckdb.DuckDBPyConnection, rare: Path, entries: int) -> None:
    """Tables `shared` (rare pairs of several splits) and `found`; views of it, `protectors` and `pending` rows."""
    view_parquet(connection, "rare", [rare])
    connection.execute("SET VARIABLE protected = ?", [PROTECTED])
    connection.execute("CREATE TABLE shared (pair UINTEGER, row UINTEGER, split UTINYINT, size UINTEGER)")
    connection.execute("CREATE TABLE found (row UINTEGER)")
    parts = entries // PART_ENTRIES + 1
    for part in range(parts):
        connection.execute(
            """
            INSERT INTO shared WITH part AS NOT MATERIALIZED (
                SELECT * FROM rare WHERE pair % ?::UINTEGER = ?
            ) SELECT * FROM part
            WHERE pair IN (SELECT pair FROM part GROUP BY pair HAVING min(split) <> max(split))
            """,
            [parts, part],
        )
    connection.execute("CREATE VIEW protectors AS SELECT * FROM shared WHERE split < getvariable('protected')")
    connection.execute(
        "CREATE VIEW pending AS SELECT * FROM shared WHERE split > 0 AND row NOT IN (SELECT row FROM found)"
    )


def _last_of_slice(connection: duckdb.DuckDBPyConnection, first: int) -> int | None:
    """The last protector, from row `first` on, with which pending rows meet at most MEETINGS times; None: no one left.

    Each slice begins with those rows only that none before has found: of alike texts nearly all are found at once.
    """
    ((last,),) = connection.execute(
        """
        WITH met AS (SELECT pair, count(*) AS n FROM pending GROUP BY pair),
        meetings AS (SELECT row, sum(n) AS n FROM protectors JOIN met USING (pair) WHERE row >= ? GROUP BY row),
        running AS (SELECT row, sum(n) OVER (ORDER BY row) AS total FROM meetings)
        SELECT coalesce(max(row) FILTER (total <= ?), min(row)) FROM running
        """,
        [first, MEETINGS],
    ).fetchall()
    return last if last is None else int(last)


def _candidates(
    connection: duckdb.DuckDBPyConnection, between: tuple[int, int], similarity: float, at_once: int
) -> Iterator[tuple[Rows, Rows]]:
    """Pending rows and the protectors between two row numbers that may be similar, without those found meanwhile."""
    connection.execute(
        """
        CREATE OR REPLACE TABLE candidates AS SELECT DISTINCT one.row AS row, other.row AS other
        FROM pending one JOIN protectors other ON one.pair = other.pair AND one.split > other.split
        WHERE other.row BETWEEN ? AND ?
        AND least(one.size, other.size) >= ?::DOUBLE * greatest(one.size, other.size)
        """,
        [*between, similarity - 1e-9],
    )
    (count,) = fetch_counts(connection, "SELECT count(*) FROM candidates")
    for first in range(0, count, at_once):
        chosen = connection.execute(
            """
            SELECT row, other FROM candidates WHERE rowid >= ? AND rowid < ?
            AND row NOT IN (SELECT row FROM found)
            """,
            [first, first + at_once],
        ).fetchnumpy()
        if chosen["row"].size:
            yield chosen["row"], chosen["other"]


def _record(connection: duckdb.DuckDBPyConnection, rows: Rows) -> None:
    import pyarrow as pa

    connection.register("just_found", pa.table({"row": rows}))
    connection.execute("INSERT INTO found SELECT row FROM just_found")
    connection.unregister("just_found")


def _similar(file: pq.ParquetFile, rows: Rows, others: Rows, similarity: float) -> Rows:
    """Those of `rows`, each once, whose text is similar to the one beside it in `others`."""
    wanted = np.union1d(rows, others)
    pairs_by_text = _word_pairs_of(file, wanted)
    ones, beside = np.searchsorted(wanted, rows), np.searchsorted(wanted, others)
    likely = np.flatnonzero(may_be_similar(pairs_by_text, ones, beside, similarity))
    if not likely.size:
        return rows[:0]
    shares = jaccard(pairs_by_text, ones[likely], beside[likely])
    return np.unique(rows[likely[shares >= similarity]])


def _word_pairs_of(file: pq.ParquetFile, rows: Rows) -> WordPairs:
    """Distinct word pairs of the rows (sorted), read one row group at a time."""
    parts = []
    first = 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        begin, end = np.searchsorted(rows, (first, last))
        if begin < end:
            column = file.read_row_group(group, columns=["pairs"], use_threads=False)["pairs"].combine_chunks()
            chosen = column.take(rows[begin:end] - np.uint32(first))
            place = np.repeat(np.arange(begin, end, dtype=np.uint64), np.diff(chosen.offsets.to_numpy()))
            ordered = np.sort((place << np.uint64(32)) | chosen.values.to_numpy())
            parts.append(ordered[np.append(True, ordered[1:] != ordered[:-1])])  # np.unique hashes: far slower
        first = last
    return np.concatenate(parts)
