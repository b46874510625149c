"""Which fields of sources shape rows: any of them makes another identity, and none can be forgotten."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, get_args

import pytest

from evergreen.adapters import BigQuerySource, FilesSource, HuggingFaceSource, PackageSource
from evergreen.adapters.bigquery.query import Query
from evergreen.data.row_fields import RowFields

SOURCES: list[RowFields] = [
    FilesSource(path="n.csv", columns={"mask": "mask"}, format="tfrecord"),
    PackageSource(package="news", path="n.csv", columns={"mask": "mask"}),
    HuggingFaceSource(name="own/news", columns={"mask": "mask"}),
    BigQuerySource(project="my-project", table="news.articles", columns={"mask": "mask"}),
]
OTHER: dict[str, Any] = {
    "columns": {"mask": "other"},
    "text_separator": " ",
    "label_names": {"1": "World"},
    "mask_classes": {1: 0},
    "delimiter": ";",
    "encoding": "cp1252",
    "fallback_encoding": "cp1252",
    "quoting": "none",
    "escape": "\\",
    "header": False,
    "names": ("a", "b"),
    "round_masks": True,
    "group_pattern": "^(a)",
    "name": "own/others",
    "config_name": "large",
    "splits": ("test",),
}
"""Another value for each field that shapes rows."""


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.kind)
def test_every_field_shapes_rows_or_is_said_to_be_a_place(source: RowFields) -> None:
    fields = set(type(source).model_fields)
    assert source.places <= fields | {"kind"}
    same = source.shaping()
    for field in fields - source.places:
        assert field in OTHER, f"{field} is new: give it another value here, or name it among the places"
        assert source.model_copy(update={field: OTHER[field]}).shaping() != same, field


def test_a_changed_field_is_another_identity_of_files(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("text,label\na,x\n")
    source = FilesSource(path=str(tmp_path / "n.csv"))
    same = source.identity(None).fingerprint
    for field in set(FilesSource.model_fields) - FilesSource.places:
        changed = source.model_copy(update={field: OTHER[field]})
        assert changed.identity(None).fingerprint != same, field


def test_a_changed_field_is_another_identity_of_a_table_or_data_set() -> None:
    table = BigQuerySource(project="my-project", table="news.articles")
    data_set = HuggingFaceSource(name="own/news")
    query = Query("SELECT 1", {})
    for field in set(RowFields.model_fields) - RowFields.places:
        changed = {field: OTHER[field]}
        assert table.model_copy(update=changed)._identity(query, {}, None) != table._identity(query, {}, None), field
        assert data_set.model_copy(update=changed)._identity("c0ffee", None) != data_set._identity("c0ffee", None)


def test_all_sources_of_rows_are_covered() -> None:
    from evergreen.adapters import AnySource

    union = get_args(AnySource)[0]
    members = get_args(union) if isinstance(union, types.UnionType) or get_args(union) else (union,)
    rows = {member for member in members if isinstance(member, type) and issubclass(member, RowFields)}
    assert rows == {type(source) for source in SOURCES}
