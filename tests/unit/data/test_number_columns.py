"""Columns that are read as numbers, whatever holds them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from evergreen.core.errors import InputError
from evergreen.data.canonical import canonical_rows
from evergreen.data.columns import ROW_NAME
from evergreen.data.row_fields import RowFields


def read(prices: list[object], fields: RowFields) -> pa.RecordBatch:
    names = [f"offers.csv:{number}" for number, _ in enumerate(prices, start=2)]
    rows = pa.RecordBatch.from_pydict({"advert": ["a bike"] * len(prices), "price": prices, ROW_NAME: names})
    return next(canonical_rows([rows], fields, None))


PRICES = RowFields(columns={"text": "advert", "target": "price"}, numbers=("target",))


@pytest.mark.parametrize("prices", [["12.5", " 3 ", ""], [12.5, 3, None]])
def test_texts_with_a_number_are_read_without_a_label(prices: list[object]) -> None:
    rows = read(prices, PRICES)
    assert {field.name: str(field.type) for field in rows.schema} == {
        "id": "string",
        "text": "string",
        "target": "double",
    }
    assert rows["target"].to_pylist() == [12.5, 3.0, None]


def test_what_is_no_number_is_told_by_row_and_column() -> None:
    with pytest.raises(InputError, match=r"column 'price' of row offers\.csv:3 is no number .*cheap.*source\.numbers"):
        read(["12.5", "cheap"], PRICES)


def test_a_label_that_is_mapped_is_read_beside_numbers() -> None:
    assert list(RowFields(numbers=("target",), columns={"label": "kind"}).parts) == ["text", "target", "label"]
    assert list(RowFields().parts) == ["text", "label"]
    assert "numbers" not in RowFields().shaping()


def test_a_column_that_is_read_in_its_own_way_is_no_number() -> None:
    with pytest.raises(ValidationError, match="'timestamp', which is read in its own way"):
        RowFields(numbers=("timestamp",))
