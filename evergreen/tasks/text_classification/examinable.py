"""The schema of a text-classification dataset: what stops a run, all of it at once, and what is merely odd.

dataset of 2,225 rows breaks 2 rules:
- null or blank text: 3 rows (news.csv:7, news.csv:12, news.csv:40); fill or remove them
- unknown label: 1 row (news.csv:9), 'Sprots' (did you mean 'Sports'?), allowed: Business, Sports; correct or allow it
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset
from evergreen.core.errors import DatasetError
from evergreen.core.names import nearest, quoted
from evergreen.core.preparation import PreparedRows
from evergreen.core.protocols import CountClasses
from evergreen.core.quoting import cut, excerpt
from evergreen.core.validation import Anomaly, ValidationReport
from evergreen.data.database import count_marks, fetch_counts, marked
from evergreen.data.plain import composed
from evergreen.data.statistics import (
    column_statistics,
    count_values,
    find_repeated_contents,
    length_histogram,
    open_rows,
)
from evergreen.tasks.advice import about_few
from evergreen.tasks.text_classification.settings import TextClassification, TextRules

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

EXAMPLES = 5
_NAMED_VALUES = 10


BROKEN_ROWS = """
    CREATE VIEW broken AS SELECT
        coalesce(id, '(no id)') AS name,
        id IS NULL OR id = '' AS blank_id,
        text IS NULL OR is_blank(text) AS blank_text,
        label IS NULL OR is_blank(label) AS blank_label,
        length(text) > getvariable('max_text_chars') AS long_text,
        NOT list_contains(getvariable('labels'), label) AND NOT is_blank(label) AS unknown_label
    FROM rows
"""
ODD_ROWS = """
    CREATE VIEW odd AS SELECT
        coalesce(id, '(no id)') AS name,
        length(stripped(text)) < getvariable('near_empty_chars') AS near_empty_text,
        contains(text, chr(65533)) AS undecodable_text
    FROM rows
"""
ODD_CONTENTS = """
    CREATE VIEW odd_contents AS SELECT
        id AS name,
        key AS place,
        key IN (SELECT key FROM repeated_contents) AS repeated_text,
        key IN (SELECT key FROM repeated_contents WHERE conflicting) AS conflicting_labels
    FROM contents
