from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from evergreen.tasks.text_classification.rows import Batch, RowFacts, read_test_rows

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest
from evergreen.core.errors import InputError


def splits(folder: Path, rows: int = 1200, label: str = "tech", shards: int = 2) -> Splits:
    (folder / "test").mkdir()
    for shard in range(shards):
        ids = [f"{shard}/{row}" for row in range(rows // shards)]
        desks = [None if row % 2 else "web" for row in range(len(ids))]
        table = pa.table({"id": ids, "text": ["a" * 9] * len(ids), "label": [label] * len(ids), "desk": desks})
        pq.write_table(table, folder / "test" / f"rows-{shard:05d}.parquet")
    files = tuple(FileEntry.of(file, folder) for file in sorted(folder.rglob("*.parquet")))
    manifest = SplitsManifest(files=files, dataset="", seed=0, rows={"test": rows}, labels={}, removed={})
    return Splits.write(folder, manifest)


def test_rows_come_in_file_order_in_batches_that_do_not_grow(tmp_path: Path) -> None:
    batches = list(read_test_rows(splits(tmp_path), ["sports", "tech"]))
    assert max(len(batch.ids) for batch in batches) == 512
    assert [one for batch in batches for one in batch.ids] == [f"{s}/{row}" for s in range(2) for row in range(600)]
    assert set(batches[0].truth.tolist()) == {1}


def test_facts_are_kept_of_every_row(tmp_path: Path) -> None:
    facts = RowFacts(max_values=2)
    for batch in read_test_rows(splits(tmp_path), ["tech"], ["desk"]):
        facts.add(batch)
    assert len(facts.truth) == 1200
    assert set(facts.lengths.tolist()) == {9}
    assert facts.names == {"desk": ["web", "(null)"]}
    assert facts.values["desk"].sum() == 600


def test_a_missing_slice_column_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'author' missing from the test split \(has: id, text, label, desk\)"):
        list(read_test_rows(splits(tmp_path), ["tech"], ["author"]))


def test_a_label_that_the_task_lacks_names_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test row 0/0 has label 'weather', .* \(has: tech\)"):
        list(read_test_rows(splits(tmp_path, label="weather"), ["tech"]))


def test_a_column_of_unique_values_is_no_slice_column() -> None:
    batch = Batch(ids=["a", "b"], texts=["", ""], truth=RowFacts(1).truth, columns={"id": ["a", "b"]})
    with pytest.raises(InputError, match="slice column 'id' has more than 1 different values"):
        RowFacts(max_values=1).add(batch)
