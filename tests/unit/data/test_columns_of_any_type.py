"""Columns of whatever Arrow type, joined texts, and what no reader behind could use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.row_fields import RowFields
from tests.rows import rows_of

LATIN = pa.array([b"ok", b"caf\xe9"], pa.binary())
BROKEN = pa.Array.from_buffers(pa.string(), 2, LATIN.buffers())


def canonical(given: dict[str, Any], columns: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    batches = with_row_names([pa.RecordBatch.from_pydict(given)], "n.parquet")
    fields = RowFields(columns=columns or {})
    return [row for batch in canonical_rows(batches, fields, None) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "kind",
    [pa.string_view(), pa.large_string(), pa.binary(), pa.binary_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=str,
)
def test_text_of_any_type_is_text(kind: pa.DataType) -> None:
    texts = pa.array(["été", None], pa.string())
    text = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(pa.binary()).cast(kind)
    (first, second) = canonical({"text": text, "label": text})
    assert (first["text"], first["label"], second["text"]) == ("été", "été", None)


@pytest.mark.parametrize("column", [BROKEN, LATIN, BROKEN.dictionary_encode()], ids=["string", "binary", "dictionary"])
def test_bytes_that_are_no_utf_8_are_named_by_row_and_column(column: pa.Array) -> None:
    with pytest.raises(InputError, match=r"column 'text' of row n\.parquet:2 is no UTF-8"):
        canonical({"text": column, "label": ["x", "y"]})


def test_further_columns_are_checked_too() -> None:
    with pytest.raises(InputError, match=r"column 'where' of row n\.parquet:2 is no UTF-8"):
        canonical({"text": ["a", "b"], "label": ["x", "y"], "where": BROKEN}, columns={"region": "where"})


@pytest.mark.parametrize("name", ["timestamp", "written"])
@pytest.mark.parametrize(
    "times",
    [
        pa.array([0, 400_000_000_000], pa.timestamp("s")),
        pa.array([0, 2**62], pa.timestamp("us", "UTC")),
        pa.array([0, -80_000_000_000], pa.timestamp("s")),
        pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()),
    ],
    ids=lambda times: str(times.type),
)
def test_times_that_no_calendar_has_are_named(name: str, times: pa.Array) -> None:
    with pytest.raises(InputError, match=r"the time in column 'at' of row n\.parquet:2 is outside the years 1 to 9999"):
        canonical({"text": ["a", "b"], "label": ["x", "y"], "at": times}, columns={name: "at"})


def test_a_written_time_that_leaves_the_calendar_in_utc_is_no_time() -> None:
    with pytest.raises(InputError, match=r"row n\.parquet:1 is no ISO 8601 time"):
        canonical({"text": ["a"], "label": ["x"], "at": ["0001-01-01T00:00:00+05:00"]}, columns={"timestamp": "at"})


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_several_columns_are_joined_and_empty_ones_left_out(tmp_path: Path, suffix: str) -> None:
    rows = [{"title": "A", "body": "b", "label": "x"}, {"title": None, "body": "c", "label": "x"}]
    table, path = pa.Table.from_pylist(rows), tmp_path / f"n{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, path)
    elif suffix == ".csv":
        path.write_text("title,body,label\nA,b,x\n,c,x\n")
    else:
        path.write_text('{"title": "A", "body": "b", "label": "x"}\n{"title": " ", "body": "c", "label": "x"}\n')
    source = FilesSettings(path=str(path), columns={"text": ("title", "body")})
    assert [row["text"] for row in rows_of(source_of(source).read(None, tmp_path / "out").shards)] == ["A\n\nb", "c"]
    spaced = source.model_copy(update={"text_separator": " "})
    assert rows_of(source_of(spaced).read(None, tmp_path / "out").shards)[0]["text"] == "A b"


def test_a_text_without_any_part_is_null() -> None:
    given = {"title": ["", None], "body": pa.array([None, " "], pa.string()), "label": ["x", "y"]}
    assert [row["text"] for row in canonical(given, columns={"text": ["title", "body"]})] == [None, None]


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"]), pa.array(["x"])], ["text", "text", "label"])
    pq.write_table(table, tmp_path / "n.parquet")
    source = FilesSettings(path=str(tmp_path / "n.parquet"))
    with pytest.raises(InputError, match=r"n\.parquet has 2 columns 'text'; rename all but one"):
        source_of(source).read(None, tmp_path / "out")
    with pytest.raises(InputError, match=r"n\.parquet has 2 columns 'text'"):
        list(read_rows(tmp_path / "n.parquet", source))


def test_a_table_for_predictions_is_checked_like_one_for_training(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": BROKEN}), tmp_path / "n.parquet")
    with pytest.raises(InputError, match=r"column 'text' of row .*n\.parquet:2 is no UTF-8"):
        list(read_rows(tmp_path / "n.parquet", FilesSettings(path="unused")))
