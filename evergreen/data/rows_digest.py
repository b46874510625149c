"""What rows say, as one fingerprint that their order has no part in."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 16


class RowsDigest:
    """Of rows that are added: equal rows, however often each, in any order and any batches, have one `fingerprint`.

    It is the sum of a hash of each row, modulo 2^128.
    """

    def __init__(self) -> None:
        self._rows = self._sum = 0

    @property
    def fingerprint(self) -> str:
        """Hexadecimal, of all rows so far."""
        return f"{self._rows:x}-{self._sum:0{2 * _BYTES}x}"

    def add(self, batch: pa.RecordBatch) -> None:
        """Some more rows, all of which have the same columns."""
        digests = b"".join(hashlib.blake2b(row, digest_size=_BYTES).digest() for row in _rows(batch))
        words = np.frombuffer(digests, dtype="<u4").reshape(-1, _BYTES // 4).sum(axis=0, dtype=np.uint64)
        self._sum += sum(int(word) << (32 * place) for place, word in enumerate(words))
        self._sum %= 1 << (8 * _BYTES)
        self._rows += batch.num_rows


def _rows(batch: pa.RecordBatch) -> list[bytes]:
    """Each row as bytes: the length of each value, then all of them; other values are other bytes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = [_written(batch.column(name)) for name in sorted(batch.schema.names)]
    lengths = [pc.fill_null(pc.binary_length(column).cast(pa.string()), "-") for column in columns]
    head = pc.binary_join_element_wise(*lengths, ",").cast(pa.large_binary())
    values = [pc.fill_null(column, b"") for column in columns]
    joined: list[bytes] = pc.binary_join_element_wise(head, *values, pa.scalar(b" ", pa.large_binary())).to_pylist()
    return joined


def _written(values: pa.Array) -> pa.Array:
    """The values as bytes."""
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        written = [None if value is None else repr(value).encode() for value in values.to_pylist()]
        return pa.array(written, pa.large_binary())
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        values = values.cast(pa.large_string())
    return values.cast(pa.large_binary())
