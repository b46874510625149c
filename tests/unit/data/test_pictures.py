from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from evergreen.core.errors import InputError
from evergreen.data.canonical import canonical_rows, with_row_names
from evergreen.data.given import split_of_name
from evergreen.data.pictures import UNLISTED, PictureError, decode_mask, decode_picture
from evergreen.data.row_fields import RowFields
from tests.pictures import encoded, mask, picture, pixels


def canonical(fields: RowFields, columns: dict[str, Any]) -> list[dict[str, Any]]:
    batches = with_row_names([pa.RecordBatch.from_pydict(columns)], "pets.parquet")
    return [row for batch in canonical_rows(batches, fields, None) for row in batch.to_pylist()]


def test_what_is_mapped_tells_pictures_from_texts() -> None:
    assert RowFields().needed == ["text", "label"]
    assert RowFields(columns={"image": "picture"}).needed == ["picture", "mask"]
    assert RowFields(columns={"mask": "trimap", "breed": "breed"}).needed == ["image", "trimap", "breed"]


def test_a_text_source_is_told_apart_as_before() -> None:
    assert RowFields().model_dump() == {"columns": {}, "label_names": None}


def test_pictures_keep_their_bytes_and_come_from_structures_too() -> None:
    fields = RowFields(columns={"image": "picture", "mask": "trimap", "breed": "breed"})
    columns = {"picture": [{"bytes": picture(), "path": "a.png"}], "trimap": [mask()], "breed": ["Pug"]}
    assert canonical(fields, columns) == [
        {"id": "pets.parquet:1", "image": picture(), "mask": mask(), "breed": "Pug"},
    ]


def test_a_picture_column_that_holds_no_bytes_is_an_error() -> None:
    with pytest.raises(InputError, match=r"column 'image' holds string, not the bytes of encoded pictures"):
        canonical(RowFields(columns={"image": "image"}), {"image": ["a.png"], "mask": [b""]})


def test_mask_values_become_class_indices_and_others_none_that_a_label_has() -> None:
    fields = RowFields.model_validate({"columns": {"mask": "mask"}, "mask_classes": {1: 0, 2: 1, 3: 2}})
    rows = canonical(fields, {"image": [picture()] * 2, "mask": [mask([[1, 2, 3], [0, 1, 9]]), b"broken"]})
    assert pixels(rows[0]["mask"]).tolist() == [[0, 1, 2], [UNLISTED, 0, UNLISTED]]
    assert rows[1]["mask"] == b"broken"


def test_a_palette_is_ignored_and_a_mask_of_two_values_is_renamed_to_indices() -> None:
    palette = Image.fromarray(np.array([[3, 1]], dtype=np.uint8), mode="P")
    palette.putpalette([7, 7, 7] * 256)
    assert decode_mask(encoded(palette)).tolist() == [[3, 1]]
    fields = RowFields.model_validate({"columns": {"mask": "mask"}, "mask_classes": {0: 1, 1: 0}})
    two = encoded(Image.fromarray(np.array([[True, False]])))
    assert pixels(canonical(fields, {"image": [picture()], "mask": [two]})[0]["mask"]).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"not a picture", "is no picture that can be read"),
        (picture()[:60], "cannot be decoded"),
        (picture(), "is a PNG of mode RGB"),
        (encoded(Image.fromarray(np.zeros((2, 2), np.uint8)), "JPEG"), "is a JPEG of mode L"),
        (encoded(Image.fromarray(np.zeros((2, 2), np.uint16))), "is a PNG of mode I;16"),
    ],
)
def test_what_is_no_mask_says_why(content: bytes, reason: str) -> None:
    with pytest.raises(PictureError, match=reason):
        decode_mask(content)


def test_a_picture_too_large_to_decode_is_refused_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evergreen.data.pictures.MOST_PIXELS", 23)
    with pytest.raises(PictureError, match=r"has 6 x 4 pixels \(allowed: 23\)"):
        decode_picture(picture())


def test_pictures_of_any_mode_have_three_channels() -> None:
    grey = encoded(Image.fromarray(np.full((2, 3), 7, dtype=np.uint8)))
    assert decode_picture(grey).tolist() == [[[7, 7, 7]] * 3] * 2
    assert decode_picture(picture(form="JPEG")).shape == (4, 6, 3)


def test_splits_that_a_source_gives_go_by_their_usual_names() -> None:
    fields = RowFields(columns={"image": "image", "split": "part"})
    rows = canonical(fields, {"image": [b"a"] * 3, "mask": [b"b"] * 3, "part": ["Train", "val", "test"]})
    assert [row["split"] for row in rows] == ["train", "validation", "test"]
    with pytest.raises(InputError, match=r"split 'extra' of row pets\.parquet:2 is none \(allowed: train, training"):
        canonical(fields, {"image": [b"a"] * 2, "mask": [b"b"] * 2, "part": ["train", "extra"]})


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("val-00003.tfrec", "validation"),
        ("shards/train-00000-of-00004.tfrecord", "train"),
        ("test.tfrec", "test"),
        ("training_2.tfrec", "train"),
        ("trains-1.tfrec", None),
        ("val007.tfrec", "validation"),
        ("pets-train.tfrec", None),
    ],
)
def test_a_files_name_may_begin_with_its_split(name: str, split: str | None) -> None:
    assert split_of_name(name) == split


@pytest.mark.parametrize(
    "fields", [{"mask_classes": {1: 0}}, {"columns": {"image": "image"}, "label_names": {"1": "cat"}}]
)
def test_renaming_what_is_not_read_is_a_mistake(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"needs a (mask|label) column, which is not read"):
        RowFields.model_validate(fields)
