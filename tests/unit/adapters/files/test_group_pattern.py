"""Groups that files' names tell."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.kinds import AnySource
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from evergreen.preparation import Preparation
from evergreen.preparation.plan import Plan, plan_of
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.pictures import mask, picture
from tests.rows import rows_of

NAMES = ("seq1_001", "seq1_002", "deep/seq2_001")


def folders(root: Path, names: tuple[str, ...] = NAMES) -> dict[str, str]:
    """The fields of a source of pictures and masks of these names."""
    for number, name in enumerate(names):
        for folder, content in ("images", picture(number)), ("masks", mask()):
            path = root / folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return {"format": "image_folders", "path": str(root / "images"), "masks": str(root / "masks")}


def source(pattern: str | None, **fields: Any) -> FilesSettings:
    return FilesSettings.model_validate(fields | {"group_pattern": pattern})


def groups(settings: FilesSettings, out_dir: Path) -> dict[str, str]:
    return {row["id"]: row["group"] for row in rows_of(source_of(settings).read(None, out_dir).shards)}


def test_the_parentheses_match_the_group_in_a_pictures_name(tmp_path: Path) -> None:
    result = groups(source(r"(seq\d)_", **folders(tmp_path)), tmp_path / "o")
    assert result == {"seq1_001": "seq1", "seq1_002": "seq1", "deep/seq2_001": "seq2"}


def test_the_row_is_named_by_its_file_also_where_a_file_has_many(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "north.jsonl").write_text('{"id": "x1", "text": "a", "label": "l"}\n')
    (folder / "south.jsonl").write_text('{"id": "x2", "text": "b", "label": "l"}\n')
    settings = source(r"^(\w+)\.", path=str(folder), columns={"id": "id"})
    assert groups(settings, tmp_path / "o") == {"x1": "north", "x2": "south"}


def test_a_name_without_a_group_is_told_with_the_pattern(tmp_path: Path) -> None:
    fields = folders(tmp_path, (*NAMES, "other"))
    with pytest.raises(InputError, match=r"the name 'other' tells no group: source\.group_pattern '.*nothing in it"):
        source_of(source(r"(seq\d)_", **fields)).read(None, tmp_path / "o")
    with pytest.raises(InputError, match=r"the name 'deep/seq2_001' tells no group: .* nothing for its parentheses"):
        source_of(source(r"^(seq\d)?", **fields)).read(None, tmp_path / "p")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group_pattern": "(seq"}, r"group_pattern '\(seq' is no regular expression: missing \)"),
        ({"group_pattern": "seq"}, r"group_pattern 'seq' has 0 pairs of parentheses .* \(allowed: one\)"),
        ({"group_pattern": "(s)(q)"}, "has 2 pairs of parentheses"),
        ({"group_pattern": "(s)", "columns": {"group": "scene"}}, r"columns\.group and group_pattern both tell"),
        ({"format": "image_folders", "columns": {"group": "scene"}}, "folders of pictures have no column of groups"),
    ],
)
def test_a_pattern_that_tells_no_group_is_refused_with_the_configuration(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FilesSettings.model_validate({"path": "in", **fields})


def test_the_pattern_is_part_of_the_identity_and_no_pattern_leaves_it_as_it_was(tmp_path: Path) -> None:
    fields = folders(tmp_path)
    prints = [
        source_of(source(pattern, **fields)).identity(None).fingerprint for pattern in (None, r"(seq\d)", r"(seq)")
    ]
    assert len(set(prints)) == 3
    assert "group_pattern" not in source(None, **fields).model_dump()
    assert TypeAdapter(AnySource).validate_json(source(r"(s)", **fields).model_dump_json()) == source(r"(s)", **fields)


def plan(tmp_path: Path, columns: dict[str, str], **fields: Any) -> Plan:
    origin = source(r"(seq\d)_", **folders(tmp_path))
    target = FilesSettings(path=str(tmp_path / "target"), columns={"mask": "mask"} | columns, **fields)
    return plan_of(Preparation(origin=origin), ImageSegmentation(labels=("a", "b")), target)


def test_a_preparation_may_write_the_groups_that_names_tell_and_must_not_look_for_them_twice(tmp_path: Path) -> None:
    assert plan(tmp_path, {"group": "scene"}).columns["group"] == "scene"
    with pytest.raises(InputError, match=r"columns reads video, which prepare\.origin does not give .*group"):
        plan(tmp_path, {"video": "scene"})
    with pytest.raises(InputError, match=r"source\.group_pattern would look at the names of the prepared shards"):
        plan(tmp_path, {}, group_pattern="(s)")
