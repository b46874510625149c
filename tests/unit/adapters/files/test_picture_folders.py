from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evergreen.adapters.files.settings import FilesSettings
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.pictures import mask, picture
from tests.rows import rows_of


def put(root: Path, **files: bytes) -> Path:
    """Files below the root, named with `__` for a slash and `_png` at the end for the extension."""
    for name, content in files.items():
        stem, _, extension = name.replace("__", "/").rpartition("_")
        path = root / f"{stem}.{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def source(**fields: Any) -> FilesSettings:
    return FilesSettings.model_validate({"format": "image_folders", **{k: str(v) for k, v in fields.items()}})


def read(settings: FilesSettings, out_dir: Path) -> list[dict[str, Any]]:
    return rows_of(source_of(settings).read(None, out_dir).shards)


def test_masks_of_another_folder_go_by_the_pictures_names_whatever_the_extension(tmp_path: Path) -> None:
    put(tmp_path, images__b_jpg=picture(1, form="JPEG"), images__deep__a_png=picture(2), masks__b_png=mask(2))
    put(tmp_path, masks__deep__a_png=mask(3), masks__nobody_png=mask(), images__notes_txt=b"not a picture")
    rows = read(source(path=tmp_path / "images", masks=tmp_path / "masks"), tmp_path / "out")
    assert rows == [
        {"id": "b", "image": picture(1, form="JPEG"), "mask": mask(2)},
        {"id": "deep/a", "image": picture(2), "mask": mask(3)},
    ]


def test_masks_beside_the_pictures_have_a_suffix(tmp_path: Path) -> None:
    put(tmp_path / "in", a_png=picture(1), a_mask_png=mask(1), b_png=picture(2), b_seg_png=mask(2))
    assert [row["id"] for row in read(source(path=tmp_path / "in"), tmp_path / "o") if row["mask"]] == ["a"]
    (masked,) = [row for row in read(source(path=tmp_path / "in", mask_suffix="_seg"), tmp_path / "o") if row["mask"]]
    assert (masked["id"], masked["mask"]) == ("b", mask(2))


def test_a_picture_without_a_mask_is_left_to_validation_one_among_none_is_a_mistake(tmp_path: Path) -> None:
    put(tmp_path, images__a_png=picture(1), images__b_png=picture(2), masks__b_png=mask(), none__c_png=mask())
    rows = read(source(path=tmp_path / "images", masks=tmp_path / "masks"), tmp_path / "out")
    assert [(row["id"], row["mask"]) for row in rows] == [("a", None), ("b", mask())]
    with pytest.raises(
        InputError, match=r"no picture in '.*images' has a mask in '.*none' \(looked for a\.\*, b\.\*\)"
    ):
        source_of(source(path=tmp_path / "images", masks=tmp_path / "none")).identity(None)


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    put(tmp_path, images__a_png=picture(1), images__a_jpg=picture(1, form="JPEG"), masks__a_png=mask())
    with pytest.raises(InputError, match=r"two pictures are named alike, a\.jpg and a\.png"):
        source_of(source(path=tmp_path / "images", masks=tmp_path / "masks")).identity(None)


def test_the_first_folder_may_give_the_split(tmp_path: Path) -> None:
    put(
        tmp_path / "x", train__a_png=picture(1), val__b_png=picture(2), train__a_mask_png=mask(), val__b_mask_png=mask()
    )
    settings = FilesSettings(path=str(tmp_path / "x"), format="image_folders", columns={"split": "split"})
    assert [(row["id"], row["split"]) for row in read(settings, tmp_path / "out")] == [
        ("train/a", "train"),
        ("val/b", "validation"),
    ]


def test_identity_follows_pictures_masks_and_mask_values(tmp_path: Path) -> None:
    put(tmp_path, images__a_png=picture(1), masks__a_png=mask())
    folders = {"path": str(tmp_path / "images"), "masks": str(tmp_path / "masks"), "format": "image_folders"}
    first = source_of(FilesSettings.model_validate(folders)).identity(None)
    assert first.rows == 1
    seen = {
        first.fingerprint,
        source_of(FilesSettings.model_validate({**folders, "mask_classes": {1: 0}})).identity(None).fingerprint,
    }
    put(tmp_path, masks__a_png=mask(2))
    seen.add(source_of(FilesSettings.model_validate(folders)).identity(None).fingerprint)
    put(tmp_path, images__b_png=picture(2))
    seen.add(source_of(FilesSettings.model_validate(folders)).identity(None).fingerprint)
    assert len(seen) == 4


def test_a_folder_without_pictures_names_the_extensions(tmp_path: Path) -> None:
    put(tmp_path, notes_txt=b"x")
    with pytest.raises(InputError, match=r"no file of format image_folders in '.*' \(allowed: \.png, \.jpg"):
        source_of(source(path=tmp_path)).identity(None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "a", "masks": "b"}, "needs format: image_folders"),
        ({"path": "a", "format": "image_folders", "mask_suffix": ""}, "one name"),
    ],
)
def test_fields_that_do_not_go_together_are_told(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        FilesSettings.model_validate(fields)