"""


class TextExamination:
    """Examines rows of texts against the labels and rules of a task."""

    def __init__(self, task: TextClassification) -> None:
        self._task = task

    def examine(self, dataset: Dataset, count: CountClasses | None = None) -> ValidationReport:  # noqa: ARG002 (of masks)
        """Statistics and oddities of a dataset that honours the rules and has the labels, all of them and no others.

        Raises:
            DatasetError: naming every broken rule, with up to 5 row ids each and the number of rows.
            InputError: a column of `slices` is missing, or has too many values.
        """
        columns, rows = dataset.manifest.columns, dataset.manifest.rows
        if absent := [name for name in ("id", *self._task.columns) if name not in columns]:
            reason = f"missing column: {', '.join(absent)} (has: {', '.join(columns)})"
            raise DatasetError(rows, [f"{reason}; map source.columns.{absent[0]}, or read texts"])
        with TemporaryDirectory(prefix="evergreen-contents-") as scratch, open_rows(dataset) as connection:
            rules = self._task.rules
            counts = {label: n for label, n in count_values(connection, "label").items() if label.strip()}
            connection.execute("SET VARIABLE max_text_chars = ?", [rules.max_text_chars])
            connection.execute("SET VARIABLE near_empty_chars = ?", [rules.near_empty_chars])
            connection.execute("SET VARIABLE labels = ?", [list(self._task.labels)])
            connection.execute(BROKEN_ROWS)
            if violations := [
                *_broken_rows(connection, rows, rules, columns),
                *_broken_labels(connection, counts, self._task.labels, rules, columns),
            ]:
                raise DatasetError(rows, violations)
            find_repeated_contents(connection, dataset, Path(scratch))
            report = ValidationReport(
                dataset=dataset.manifest.content_hash,
                rows=rows,
                columns={name: column_statistics(connection, name, kind) for name, kind in columns.items()},
                labels=counts,
                length_histogram=length_histogram(connection, "text"),
                anomalies=(*_odd_rows(connection, rules), *_odd_labels(counts, rules)),
            )
        self._task.slices.check(report.columns)
        return report

    def prepare_rows(self, rows: pa.RecordBatch, image_size: int | None) -> PreparedRows:  # noqa: ARG002 (of pictures)
        """Rows with clean texts and known labels; see `prepare_texts`."""
        return prepare_texts(rows, self._task.labels, self._task.rules.max_text_chars)


def _broken_rows(
    connection: duckdb.DuckDBPyConnection, rows: int, rules: TextRules, columns: Collection[str]
) -> list[str]:
    descriptions = {
        "blank_id": ("null or blank id", "fill them, or map no id to have rows named by file and number"),
        "blank_text": ("null or blank text", "fill or remove them"),
        "blank_label": ("null or blank label", "fill or remove them"),
        "long_text": (
            f"text longer than {rules.max_text_chars:,} characters",
            "shorten or remove them, or raise task.rules.max_text_chars",
        ),
    }
    counts = count_marks(connection, "broken")
    broken = [
        f"{rule}: {_named(counts[mark], marked(connection, 'broken', mark, EXAMPLES))}; {advice}"
        for mark, (rule, advice) in descriptions.items()
        if counts[mark]
    ]
    if rows < rules.min_rows:
        few = about_few(columns, "add rows or lower min_rows")
        broken.append(f"too few rows: {rows:,}, at least {rules.min_rows:,} needed; {few}")
    return broken + _repeated_ids(connection)


def _repeated_ids(connection: duckdb.DuckDBPyConnection) -> list[str]:
    connection.execute("""
        CREATE TEMP TABLE repeated_ids AS SELECT id, count(*) AS n FROM rows
        WHERE hash(id) IN (SELECT hash FROM repeated WHERE name = 'id') AND id <> ''
        GROUP BY id HAVING count(*) > 1
    """)
    rows, ids = fetch_counts(connection, "SELECT sum(n), count(*) FROM repeated_ids")
    if not ids:
        return []
    shown = connection.execute("SELECT id FROM repeated_ids ORDER BY length(id), id LIMIT ?", [EXAMPLES]).fetchall()
    named = _named(rows, tuple(row[0] for row in shown), "share the id")
    return [f"duplicate id: {named}; make ids unique, or map no id to have rows named by file and number"]


def _broken_labels(
    connection: duckdb.DuckDBPyConnection,
    counts: Mapping[str, int],
    labels: Sequence[str],
    rules: TextRules,
    columns: Collection[str],
) -> list[str]:
    broken = []
    known = {label: rows for label, rows in counts.items() if label in labels}
    if unknown := {label: rows for label, rows in counts.items() if label not in known}:
        shown = [f"{quoted(cut(label))}{nearest(label, labels)}" for label in unknown]
        named = _named(sum(unknown.values()), marked(connection, "broken", "unknown_label", EXAMPLES))
        broken.append(f"unknown label: {named}, {_listed(shown)}, allowed: {', '.join(labels)}; correct it or allow it")
    if absent := [label for label in labels if label not in known]:
        few = about_few(columns, "add rows of it or take it out of the labels")
        broken.append(f"class without rows: {_listed(absent)}; {few}")
    if scarce := [f"{label} ({rows})" for label, rows in known.items() if rows < rules.min_rows_per_class]:
        broken.append(
            f"class with fewer than {rules.min_rows_per_class} rows: {_listed(scarce)}; "
            + about_few(columns, "add rows of it, or merge it")
        )
    if len(counts) == 1:
        few = about_few(columns, "add rows of another")
        broken.append(f"one single class: every row is {excerpt(*counts)}, at least 2 needed; {few}")
    return broken


def _named(rows: int, ids: Sequence[str], what: str = "") -> str:
    """`3 rows (a, b, c)`, with `…` when there are more rows than ids."""
    noun = "row" if rows == 1 else "rows"
    more = ", …" if len(ids) < rows and len(ids) == EXAMPLES else ""
    return f"{rows:,} {noun} {what + ' ' if what else ''}({', '.join(ids)}{more})"


def _listed(values: Sequence[str]) -> str:
    more = len(values) - _NAMED_VALUES
    return ", ".join(values[:_NAMED_VALUES]) + (f" and {more} more" if more > 0 else "")


def _odd_rows(connection: duckdb.DuckDBPyConnection, rules: TextRules) -> Iterator[Anomaly]:
    messages = {
        "repeated_text": "have the text of another row, case and spacing aside; the split keeps each text once",
        "conflicting_labels": "have the text of a row with another label; the split keeps one of the labels",
        "near_empty_text": f"have a text shorter than {rules.near_empty_chars} characters",
        "undecodable_text": "hold the replacement character U+FFFD: the text was once read in a wrong encoding",
    }
    connection.execute(ODD_ROWS)
    connection.execute(ODD_CONTENTS)
    for view in ("odd_contents", "odd"):
        for mark, rows in count_marks(connection, view).items():
            if rows:
                message = f"{rows:,} row{'s'[: rows != 1]} {messages[mark]}"
                examples = marked(connection, view, mark, EXAMPLES)
                yield Anomaly(name=mark, rows=rows, message=message, examples=examples)


def _odd_labels(labels: Mapping[str, int], rules: TextRules) -> list[Anomaly]:
    anomalies = []
    largest, smallest = max(labels, key=labels.__getitem__), min(labels, key=labels.__getitem__)
    ratio = labels[largest] / labels[smallest]
    if ratio > rules.max_class_ratio:
        message = f"{excerpt(largest)} ({labels[largest]:,} rows) is {ratio:.1f} times as large as {excerpt(smallest)}"
        anomalies.append(Anomaly(name="class_imbalance", rows=labels[smallest], message=message))
    spelled: dict[str, list[str]] = {}
    for label in labels:
        spelled.setdefault(" ".join(label.casefold().split()), []).append(label)
    for variants in spelled.values():
        if len(variants) > 1:
            message = f"labels that differ only in case or spacing: {', '.join(map(excerpt, variants))}"
            anomalies.append(
                Anomaly(name="label_spelling", rows=sum(labels[spelling] for spelling in variants), message=message)
            )
    return anomalies


def prepare_texts(rows: pa.RecordBatch, labels: Sequence[str], max_text_chars: int) -> PreparedRows:
    """The good rows, their texts in composed Unicode with every run of white space one space; counted by label."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pc.utf8_trim_whitespace(composed(pc.fill_null(rows["text"], "")))
    texts = pc.binary_join(pc.utf8_split_whitespace(whole), " ")
    bad: list[tuple[str, str]] = []
    good = []
    for row, (name, text, label) in enumerate(
        zip(rows["id"].to_pylist(), texts.to_pylist(), rows["label"].to_pylist(), strict=True)
    ):
        reason = _reason(text, label, labels, max_text_chars)
        if reason is None:
            good.append(row)
        else:
            bad.append((name or "(no id)", reason))
    place = rows.schema.get_field_index("text")
    kept = rows.set_column(place, "text", texts).take(pa.array(good, pa.int64()))
    listed = kept["label"].value_counts().to_pylist()
    return PreparedRows(kept, bad, {"label": {entry["values"]: entry["counts"] for entry in listed}})


def _reason(text: str, label: str | None, labels: Sequence[str], most: int) -> str | None:
    if not text:
        return "null or blank text"
    if len(text) > most:
        return f"text longer than {most:,} characters"
    if label not in labels:
        return f"unknown label ({label!r:.60}, allowed: {', '.join(labels)})"
    return None
