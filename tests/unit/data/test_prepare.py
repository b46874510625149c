from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evergreen.core.artifacts import Dataset, ResolvedWindow
from evergreen.core.errors import InputError
from evergreen.data.dataset import write_dataset
from evergreen.data.prepare import PREPARED, Plan, Times, prepare, target_columns
from evergreen.data.row_fields import TEXT_COLUMNS, RowFields
from tests.rows import SOURCE, dataset_of

END = datetime(2024, 5, 10, tzinfo=UTC)
TIMES = Times(end=END, days=4, seed=0)
COLUMNS = target_columns(TEXT_COLUMNS)
LABELS = ("World", "Sports")
ROWS = [(f"train:{number}", f"text {number}", LABELS[number % 2]) for number in range(1, 401)]


def plan(**changes: object) -> Plan:
    return Plan(**{"times": TIMES, "columns": COLUMNS, "labels": LABELS, **changes})  # type: ignore[arg-type]


def test_the_same_rows_and_plan_give_the_same_bytes(tmp_path: Path) -> None:
    first = prepare(dataset_of(ROWS, tmp_path / "a"), plan(), tmp_path / "a.parquet")
    again = prepare(dataset_of(ROWS, tmp_path / "b"), plan(), tmp_path / "b.parquet")
    other = prepare(dataset_of(ROWS, tmp_path / "c"), plan(times=Times(END, 4, seed=1)), tmp_path / "c.parquet")
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.path.read_bytes() == again.path.read_bytes()


def test_the_file_has_the_targets_columns_and_is_marked(tmp_path: Path) -> None:
    columns = target_columns({"text": "body", "label": "label"})
    prepared = prepare(dataset_of(ROWS, tmp_path / "a"), plan(columns=columns), tmp_path / "a.parquet")
    table = pq.read_table(prepared.path)
    assert table.column_names == ["id", "body", "label", "timestamp"]
    assert table.schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
    assert PREPARED.encode() in table.schema.metadata
    assert table["body"].to_pylist() == [text for _, text, _ in ROWS]


def test_rows_with_a_number_need_no_label(tmp_path: Path) -> None:
    offers = pa.RecordBatch.from_pydict({"id": ["a", "b"], "text": ["a bike", "a lamp"], "target": [12.5, 3.0]})
    rows = write_dataset([offers], tmp_path / "rows", SOURCE)
    columns = target_columns(RowFields(columns={"target": "price"}, numbers=("target",)).mapping)
    prepared = prepare(rows, plan(columns=columns, labels=None), tmp_path / "offers.parquet")
    table = pq.read_table(prepared.path)
    assert table.column_names == ["id", "text", "timestamp", "price"]
    assert table["price"].to_pylist() == [12.5, 3.0]
    assert (prepared.rows, prepared.labels) == (2, {})


def test_times_are_spread_evenly_over_the_days(tmp_path: Path) -> None:
    prepared = prepare(dataset_of(ROWS, tmp_path / "a"), plan(), tmp_path / "a.parquet")
    moments = pq.read_table(prepared.path)["timestamp"].to_pylist()
    by_day = [
        sum(END - timedelta(days=day + 1) <= moment < END - timedelta(days=day) for moment in moments)
        for day in range(4)
    ]
    assert sum(by_day) == len(ROWS)
    assert all(70 <= rows <= 130 for rows in by_day)
    assert (prepared.first, prepared.last) == (min(moments), max(moments))


@given(st.lists(st.text(), min_size=1, max_size=8), st.integers(), st.floats(0.001, 10_000))
def test_every_time_is_within_the_days_and_depends_on_its_own_id_alone(ids: list[str], seed: int, days: float) -> None:
    times = Times(END, days, seed)
    drawn = times.of(pa.array(ids)).to_pylist()
    assert all(END - timedelta(days=days) <= moment < END for moment in drawn)
    assert drawn == [times.of(pa.array([row_id]))[0].as_py() for row_id in ids]


