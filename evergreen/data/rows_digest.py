"""What rows say, as one fingerprint that their order has no part in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_BYTES = 16
_NO_TIME = -(2**63)
_LARGE = 2**29
"""Bytes of rows that, written as one array with offsets of 32 bits, might not fit."""


class RowsDigest:
    """Of rows that are added: equal rows, however often each, in any order and any batches, have one `fingerprint`.

    It is the sum of a hash of each row (XXH3, of 128 bits), modulo 2^128: whoever writes rows could make others that
    have it, and has easier ways to put rows in.
    """

    def __init__(self) -> None:
        self._rows = self._sum = 0

    @property
    def fingerprint(self) -> str:
        """Hexadecimal, of all rows so far."""
        return f"{self._rows:x}-{self._sum:0{2 * _BYTES}x}"

    def add(self, batch: pa.RecordBatch) -> None:
        """Some more rows, all of which have the same columns."""
        if not batch.num_rows:
            return
        digests = b"".join(row_digests(batch))
        words = np.frombuffer(digests, dtype="<u4").reshape(-1, _BYTES // 4).sum(axis=0, dtype=np.uint64)
        self._sum += sum(int(word) << (32 * place) for place, word in enumerate(words))
        self._sum %= 1 << (8 * _BYTES)
        self._rows += batch.num_rows


def row_digests(batch: pa.RecordBatch) -> Iterator[bytes]:
    """A hash of 16 bytes a row, equal of equal rows; columns may be in any order."""
    from xxhash import xxh3_128_digest

    return map(xxh3_128_digest, _rows(batch))


def _rows(batch: pa.RecordBatch) -> Iterable[bytes]:
    """Each row as bytes, which no other row has: its times, how long each other value is, and then those values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = pa.binary() if batch.nbytes < _LARGE else pa.large_binary()
    columns = [batch.column(name) for name in sorted(batch.schema.names)]
    values = [_written(column).cast(kind) for column in columns if not pa.types.is_timestamp(column.type)]
    times = [
        pc.fill_null(column.cast(pa.int64()), _NO_TIME) for column in columns if pa.types.is_timestamp(column.type)
    ]
    lengths = [pc.fill_null(pc.binary_length(column), -1) for column in values]
    head = np.stack([np.asarray(one, dtype=np.int64) for one in (*times, *lengths)], axis=1)  # (rows, columns)
    size = head.shape[1] * head.itemsize
    heads = pa.Array.from_buffers(pa.binary(size), len(head), [None, pa.py_buffer(head)]).cast(kind)
    filled = (pc.fill_null(column, b"") for column in values)
    joined: Iterable[bytes] = pc.binary_join_element_wise(heads, *filled, pa.scalar(b"", kind)).to_numpy(
        zero_copy_only=False
    )
    return joined


def _written(values: pa.Array) -> pa.Array:
    """The values as text or bytes."""
    import pyarrow as pa

    if pa.types.is_nested(values.type):
        written = [None if value is None else repr(value).encode() for value in values.to_pylist()]
        return pa.array(written, pa.large_binary())
    is_written = (
        pa.types.is_string(values.type) or pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)
    )
    return values if is_written else values.cast(pa.large_string())
