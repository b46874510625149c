from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from evergreen.core.artifacts import Dataset
from evergreen.core.errors import InputError
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.database import open_database
from evergreen.data.dataset import write_dataset
from evergreen.data.given import check_groups
from evergreen.data.row_fields import RowFields
from tests.rows import SOURCE

FIELDS = RowFields(columns={"group": "customer"})


def rows(customers: list[Any]) -> list[dict[str, Any]]:
    letters = [str(number) for number in range(len(customers))]
    columns = pa.RecordBatch.from_pydict({"text": letters, "label": letters, "customer": customers})
    return [
        row
        for batch in canonical_rows(with_row_names([columns], "news.csv"), FIELDS, None)
        for row in batch.to_pylist()
    ]


def test_a_group_is_text_whatever_the_column_holds() -> None:
    assert [row["group"] for row in rows([7, 7, 12])] == ["7", "7", "12"]


@pytest.mark.parametrize("absent", [None, "", "  "])
def test_a_row_without_a_group_is_named(absent: str | None) -> None:
    with pytest.raises(InputError, match=r"row news\.csv:2 has no group; fill it .*, or map no source\.columns\.group"):
        rows(["a", absent, "b"])


def given(placed: list[tuple[str, str]], path: Path) -> Dataset:
    listed = [{"id": str(n), "group": group, "split": split} for n, (group, split) in enumerate(placed)]
    return write_dataset([pa.RecordBatch.from_pylist(listed)], path, SOURCE)


def test_a_group_in_several_given_splits_is_named_with_them(tmp_path: Path) -> None:
    placed = [("b", "train"), ("b", "test"), ("b", "test"), ("a", "train"), ("c", "validation"), ("c", "train")]
    with (
        open_database() as connection,
        pytest.raises(
            InputError,
            match=r"group 'b' is given to 2 splits, test, train, and so are 1 more \(allowed: one\); give all its rows",
        ),
    ):
        check_groups(connection, given(placed, tmp_path / "d"))


def test_groups_that_keep_to_one_given_split_are_let_through(tmp_path: Path) -> None:
    with open_database() as connection:
        check_groups(connection, given([("a", "train"), ("a", "train"), ("b", "test")], tmp_path / "d"))
