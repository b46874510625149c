import math
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from evergreen.core.artifacts import REPLAYED, Dataset
from evergreen.core.errors import DatasetError
from evergreen.core.validation import ValidationReport
from evergreen.data import statistics
from evergreen.data.database import open_database
from evergreen.data.dataset import write_dataset
from evergreen.tasks.text_classification.examinable import TextExamination
from evergreen.tasks.text_classification.settings import TextClassification, TextRules
from tests.pictures import mask, picture, pictures_of
from tests.rows import SOURCE, Row, dataset_of

RULES = TextRules(min_rows=2)
GOOD: list[Row] = [(f"n:{n}", f"an article with the number {n}", "ab"[n % 2]) for n in range(20)]


def examined(dataset: Dataset, labels: tuple[str, ...], rules: TextRules) -> ValidationReport:
    task = TextClassification(encoder="none", labels=("a", "b"), rules=rules)
    return TextExamination(task.model_copy(update={"labels": labels})).examine(dataset)


def validate(
    rows: list[Row], path: Path, labels: tuple[str, ...] = ("a", "b"), rules: TextRules = RULES
) -> ValidationReport:
    return examined(dataset_of(rows, path), labels, rules)


def violations(
    rows: list[Row], path: Path, labels: tuple[str, ...] = ("a", "b"), rules: TextRules = RULES
) -> tuple[str, ...]:
    with pytest.raises(DatasetError) as caught:
        validate(rows, path, labels, rules)
    return caught.value.violations


def test_a_good_dataset_has_statistics_and_no_anomalies(tmp_path: Path) -> None:
    report = validate([*GOOD, ("n:20", "é" * 40, "b")], tmp_path, ("a", "b"))
    assert report.labels == {"b": 11, "a": 10}
    assert report.anomalies == ()
    assert report.columns["label"].top == {"b": 11, "a": 10}
    assert (report.columns["id"].distinct, report.columns["id"].nulls) == (21, 0)
    text = report.columns["text"]
    assert (text.min_length, text.max_length) == (28, 40)
    assert report.length_histogram == ((50, 21),)
    assert report.dataset == Dataset.open(tmp_path).manifest.content_hash


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("x", None, "a")], "null or blank text: 1 row (x); fill"),
        ([("x", " \n\t\u00a0", "a"), ("y", "", "b")], "null or blank text: 2 rows (x, y); fill"),
        ([("x", "\x0b\x1c\x1f", "a"), ("y", "\x85\u2003", "b")], "null or blank text: 2 rows (x, y); fill"),
        ([("x", "text", None), ("y", "text", " ")], "null or blank label: 2 rows (x, y); fill"),
        ([(None, "text", "a")], "null or blank id: 1 row ((no id)); fill"),
        ([("x", "w" * 1001, "a")], "text longer than 1,000 characters: 1 row (x); shorten"),
        ([("n:3", "text", "a"), ("n:3", "text", "b")], "duplicate id: 3 rows share the id (n:3); make"),
        ([("x", "text", "c"), ("y", "text", "c")], "unknown label: 2 rows (x, y), 'c', allowed: a, b; correct"),
        ([("x", "text", "A ")], "unknown label: 1 row (x), 'A ' (did you mean 'a'?), allowed: a, b; correct"),
        ([(f"x{n}", None, "a") for n in range(7)], "null or blank text: 7 rows (x0, x1, x2, x3, x4, …); fill"),
    ],
)
def test_each_broken_rule_names_count_and_rows(tmp_path: Path, rows: list[Row], expected: str) -> None:
    (violation,) = violations([*GOOD, *rows], tmp_path, ("a", "b"), TextRules(max_text_chars=1_000))
    assert violation.startswith(expected)


