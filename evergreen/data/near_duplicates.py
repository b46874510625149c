"""Near duplicates by MinHash and locality-sensitive hashing, vectorised over rows and bounded in memory.

Two texts are as similar as their sets of word pairs: `|A ∩ B| / |A ∪ B|` (Jaccard). The smallest of the hashed pairs
under a random permutation is equal for both texts with just that probability (Broder 1997); `bands` of several such
minima find pairs above a similarity without comparing all (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets,
3.4). The pairs found are then compared exactly.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.data.database import fetch_counts

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyarrow import parquet as pq

Hashes = np.ndarray[Any, np.dtype[np.uint32]]
Rows = np.ndarray[Any, np.dtype[np.uint32]]

PERMUTATIONS = 128
RECALL = 0.999
"""Least probability that a pair at the similarity is found; more similar pairs are found more surely."""
PART_ROWS = 500_000
"""Rows that one query joins, so that it keeps to the database's memory limit however many there are."""
HELD_WORDS = 4 << 20
"""Word pairs, 4 bytes each, held for comparing."""
REPRESENTATIVES = 4
"""Rows of one split in one bucket that others are compared with: bounds the pairs of boilerplate texts."""


@dataclass(frozen=True)
class Bands:
    """`count` bands of `width` minima each."""

    count: int
    width: int

    @classmethod
    def for_similarity(cls, similarity: float) -> Bands:
        """The widest bands, so the fewest needless comparisons, that find pairs at `similarity` with RECALL."""
        for width in range(PERMUTATIONS, 1, -1):
            count = PERMUTATIONS // width
            if (1 - similarity**width) ** count <= 1 - RECALL:
                return cls(count, width)
        return cls(PERMUTATIONS, 1)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that hold the band hashes."""
        return [f"band_{index}" for index in range(self.count)]


def word_pairs(texts: pa.Array) -> pa.Array:
    """Hashes of neighbouring words: list<uint32>, one or more a row, the last word paired with the end."""
    import pyarrow as pa
    import pyarrow.compute as pc

    words = pc.utf8_split_whitespace(texts)
    flat = words.flatten().dictionary_encode()
    vocabulary = np.fromiter((zlib.crc32(word.encode()) for word in flat.dictionary.to_pylist()), np.uint32)
    first = _mix(vocabulary)[flat.indices.to_numpy()]
    second = np.append(first[1:], np.uint32(0))
    second[words.offsets.to_numpy()[1:] - 1] = 0
    return pa.ListArray.from_arrays(words.offsets, pa.array(_mix(first * np.uint32(0x9E3779B1) + second)))


def band_hashes(pairs: pa.Array, bands: Bands) -> list[np.ndarray[Any, np.dtype[np.uint64]]]:
    """One array a band: (rows,) uint64, equal where all minima of the band are."""
    hashes, starts = pairs.values.to_numpy(), pairs.offsets.to_numpy()[:-1]
    draws = np.frombuffer(hashlib.shake_256(b"minhash").digest(8 * PERMUTATIONS), dtype="<u4").reshape(-1, 2)
    result = []
    for band in range(bands.count):
        combined = np.zeros(len(starts), dtype=np.uint64)
        for factor, shift in draws[band * bands.width : (band + 1) * bands.width]:
            minima = np.minimum.reduceat(hashes * (factor | np.uint32(1)) + shift, starts)
            combined = combined * np.uint64(0x9E3779B97F4A7C15) + minima
        result.append(combined)
    return result


def _mix(hashes: Hashes) -> Hashes:
    """Finaliser of MurmurHash3: every input bit moves every output bit."""
    hashes = (hashes ^ (hashes >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    hashes = (hashes ^ (hashes >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return hashes ^ (hashes >> np.uint32(16))


def find_straddling(connection: duckdb.DuckDBPyConnection, signatures: Path, similarity: float) -> Rows:
    """Row numbers whose text is at least `similarity` to a text of a split with a smaller code: (found,), sorted.

    The Parquet file `signatures`, also a view of that name, has `row`, `key` (equal for equal texts), `split` (code),
    `pairs` and the hashes of `Bands.for_similarity(similarity)`.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(signatures, pre_buffer=False) as file:
        rows = file.metadata.num_rows
        _find_candidates(connection, rows, Bands.for_similarity(similarity))
        (count,) = fetch_counts(connection, "SELECT count(*) FROM candidates")
        at_once = max(1, HELD_WORDS * rows // (2 * _count_word_pairs(file)))
        found = np.empty(0, dtype=np.uint32)
        for first in range(0, count, at_once):
            pairs = connection.execute(
                f"SELECT row, other FROM candidates WHERE rowid >= {first} AND rowid < {first + at_once}"  # noqa: S608
            ).fetchnumpy()
            pending = ~np.isin(pairs["row"], found)
            similar = _similar(file, pairs["row"][pending], pairs["other"][pending], similarity)
            found = np.union1d(found, similar)
    return found


def _count_word_pairs(file: pq.ParquetFile) -> int:
    column = next(n for n in range(file.metadata.num_columns) if file.schema.column(n).path.startswith("pairs."))
    return sum(file.metadata.row_group(group).column(column).num_values for group in range(file.num_row_groups))


def _find_candidates(connection: duckdb.DuckDBPyConnection, rows: int, bands: Bands) -> None:
    connection.execute("CREATE TABLE met (row UINTEGER, other UINTEGER)")
    parts = rows // PART_ROWS + 1
    for band in bands.columns:
        for part in range(parts):
            connection.execute(_rows_that_meet(f"{band} % {parts} = {part}", band))
    connection.execute("CREATE TABLE candidates AS SELECT DISTINCT row, other FROM met")


def _rows_that_meet(condition: str, band: str) -> str:
    """SQL that adds pairs of rows in one bucket of a band and in different splits."""
    return f"""
        INSERT INTO met
        WITH part AS NOT MATERIALIZED (
            SELECT {band} AS bucket, split, key, row FROM signatures WHERE {condition}
        ), shared AS (
            SELECT bucket FROM part GROUP BY bucket HAVING min(split) <> max(split)
        ), members AS (
            SELECT * FROM part WHERE bucket IN (SELECT bucket FROM shared)
        ), representatives AS (
            SELECT bucket, split, min(row) AS row FROM members WHERE split < 2 GROUP BY bucket, split, key
            QUALIFY row_number() OVER (PARTITION BY bucket, split ORDER BY key) <= {REPRESENTATIVES}
        )
        SELECT one.row, other.row FROM members one
        JOIN representatives other ON one.bucket = other.bucket AND one.split > other.split
    """  # noqa: S608 - column names and conditions of our own


def _similar(file: pq.ParquetFile, rows: Rows, others: Rows, similarity: float) -> Rows:
    """Those of `rows` whose text is similar to the one beside it in `others`."""
    pairs = _word_pairs_of(file, np.union1d(rows, others))
    return np.array(
        [row for row, other in zip(rows, others, strict=True) if jaccard(pairs[row], pairs[other]) >= similarity],
        dtype=np.uint32,
    )


def _word_pairs_of(file: pq.ParquetFile, rows: Rows) -> dict[int, Hashes]:
    """Distinct word pairs of the rows (sorted), read one row group at a time."""
    pairs: dict[int, Hashes] = {}
    first = 0
    for group in range(file.num_row_groups):
        last = first + file.metadata.row_group(group).num_rows
        wanted = rows[np.searchsorted(rows, first) : np.searchsorted(rows, last)]
        if wanted.size:
            column = file.read_row_group(group, columns=["pairs"])["pairs"].combine_chunks()
            values, offsets = column.values.to_numpy(), column.offsets.to_numpy()
            for row in wanted:
                pairs[row] = np.unique(values[offsets[row - first] : offsets[row - first + 1]])
        first = last
    return pairs


def jaccard(one: Hashes, other: Hashes) -> float:
    """Share of values that both arrays of distinct ones hold, 0 to 1."""
    shared = np.intersect1d(one, other, assume_unique=True).size
    return float(shared / (one.size + other.size - shared))
