import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evergreen.core.artifacts import Splits, SplitsManifest
from evergreen.core.errors import EvergreenError, InputError
from evergreen.data import shards
from evergreen.data.dataset import write_dataset
from evergreen.data.shards import GROUP_ROWS, ShardWriter, iter_batches, regroup, split_batches, split_columns
from tests.generated import few
from tests.rows import SOURCE, rows_of

ROOT = Path(__file__).parents[3]


def batches_of(texts: Sequence[str | None], cuts: list[int]) -> list[pa.RecordBatch]:
    whole = pa.RecordBatch.from_pydict(
        {"id": [str(n) for n in range(len(texts))], "text": pa.array(texts, pa.string())}
    )
    edges = [0, *sorted(cut % (len(texts) + 1) for cut in cuts), len(texts)]
    return [whole.slice(start, end - start) for start, end in pairwise(edges)]


@given(
    texts=st.lists(st.none() | st.text(max_size=30), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 100), max_size=8),
)
@settings(few(), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_same_rows_give_the_same_bytes_however_they_arrive(
    texts: list[str | None], cuts: list[int], tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "GROUP_ROWS", 7)
        patch.setattr(shards, "GROUP_BYTES", 60)
        patch.setattr(shards, "SHARD_ROWS", 20)
        whole = write_dataset(batches_of(texts, []), tmp_path / "whole", SOURCE)
        parts = write_dataset(batches_of(texts, cuts), tmp_path / "parts", SOURCE)
    assert whole.manifest == parts.manifest
    assert [row["text"] for row in rows_of(parts.shards)] == texts


def test_groups_are_bounded_in_rows_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 10)
    monkeypatch.setattr(shards, "GROUP_BYTES", 1_000)
    sizes = [table.num_rows for table in regroup(batches_of(["a"] * 25 + ["b" * 600] * 5, []))]
    assert sizes == [10, 10, 7, 2, 1]


def test_a_dataset_is_cut_into_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 10)
    monkeypatch.setattr(shards, "SHARD_ROWS", 20)
    dataset = write_dataset(batches_of(["a"] * 45, []), tmp_path, SOURCE)
    assert [shard.name for shard in dataset.shards] == [f"rows-0000{n}.parquet" for n in range(3)]
    assert sum(batch.num_rows for batch in iter_batches(dataset.shards)) == 45


def test_no_rows_are_an_error_and_leave_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows in rows of a test"):
        write_dataset([], tmp_path, SOURCE)
    assert not (tmp_path / "manifest.json").exists()


def test_what_an_earlier_write_left_is_removed_first(tmp_path: Path) -> None:
    write_dataset(batches_of(["a"], []), tmp_path, SOURCE)
    (tmp_path / "rows-00007.parquet").write_bytes(b"cut off")
    ShardWriter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_read_that_breaks_off_leaves_no_open_file(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches_of(["a"] * GROUP_ROWS, [])
        raise EvergreenError("the connection is lost")

    with pytest.raises(EvergreenError, match="lost") as raised:  # holds what was open as it was raised
        write_dataset(broken(), tmp_path, SOURCE)
    assert pq.read_metadata(tmp_path / "rows-00000.parquet").num_rows == GROUP_ROWS
    assert not (tmp_path / "manifest.json").exists()
    del raised


def test_rows_are_read_one_row_group_at_a_time_so_that_pictures_do_not_add_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "GROUP_BYTES", 3_000)
    rows = [{"id": str(n), "image": bytes(1_000)} for n in range(8)]
    dataset = write_dataset([pa.RecordBatch.from_pylist(rows)], tmp_path, SOURCE)
    assert [batch.num_rows for batch in iter_batches(dataset.shards)] == [3, 3, 2]
    assert [batch.num_rows for batch in iter_batches(dataset.shards, ["id"])] == [3, 3, 2]


def train_split(folder: Path, rows: int) -> Splits:
    """The rows `0`, `1`, … in shards of 20 and row groups of 10."""
    with ShardWriter(folder, "train") as writer:
        for table in regroup(batches_of([f"text {n}" for n in range(rows)], [])):
            writer.write(table)
    manifest = SplitsManifest(
        files=tuple(writer.entries), dataset="", seed=0, rows={"train": rows}, labels={}, removed={}
    )
    return Splits.write(folder, manifest)


@given(chosen=st.sets(st.integers(0, 44)), at_once=st.integers(1, 50))
@settings(few(), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chosen_rows_of_a_split_are_read_and_no_others(chosen: set[int], at_once: int, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "GROUP_ROWS", 10)
        patch.setattr(shards, "SHARD_ROWS", 20)
        splits = train_split(tmp_path, 45)
    assert len(splits.shards("train")) == 3
    batches = list(split_batches(splits, "train", ("id",), at_once, np.array(sorted(chosen), dtype=np.int64)))
    assert all(batch.num_rows for batch in batches)
    assert [name for batch in batches for name in batch["id"].to_pylist()] == [str(row) for row in sorted(chosen)]
    assert all(batch.schema.names == ["id"] for batch in batches)
    whole = list(split_batches(splits, "train", ("id",), at_once))
    assert max(batch.num_rows for batch in whole) == min(at_once, 20)
    assert sum(batch.num_rows for batch in whole) == 45


def test_a_split_is_read_by_one_reader() -> None:
    read = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for folder in ("evergreen", "examples")
        for path in (ROOT / folder).rglob("*.py")
        if "iter_batches" in (source := path.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "iter_batches"
        if "splits.shards(" in ast.unparse(call)
    ]
    assert not read, "split_batches bounds the rows in memory at once"


def test_the_columns_of_a_split_are_those_of_its_rows(tmp_path: Path) -> None:
    splits = train_split(tmp_path, 3)
    assert split_columns(splits, "train") == ["id", "text"]
    assert split_columns(splits, "test") == []
