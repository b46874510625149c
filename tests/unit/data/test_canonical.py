from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.row_fields import RowFields, check_columns

MAY = datetime(2024, 5, 1, tzinfo=UTC)
WINDOW = ResolvedWindow(start=MAY, end=MAY + timedelta(days=31))


def canonical(fields: RowFields, columns: dict[str, Any], window: ResolvedWindow | None = None) -> list[dict[str, Any]]:
    batches = with_row_names([pa.RecordBatch.from_pydict(columns)], "news.csv")
    return [row for batch in canonical_rows(batches, fields, window) for row in batch.to_pylist()]


def test_columns_are_renamed_and_others_left_out() -> None:
    fields = RowFields(columns={"id": "key", "text": "content", "region": "where"})
    rows = canonical(fields, {"key": [7], "content": ["Oil"], "label": ["World"], "where": ["EU"], "other": [1]})
    assert rows == [{"id": "7", "text": "Oil", "label": "World", "region": "EU"}]


def test_without_an_id_column_rows_are_named_by_file_and_number() -> None:
    rows = canonical(RowFields(), {"text": ["a", "b"], "label": ["x", "y"]})
    assert [row["id"] for row in rows] == ["news.csv:1", "news.csv:2"]


def test_row_numbers_go_on_from_batch_to_batch() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b"], "label": ["x", "y"]})
    names = [name for batch in with_row_names([batch, batch], "f") for name in batch.column(2).to_pylist()]
    assert names == ["f:1", "f:2", "f:3", "f:4"]


def test_label_names_may_have_numbers_as_keys_as_yaml_reads_them() -> None:
    fields = RowFields.model_validate({"label_names": {1: "World", 2: "Sports"}})
    rows = canonical(fields, {"text": ["a", "b", "c"], "label": [2, 1, None]})
    assert [row["label"] for row in rows] == ["Sports", "World", None]


def test_a_label_without_a_name_is_an_error_that_names_value_row_and_allowed() -> None:
    fields = RowFields.model_validate({"label_names": {1: "World"}})
    with pytest.raises(InputError, match=r"label '9' of row news\.csv:2 has no name \(named: '1'\)"):
        canonical(fields, {"text": ["a", "b"], "label": ["1", "9"]})


def test_all_missing_columns_are_named_with_those_that_exist() -> None:
    fields = RowFields(columns={"text": "body"})
    with pytest.raises(InputError, match=r"columns 'body', 'label' missing from n\.csv \(has: 'a', 'b'\); set source"):
        check_columns(fields, ["a", "b"], "n.csv")


@pytest.mark.parametrize("name", ["Text", "my column", "__row__", ""])
def test_a_column_cannot_have_a_strange_name(name: str) -> None:
    with pytest.raises(ValidationError, match="cannot name a column"):
        RowFields(columns={name: "a"})


def test_no_column_is_mapped_to_the_one_that_incremental_runs_add() -> None:
    with pytest.raises(ValidationError, match="'replayed' is a column that incremental runs add; take another name"):
        RowFields(columns={"text": "body", "replayed": "again"})


def test_a_window_is_half_open_and_times_without_zone_are_utc() -> None:
    times = [
        "2024-04-30T23:59:59",
        "2024-05-01",
        "2024-05-31T23:59:59Z",
        "2024-06-01T00:00:00+00:00",
        "2024-06-01T01:00:00+02:00",
    ]
    fields = RowFields(columns={"timestamp": "at"})
    rows = canonical(fields, {"text": list("abcde"), "label": list("xxxxx"), "at": times}, WINDOW)
    assert [row["text"] for row in rows] == ["b", "c", "e"]


@pytest.mark.parametrize("moment", [MAY, MAY.replace(tzinfo=None), MAY.date()])
def test_typed_timestamps_become_utc(moment: object) -> None:
    fields = RowFields(columns={"timestamp": "at"})
    (row,) = canonical(fields, {"text": ["a"], "label": ["x"], "at": [moment]})
    assert row["timestamp"] == MAY


def test_a_timestamp_that_is_none_is_an_error_that_names_the_row() -> None:
    fields = RowFields(columns={"timestamp": "at"})
    with pytest.raises(InputError, match=r"'soon' in column 'at' of row news\.csv:1 is no ISO 8601"):
        canonical(fields, {"text": ["a"], "label": ["x"], "at": ["soon"]})


def test_a_row_without_time_is_an_error_only_within_a_window() -> None:
    fields = RowFields(columns={"timestamp": "at"})
    columns = {"text": ["a"], "label": ["x"], "at": pa.array([None], pa.string())}
    assert canonical(fields, columns)[0]["timestamp"] is None
    with pytest.raises(InputError, match=r"row news\.csv:1 has no timestamp"):
        canonical(fields, columns, WINDOW)


def test_a_window_needs_a_timestamp_column() -> None:
    with pytest.raises(InputError, match=r"set source\.columns\.timestamp"):
        RowFields().check_window(WINDOW)


def test_a_column_that_changes_its_type_is_an_error_that_says_which() -> None:
    fields = RowFields(columns={"size": "size"})
    first, second = ({"text": ["a"], "label": ["x"], "size": [value]} for value in (1, "large"))
    batches = with_row_names([pa.RecordBatch.from_pydict(columns) for columns in (first, second)], "f")
    with pytest.raises(InputError, match="size was int64, is string"):
        list(canonical_rows(batches, fields, None))


def test_dictionaries_are_decoded_and_lists_are_no_text() -> None:
    rows = canonical(RowFields(), {"text": ["a"], "label": pa.array(["x"]).dictionary_encode()})
    assert rows[0]["label"] == "x"
    with pytest.raises(InputError, match="column 'text' holds list"):
        canonical(RowFields(), {"text": [["a"]], "label": ["x"]})


@pytest.mark.parametrize(
    "fields",
    [
        {"label_names": {"é": "a", "e\u0301": "b"}},
        {"label_names": {1: "a", "1": "b"}},
        {"columns": {"image": "i"}, "mask_classes": {1: 0, "1": 1}},
    ],
)
def test_two_spellings_of_one_value_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="is there twice, in two spellings of one value; keep one"):
        RowFields.model_validate(fields)
