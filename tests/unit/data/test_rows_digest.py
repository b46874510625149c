"""The fingerprint of rows that their order has no part in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from evergreen.data.rows_digest import RowsDigest

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "12", "came": datetime(2026, 1, 1, tzinfo=UTC), "sizes": [1, 2], "picture": b"\x00"},
    {"id": "b", "text": None, "came": None, "sizes": None, "picture": b""},
    {"id": "b", "text": "", "came": None, "sizes": [], "picture": None},
]
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("came", pa.timestamp("us", tz="UTC")),
        ("sizes", pa.list_(pa.int64())),
        ("picture", pa.binary()),
    ]
)


def fingerprint(*batches: list[dict[str, Any]]) -> str:
    digest = RowsDigest()
    for rows in batches:
        digest.add(pa.RecordBatch.from_pylist(rows, SCHEMA))
    return digest.fingerprint


def test_equal_rows_in_any_order_and_batches_have_one_fingerprint() -> None:
    first, second, third = ROWS
    assert fingerprint([third, first], [], [second]) == fingerprint(ROWS)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "a1", "text": "2"},
        {"text": None},
        {"came": None},
        {"sizes": [1]},
        {"picture": b"\x01"},
    ],
)
def test_other_rows_have_another_one(changed: dict[str, Any]) -> None:
    assert fingerprint([ROWS[0] | changed, *ROWS[1:]]) != fingerprint(ROWS)


def test_how_often_a_row_is_there_counts() -> None:
    assert len({fingerprint(ROWS[:1] * times) for times in range(5)}) == 5
    assert fingerprint(ROWS[1:2]) != fingerprint(ROWS[2:])  # an empty text is none that is lacking
