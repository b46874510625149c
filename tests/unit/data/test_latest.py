"""Of rows that arrived more than once, the latest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from evergreen.core.artifacts import Dataset, SourceIdentity
from evergreen.core.intake import IntakeCount
from evergreen.data.dataset import write_dataset
from evergreen.data.latest import latest_rows
from evergreen.data.shards import iter_batches

IDENTITY = SourceIdentity(kind="files", fingerprint="a", description="rows")
Row = tuple[str, int | None, str]


def dataset_of(folder: Path, *rows: Row, batches: int = 1) -> Dataset:
    """Of (id, day of arrival, label), `batches` times as often with other ids."""
    schema = pa.schema({"id": pa.string(), "label": pa.string(), "arrived": pa.timestamp("us", tz="UTC")})
    count = IntakeCount()

    def batch(number: int) -> pa.RecordBatch:
        values: list[dict[str, Any]] = [
            {"id": f"{name}{number or ''}", "label": label, "arrived": day and datetime(2026, 5, day, tzinfo=UTC)}
            for name, day, label in rows
        ]
        count.see(len(values))
        return pa.RecordBatch.from_pylist(values, schema)

    return write_dataset(map(batch, range(batches)), folder, IDENTITY, count)


def rows_of(dataset: Dataset) -> list[tuple[str, str]]:
    """(id, label), in their order."""
    return [
        (row["id"], row["label"]) for part in iter_batches(dataset.shards, ["id", "label"]) for row in part.to_pylist()
    ]


def test_a_later_arrival_replaces_the_row_wherever_it_lies_and_is_counted(tmp_path: Path) -> None:
    before = dataset_of(tmp_path / "all", ("a", 3, "new"), ("b", 1, "b"), ("a", 1, "old"), ("a", 2, "older"))
    after = latest_rows(before, tmp_path / "latest")
    assert rows_of(after) == [("a", "new"), ("b", "b")]
    assert after.manifest.rows == 2
    assert after.manifest.intake
    assert after.manifest.intake.words() == "2 read of 4 seen; left out: 2 rows whose id another one has (a, a)"
    after.check_files()


def test_a_copy_is_replaced_in_another_batch_too(tmp_path: Path) -> None:
    before = dataset_of(tmp_path / "all", ("x", 1, "old"), ("y", 1, "y"), ("x", 2, "new"), batches=300)
    after = latest_rows(before, tmp_path / "latest")
    assert {label for _, label in rows_of(after)} == {"new", "y"}
    assert after.manifest.rows == 600


def test_of_what_arrived_at_once_the_same_one_stays_in_any_order(tmp_path: Path) -> None:
    rows: list[Row] = [("a", 1, "left"), ("a", 1, "right"), ("a", 1, "left"), ("b", 1, "b")]
    orders = [rows, rows[::-1], [*rows[1:], rows[0]]]
    after = [
        rows_of(latest_rows(dataset_of(tmp_path / f"all-{n}", *order), tmp_path / f"latest-{n}"))
        for n, order in enumerate(orders)
    ]
    assert [len(order) for order in after] == [2, 2, 2]
    assert len({frozenset(order) for order in after}) == 1


def test_a_row_without_a_known_time_came_first(tmp_path: Path) -> None:
    before = dataset_of(tmp_path / "all", ("b", 2, "later"), ("b", None, "b"))
    assert rows_of(latest_rows(before, tmp_path / "latest")) == [("b", "later")]


def test_rows_without_an_id_are_not_alike(tmp_path: Path) -> None:
    before = dataset_of(tmp_path / "all", ("", 1, "a"), (" ", 2, "b"), ("", 2, "c"))
    assert latest_rows(before, tmp_path / "latest") is before
    assert not (tmp_path / "latest").exists()


def test_rows_without_arrivals_are_left_as_they_are(tmp_path: Path) -> None:
    rows = pa.RecordBatch.from_pylist([{"id": "a", "label": "x"}] * 2)
    before = write_dataset([rows], tmp_path / "all", IDENTITY)
    assert latest_rows(before, tmp_path / "latest") is before
