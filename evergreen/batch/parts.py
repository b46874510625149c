"""Files of predicted rows: JSON Lines, which hold whatever rows hold, or Parquet with the types that are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.adapters.files.table_writers import json_line
from evergreen.core.batch import PartFormat, Row
from evergreen.core.errors import InputError
from evergreen.data.shards import parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa


def write_part(path: Path, rows: Sequence[Row], part_format: PartFormat, known: Mapping[str, pa.DataType]) -> None:
    """Writes rows; columns of Parquet have the `known` types, others those that the rows show.

    Raises:
        InputError: a column has values of several types, which Parquet cannot hold.
    """
    if part_format == "jsonl":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(map(json_line, rows))
        return
    table = _table(rows, known)
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


def _table(rows: Sequence[Row], known: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa

    def column(name: str) -> pa.Array:
        made = pa.array([row.get(name) for row in rows], known.get(name))
        return made.cast(pa.string()) if pa.types.is_null(made.type) else made  # of these rows nobody can tell

    names = dict.fromkeys(name for row in rows for name in row)
    try:
        return pa.table({name: column(name) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"a column changes its type, which Parquet cannot hold ({error}); write .jsonl") from error


def known_types(columns: Mapping[str, str], schema: pa.Schema | None) -> Iterator[tuple[str, pa.DataType]]:
    """Types of an input's columns and of those that predictions add, which may be called `predicted_…` beside them."""
    import pyarrow as pa

    for field in schema or ():
        yield field.name, field.type
    taken = set(schema.names) if schema is not None else set()
    for name, kind in columns.items():
        arrow = pa.type_for_alias(kind)
        if name not in taken:
            yield name, arrow
        yield f"predicted_{name}", arrow
