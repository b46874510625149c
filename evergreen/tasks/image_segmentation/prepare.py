"""Pictures and masks made ready for training: looked at as `validate` looks at them, and brought to one size.

A picture of 500 × 375 and its mask → PNGs of 128 × 128, as training and the endpoint themselves would resize them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from evergreen.core.preparation import PreparedRows
from evergreen.data.pictures import PictureError, decode_mask, decode_picture, encode_png
from evergreen.tasks.image_segmentation.findings import Expected, examine
from evergreen.tasks.image_segmentation.images import resize_mask, resize_picture

if TYPE_CHECKING:
    import pyarrow as pa


def prepare_images(
    rows: pa.RecordBatch, labels: Sequence[str], expected: Expected, image_size: int | None
) -> PreparedRows:
    """The good rows, in `image_size` × `image_size` pixels unless that is None; counted are pixels of each class."""
    import pyarrow as pa

    bad: list[tuple[str, str]] = []
    good: list[dict[str, Any]] = []
    pixels, sizes = np.zeros(256, dtype=np.int64), Counter[str]()
    for row in rows.to_pylist():
        prepared = row if image_size is None else row | _resized(row, image_size, expected)
        examined = examine(prepared, expected)
        if examined.broken:
            reasons = (f"{rule} ({detail})" if detail else rule for rule, detail in examined.broken.items())
            bad.append((row["id"] or "(no id)", "; ".join(reasons)))
            continue
        good.append(prepared)
        pixels += examined.counts
        sizes[f"{examined.size[0]} x {examined.size[1]}"] += 1
    counts = {
        "class pixels": {label: int(pixels[index]) for index, label in enumerate(labels)},
        "size": dict(sizes),
    }
    return PreparedRows(pa.RecordBatch.from_pylist(good, schema=rows.schema), bad, counts)


def _resized(row: dict[str, Any], side: int, expected: Expected) -> dict[str, bytes]:
    """Picture and mask in their new size; nothing where they are unusable, which the look at the row then tells."""
    try:
        picture, mask = decode_picture(row["image"] or b""), decode_mask(row["mask"] or b"")
    except PictureError:
        return {}
    if picture.shape[:2] != mask.shape:
        return {}
    if mask.shape == (side, side):
        return {}
    present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist()
    if not all(map(expected.knows, present)):
        return {}  # few pixels of an unknown class could go unseen in the smaller mask
    return {
        "image": encode_png(resize_picture(picture, side, side)),
        "mask": encode_png(resize_mask(mask, side, side)),
    }
