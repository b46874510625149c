from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from evergreen.core.errors import InputError
from evergreen.core.members import examinable
from evergreen.core.report import SmallSlice
from evergreen.core.validation import ColumnStatistics
from evergreen.evaluation.slices import large, of_columns, small
from evergreen.tasks.text_classification.settings import Slices, TextClassification
from evergreen.tasks.text_classification.slices import by_length
from tests.rows import dataset_of


@given(st.lists(st.integers(0, 3000), max_size=80))
def test_every_row_is_in_exactly_one_length_bucket(lengths: list[int]) -> None:
    slices = list(by_length(np.array(lengths, dtype=np.int64), Slices().length_edges_chars))
    assert sorted(row for _, _, rows in slices for row in rows.tolist()) == list(range(len(lengths)))


def test_edges_belong_to_the_bucket_below() -> None:
    slices = {value: rows.tolist() for _, value, rows in by_length(np.array([10, 11, 20, 21]), (10, 20))}
    assert slices == {"≤ 10": [0], "11–20": [1, 2], "> 20": [3]}


def test_small_slices_are_named_apart_and_values_come_by_name() -> None:
    numbers, names = {"source": np.array([0, 0, 1, 2, 2])}, {"source": ["web", "radio", "print"]}
    slices = list(of_columns(["source"], numbers, names))
    assert [(value, rows.tolist()) for _, value, rows in large(slices, 2)] == [("print", [3, 4]), ("web", [0, 1])]
    assert small(slices, 2) == (SmallSlice(column="source", value="radio", rows=1),)


@pytest.mark.parametrize("edges", [(20, 10), (10, 10), (0, 10)])
def test_edges_that_do_not_ascend_are_refused(edges: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="positive and ascending"):
        Slices(length_edges_chars=edges)


@pytest.mark.parametrize("columns", [("label",), ("desk", "text"), ("id",), ("length_chars",), ("desk", "desk")])
def test_columns_that_cannot_be_sliced_by_are_refused_when_configured(columns: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match=f"'{columns[-1]}' is"):
        Slices(columns=columns)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("author", r"'author' missing from the dataset \(has: id, desk, headline\); set task.slices.columns"),
        ("headline", "'headline' has 31 different values, at most 30 are allowed; .*raise task.slices.max_values"),
    ],
)
def test_a_slice_column_that_does_not_fit_the_dataset_is_told(column: str, message: str) -> None:
    columns = {
        name: ColumnStatistics(type="string", nulls=0, distinct=distinct)
        for name, distinct in (("id", 90), ("desk", 30), ("headline", 31))
    }
    Slices(columns=("desk",), max_values=30).check(columns)
    with pytest.raises(InputError, match=message):
        Slices(columns=("desk", column), max_values=30).check(columns)


def test_a_missing_slice_column_is_told_before_training(tmp_path: Path) -> None:
    rows = [(str(number), f"text {number}", "ab"[number % 2]) for number in range(20)]
    task = TextClassification(encoder="any", labels=("a", "b"), slices=Slices(columns=("author",)))
    with pytest.raises(InputError, match=r"'author' missing from the dataset \(has: id, text, label\)"):
        examinable(task).examine(dataset_of(rows, tmp_path))
