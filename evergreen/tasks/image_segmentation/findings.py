"""One row of a dataset of pictures: what is wrong with it, or what its pixels are; and what all rows hold together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evergreen.core.quoting import excerpt
from evergreen.core.validation import PictureStatistics
from evergreen.data.duplicates.keys import picture_key
from evergreen.data.pictures import (
    MOST_PIXELS,
    READ_FORMATS,
    UNLISTED,
    PictureError,
    Pixels,
    decode_mask,
    decode_picture,
    is_turned,
    unlisted_values,
)
from evergreen.tasks.image_segmentation.schema import PIXELS, ColumnSchema, Schema

EXAMPLES = 5
TOP_SIZES = 20
_SHOWN_VALUES = 5
_TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}


@dataclass(frozen=True)
class Expected:
    """What rows must honour: the number of classes, the class index that is ignored, a schema, the largest size."""

    classes: int
    ignored: int | None
    schema: Schema | None
    most_pixels: int = MOST_PIXELS

    def column(self, name: str) -> ColumnSchema:
        """The schema of one column; an open one where none is declared."""
        return (self.schema.columns.get(name) if self.schema else None) or ColumnSchema()

    def knows(self, index: int) -> bool:
        """Whether pixels of a mask may have this class index."""
        return index < self.classes or index == self.ignored


@dataclass(frozen=True)
class ExaminedRow:
    """`broken` says by rule what is wrong; the rest is known of rows with a whole picture and mask.

    `turned` pictures are read as they are stored, though viewers turn them. `sums` and `squares` are of red, green and
    blue over all pixels; `counts` are pixels by class index: (256,) int64.
    """

    broken: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] = (0, 0)
    turned: bool = False
    key: int = 0
    mask_key: int = 0
    sums: tuple[float, ...] = ()
    squares: tuple[float, ...] = ()
    counts: Any = None

    @property
    def deviation(self) -> float:
        """Of all channels' values from their mean, the largest channel's; 0 for a picture of one colour."""
        pixels = self.size[0] * self.size[1]
        moments = zip(self.sums, self.squares, strict=True)
        return float(max(max(square / pixels - (total / pixels) ** 2, 0) for total, square in moments) ** 0.5)


def examine(row: Mapping[str, Any], expected: Expected) -> ExaminedRow:
    """What is found in a row with `image`, `mask` and the columns of the schema."""
    broken: dict[str, str] = {}
    image, mask = _decoded(row, expected, broken)
    turned = image is not None and is_turned(row["image"])
    if image is not None and mask is not None and image.shape[:2] != mask.shape:
        as_stored = " as it is stored, though viewers turn it" if turned else ""
        broken["mismatched sizes"] = f"image {_size(image)}{as_stored}, mask {_size(mask)}"
    if image is not None:
        _check_pixels("image", image, expected.column("image"), broken)
    if mask is not None:
        _check_pixels("mask", mask, expected.column("mask"), broken)
        if unknown := _unknown(row["mask"], mask, expected):
            broken["unknown class index"] = unknown
    for name, column in (expected.schema.columns if expected.schema else {}).items():
        if name not in PIXELS and row.get(name) is not None:
            _check_value(name, row[name], column, broken)
    if broken or image is None or mask is None:
        return ExaminedRow(broken)
    flat = image.reshape(-1, 3)
    histograms = [np.bincount(flat[:, channel], minlength=256) for channel in range(3)]
    values = np.arange(256, dtype=np.float64)
    return ExaminedRow(
        size=(image.shape[1], image.shape[0]),
        turned=turned,
        key=picture_key(row["image"], image),
        mask_key=picture_key(row["mask"], mask),
        sums=tuple(float(histogram @ values) for histogram in histograms),
        squares=tuple(float(histogram @ values**2) for histogram in histograms),
        counts=np.bincount(mask.ravel(), minlength=256),
    )


def _decoded(row: Mapping[str, Any], expected: Expected, broken: dict[str, str]) -> tuple[Pixels | None, Pixels | None]:
    pixels: list[Pixels | None] = []
    for name in PIXELS:
        pixels.append(None)
        if row[name] is None:
            broken[f"missing {name}"] = ""
            continue
        try:
            pixels[-1] = (
                decode_picture(row[name], READ_FORMATS, expected.most_pixels)
                if name == "image"
                else decode_mask(row[name])
            )
        except PictureError as error:
            broken[f"unusable {name}"] = str(error)
    return pixels[0], pixels[1]


def _unknown(encoded: bytes, mask: Pixels, expected: Expected) -> str:
    """The values of the mask that no class has, with their pixels: those of its file where they were replaced."""
    counts = np.bincount(mask.ravel(), minlength=256)
    unknown = {int(index): int(counts[index]) for index in np.flatnonzero(counts) if not expected.knows(int(index))}
    unlisted = unlisted_values(encoded) if UNLISTED in unknown else {}
    if unlisted:
        del unknown[UNLISTED]
    parts = [_pixels(unknown)] if unknown else []
    if unlisted:
        parts.append(f"not listed in source.mask_classes: {_pixels(unlisted)}")
    return "; ".join(parts)


def _pixels(counts: Mapping[int, int]) -> str:
    """Values with their pixels, the most frequent ones first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    more = f" and {len(ordered) - _SHOWN_VALUES} more" if len(ordered) > _SHOWN_VALUES else ""
    return (
        ", ".join(f"{value} in {count:,} pixel{'s'[: count != 1]}" for value, count in ordered[:_SHOWN_VALUES]) + more
    )