@pytest.mark.parametrize(
    ("rows", "labels", "expected"),
    [
        ([*GOOD, ("x", "text", "c")], ("a", "b", "c"), "class with fewer than 2 rows: c (1)"),
        ([row for row in GOOD if row[2] == "a"], ("a",), "one single class: every row is 'a', at least 2 needed"),
        (GOOD, ("a", "b", "c", "d"), "class without rows: c, d; add rows"),
        (GOOD[:1] + GOOD[1:2], ("a", "b"), "class with fewer than 2 rows: a (1), b (1)"),
    ],
)
def test_each_broken_rule_of_classes_is_named(
    tmp_path: Path, rows: list[Row], labels: tuple[str, ...], expected: str
) -> None:
    (violation,) = violations(rows, tmp_path, labels)
    assert violation.startswith(expected)


def test_rows_of_pictures_are_told_by_the_columns_that_they_lack(tmp_path: Path) -> None:
    pictures = pictures_of([{"id": "1", "image": picture(), "mask": mask()}], tmp_path)
    with pytest.raises(DatasetError, match=r"missing column: text, label \(has: id, image, mask\); map source.columns"):
        examined(pictures, ("a", "b"), RULES)


def test_too_few_rows_are_an_error(tmp_path: Path) -> None:
    (violation,) = violations(GOOD, tmp_path, ("a", "b"), TextRules(min_rows=21))
    assert violation.startswith("too few rows: 20, at least 21 needed")


def test_of_new_rows_that_are_too_few_no_class_is_advised_to_be_taken_out(tmp_path: Path) -> None:
    columns = {"id": ["1"], "text": ["an article"], "label": ["a"], REPLAYED: [False]}
    part = write_dataset([pa.RecordBatch.from_pydict(columns)], tmp_path, SOURCE)
    with pytest.raises(DatasetError) as caught:
        examined(part, ("a", "b"), TextRules())
    advice = "; wait for more new rows (a larger refresh.min_new_rows), or set a larger refresh.replay_share"
    assert [one.removesuffix(advice) for one in caught.value.violations] == [
        "too few rows: 1, at least 20 needed",
        "class without rows: b",
        "class with fewer than 2 rows: a (1)",
        "one single class: every row is 'a', at least 2 needed",
    ]


def test_all_broken_rules_are_reported_at_once(tmp_path: Path) -> None:
    rows: list[Row] = [*GOOD, ("n:1", None, "a"), ("x", "w" * 300_000, "Sprots")]
    with pytest.raises(DatasetError, match=r"^dataset of 22 rows breaks 5 rules:\n- null or blank text") as caught:
        validate(rows, tmp_path, ("a", "b", "Sports"))
    assert [line.split(":")[0] for line in caught.value.violations] == [
        "null or blank text",
        "text longer than 200,000 characters",
        "duplicate id",
        "unknown label",
        "class without rows",
    ]
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("rows", "name", "count", "examples"),
    [
        ([("x", GOOD[0][1], "a")], "repeated_text", 2, ("n:0", "x")),
        ([("x", GOOD[0][1], "b")], "conflicting_labels", 2, ("n:0", "x")),
        ([("x", f" {str(GOOD[0][1]).upper()}\n", "b")], "conflicting_labels", 2, ("n:0", "x")),
        ([("x", f"{GOOD[0][1]}".replace(" ", "\u00a0 "), "a")], "repeated_text", 2, ("n:0", "x")),
        ([("x", "short" + "\x0b\u3000" * 20, "a")], "near_empty_text", 1, ("x",)),
        ([("x", "short", "a")], "near_empty_text", 1, ("x",)),
        ([("x", "a text that holds \ufffd here", "a")], "undecodable_text", 1, ("x",)),
        ([(f"x{n}", f"one more article about {n}", "a") for n in range(100)], "class_imbalance", 10, ()),
        ([(f"x{n}", f"one more article about {n}", "A ") for n in range(2)], "label_spelling", 12, ()),
    ],
)
def test_odd_rows_are_reported_and_do_not_stop(
    tmp_path: Path, rows: list[Row], name: str, count: int, examples: tuple[str, ...]
) -> None:
    labels = ("a", "b", "A ") if name == "label_spelling" else ("a", "b")
    anomalies = {anomaly.name: anomaly for anomaly in validate([*GOOD, *rows], tmp_path, labels).anomalies}
    assert (anomalies[name].rows, anomalies[name].examples) == (count, examples)


