from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from evergreen.tasks.image_segmentation.schema import Schema
from evergreen.tasks.image_segmentation.settings import ImageRules

PUBLISHED = """
# SchemaGen's form
feature {
  name: "image"
  type: FLOAT
  presence { min_fraction: 1.0 min_count: 1 }
  float_domain { min: 0 max: 255 }
  shape { dim { size: 128 } dim { size: 128 } dim { size: 3 } }
}
feature { name: "image_shape" type: INT presence { min_fraction: 1.0 } shape { dim { size: 3 } } }
feature: <
  name: "label", type: FLOAT;
  float_domain { min: 0 max: 2 }
  shape { dim { size: 128 } dim { size: -1 } }
  presence { min_fraction: 1.0 }
>
feature { name: "breed" type: BYTES domain: "breeds" presence { min_fraction: 0.5 } lifecycle_stage: PRODUCTION }
string_domain { name: "breeds" value: "Pug" value: "Beagle" }
"""


def rules(path: Path, text: str) -> ImageRules:
    path.write_text(text)
    return ImageRules.model_validate({"expected": str(path)})


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("{presence: 3}", r"columns\.image\.presence: .*less than or equal to 1, got 3"),
        ("{shap: [1, 1, 3]}", r"columns\.image\.shap is unknown \(allowed: dtype, maximum, .*shape, values\)"),
        ("{dtype: string}", r"columns\.image\.dtype is string; pixels are uint8"),
    ],
)
def test_a_mistake_in_a_schema_file_is_told_with_its_place(tmp_path: Path, column: str, message: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(f"columns:\n  image: {column}\n", encoding="utf-8")
    with pytest.raises(ValidationError, match=rf"schema file '{path}': {message}"):
        ImageRules.model_validate({"expected": str(path)})


def test_a_schema_of_tensorflow_metadata_is_imported(tmp_path: Path) -> None:
    expected = rules(tmp_path / "schema.pbtxt", PUBLISHED).expected
    assert expected is not None
    assert {name: checks.model_dump(exclude_defaults=True) for name, checks in expected.columns.items()} == {
        "image": {"dtype": "uint8", "shape": (128, 128, 3), "minimum": 0.0, "maximum": 255.0},
        "mask": {"dtype": "uint8", "shape": (128, None), "minimum": 0.0, "maximum": 2.0},
        "breed": {"dtype": "string", "values": ("Pug", "Beagle"), "presence": 0.5},
    }


def test_a_schema_of_yaml_is_read_into_the_configuration_so_that_it_travels_with_it(tmp_path: Path) -> None:
    read = rules(tmp_path / "s.yaml", "columns: {mask: {shape: [4, 6], values: [0, 1]}, breed: {dtype: string}}")
    (tmp_path / "s.yaml").unlink()
    again = ImageRules.model_validate_json(read.model_dump_json())
    assert again == read
    assert again.expected
    assert again.expected.columns["mask"].values == (0, 1)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("s.pbtxt", 'feature { name: "image"', "ends before a } is closed"),
        ("s.pbtxt", "feature { name: ( }", r"cannot be read at line 1: '\( }'"),
        ("s.pbtxt", "generate_legacy_feature_spec: false", "declares no feature"),
        ("s.pbtxt", "feature { type: INT }", "a feature without a name"),
        ("s.pbtxt", "feature { name: } }", "a value is due"),
        ("s.yaml", "columns: [", "is no YAML"),
        ("s.yaml", "columns: {}", "at least 1 item"),
        ("s.yaml", "columns: {mask: {shape: [4, 6, 3]}}", "has 3 channels; it has 1"),
        ("s.yaml", "columns: {mask: {presence: 0.9}}", "each row needs its mask"),
        ("s.yaml", "columns: {image: {dtype: number}}", "pixels are uint8"),
        ("s.yaml", "columns: {mask: {values: [cat]}}", "class indices, not names"),
        ("s.yaml", "columns: {breed: {shape: [1, 2]}}", "has no pixels"),
        ("s.yaml", "columns: {breed: {dtype: string, minimum: 1}}", "is a string"),
        ("s.json", "{}", r"no schema file \(allowed: \.yaml, \.yml, \.pbtxt\)"),
    ],
)
def test_a_schema_that_cannot_be_meant_is_told(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        rules(tmp_path / name, text)


def test_a_schema_file_that_is_not_there_is_told() -> None:
    with pytest.raises(ValidationError, match=r"schema file 'nowhere\.yaml' cannot be read"):
        ImageRules.model_validate({"expected": "nowhere.yaml"})


@pytest.mark.parametrize(
    ("column", "value", "held"),
    [
        ({}, 1, True),
        ({"minimum": 2}, 1, False),
        ({"minimum": 2}, 2, True),
        ({"maximum": 2}, 3, False),
        ({"values": ["a"]}, "a", True),
        ({"values": ["a"]}, "b", False),
    ],
)
def test_values_are_held_within_their_bounds(column: dict[str, Any], value: Any, held: bool) -> None:
    assert Schema.model_validate({"columns": {"x": column}}).columns["x"].holds(value) is held
