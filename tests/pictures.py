"""Small pictures and masks, for tests."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from evergreen.core.artifacts import Dataset
from evergreen.data.dataset import write_dataset
from tests.rows import SOURCE


def picture(seed: int = 0, size: tuple[int, int] = (6, 4), form: str = "PNG") -> bytes:
    """Noise of (width, height) pixels, encoded."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), form)


def mask(values: Sequence[Sequence[int]] | int = 1, size: tuple[int, int] = (6, 4)) -> bytes:
    """A mask of the values, or all of one value with its corner 0."""
    if isinstance(values, int):
        pixels = np.full((size[1], size[0]), values, dtype=np.uint8)
        pixels[0, 0] = 0
    else:
        pixels = np.array(values, dtype=np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    """The image's bytes."""
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def pixels(content: bytes) -> Any:
    """The decoded array."""
    return np.asarray(Image.open(io.BytesIO(content)))


def pictures_of(rows: Iterable[dict[str, Any]], path: Path) -> Dataset:
    """A dataset of rows with `id`, `image`, `mask` and more."""
    listed = list(rows)
    types = {"id": pa.string(), "image": pa.binary(), "mask": pa.binary()}
    types |= {name: pa.string() for name in listed[0] if name not in types}
    return write_dataset([pa.RecordBatch.from_pylist(listed, schema=pa.schema(types))], path, SOURCE)
