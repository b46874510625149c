from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.core.preparation import Prepared
from evergreen.data.prepare import Plan, Times, prepare, target_columns
from evergreen.data.row_fields import TEXT_COLUMNS
from tests.rows import dataset_of, rows_of

TIMES = Times(datetime(2024, 5, 10, tzinfo=UTC), 4, seed=0)


def prepared(tmp_path: Path, *texts: str) -> Prepared:
    rows = [(f"{number}", text, "x") for number, text in enumerate(texts)]
    return prepare(
        dataset_of(rows, tmp_path / "rows"), Plan(TIMES, target_columns(TEXT_COLUMNS)), tmp_path / "prepared.parquet"
    )


def store(path: Path, rows: Prepared, *, append: bool = False) -> str:
    return source_of(FilesSettings(path=str(path))).destination(windowed=False).store(rows, append=append)


def texts(path: Path, out_dir: Path) -> Counter[str]:
    return Counter(row["text"] for row in rows_of(source_of(FilesSettings(path=str(path))).read(None, out_dir).shards))


def test_what_was_prepared_is_what_the_source_reads(tmp_path: Path) -> None:
    folder = tmp_path / "news"
    store(folder, prepared(tmp_path, "a", "b"))
    source = FilesSettings(path=str(folder), columns={"id": "id", "timestamp": "timestamp"})
    rows = rows_of(source_of(source).read(None, tmp_path / "out").shards)
    assert [(row["id"], row["text"], row["label"]) for row in rows] == [("0", "a", "x"), ("1", "b", "x")]
    assert all(row["timestamp"].tzinfo for row in rows)


def test_rows_replace_those_prepared_before_and_the_same_rows_leave_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "news"
    store(folder, prepared(tmp_path, "a"))
    message = store(folder, prepared(tmp_path, "b"))
    assert message.endswith("written, 1 older replaced")
    store(folder, prepared(tmp_path, "b"))
    assert texts(folder, tmp_path / "out") == {"b": 1}


def test_rows_are_added_when_asked_and_the_same_rows_once(tmp_path: Path) -> None:
    folder = tmp_path / "news"
    for text in ("a", "b", "b"):
        store(folder, prepared(tmp_path, text), append=True)
    assert texts(folder, tmp_path / "out") == {"a": 1, "b": 1}


def test_one_file_is_replaced_whole(tmp_path: Path) -> None:
    for text in ("a", "b"):
        store(tmp_path / "news.parquet", prepared(tmp_path, text))
        assert texts(tmp_path / "news.parquet", tmp_path / "out") == {text: 1}


@pytest.mark.parametrize("name", ["news.parquet", "news"])
def test_files_that_were_not_prepared_are_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    own = path if path.suffix else path / "own.parquet"
    own.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table({"text": ["mine"]}), own)
    with pytest.raises(InputError, match="not prepared"):
        store(path, prepared(tmp_path, "a"))
    assert pq.read_table(own)["text"].to_pylist() == ["mine"]
    assert list(own.parent.glob("*prepared-*")) == []


@pytest.mark.parametrize(
    ("path", "append", "reason"),
    [("news.csv", False, "are Parquet"), ("n-*.parquet", False, "are Parquet"), ("n.parquet", True, "cannot be added")],
)
def test_a_path_that_prepared_rows_cannot_go_to_is_an_error(
    tmp_path: Path, path: str, append: bool, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        store(tmp_path / path, prepared(tmp_path, "a"), append=append)


def test_labels_are_not_named_twice() -> None:
    with pytest.raises(InputError, match="remove it from the configuration"):
        source_of(FilesSettings(path="news", label_names={"1": "World"})).destination(windowed=False)
