"""Parquet, one row group at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.data.canonical import with_row_names
from evergreen.data.row_fields import check_columns, mapped_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_ROWS = 4_096
_BATCH_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20


def read_parquet(path: Path, name: str, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns with their own types, and the rows' names.

    Raises:
        InputError: no Parquet, or a missing column.
    """
    batches = read_batches(path, name, lambda present: list(check_columns(settings, present, name).values()))
    yield from with_row_names((mapped_columns(batch, settings, name) for batch in batches), name)


def read_batches(path: Path, name: str, choose: Callable[[Sequence[str]], Sequence[str]]) -> Iterator[pa.RecordBatch]:
    """Batches of the columns that are chosen of those present. Raises InputError where the file is no Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            columns = list(choose(file.schema_arrow.names))
            rows = _rows_at_once(file.metadata)
            for groups in _groups_at_once(file):
                yield from file.iter_batches(rows, row_groups=groups, columns=columns, use_threads=False)
    except pa.ArrowNotImplementedError as error:
        raise InputError(f"{name} has columns that cannot be read: {error}; write them as plain columns") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{name} is no whole Parquet file: {error}; write it again or set source.format") from error


def _groups_at_once(file: pq.ParquetFile) -> list[list[int]]:
    """All row groups; one by one where structures hold dictionaries, which Arrow cannot join across groups."""
    groups = list(range(file.num_row_groups))
    one_by_one = any(_holds_dictionary(field.type, within=False) for field in file.schema_arrow)
    return [[group] for group in groups] if one_by_one else [groups]


def _holds_dictionary(kind: pa.DataType, *, within: bool) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return within
    return any(_holds_dictionary(kind.field(place).type, within=True) for place in range(kind.num_fields))


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    """Rows whose values take about _BATCH_BYTES, at most _BATCH_ROWS: pictures are large."""
    size: int = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    rows: int = metadata.num_rows
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(size, 1)))
