from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.data.database import open_database
from evergreen.data.duplicates.pictures import find_alike
from tests.generated import few

if TYPE_CHECKING:
    import duckdb

SEEDS = (0, 2**64 - 1, 0x0123456789ABCDEF, 0xF0F0F0F00F0F0F0F)

Hash = int | None
HASHES: st.SearchStrategy[Hash] = st.none() | st.builds(
    lambda seed, flips: int(seed ^ sum(1 << bit for bit in flips)), st.sampled_from(SEEDS), st.sets(st.integers(0, 63))
)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_database() as connection:
        yield connection


def straddling(
    database: duckdb.DuckDBPyConnection, rows: list[tuple[Hash, int]], splits: list[int], distance: int
) -> list[int]:
    columns = {
        "row": pa.array(range(len(rows)), pa.uint32()),
        "code": pa.array([code for _, code in rows], pa.uint8()),
        "likeness": pa.array([hashed for hashed, _ in rows], pa.uint64()),
    }
    database.register("signatures", pa.table(columns))
    return list(map(int, find_alike(database, np.array(splits, dtype=np.uint8), distance)))


def compared(rows: list[tuple[Hash, int]], distance: int) -> list[int]:
    """Every row against every other."""
    earlier = [(number, hashed, code) for number, (hashed, code) in enumerate(rows) if hashed is not None and code < 3]
    return [
        number
        for number, mine, code in earlier
        if any(other < code and (mine ^ theirs).bit_count() <= distance for _, theirs, other in earlier)
    ]


@given(st.lists(st.tuples(HASHES, st.sampled_from([0, 1, 2, 2, 5])), max_size=40), st.sampled_from([0, 1, 6, 12]))
@few()
def test_every_pair_within_the_distance_is_found_and_no_other(
    database: duckdb.DuckDBPyConnection, rows: list[tuple[Hash, int]], distance: int
) -> None:
    assert straddling(database, rows, [code for _, code in rows], distance) == compared(rows, distance)


@given(st.sampled_from(SEEDS), st.sets(st.integers(0, 63), min_size=1, max_size=7))
@few()
def test_the_distance_is_met_wherever_the_bits_lie(
    database: duckdb.DuckDBPyConnection, seed: int, bits: set[int]
) -> None:
    other = seed ^ sum(1 << bit for bit in bits)
    assert straddling(database, [(seed, 0), (other, 2)], [0, 2], 6) == ([1] if len(bits) <= 6 else [])


def test_rows_that_are_left_out_already_are_not_found_again(database: duckdb.DuckDBPyConnection) -> None:
    assert straddling(database, [(7, 0), (7, 2), (5, 1)], [0, 3, 1], 6) == [2]