def test_examples_of_conflicting_labels_are_rows_of_one_text_side_by_side(tmp_path: Path) -> None:
    texts = [f"a text of two opinions, number {n}" for n in range(6)]
    rows: list[Row] = [(f"{label}{n}", text, label) for label in "ab" for n, text in enumerate(texts)]
    (anomaly,) = (
        anomaly for anomaly in validate([*GOOD, *rows], tmp_path).anomalies if anomaly.name == "conflicting_labels"
    )
    assert (anomaly.rows, len(anomaly.examples)) == (12, 5)
    assert [example[1:] for example in anomaly.examples[:4:2]] == [example[1:] for example in anomaly.examples[1:4:2]]
    assert {example[0] for example in anomaly.examples[:2]} == {"a", "b"}


def test_repeats_are_found_across_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Row] = [*GOOD, ("x", GOOD[0][1], "b"), ("y", GOOD[5][1], "b")]
    whole = validate(rows, tmp_path / "whole")
    monkeypatch.setattr(statistics, "PART_ROWS", 3)
    assert validate(rows, tmp_path / "parts") == whole
    assert whole.columns["text"].distinct == 20


def test_nulls_are_counted_and_are_no_value(tmp_path: Path) -> None:
    with statistics.open_rows(dataset_of([*GOOD, ("x", None, "a"), ("y", None, "a")], tmp_path)) as connection:
        column = statistics.column_statistics(connection, "text", "string")
    assert (column.nulls, column.distinct) == (2, 20)


@pytest.mark.parametrize("kind", ["double", "int64", "float", "uint8"])
def test_the_spread_of_numbers_is_that_of_the_finite_ones(kind: str, tmp_path: Path) -> None:
    odd = [math.nan, math.inf] if kind in ("double", "float") else []
    prices = pa.array([1, 2, None, 9, *odd], pa.type_for_alias(kind))
    rows = pa.record_batch({"id": [str(n) for n in range(len(prices))], "a price": prices})
    with statistics.open_rows(write_dataset([rows], tmp_path, SOURCE)) as connection:
        column = statistics.column_statistics(connection, "a price", str(prices.type))
        texts = statistics.column_statistics(connection, "id", "string")
    assert (column.minimum, column.mean, column.maximum, column.nulls) == (1.0, 4.0, 9.0, 1)
    assert (texts.minimum, texts.mean, texts.maximum) == (None, None, None)


def test_numbers_whose_sum_is_no_float_have_a_mean(tmp_path: Path) -> None:
    rows = pa.record_batch({"id": ["a", "b", "c"], "x": [1.5e308, 1.5e308, 1.2e308]})
    with statistics.open_rows(write_dataset([rows], tmp_path, SOURCE)) as connection:
        column = statistics.column_statistics(connection, "x", "double")
    assert column.mean == pytest.approx(1.4e308)


@pytest.mark.parametrize("name", ["*", 'a "b" c', "rows.id", "value", "COLUMNS(*)"])
def test_a_column_has_statistics_whatever_its_name(name: str, tmp_path: Path) -> None:
    rows = [{"id": f"n:{n}", "text": f"article {n}", "label": "ab"[n % 2], name: "xyz"[n % 3]} for n in range(20)]
    report = examined(write_dataset([pa.RecordBatch.from_pylist(rows)], tmp_path, SOURCE), ("a", "b"), RULES)
    assert report.columns[name].top == {"x": 7, "y": 7, "z": 6}
    assert report.columns["id"].distinct == 20


def test_a_text_is_blank_to_validation_where_it_is_to_a_server() -> None:
    codes = [code for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    with open_database() as connection:
        blank, trimmed = (
            connection.execute(query, [codes]).fetchall()
            for query in (
                "SELECT code FROM (SELECT unnest(?) AS code) WHERE is_blank(chr(code))",
                "SELECT code FROM (SELECT unnest(?) AS code) WHERE stripped(chr(code) || 'a ' || chr(code)) = 'a'",
            )
        )
    assert {code for (code,) in blank} == {code for (code,) in trimmed} == {n for n in codes if chr(n).isspace()}
