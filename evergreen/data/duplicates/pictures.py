"""Pictures of different splits that look alike, every pair of them, in bounded memory.

Two hashes that differ in at most `d` of their bits are equal in one of `d + 1` bands of bits at least, so only pictures
that share a band are compared, exactly. Pictures of one hash are compared once, however many there are.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evergreen.data.duplicates.keys import BITS, PROTECTED, Codes, Rows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def find_alike(connection: duckdb.DuckDBPyConnection, splits: Codes, distance: int) -> Rows:
    """Row numbers whose `likeness` differs in at most `distance` bits from one of a split with a smaller code: sorted.

    The view `signatures` has `row`, `code` and `likeness` (null: it tells nothing) of each row. Rows whose code in
    `splits`, (rows,) uint8, is above PROTECTED are left out already, and keep no others out.
    """
    import pyarrow as pa

    connection.register("bands", _bands(distance))
    connection.register("left_out", pa.table({"row": np.flatnonzero(splits > PROTECTED).astype(np.uint32)}))
    numbers = connection.execute(
        """
        WITH kept AS (SELECT row, code, likeness FROM signatures ANTI JOIN left_out USING (row)),
        hashes AS (
            SELECT likeness, min(code) AS lowest, max(code) AS highest FROM kept
            WHERE likeness IS NOT NULL GROUP BY likeness
        ),
        banded AS (
            SELECT likeness, lowest, highest, number, (likeness >> first) & mask AS bits FROM hashes CROSS JOIN bands
        ),
        alike AS (
            SELECT one.likeness, min(other.lowest) AS protector
            FROM (SELECT * FROM banded WHERE highest > 0) one
            JOIN (SELECT * FROM banded WHERE lowest < $protected) other USING (number, bits)
            WHERE one.highest > other.lowest AND bit_count(xor(one.likeness, other.likeness)) <= $distance
            GROUP BY one.likeness
        )
        SELECT row FROM kept JOIN alike USING (likeness) WHERE code > protector ORDER BY row
        """,
        {"protected": PROTECTED, "distance": distance},
    ).fetchnumpy()["row"]
    return np.asarray(numbers, dtype=np.uint32)


def _bands(distance: int) -> pa.Table:
    """`distance` + 1 bands of the hash: a number, the first bit of each, and a mask as wide as the band."""
    import pyarrow as pa

    edges = [BITS * number // (distance + 1) for number in range(distance + 2)]
    widths = [last - first for first, last in pairwise(edges)]
    columns = {"number": list(range(len(widths))), "first": edges[:-1], "mask": [(1 << width) - 1 for width in widths]}
    return pa.table({name: pa.array(values, pa.uint64()) for name, values in columns.items()})
