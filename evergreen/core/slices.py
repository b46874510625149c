"""Which parts of the test split are also measured by themselves, as far as every task has them: the fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError
from evergreen.core.validation import ColumnStatistics


class ColumnSlices(Frozen):
    """The values of further columns of the data; slices below `min_rows` say too little to be measured.

    Tasks add slices of their own, under names that are `reserved`; `own_report` says of a column why it is none.
    """

    own_report: ClassVar[Mapping[str, str]] = {"id": "its values are all different"}
    reserved: ClassVar[tuple[str, ...]] = ()

    columns: tuple[str, ...] = ()
    min_rows: Annotated[int, Field(ge=1)] = 20
    max_values: Annotated[int, Field(ge=1)] = 1000

    @model_validator(mode="after")
    def _sliceable(self) -> Self:
        for column in self.columns:
            if column in self.own_report:
                reason = self.own_report[column]
                raise ValueError(f"{column!r} is no slice column: {reason}; name further columns of the data")
            if column in self.reserved or self.columns.count(column) > 1:
                never = f", and {', '.join(map(repr, self.reserved))} not at all" if self.reserved else ""
                raise ValueError(f"column {column!r} is sliced twice; name it once{never}")
        return self

    def check(self, columns: Mapping[str, ColumnStatistics]) -> None:
        """Nothing when the dataset with these columns can be sliced so.

        Raises:
            InputError: a slice column is missing, or has more values than a person can read.
        """
        for name in self.columns:
            if name not in columns:
                raise InputError(
                    f"slice column {name!r} missing from the dataset (has: {', '.join(columns)}); "
                    "set task.slices.columns, or map the column in source.columns"
                )
            if columns[name].distinct > self.max_values:
                raise InputError(
                    f"slice column {name!r} has {columns[name].distinct:,} different values, at most "
                    f"{self.max_values:,} are allowed; take columns with few values into task.slices.columns, or raise "
                    "task.slices.max_values"
                )


def ascending(edges: tuple[int, ...]) -> tuple[int, ...]:
    """The edges. Raises ValueError when they are not positive and ascending."""
    if list(edges) != sorted({edge for edge in edges if edge > 0}):
        raise ValueError(f"edges must be positive and ascending, got {list(edges)}")
    return edges
