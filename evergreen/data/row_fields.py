"""What a source of rows is given about its columns: which are read, by which names, and what their values mean.

columns:      {id: article_id, text: [title, body], label: category}
label_names:  {1: World, 2: Sports, 3: Business, 4: Sci/Tech}

columns:      {text: advert, target: price}
numbers:      [target]

columns:      {image: picture, mask: trimap, split: split}
mask_classes: {1: 0, 2: 1, 3: 2}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from evergreen.core.artifacts import REPLAYED, ResolvedWindow
from evergreen.core.base import Frozen, Name
from evergreen.core.errors import InputError
from evergreen.core.names import nfc, quoted
from evergreen.data.columns import match_columns

if TYPE_CHECKING:
    import pyarrow as pa

MASK = "mask"
TEXT_COLUMNS = {"text": "text", "label": "label"}
PICTURE_COLUMNS = {"image": "image", MASK: "mask"}
"""What a source is read for when nothing else is mapped, by canonical name."""

TIMES = ("timestamp", "arrived")
"""When what a row tells of happened, and when the row itself came to its source."""

_NO_NUMBERS = ("id", *TIMES, "split", "group", *TEXT_COLUMNS, *PICTURE_COLUMNS)

_BESIDE_CONTENT = frozenset({"columns", "numbers", "label_names", "mask_classes", "arrived"})
"""Fields that decide no text, picture or group."""

MaskValue = Annotated[int, Field(ge=0, le=255)]
Joined = Annotated[tuple[str, ...], Field(min_length=1)]
_SEPARATOR = "\n\n"


def _with_text_keys(value: object) -> Any:
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
    pictures; else they are texts. `timestamp` is when what a row tells of happened, `arrived` when the row came to the
    source. `image` and `mask`, or `text` and `label`, default to columns of that name; `split`,
    where it is mapped, shares the rows out; rows of one `group`, where it is, stay together. Several columns of a
    `text` are joined by `text_separator`, those without content left out. `label_names` maps raw label values to names,
    `mask_classes` the values of a mask's pixels to class indices. With `arrived: ingestion` the place that holds the
    rows tells when they came, in place of a column.

    Columns in `numbers` are read as numbers, from text too; texts with some have no `label` unless it is mapped.
    """

    places: ClassVar[frozenset[str]] = frozenset({"kind"})
    """Fields that say where rows are or how they are fetched; all others shape the rows."""
    table_fields: ClassVar[frozenset[str]] = frozenset({"columns", "text_separator"})
    """Fields that say how a table like the source's rows is read."""
    tells_ingestion: ClassVar[bool] = False
    """Whether the place that holds the rows can tell when they came."""

    columns: dict[str, str | Joined] = {}
    numbers: tuple[str, ...] = Field((), exclude_if=lambda value: not value)
    text_separator: str = Field(_SEPARATOR, exclude_if=lambda value: value == _SEPARATOR)
    label_names: Annotated[dict[Name, Name], BeforeValidator(_with_text_keys)] | None = None
    mask_classes: Annotated[dict[MaskValue, MaskValue], BeforeValidator(_with_text_keys)] | None = Field(
        None, min_length=1, exclude_if=lambda value: value is None
    )
    arrived: Literal["ingestion"] | None = Field(None, exclude_if=lambda value: value is None)

    @field_validator("columns")
    @classmethod
    def _names_are_canonical(cls, columns: dict[str, str | Joined]) -> dict[str, str | Joined]:
        for name, column in columns.items():
            if name != "text" and not isinstance(column, str):
                raise ValueError(f"columns.{name} lists columns; only those of text can be joined, name one")
            if name == REPLAYED:
                raise ValueError(f"'{name}' is a column that incremental runs add; take another name for {column}")
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(
                    f"'{name}' cannot name a column; use lower-case letters, digits and '_', such as text, label, id"
                )
        return columns

    @field_validator("numbers")
    @classmethod
    def _numbers_are_further_columns(cls, numbers: tuple[str, ...]) -> tuple[str, ...]:
        if other := [name for name in numbers if name in _NO_NUMBERS]:
            allowed = "further columns, such as target"
            raise ValueError(f"numbers names {quoted(other[0])}, which is read in its own way; name {allowed}")
        return numbers

    @model_validator(mode="after")
    def _arrivals_come_from_one_place(self) -> Self:
        if self.arrived and not self.tells_ingestion:
            raise ValueError("arrived: ingestion is for sources of kind bigquery and files; set columns.arrived")
        if self.arrived and "arrived" in self.columns:
            raise ValueError("columns.arrived and arrived both tell when a row came; remove one")
        return self

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
        texts = {name: name for name in ("text", *self.numbers)} if self.numbers else TEXT_COLUMNS
        mapped = (PICTURE_COLUMNS if self.has_pictures else texts) | self.columns
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
        return tuple(dict.fromkeys(("id", *self.mapping, *(("arrived",) if self.has_ingestion_times else ()))))

    @property
    def has_ingestion_times(self) -> bool:
        """Whether the place that holds the rows tells when they came, and no column does."""
        return self.arrived is not None

    @property
    def known_by(self) -> dict[str, str]:
        """What tells whether a row is new: columns of the source by canonical name, or `ingestion`."""
        found = {name: column for name, column in self.mapping.items() if name in ("id", *TIMES)}
        return found | ({"arrived": self.arrived} if self.arrived else {})

    @property
    def shaped_by(self) -> dict[str, str]:
        """What decides what a row says, and by that its split: how files are read, and the columns that are hashed.

        What only names classes, or reads columns beside those, moves no row to another split.
        """
        hashed = ("image" if self.has_pictures else "text", "split", "group")
        columns = {f"columns.{name}": self.mapping[name] for name in hashed if name in self.mapping}
        fields = {name: str(value) for name, value in self.shaping().items() if value is not None}
        return columns | {name: value for name, value in fields.items() if name not in _BESIDE_CONTENT}

    @property
    def group_in_names(self) -> str | None:
        """The regular expression that finds the groups in rows' names; None: a column tells them, or nothing."""
        return None

    def with_columns(self, columns: Mapping[str, str], label_names: Mapping[str, str] | None) -> Self:
        """The fields with these columns beside and before their own, and these names of labels (None: their own).

        Raises:
            InputError: they cannot be used.
        """
        changes: dict[str, object] = {"columns": {**self.columns, **columns}}
        if label_names is not None:
            changes["label_names"] = dict(label_names)
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValueError as error:
            raise InputError(f"--columns or --label-names: {error}") from error

    def check_written(self) -> None:
        """Raises InputError where rows that are written for the source would be changed once more as it reads them."""
        if self.label_names is not None:
            raise InputError(
                "source.label_names would name prepared labels once more; remove it from the configuration"
            )
        if self.joined:
            raise InputError(
                "source.columns.text joins columns, which prepared rows have not; map the one column that they are to "
                "have"
            )

    def check_window(self, window: ResolvedWindow | None) -> None:
        """Raises InputError when rows are to be chosen by time and no column tells it."""
        if window and "timestamp" not in self.mapping:
            raise InputError(
                "a window needs the time of each row, which no column gives; set source.columns.timestamp or no window"
            )

    def check_arrivals(self, *also: str) -> None:
        """Raises InputError when each new row is to be taken once and no columns tell which rows are new; those in
        `also` are told without one.
        """
        known = {*self.columns, *also, *(("arrived",) if self.has_ingestion_times else ())}
        if missing := [name for name in ("arrived", "id") if name not in known]:
            told = {"arrived": "when a row came", "id": "which row it is"}
            needed = " and one that tells ".join(told[one] for one in missing)
            raise InputError(
                f"data: incremental needs a column that tells {needed}; set "
                f"{' and '.join(f'source.columns.{one}' for one in missing)}, or data: all"
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
