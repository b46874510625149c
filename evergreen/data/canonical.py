"""From a source's own columns to the canonical ones.

Texts have `text` and `label`, pictures `image` and `mask`; both may have `id`, `timestamp`, `split`, `group` and any
others for slices. A text may be joined from several columns.

columns:      {id: article_id, text: [title, body], label: category}
label_names:  {1: World, 2: Sports, 3: Business, 4: Sci/Tech}

columns:      {image: picture, mask: trimap, split: split}
mask_classes: {1: 0, 2: 1, 3: 2}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.intake import IntakeCount, LeftOutReason
from evergreen.core.names import Name, nfc, quoted
from evergreen.core.quoting import excerpt
from evergreen.data.columns import RESERVED, match_columns
from evergreen.data.given_splits import given_splits
from evergreen.data.groups import groups, groups_of_names
from evergreen.data.picture_columns import picture_bytes, reclassed
from evergreen.data.plain import composed, moments, plain, text

if TYPE_CHECKING:
    import pyarrow as pa

ROW_NAME = RESERVED
"""Column that readers add: where a person finds the row, e.g. `news.csv:17`; the id when none is mapped."""


MASK = "mask"
TEXT_COLUMNS = {"text": "text", "label": "label"}
PICTURE_COLUMNS = {"image": "image", MASK: "mask"}
"""What a source is read for when nothing else is mapped, by canonical name."""

MaskValue = Annotated[int, Field(ge=0, le=255)]
Joined = Annotated[tuple[str, ...], Field(min_length=1)]
_SEPARATOR = "\n\n"


def _with_text_keys(value: Any) -> Any:
    """YAML reads the key in `1: World` as a number; labels are compared as text, composed.

    Raises:
        ValueError: two keys are the same then, of which one would be lost.
    """
    if not isinstance(value, dict):
        return value
    by_text: dict[str, Any] = {}
    for key, name in value.items():
        word = nfc(str(key))
        if word in by_text:
            raise ValueError(f"{quoted(word)} is there twice, in two spellings of one value; keep one")
        by_text[word] = name
    return by_text


class RowFields(Frozen):
    """What every source of rows is told about its columns.

    `columns` maps canonical names to columns of the source. One that maps `image` or `mask` tells that the rows are
    pictures; else they are texts. `image` and `mask`, or `text` and `label`, default to columns of that name; `split`,
    where it is mapped, shares the rows out; rows of one `group`, where it is, stay together. Several columns of a
    `text` are joined by `text_separator`, those without content left out. `label_names` maps raw label values to names,
    `mask_classes` the values of a mask's pixels to class indices.
    """

    places: ClassVar[frozenset[str]] = frozenset({"kind"})
    """Fields that say where rows are or how they are fetched; all others shape the rows."""

    columns: dict[str, str | Joined] = {}
    text_separator: str = Field(_SEPARATOR, exclude_if=lambda value: value == _SEPARATOR)
    label_names: Annotated[dict[Name, Name], BeforeValidator(_with_text_keys)] | None = None
    mask_classes: Annotated[dict[MaskValue, MaskValue], BeforeValidator(_with_text_keys)] | None = Field(
        None, min_length=1, exclude_if=lambda value: value is None
    )

    @field_validator("columns")
    @classmethod
    def _names_are_canonical(cls, columns: dict[str, str | Joined]) -> dict[str, str | Joined]:
        for name, column in columns.items():
            if name != "text" and not isinstance(column, str):
                raise ValueError(f"columns.{name} lists columns; only those of text can be joined, name one")
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
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Columns of the source by canonical name: one each, or those that a text is joined from."""
        mapped = (PICTURE_COLUMNS if self.has_pictures else TEXT_COLUMNS) | self.columns
        return {name: (column,) if isinstance(column, str) else column for name, column in mapped.items()}

    @property
    def mapping(self) -> dict[str, str]:
        """Column of the source by canonical name; those that are joined as `title + body`."""
        return {name: " + ".join(columns) for name, columns in self.parts.items()}

    @property
    def joined(self) -> bool:
        """Whether a text is made of several columns, which nothing can write back."""
        return any(len(columns) > 1 for columns in self.parts.values())

    @property
    def needed(self) -> list[str]:
        """Columns of the source that are read, each once."""
        return list(dict.fromkeys(column for columns in self.parts.values() for column in columns))

    def shaping(self) -> dict[str, Any]:
        """The fields that shape rows, JSON-ready: other values make other rows of the same bytes.

        Every field does but those in `places`; one that is left out at its default was added later.
        """
        return self.model_dump(mode="json", exclude=set(self.places))

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


def check_columns(fields: RowFields, present: Sequence[str], where: str) -> dict[str, str]:
    """The present column by mapped one, compared as NFC.

    Raises:
        InputError: naming every mapped column that `where` lacks and those that it has, or one that it has twice.
    """
    wanted: dict[str, list[str]] = {}
    for name, columns in fields.parts.items():
        for column in columns:
            wanted.setdefault(column, []).append(f"source.columns.{name}")
    return match_columns({column: " and ".join(names) for column, names in wanted.items()}, present, where)


def mapped_columns(rows: pa.RecordBatch, fields: RowFields, where: str) -> pa.RecordBatch:
    """The mapped columns alone, by the names that they are mapped by. Raises as `check_columns`."""
    chosen = check_columns(fields, rows.schema.names, where)
    return rows.select(list(chosen.values())).rename_columns(list(chosen))


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
    if name == "timestamp":
        return moments(column, source, names)
    if name not in ("id", "label", "group", "split"):
        return plain(column, source, names)
    words = text(column, source, names)
    if name == "split":
        return given_splits(words, names)
    return words if name == "id" else groups(composed(words), names) if name == "group" else composed(words)


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
        f"{one.name} was {one.type}, is {got.field(one.name).type}" for one in first if one != got.field(one.name)
    )


def _within(rows: pa.RecordBatch, batch: pa.RecordBatch, window: ResolvedWindow, count: IntakeCount) -> pa.RecordBatch:
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = rows.column("timestamp")
    if moments.null_count:
        first = batch.column(ROW_NAME)[pc.index(pc.is_null(moments), True).as_py()]
        raise InputError(f"row {first} has no timestamp, so no window can hold it; fill it or remove the window")
    start, end = (pa.scalar(one, moments.type) for one in (window.start, window.end))
    within = pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
    if outside := rows.num_rows - (pc.sum(within).as_py() or 0):
        names = batch.column(ROW_NAME).filter(pc.invert(within))
        count.leave_out(LeftOutReason.OUTSIDE_WINDOW, outside, (name.as_py() for name in names))
    return rows.filter(within)
