"""What each column of a dataset of pictures is to hold, declared in a file.

columns:
  image: {dtype: uint8, shape: [128, 128, 3], minimum: 0, maximum: 255}
  mask: {dtype: uint8, shape: [128, 128], values: [0, 1, 2]}
  breed: {dtype: string, values: [Pug, Beagle], presence: 0.9}

A file that ends in .pbtxt is read as a schema of TensorFlow Metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from evergreen.core.base import Frozen
from evergreen.core.bounded_yaml import safe_load
from evergreen.core.kinds import imported

PIXELS = ("image", "mask")
TEXT_FORM = ".pbtxt"
TEXT_FORM_COLUMNS = "evergreen.tasks.image_segmentation.schema_import:columns_of_text_form"
"""By name, as steps are given the content: how it was once read is no part of their code."""
_SUFFIXES = (".yaml", ".yml", TEXT_FORM)


class ColumnSchema(Frozen):
    """What a column is to hold; None leaves it open.

    `image` and `mask` have uint8 pixels: their `shape` is (height, width, channels) or (height, width), None for any
    size, and `minimum`, `maximum` and `values` are those of pixels. `presence` is the least share of rows with a
    value, for pixels 1.
    """

    dtype: Literal["uint8", "integer", "number", "string"] | None = None
    shape: Annotated[tuple[int | None, ...], Field(min_length=2, max_length=3)] | None = None
    minimum: float | None = None
    maximum: float | None = None
    values: Annotated[tuple[int | str, ...], Field(min_length=1)] | None = None
    presence: float = Field(1.0, ge=0, le=1)

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Height and width."""
        height, width, *_ = self.shape or (None, None)
        return height, width

    def holds(self, value: Any) -> bool:
        """Whether a value is within `minimum`, `maximum` and `values`."""
        if self.values is not None and value not in self.values:
            return False
        if self.minimum is None and self.maximum is None:
            return True
        return (self.minimum is None or value >= self.minimum) and (self.maximum is None or value <= self.maximum)

    @property
    def allowed(self) -> str:
        """The values that it may hold, in words."""
        if self.values is not None:
            return ", ".join(map(str, self.values))
        low = "any" if self.minimum is None else f"{self.minimum:g}"
        return f"{low} to {'any' if self.maximum is None else f'{self.maximum:g}'}"


class Schema(Frozen):
    """Columns by name; a dataset may have more."""

    columns: Annotated[dict[str, ColumnSchema], Field(min_length=1)]

    @model_validator(mode="after")
    def _pixels_are_pixels(self) -> Self:
        for name, column in self.columns.items():
            if name in PIXELS:
                channels = {"image": 3, "mask": 1}[name]
                if column.presence != 1:
                    raise ValueError(
                        f"columns.{name}.presence is {column.presence:g}; each row needs its {name}, and "
                        "task.rules.max_bad_share sets aside those without"
                    )
                if column.dtype not in (None, "uint8"):
                    raise ValueError(f"columns.{name}.dtype is {column.dtype}; pixels are uint8")
                if column.shape and len(column.shape) == 3 and column.shape[2] not in (None, channels):
                    raise ValueError(f"columns.{name}.shape has {column.shape[2]} channels; it has {channels}")
                if column.values and any(isinstance(value, str) for value in column.values):
                    raise ValueError(f"columns.{name}.values are class indices, not names")
            elif column.shape is not None or column.dtype == "uint8":
                raise ValueError(f"columns.{name} has no pixels (allowed for image, mask); take shape and uint8 away")
            elif column.dtype == "string" and (column.minimum is not None or column.maximum is not None):
                raise ValueError(f"columns.{name} is a string: take minimum and maximum away, or list values")
        return self


def _read(value: Any) -> Any:
    """The schema of the file that a configuration names; anything else as it is."""
    if not isinstance(value, str):
        return value
    path = Path(value)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"'{value}' is no schema file (allowed: {', '.join(_SUFFIXES)})")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ValueError(f"schema file '{value}' cannot be read (looked in {Path.cwd()}): {error}") from error
    content = (
        {"columns": imported(TEXT_FORM_COLUMNS)(text, value)} if path.suffix == TEXT_FORM else _of_yaml(text, value)
    )
    try:
        return Schema.model_validate(content)
    except ValidationError as error:
        mistakes = "; ".join(_sentence(mistake) for mistake in error.errors())
        raise ValueError(f"schema file '{value}': {mistakes}") from error


def _sentence(mistake: Mapping[str, Any]) -> str:
    """One mistake with its place in the file."""
    place = ".".join(map(str, mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        allowed = Schema.model_fields if len(mistake["loc"]) == 1 else ColumnSchema.model_fields
        return f"{place} is unknown (allowed: {', '.join(sorted(allowed))})"
    message = str(mistake["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}, got {mistake['input']!r:.60}" if place else message


def _of_yaml(text: str, name: str) -> Any:
    import yaml

    try:
        return safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"schema file '{name}' is no YAML: {error}") from error


SchemaFile = Annotated[Schema, BeforeValidator(_read)]
"""A schema, in a configuration the path of its file: what is kept and passed on is the content."""
