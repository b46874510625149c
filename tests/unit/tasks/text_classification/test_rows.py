from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest
from evergreen.core.errors import InputError
from evergreen.evaluation.slices import ColumnValues
from evergreen.tasks.text_classification.measurable import TextEvaluator
from evergreen.tasks.text_classification.settings import TextClassification


def splits(folder: Path, rows: int = 1200, shards: int = 2) -> Splits:
    (folder / "test").mkdir()
    for shard in range(shards):
        ids = [f"{shard}/{row}" for row in range(rows // shards)]
        desks = [None if row % 2 else "web" for row in range(len(ids))]
        table = pa.table({"id": ids, "text": ["a" * 9] * len(ids), "label": ["tech"] * len(ids), "desk": desks})
        pq.write_table(table, folder / "test" / f"rows-{shard:05d}.parquet")
    files = tuple(FileEntry.of(file, folder) for file in sorted(folder.rglob("*.parquet")))
    manifest = SplitsManifest(files=files, dataset="", seed=0, rows={"test": rows}, labels={}, removed={})
    return Splits.write(folder, manifest)


def evaluator(folder: Path, *labels: str) -> TextEvaluator:
    return TextEvaluator(splits(folder), TextClassification(encoder="e", labels=labels))


def test_rows_come_in_file_order_in_batches_that_do_not_grow(tmp_path: Path) -> None:
    batches = list(evaluator(tmp_path, "sports", "tech").rows(()))
    assert max(len(batch.ids) for batch in batches) == 512
    assert [row for batch in batches for row in batch.ids] == [f"{s}/{row}" for s in range(2) for row in range(600)]
    assert set(batches[0].truth.tolist()) == {1}


def test_lengths_and_values_of_slice_columns_are_those_of_every_row(tmp_path: Path) -> None:
    texts, values = evaluator(tmp_path, "sports", "tech"), ColumnValues(max_values=2)
    lengths = []
    for batch in texts.rows(["desk"]):
        values.add(batch.columns)
        lengths += texts.facts(batch)["length_chars"].tolist()
    assert lengths == [9] * 1200
    assert values.names == {"desk": ["web", "(null)"]}
    assert values.numbers["desk"].sum() == 600


def test_a_missing_slice_column_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'author' missing from the test split \(has: id, text, label, desk\)"):
        list(evaluator(tmp_path, "sports", "tech").rows(["author"]))


def test_a_column_of_unique_values_is_no_slice_column() -> None:
    with pytest.raises(InputError, match="slice column 'id' has more than 1 different values"):
        ColumnValues(max_values=1).add({"id": ["a", "b"]})
