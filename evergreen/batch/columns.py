"""Which columns of a row a model is asked about, which are kept, and what its answer is called beside them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evergreen.core.batch import ERROR, PREFIX, VERSION, Row
from evergreen.core.errors import InputError
from evergreen.core.names import listed
from evergreen.data.canonical import join
from evergreen.data.columns import match_columns

FORMULA_SIGNS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class Columns:
    """`asked` hold the item of a row, their texts joined by `separator`; `kept` ones are written (None: all).

    `answers` are the types of what a prediction holds, by name, as Arrow spells them; an object is written as JSON.
    Fields of `binary` are base64 in predictions, and bytes where they are written.
    """

    asked: tuple[str, ...]
    separator: str = "\n\n"
    kept: tuple[str, ...] | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    binary: tuple[str, ...] = ()

    def of(self, present: Sequence[str], where: str) -> Columns:
        """The same, as these columns are spelled. Raises InputError naming those that are missing."""
        asked = match_columns(dict.fromkeys(self.asked, "columns, or --column"), present, where)
        kept = None if self.kept is None else match_columns(dict.fromkeys(self.kept, "keep"), present, where)
        return replace(self, asked=tuple(asked.values()), kept=None if kept is None else tuple(kept.values()))

    def with_bytes(self, names: Sequence[str]) -> Columns:
        """The same, these fields of predictions written as bytes."""
        return replace(self, binary=tuple(names))

    def item(self, row: Row) -> Any:
        """What the model is asked of a row. Raises InputError when a column is missing in it."""
        if missing := [column for column in self.asked if column not in row]:
            raise InputError(f"has no {listed(missing)}")
        return joined_item([row[column] for column in self.asked], self.separator)

    def keep(self, row: Row) -> Row:
        """The columns that are written."""
        return row if self.kept is None else {column: row.get(column) for column in self.kept}

    def answered(self, answers: Sequence[Mapping[str, Any]]) -> Columns:
        """The same with the types that predictions such as these show."""
        return replace(self, answers=types_of([as_columns(answer, self.binary) for answer in answers]))

    @property
    def added_types(self) -> dict[str, str]:
        """Those of all that a prediction adds to a row."""
        return {**self.answers, VERSION: "string", ERROR: "string"}

    def added(self, answer: Mapping[str, Any] | str, version: str) -> Row:
        """What is written of a prediction, or of the reason why there is none."""
        empty: Row = dict.fromkeys(self.answers)
        if isinstance(answer, str):
            return {**empty, VERSION: version, ERROR: answer}
        return {**empty, **as_columns(answer, self.binary), VERSION: version, ERROR: None}


def taken_for_formulas(what: str, where: str, verb: str = "begin") -> str:
    """The sentence for labels in delimited text, which stay as they are."""
    signs = f"{', '.join(FORMULA_SIGNS[:-1])} or {FORMULA_SIGNS[-1]}"
    return f"{what} {verb} with {signs}, which a spreadsheet takes for formulas: open {where} as text"


def joined_item(values: Sequence[Any], separator: str) -> Any:
    """One value as it is; of several their texts joined."""
    if len(values) == 1:
        return values[0]
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return join(texts, separator)


def as_columns(answer: Mapping[str, Any], binary: Sequence[str] = ()) -> Row:
    """A prediction as columns: objects as JSON, those in `binary` as the bytes that their base64 stands for."""
    return {name: _value(name, value, binary) for name, value in answer.items()}


def _value(name: str, value: Any, binary: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return b64decode(value) if name in binary else value


def beside(row: Row, ours: Row) -> Row:
    """Both; a column that the row has already is kept, ours then starts with `predicted_`."""
    return row | {f"{PREFIX}{name}" if name in row else name: value for name, value in ours.items()}


def types_of(rows: Sequence[Row]) -> dict[str, str]:
    """The type of each column. Raises InputError for what no column holds."""
    types: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            kind = next((arrow for known, arrow in _ARROW if isinstance(value, known)), None)
            if kind is None:
                raise InputError(f"the model answers {name}: {type(value).__name__}, which no column holds")
            types[name] = kind
    return types


_ARROW = ((bool, "bool"), (int, "int64"), (float, "double"), (str, "string"), (bytes, "binary"))
