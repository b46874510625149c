"""Parquet, one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError
from evergreen.data.canonical import RowFields, check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 4_096


def read_parquet(path: Path, name: str, fields: RowFields) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns with their own types.

    Raises:
        InputError: no Parquet, or a missing column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            check_columns(fields, file.schema_arrow.names, name)
            yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=fields.needed, use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{name} is no whole Parquet file: {error}; write it again or set source.format") from error