def _check_pixels(name: str, pixels: Pixels, column: ColumnSchema, broken: dict[str, str]) -> None:
    sides = zip(pixels.shape[:2], column.sides, strict=True)
    if any(wanted is not None and side != wanted for side, wanted in sides):
        height, width = ("any" if side is None else side for side in column.sides)
        broken[f"wrong shape of {name}"] = f"{_size(pixels)}, expected {width} x {height}"
    if column.minimum is None and column.maximum is None and column.values is None:
        return
    present = np.flatnonzero(np.bincount(pixels.ravel(), minlength=256)).tolist()
    if outside := [value for value in present if not column.holds(value)]:
        shown = ", ".join(map(str, outside[:_SHOWN_VALUES]))
        broken[f"value out of range in {name}"] = f"{shown}, allowed {column.allowed}"


def _check_value(name: str, value: Any, column: ColumnSchema, broken: dict[str, str]) -> None:
    allowed = _TYPES.get(column.dtype or "")
    if allowed and (not isinstance(value, allowed) or isinstance(value, bool)):
        broken[f"wrong type of {name}"] = f"{excerpt(value)}, expected {column.dtype}"
    elif not isinstance(value, int | float) and (column.minimum is not None or column.maximum is not None):
        broken[f"wrong type of {name}"] = f"{excerpt(value)}, expected a number"
    elif not column.holds(value):
        broken[f"value out of range in {name}"] = f"{excerpt(value)}, allowed {column.allowed}"


def _size(pixels: Pixels) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"


@dataclass
class Tally:
    """What was found in the rows so far: `rows` good ones and `bad` ones.

    Of bad ones no more are kept by name than `most_set_aside`, so that memory does not grow with rows.
    """

    most_set_aside: int
    rows: int = 0
    bad: int = 0
    broken: dict[str, list[str]] = field(default_factory=dict)
    broken_rows: Counter[str] = field(default_factory=Counter)
    set_aside: dict[str, str] = field(default_factory=dict)
    nulls: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    sums: Any = field(default_factory=lambda: np.zeros(3))
    squares: Any = field(default_factory=lambda: np.zeros(3))
    counts: Any = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    class_rows: Any = field(default_factory=lambda: np.zeros(256, dtype=np.int64))
    odd: dict[str, list[str]] = field(default_factory=dict)
    odd_rows: Counter[str] = field(default_factory=Counter)

    def add_bad(self, name: str, broken: Mapping[str, str]) -> None:
        """Counts a row that breaks rules, with details by rule."""
        for rule, detail in broken.items():
            self.broken_rows[rule] += 1
            examples = self.broken.setdefault(rule, [])
            if len(examples) < EXAMPLES:
                examples.append(f"{name}: {detail}" if detail else name)
        self.bad += 1
        if self.bad <= self.most_set_aside:
            self.set_aside[name] = "; ".join(
                f"{rule} ({detail})" if detail else rule for rule, detail in broken.items()
            )

    def add_good(self, examined: ExaminedRow) -> None:
        """Counts a row with a whole picture and mask."""
        self.rows += 1
        self.sizes[f"{examined.size[0]} x {examined.size[1]}"] += 1
        self.sums += examined.sums
        self.squares += examined.squares
        self.counts += examined.counts
        self.class_rows += examined.counts > 0

    def add_odd(self, anomaly: str, name: str) -> None:
        """Counts a row that is odd."""
        self.odd_rows[anomaly] += 1
        examples = self.odd.setdefault(anomaly, [])
        if len(examples) < EXAMPLES:
            examples.append(name)

    def statistics(self, labels: Sequence[str]) -> PictureStatistics:
        """What all good rows hold together."""
        pixels = max(int(self.counts.sum()), 1)
        counted = max(int(self.counts[: len(labels)].sum()), 1)
        means = self.sums / pixels
        deviations = np.sqrt(np.maximum(self.squares / pixels - means**2, 0))
        return PictureStatistics(
            sizes=dict(self.sizes.most_common(TOP_SIZES)),
            distinct_sizes=len(self.sizes),
            channel_means=tuple(means.round(3).tolist()),
            channel_deviations=tuple(deviations.round(3).tolist()),
            class_shares={label: int(self.counts[index]) / counted for index, label in enumerate(labels)},
            ignored_share=int(self.counts[len(labels) :].sum()) / pixels,
        )