def test_rows_within_the_window_are_counted(tmp_path: Path) -> None:
    window = ResolvedWindow(start=END - timedelta(days=1), end=END)
    prepared = prepare(dataset_of(ROWS, tmp_path / "a"), plan(window=window), tmp_path / "a.parquet")
    moments = pq.read_table(prepared.path)["timestamp"].to_pylist()
    assert prepared.in_window == sum(window.start <= moment < window.end for moment in moments) > 0
    assert prepared.rows == len(ROWS)
    assert prepared.labels == {"World": 200, "Sports": 200}


def test_rows_arrive_at_the_end_of_the_days_where_the_target_tells_when(tmp_path: Path) -> None:
    columns = target_columns({**TEXT_COLUMNS, "arrived": "loaded_at"})
    prepared = prepare(dataset_of(ROWS, tmp_path / "a"), plan(columns=columns), tmp_path / "a.parquet")
    table = pq.read_table(prepared.path)
    assert table.column_names == ["id", "text", "label", "timestamp", "loaded_at"]
    assert set(table["loaded_at"].to_pylist()) == {END}
    again = prepare(dataset_of(ROWS, tmp_path / "b"), plan(columns=columns), tmp_path / "b.parquet")
    assert again.fingerprint == prepared.fingerprint


def test_rows_with_times_of_their_own_keep_them(tmp_path: Path) -> None:
    own = datetime(2001, 2, 3, tzinfo=UTC)
    batch = pa.RecordBatch.from_pydict(
        {"id": ["1"], "text": ["a"], "label": ["World"], "timestamp": pa.array([own], pa.timestamp("us", tz="UTC"))}
    )
    dataset: Dataset = write_dataset([batch], tmp_path / "a", SOURCE)
    prepared = prepare(dataset, plan(), tmp_path / "a.parquet")
    assert prepared.first == prepared.last == own


def test_a_label_that_the_task_does_not_know_is_an_error_that_names_the_row(tmp_path: Path) -> None:
    dataset = dataset_of([*ROWS, ("train:401", "text", "3")], tmp_path / "a")
    with pytest.raises(
        InputError, match=r"label '3' of row train:401 is none of the task's \(World, Sports\).*--label-names"
    ):
        prepare(dataset, plan(), tmp_path / "a.parquet")


@pytest.mark.parametrize(("row", "name"), [(("x", None, "World"), "text"), (("x", "a", None), "label")])
def test_a_row_that_lacks_something_is_an_error_that_names_it(
    tmp_path: Path, row: tuple[str | None, str | None, str | None], name: str
) -> None:
    with pytest.raises(InputError, match=f"row x has no {name}"):
        prepare(dataset_of([*ROWS, row], tmp_path / "a"), plan(), tmp_path / "a.parquet")


def test_a_column_that_the_rows_lack_is_an_error(tmp_path: Path) -> None:
    columns = target_columns({**TEXT_COLUMNS, "publisher": "publisher"})
    with pytest.raises(InputError, match=r"reads publisher, .*--columns publisher="):
        prepare(dataset_of(ROWS, tmp_path / "a"), plan(columns=columns), tmp_path / "a.parquet")


def test_one_column_cannot_be_written_as_two() -> None:
    with pytest.raises(InputError, match="reads text as several columns"):
        target_columns({**TEXT_COLUMNS, "id": "text"})


def test_a_smaller_share_of_the_rows_is_part_of_a_larger_one(tmp_path: Path) -> None:
    ids = {}
    for share in (0.25, 0.5, 1.0):
        prepared = prepare(dataset_of(ROWS, tmp_path / f"{share}"), plan(share=share), tmp_path / f"{share}.parquet")
        ids[share] = set(pq.read_table(prepared.path)["id"].to_pylist())
    assert ids[0.25] < ids[0.5] < ids[1.0] == {name for name, *_ in ROWS}
    assert len(ids[0.25]) == pytest.approx(100, abs=40)
