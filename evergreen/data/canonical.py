"""From a source's own columns to the canonical ones.

Texts have `text` and `label` or numbers, pictures `image` and `mask`; both may have `id`, `timestamp`, `arrived`,
`split`, `group` and any others for slices. A text may be joined from several columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount, LeftOutReason
from evergreen.core.quoting import excerpt
from evergreen.data.given import group_column, groups_of_names, split_column
from evergreen.data.picture_columns import picture_bytes, reclassed
from evergreen.data.plain import composed, moments, number, plain, text
from evergreen.data.row_fields import MASK, PICTURE_COLUMNS, ROW_NAME, TIMES, RowFields

if TYPE_CHECKING:
    import pyarrow as pa


def with_row_names(batches: Iterable[pa.RecordBatch], name: str) -> Iterator[pa.RecordBatch]:
    """The batches with a column that names each row `<name>:<number>`, counted from 1."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    first = 1
    for batch in batches:
        numbers = pa.array(np.arange(first, first + batch.num_rows)).cast(pa.string())
        yield batch.append_column(ROW_NAME, pc.binary_join_element_wise(name, numbers, ":"))
        first += batch.num_rows


def canonical_rows(
    batches: Iterable[pa.RecordBatch],
    fields: RowFields,
    window: ResolvedWindow | None,
    count: IntakeCount | None = None,
) -> Iterator[pa.RecordBatch]:
    """Batches with canonical columns, all of one schema, only rows within the window; `count` counts all rows.

    Raises:
        InputError: a label without a name, a timestamp that is none, a column that changes its type.
    """
    schema: pa.Schema | None = None
    count = IntakeCount() if count is None else count
    for batch in batches:
        count.see(batch.num_rows)
        rows = _canonical(batch, fields)
        if schema is None:
            schema = rows.schema
        rows = _cast(rows, schema, batch)
        yield rows if window is None else _within(rows, batch, window, count)


def _canonical(batch: pa.RecordBatch, fields: RowFields) -> pa.RecordBatch:
    import pyarrow as pa

    names = batch.column(ROW_NAME)
    columns = {"id": names}
    for name in fields.parts:
        columns[name] = _column(name, batch, fields)
    if fields.group_in_names is not None:
        columns["group"] = groups_of_names(names, fields.group_in_names)
    if fields.label_names is not None and "label" in columns:
        columns["label"] = _named(columns["label"], fields.label_names, names)
    if fields.mask_classes is not None and "mask" in columns:
        columns["mask"] = reclassed(columns["mask"], fields.mask_classes)
    return pa.RecordBatch.from_pydict(columns)


def _column(name: str, batch: pa.RecordBatch, fields: RowFields) -> pa.Array:
    """One canonical column, before its values are renamed."""
    names = batch.column(ROW_NAME)
    source = fields.parts[name][0]
    column = batch.column(source)
    if name == "text":
        return joined_text(batch, fields)
    if name in PICTURE_COLUMNS:
        return picture_bytes(column, source, is_mask=name == MASK, rows=names)
    if name not in ("id", "label", "group", "split"):
        read = moments if name in TIMES else number if name in fields.numbers else plain
        return read(column, source, names)
    words = text(column, source, names)
    if name == "split":
        return split_column(words, names)
    return words if name == "id" else group_column(composed(words), names) if name == "group" else composed(words)


def joined_text(rows: pa.RecordBatch, fields: RowFields) -> pa.Array:
    """The text of each row: the one column, or several joined."""
    import pyarrow as pa

    parts = [text(rows.column(source), source, rows.column(ROW_NAME)) for source in fields.parts["text"]]
    if len(parts) == 1:
        return parts[0]
    whole = [join(values, fields.text_separator) for values in zip(*(part.to_pylist() for part in parts), strict=True)]
    return pa.array(whole, pa.string())


def join(parts: Iterable[str | None], separator: str) -> str | None:
    """One text of those parts that have content; None where none has."""
    return separator.join(part for part in parts if part and part.strip()) or None


def _named(labels: pa.Array, label_names: Mapping[str, str], rows: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    position = pc.index_in(labels, pa.array(list(label_names), pa.string()))
    unnamed = pc.and_(pc.is_null(position), pc.is_valid(labels))
    if pc.any(unnamed).as_py():
        first = pc.index(unnamed, True).as_py()
        allowed = ", ".join(f"'{value}'" for value in label_names)
        raise InputError(
            f"label {excerpt(labels[first].as_py())} of row {rows[first]} has no name (named: {allowed}); "
            "add it to source.label_names or correct the row"
        )
    return pa.array(list(label_names.values()), pa.string()).take(position)


def _cast(rows: pa.RecordBatch, schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    import pyarrow as pa

    try:
        return rows.cast(schema)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        first = batch.column(ROW_NAME)[0]
        raise InputError(
            f"columns change their type at row {first}: {_changes(rows.schema, schema)}; give all files the same types"
        ) from error


def _changes(got: pa.Schema, first: pa.Schema) -> str:
    return ", ".join(
        f"{column.name} was {column.type}, is {got.field(column.name).type}"
        for column in first
        if column != got.field(column.name)
    )


def _within(rows: pa.RecordBatch, batch: pa.RecordBatch, window: ResolvedWindow, count: IntakeCount) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = rows.column("timestamp")
    if moments.null_count:
        first = batch.column(ROW_NAME)[pc.index(pc.is_null(moments), True).as_py()]
        raise InputError(f"row {first} has no timestamp, so no window can hold it; fill it or remove the window")
    start, end = (pa.scalar(bound, moments.type) for bound in (window.start, window.end))
    within = pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
    if outside := rows.num_rows - (pc.sum(within).as_py() or 0):
        names = batch.column(ROW_NAME).filter(pc.invert(within))
        count.leave_out(LeftOutReason.OUTSIDE_WINDOW, outside, (name.as_py() for name in names))
    return rows.filter(within)
