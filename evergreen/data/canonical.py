"""From a source's own columns to the canonical ones.

Texts have `text` and `label`, pictures `image` and `mask`; both may have `id`, `timestamp`, `split`, `group` and any
others for slices.

columns:      {id: article_id, text: content, label: category}
label_names:  {1: World, 2: Sports, 3: Business, 4: Sci/Tech}

columns:      {image: picture, mask: trimap, split: split}
mask_classes: {1: 0, 2: 1, 3: 2}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.quoting import excerpt
from evergreen.data.given_splits import given_splits
from evergreen.data.groups import groups, groups_of_names
from evergreen.data.pictures import picture_bytes, reclassed

if TYPE_CHECKING:
    import pyarrow as pa

ROW_NAME = "__row__"
"""Column that readers add: where a person finds the row, e.g. `news.csv:17`; the id when none is mapped."""


TEXT_COLUMNS = {"text": "text", "label": "label"}
PICTURE_COLUMNS = {"image": "image", "mask": "mask"}
"""What a source is read for when nothing else is mapped, by canonical name."""

MaskValue = Annotated[int, Field(ge=0, le=255)]


def _with_text_keys(value: Any) -> Any:
    """YAML reads the key in `1: World` as a number; labels are compared as text."""
    return {str(key): name for key, name in value.items()} if isinstance(value, dict) else value


class RowFields(Frozen):
    """What every source of rows is told about its columns.

    `columns` maps canonical names to columns of the source. One that maps `image` or `mask` tells that the rows are
    pictures; else they are texts. `image` and `mask`, or `text` and `label`, default to columns of that name; `split`,
    where it is mapped, shares the rows out; rows of one `group`, where it is, stay together. `label_names` maps raw
    label values to names, `mask_classes` the values of a mask's pixels to class indices.
    """

    columns: dict[str, str] = {}
    label_names: Annotated[dict[str, str], BeforeValidator(_with_text_keys)] | None = None
    mask_classes: dict[MaskValue, MaskValue] | None = Field(None, min_length=1, exclude_if=lambda value: value is None)

    @field_validator("columns")
    @classmethod
    def _names_are_canonical(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"'{name}' cannot name a column; use lower-case letters, digits and '_', such as text, label, id"
                )
        return columns

    @model_validator(mode="after")
    def _what_is_renamed_is_read(self) -> Self:
        for field, column in ("label_names", "label"), ("mask_classes", "mask"):
            if getattr(self, field) is not None and column not in self.mapping:
                raise ValueError(
                    f"{field} needs a {column} column, which is not read; map columns.{column} or remove it"
                )
        return self

    @property
    def has_pictures(self) -> bool:
        """Whether the rows are pictures with masks."""
        return not PICTURE_COLUMNS.keys().isdisjoint(self.columns)

    @property
    def mapping(self) -> dict[str, str]:
        """Column of the source by canonical name."""
        return (PICTURE_COLUMNS if self.has_pictures else TEXT_COLUMNS) | self.columns

    @property
    def needed(self) -> list[str]:
        """Columns of the source that are read, each once."""
        return list(dict.fromkeys(self.mapping.values()))

    @property
    def canonical_names(self) -> tuple[str, ...]:
        """The columns that the rows have once they are read."""
        return tuple(dict.fromkeys(("id", *self.mapping)))

    @property
    def group_in_names(self) -> str | None:
        """The regular expression that finds the groups in rows' names; None: a column tells them, or nothing."""
        return None

    def check_window(self, window: ResolvedWindow | None) -> None:
        """Raises InputError when rows are to be chosen by time and no column tells it."""
        if window and "timestamp" not in self.mapping:
            raise InputError(
                "a window needs the time of each row, which no column gives; set source.columns.timestamp or no window"
            )


