"""Tables that are written can be read again: nothing of a row is lost, and what a format cannot hold is an error."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.rows import Row, read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.table_writers import table_writer
from evergreen.core.errors import InputError


def written(path: Path, *batches: Sequence[Row], **fields: Any) -> list[Row]:
    """The rows as they are read again."""
    source = FilesSettings.model_validate({"path": path.name, **fields})
    with table_writer(path, source) as writer:
        for batch in batches:
            writer.write(batch)
    return list(read_rows(path, source))


def test_a_column_that_the_first_row_lacks_is_written_to_parquet(tmp_path: Path) -> None:
    rows = written(tmp_path / "n.parquet", [{"a": 1}, {"a": 2, "b": "x"}], [{"a": 3}])
    assert rows == [{"a": 1, "b": None}, {"a": 2, "b": "x"}, {"a": 3, "b": None}]


@pytest.mark.parametrize(
    ("first", "later", "lost"),
    [
        ({"a": 1}, {"a": 2, "b": "x"}, "column 'b'"),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, "member 'c'"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, "member 'c'"),
    ],
)
def test_what_comes_too_late_for_parquet_is_an_error(tmp_path: Path, first: Row, later: Row, lost: str) -> None:
    with pytest.raises(InputError, match=rf"a row has {lost}, which rows before it lack.*; write \.jsonl"):
        written(tmp_path / "n.parquet", [first], [later])
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_is_empty_at_first_has_the_type_of_what_comes(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": None}], [{"a": 2, "b": None}], [{"a": 3, "b": "x"}], [{"a": 4, "b": None}]
    assert written(tmp_path / "n.parquet", *rows) == [row for batch in rows for row in batch]
    assert pq.read_schema(tmp_path / "n.parquet").field("b").type == pa.string()
    assert written(tmp_path / "empty.parquet", *rows[:2]) == [{"a": 1, "b": None}, {"a": 2, "b": None}]


@pytest.mark.parametrize("rows", [[{"a": 1}, {"a": "x"}], [{"a": None}, {"a": [1]}, {"a": 2}]])
def test_values_of_several_types_are_an_error_of_the_column(tmp_path: Path, rows: list[Row]) -> None:
    with pytest.raises(InputError, match=r"a column changes its type.*write \.jsonl"):
        written(tmp_path / "n.parquet", rows)


@pytest.mark.parametrize("name", ["n.tsv", "n.csv"])
@pytest.mark.parametrize("escape", [None, "\\"])
def test_quotes_that_are_letters_are_written_as_they_are(tmp_path: Path, name: str, escape: str | None) -> None:
    rows = [{"text": '"Rates', "label": "x"}, {"text": 'so "they" said"', "label": '"'}]
    assert written(tmp_path / name, rows, quoting="none", escape=escape) == rows


@pytest.mark.parametrize("text", ["a\rb", "\r", "a\r\nb", "a\n\rb", "a\nb", '"\r'])
@pytest.mark.parametrize("fields", [{}, {"quoting": "minimal"}, {"quoting": "none", "escape": "\\"}])
def test_line_ends_of_any_kind_within_a_text_are_read_again(tmp_path: Path, text: str, fields: dict[str, str]) -> None:
    rows = [{"text": text, "label": "so, here"}]
    assert written(tmp_path / "n.csv", rows, **fields) == rows
    assert (tmp_path / "n.csv").read_bytes().startswith(b"text,label\n")


def test_a_line_end_that_nothing_can_protect_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be written to n\.csv without quotes"):
        written(tmp_path / "n.csv", [{"text": "a\rb", "label": "x"}], quoting="none")


def test_the_encoding_that_cannot_hold_a_text_is_named_as_it_is_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'体' cannot be written to n\.csv in source\.encoding cp1252; write \.jsonl"):
        written(tmp_path / "n.csv", [{"text": "体育"}], encoding="cp1252")


@pytest.mark.parametrize("texts", [["体育\n新闻"] * 50, ['he\nsaid "so"'], ["one\ntwo", "plain"] * 3])
def test_an_only_column_of_texts_over_several_lines_is_read(tmp_path: Path, texts: list[str]) -> None:
    with (tmp_path / "n.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    assert [row["text"] for row in read_rows(tmp_path / "n.csv", FilesSettings(path="n.csv"))] == texts


@pytest.mark.parametrize("lines", [['"Rates', 'rise"'], ['"Rates', 'rise"'] * 3 + ['so "they" said']])
def test_quotes_that_may_be_letters_of_an_only_column_swallow_no_rows(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "n.csv").write_text("\n".join(["text", *lines]) + "\n")
    with pytest.raises(InputError, match=r"source\.quoting: none if they are, minimal if texts have line breaks"):
        list(read_rows(tmp_path / "n.csv", FilesSettings(path="n.csv")))


@pytest.mark.parametrize(
    "column",
    [pa.array([2**62], pa.duration("s")), pa.array([1], pa.timestamp("us", tz="Mars/Phobos"))],
)
def test_values_that_python_has_no_word_for_are_named_by_their_row(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "n.parquet"
    pq.write_table(pa.table({"text": ["a"], "at": column}), path)
    with pytest.raises(InputError, match=r"rows from .*n\.parquet:1 on cannot be read: .*; leave that column out"):
        list(read_rows(path, FilesSettings(path="n.csv")))
