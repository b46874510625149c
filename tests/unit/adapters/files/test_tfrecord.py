import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.tfrecord import parse_example
from evergreen.core.errors import InputError
from evergreen.core.members import source_of
from tests.pictures import mask, picture, pixels
from tests.rows import rows_of
from tests.tfrecords import Values, example, write

IMAGE = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
MASK = np.array([[0, 1, 2, 0, 1, 2]] * 4, dtype=np.uint8)
SHAPES: dict[str, Values] = {"image_shape": [4, 6, 3], "label_shape": [4, 6]}


def as_floats(**more: Values) -> dict[str, Values]:
    """As the published pipelines write pictures: flat lists of floats and their shapes."""
    return {
        "image": IMAGE.ravel().astype(float).tolist(),
        "label": MASK.ravel().astype(float).tolist(),
        **SHAPES,
        **more,
    }


def read(path: Path, out: Path, **fields: Any) -> list[dict[str, Any]]:
    columns = {"mask": "label", **fields.pop("columns", {})}
    source = FilesSettings.model_validate({"path": str(path), "format": "tfrecord", "columns": columns, **fields})
    return rows_of(source_of(source).read(None, out).shards)


FORMS: dict[str, dict[str, Values]] = {
    "lists of floats": as_floats(),
    "lists of integers": {"image": IMAGE.ravel().tolist(), "label": MASK.ravel().tolist(), **SHAPES},
    "raw bytes": {"image": IMAGE.tobytes(), "label": MASK.tobytes(), **SHAPES},
    "raw floats": {"image": IMAGE.astype("<f4").tobytes(), "label": MASK.astype("<f4").tobytes(), **SHAPES},
    "a channel of its own": as_floats(label_shape=[4, 6, 1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_arrays_become_png_with_the_same_pixels(tmp_path: Path, form: str) -> None:
    path = write(tmp_path / "train-00-1.tfrec", [example(FORMS[form])])
    (row,) = read(path, tmp_path / "out")
    assert row["id"] == "train-00-1.tfrec:1"
    assert pixels(row["image"]).tolist() == IMAGE.tolist()
    assert pixels(row["mask"]).tolist() == MASK.tolist()


def test_encoded_pictures_keep_their_bytes_and_other_features_are_for_slices(tmp_path: Path) -> None:
    record: dict[str, Values] = {
        "image": picture(form="JPEG"),
        "label": mask(),
        "breed": "Pug",
        "age": [3],
        "weight": [7.5],
    }
    path = write(tmp_path / "pets.tfrec", [example(record), example({"image": picture(), **SHAPES})])
    rows = read(path, tmp_path / "out", columns={"breed": "breed", "age": "age", "weight": "weight"})
    assert rows == [
        {
            "id": "pets.tfrec:1",
            "image": picture(form="JPEG"),
            "mask": mask(),
            "breed": "Pug",
            "age": 3,
            "weight": 7.5,
        },
        {"id": "pets.tfrec:2", "image": picture(), "mask": None, "breed": None, "age": None, "weight": None},
    ]


def test_a_files_name_gives_the_split_where_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("train-00-2.tfrec", "val-00-1.tfrec"):
        write(tmp_path / "shards" / name, [example(as_floats())])
    (tmp_path / "shards" / "README.md").write_text("not a shard")
    rows = read(tmp_path / "shards", tmp_path / "out", columns={"split": "split"})
    assert [(row["id"], row["split"]) for row in rows] == [
        ("train-00-2.tfrec:1", "train"),
        ("val-00-1.tfrec:1", "validation"),
    ]
    assert [set(row) for row in read(tmp_path / "shards", tmp_path / "out")] == [{"id", "image", "mask"}] * 2
    write(tmp_path / "pets.tfrec", [example(as_floats())])
    with pytest.raises(InputError, match=r"the name pets\.tfrec begins with no split \(such as train"):
        read(tmp_path / "pets.tfrec", tmp_path / "out", columns={"split": "split"})


def test_files_are_found_by_pattern_and_decompressed(tmp_path: Path) -> None:
    plain = write(tmp_path / "val-01-3.tfrec", [example(as_floats())] * 3)
    (tmp_path / "val-02-3.tfrec.gz").write_bytes(gzip.compress(plain.read_bytes()))
    write(tmp_path / "train-01-1.tfrec", [example(as_floats())])
    rows = read(tmp_path / "val-*.tfrec*", tmp_path / "out")
    assert [row["id"] for row in rows] == [
        f"{name}:{n}" for name in (plain.name, "val-02-3.tfrec.gz") for n in (1, 2, 3)
    ]


def test_mask_values_are_renumbered_as_for_any_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tfrec", [example(as_floats(label=(MASK + 1).ravel().astype(float).tolist()))])
    (row,) = read(path, tmp_path / "out", mask_classes={1: 0, 2: 1, 3: 2})
    assert pixels(row["mask"]).tolist() == MASK.tolist()


def test_masks_with_values_between_classes_are_refused_unless_rounding_is_asked_for(tmp_path: Path) -> None:
    resized = (MASK + 0.4).ravel().astype(float).tolist()
    path = write(tmp_path / "a.tfrec", [example(as_floats()), example(as_floats(label=resized))])
    with pytest.raises(InputError, match=r"'label' of record a\.tfrec:2 has values between two classes.*round_masks"):
        read(path, tmp_path / "out")
    assert pixels(read(path, tmp_path / "out", round_masks=True)[1]["mask"]).tolist() == MASK.tolist()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": [0.5] * 72}, r"'image' of record a\.tfrec:1 has values between 0 and 1: its pixels were scaled"),
        ({"image": [-1.0] * 72}, r"has values from -1 to -1 \(allowed: 0 to 255\)"),
        ({"label": [256.0] * 24}, r"'label' of record a\.tfrec:1 has values from 256 to 256"),
        ({"image_shape": [4, 5, 3]}, r"has 72 values \(allowed: image_shape \(4, 5, 3\)\)"),
        ({"image_shape": [4, 18]}, None),
        ({"image_shape": [6, 3, 4]}, r"has the shape \(6, 3, 4\)"),
        ({"label": b"123"}, r"has 3 bytes for 24 values"),
    ],
)
def test_what_is_no_picture_is_told_by_record(tmp_path: Path, changes: dict[str, Values], reason: str | None) -> None:
    path = write(tmp_path / "a.tfrec", [example(as_floats(**changes))])
    if reason is None:
        assert pixels(read(path, tmp_path / "out")[0]["image"]).shape == (4, 18)
        return
    with pytest.raises(InputError, match=reason):
        read(path, tmp_path / "out")


def test_arrays_without_a_shape_and_missing_features_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tfrec", [example({"image": [1.0], "label": [1.0]})])
    with pytest.raises(InputError, match=r"is an array of unknown shape \(allowed: the feature 'image_shape'"):
        read(path, tmp_path / "out")
    path = write(tmp_path / "b.tfrec", [example({"image": picture()})])
    with pytest.raises(
        InputError, match=r"column 'label' missing from b\.tfrec \(has: 'image', 'split'\); set source\.col"
    ):
        read(path, tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-3], r"record a\.tfrec:2 is cut off"),
        (lambda content: content[:-30] + b"x" + content[-29:], r"record a\.tfrec:2 is damaged: its checksum"),
        (lambda content: b"x" + content[1:], r"record a\.tfrec:1 is damaged"),
        (lambda content: content[:0], r"a\.tfrec is empty"),
    ],
)
def test_damaged_files_are_told_by_record(tmp_path: Path, damage: Any, reason: str) -> None:
    path = write(tmp_path / "a.tfrec", [example(as_floats())] * 2)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=reason):
        read(path, tmp_path / "out")


def test_a_record_that_is_no_example_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record a\.tfrec:1 is no tf\.train\.Example"):
        read(write(tmp_path / "a.tfrec", [b"\x0a\xff"]), tmp_path / "out")


def test_numbers_are_read_packed_and_one_by_one_and_may_be_negative() -> None:
    for values in ([-1, 300], [0, 2, 127], [0, 128]):  # under 128, numbers are their own bytes
        parsed = parse_example(example({"a": values}))["a"]
        assert isinstance(parsed, np.ndarray)
        assert parsed.tolist() == values
        assert parsed.dtype == np.dtype(np.int64)
    alone = b"\x0a\x0d\x0a\x0b\x0a\x01a\x12\x06\x1a\x04\x08\x05\x08\x07"
    assert parse_example(alone)["a"].tolist() == [5, 7]  # type: ignore[union-attr]


def test_rounding_needs_tfrecord() -> None:
    with pytest.raises(ValidationError, match="needs format: tfrecord"):
        FilesSettings(path="a", round_masks=True)