def check_columns(fields: RowFields, present: Sequence[str], where: str) -> None:
    """Raises InputError naming every mapped column that `where` lacks, and the columns that it has."""
    missing = {name: column for name, column in fields.mapping.items() if column not in present}
    if not missing:
        return
    listed = ", ".join(f"'{column}'" for column in missing.values())
    settings = " and ".join(f"source.columns.{name}" for name in missing)
    noun = "column" if len(missing) == 1 else "columns"
    raise InputError(f"{noun} {listed} missing from {where} (has: {', '.join(present)}); set {settings}")


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
    batches: Iterable[pa.RecordBatch], fields: RowFields, window: ResolvedWindow | None
) -> Iterator[pa.RecordBatch]:
    """Batches with canonical columns, all of one schema, only rows within the window.

    Raises:
        InputError: a label without a name, a timestamp that is none, a column that changes its type.
    """
    schema: pa.Schema | None = None
    for batch in batches:
        rows = _canonical(batch, fields)
        if schema is None:
            schema = rows.schema
        rows = _cast(rows, schema, batch)
        yield rows if window is None else _within(rows, batch, window)


def _canonical(batch: pa.RecordBatch, fields: RowFields) -> pa.RecordBatch:
    import pyarrow as pa

    names = batch.column(ROW_NAME)
    columns = {"id": names}
    for name, source in fields.mapping.items():
        column = batch.column(source)
        if name in ("id", "text", "label"):
            columns[name] = _text(column, source)
        elif name in PICTURE_COLUMNS:
            columns[name] = picture_bytes(column, source)
        elif name == "timestamp":
            columns[name] = _timestamps(column, names)
        elif name == "group":
            columns[name] = groups(_text(column, source), names)
        elif name == "split":
            columns[name] = given_splits(_text(column, source), names)
        else:
            columns[name] = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if fields.group_in_names is not None:
        columns["group"] = groups_of_names(names, fields.group_in_names)
    if fields.label_names is not None and "label" in columns:
        columns["label"] = _named(columns["label"], fields.label_names, names)
    if fields.mask_classes is not None and "mask" in columns:
        columns["mask"] = reclassed(columns["mask"], fields.mask_classes)
    return pa.RecordBatch.from_pydict(columns)


def _text(column: pa.Array, source: str) -> pa.Array:
    import pyarrow as pa

    try:
        return column.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"column '{source}' holds {column.type}, not text; map another column") from error


def _named(labels: pa.Array, label_names: Mapping[str, str], rows: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    position = pc.index_in(labels, pa.array(list(label_names), pa.string()))
    unnamed = pc.and_(pc.is_null(position), pc.is_valid(labels))
    if pc.any(unnamed).as_py():
        first = pc.index(unnamed, True).as_py()
        allowed = ", ".join(f"'{value}'" for value in label_names)
        raise InputError(
            f"label '{labels[first]}' of row {rows[first]} has no name (named: {allowed}); "
            "add it to source.label_names or correct the row"
        )
    return pa.array(list(label_names.values()), pa.string()).take(position)


def _timestamps(column: pa.Array, rows: pa.Array) -> pa.Array:
    import pyarrow as pa

    utc = pa.timestamp("us", tz="UTC")
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False).cast(utc)
    parsed = []
    for value, row in zip(column.to_pylist(), rows, strict=True):
        try:
            moment = None if value is None else datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"timestamp {excerpt(value)} of row {row} is no ISO 8601 time such as 2024-05-31T12:00:00Z; "
                "convert the column or map another"
            ) from error
        parsed.append(moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment)
    return pa.array(parsed, utc)


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
        f"{one.name} was {one.type}, is {got.field(one.name).type}" for one in first if one != got.field(one.name)
    )


def _within(rows: pa.RecordBatch, batch: pa.RecordBatch, window: ResolvedWindow) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = rows.column("timestamp")
    if moments.null_count:
        first = batch.column(ROW_NAME)[pc.index(pc.is_null(moments), True).as_py()]
        raise InputError(f"row {first} has no timestamp, so no window can hold it; fill it or remove the window")
    start, end = (pa.scalar(one, moments.type) for one in (window.start, window.end))
    return rows.filter(pc.and_(pc.greater_equal(moments, start), pc.less(moments, end)))
