"""Which fields of sources shape rows: any of them makes another identity, and none can be forgotten."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, get_args

import pytest

from evergreen.adapters.bigquery.query import Query
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.bigquery.source import BigQuerySource
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.huggingface.settings import HuggingFaceSettings
from evergreen.adapters.huggingface.source import HuggingFaceSource
from evergreen.adapters.oxford_pets.settings import OxfordPetsSettings
from evergreen.core.members import source_of
from evergreen.data.row_fields import RowFields

SOURCES: list[RowFields] = [
    FilesSettings(path="n.csv", columns={"mask": "mask"}, format="tfrecord"),
    HuggingFaceSettings(name="own/news", columns={"mask": "mask"}),
    BigQuerySettings(project="my-project", table="news.articles", columns={"mask": "mask"}),
    OxfordPetsSettings(path="raw"),
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
    "numbers": ("target",),
    "arrived": "ingestion",
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
    source = FilesSettings(path=str(tmp_path / "n.csv"))
    same = source_of(source).identity(None).fingerprint
    for field in set(FilesSettings.model_fields) - FilesSettings.places:
        changed = source.model_copy(update={field: OTHER[field]})
        assert source_of(changed).identity(None).fingerprint != same, field


def test_a_changed_field_is_another_identity_of_a_table_or_data_set() -> None:
    table = BigQuerySettings(project="my-project", table="news.articles")
    data_set = HuggingFaceSettings(name="own/news")
    query = Query("SELECT 1", {})
    for field in set(RowFields.model_fields) - RowFields.places:
        changed = {field: OTHER[field]}
        assert BigQuerySource(table.model_copy(update=changed))._identity(query, {}, None) != BigQuerySource(
            table
        )._identity(query, {}, None), field
    for field in set(HuggingFaceSettings.model_fields) - HuggingFaceSettings.places:
        changed = {field: OTHER[field]}
        assert HuggingFaceSource(data_set.model_copy(update=changed))._identity("c0ffee", None) != HuggingFaceSource(
            data_set
        )._identity("c0ffee", None), field


TEXTS: dict[str, Any] = {"columns": {"text": "body"}, "label_names": {"1": "World"}}
PICTURES: dict[str, Any] = {"columns": {"mask": "trimap"}, "mask_classes": {1: 0, 2: 1}}


@pytest.mark.parametrize(
    ("fields", "group_pattern", "pinned"),
    [
        ({}, None, ["bd27aadb9acad287", "f0d544546713044c", "79cb5b4285994470"]),
        (TEXTS, None, ["1a0c0d8a33a121a3", "09f1b5f00903e50c", "d5c857f1028e8c0a"]),
        (PICTURES, r"^(\w+?)_", ["78eee1ecbaa30890", "e64ada4fbbfa02b0", "37c4f7c81654ca74"]),
    ],
)
def test_the_identity_of_equal_rows_and_fields_is_the_same_in_every_release(
    tmp_path: Path, fields: dict[str, Any], group_pattern: str | None, pinned: list[str]
) -> None:
    """Another identity would fetch all rows again and train a model of the same rows anew."""
    (tmp_path / "n.csv").write_text("text,label\na,x\n")
    table = BigQuerySettings(project="my-project", table="news.articles", **fields)
    identities = (
        source_of(FilesSettings(path=str(tmp_path / "n.csv"), group_pattern=group_pattern, **fields)).identity(None),
        HuggingFaceSource(HuggingFaceSettings(name="own/news", **fields))._identity("c0ffee", None),
        BigQuerySource(table)._identity(Query("SELECT 1", {}), {}, None),
    )
    assert [identity.fingerprint[:16] for identity in identities] == pinned


def test_where_rows_lie_makes_no_other_identity(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "n.csv").write_text("text,label\na,x\n")
    here, there = (
        source_of(FilesSettings(path=str(tmp_path / folder / "n.csv"))).identity(None) for folder in ("here", "there")
    )
    assert here.fingerprint == there.fingerprint
    hub = HuggingFaceSettings(name="own/news")
    moved = hub.model_copy(update={"revision": "main", "token_env": "HF_TOKEN"})
    assert HuggingFaceSource(moved)._identity("c0ffee", None) == HuggingFaceSource(hub)._identity("c0ffee", None)


def test_all_sources_of_rows_are_covered() -> None:
    from evergreen.adapters.kinds import AnySource

    union = get_args(AnySource)[0]
    members = get_args(union) if isinstance(union, types.UnionType) or get_args(union) else (union,)
    rows = {member for member in members if isinstance(member, type) and issubclass(member, RowFields)}
    assert rows == {type(source) for source in SOURCES}
