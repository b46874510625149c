"""Pictures that a network learns in seconds: discs and boxes of noisy colours before a grey ground.

`python -m tests.tiny_images SPLITS RUN` trains as a process of its own, which a test may kill.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from evergreen.core.artifacts import FileEntry, Splits, SplitsManifest
from evergreen.core.members import trainable
from evergreen.tasks.image_segmentation.settings import ImageSegmentation
from tests.tiny_text import RecordingRun

LABELS = ("ground", "disc", "box")
IGNORED = 255
Pixels = npt.NDArray[np.uint8]


class Scene(NamedTuple):
    """One row: PNG bytes."""

    id: str
    image: bytes
    mask: bytes
    camera: str


def draw(number: int, height: int = 36, width: int = 48) -> tuple[Pixels, Pixels]:
    """Picture (H, W, 3) and mask (H, W); the two columns at the left are not to be counted."""
    random = np.random.default_rng(number)
    rows, columns = np.mgrid[:height, :width]
    mask = np.zeros((height, width), dtype=np.uint8)
    y, x, radius = random.integers(10, height - 10), random.integers(14, width - 14), random.integers(6, 11)
    mask[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = 1
    top, left = random.integers(0, height - 14), random.integers(2, width - 14)
    mask[top : top + random.integers(8, 14), left : left + random.integers(8, 14)] = 2
    colours = np.array([(110, 110, 110), (200, 70, 60), (60, 80, 200)]) + random.normal(0, 15, (3, 3))
    picture = (colours[mask] + random.normal(0, 25, (height, width, 3))).clip(0, 255).astype(np.uint8)
    mask[:, :2] = IGNORED
    return picture, mask


def scenes(count: int, first: int = 0) -> list[Scene]:
    """Rows of pictures that follow from their numbers alone."""
    rows = []
    for number in range(first, first + count):
        picture, mask = draw(number)
        rows.append(Scene(f"scene-{number}", png(picture), png(mask), "left" if number % 2 else "right"))
    return rows


def png(pixels: Pixels) -> bytes:
    """The pixels as PNG."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def write_splits(path: Path, parts: Mapping[str, Sequence[Scene]]) -> Splits:
    """A splits artifact of rows, in shards of at most 100."""
    for split, rows in parts.items():
        (path / split).mkdir(parents=True)
        for number, start in enumerate(range(0, len(rows), 100)):
            shard = pa.table(dict(zip(Scene._fields, zip(*rows[start : start + 100], strict=True), strict=True)))
            pq.write_table(shard, path / split / f"rows-{number:05d}.parquet")
    manifest = SplitsManifest(
        files=tuple(FileEntry.of(file, path) for file in sorted(path.rglob("*.parquet"))),
        dataset="0" * 64,
        seed=0,
        rows={split: len(rows) for split, rows in parts.items()},
        labels={},
        pixels={split: _pixels(rows) for split, rows in parts.items()},
        removed={},
    )
    return Splits.write(path, manifest)


def _pixels(rows: Sequence[Scene]) -> dict[str, int]:
    """Pixels by class index."""
    masks = [Image.open(io.BytesIO(row.mask)) for row in rows]
    counts = sum((np.bincount(np.asarray(mask).ravel(), minlength=256) for mask in masks), np.zeros(256, np.int64))
    return {str(index): int(counts[index]) for index in np.flatnonzero(counts)}


def task_with(**changes: Any) -> ImageSegmentation:
    """A task whose settings suit the tiny pictures."""
    settings: dict[str, Any] = {
        "labels": LABELS,
        "ignore_label": IGNORED,
        "image_size": 32,
        "batch_size": 8,
        "epochs": 2,
        "learning_rate": 3e-3,
        "weight_decay": 0.0,
        "precision": "fp32",
        "slices": {"min_rows": 3},
    }
    return ImageSegmentation.model_validate(settings | changes)


def main(splits: Path, folder: Path) -> None:
    """Trains long enough to be killed in the middle, with views, which a resumed training must see again."""
    trainable(killable_task()).train(Splits.open(splits), RecordingRun.below(folder))


def killable_task() -> ImageSegmentation:
    """Two epochs."""
    return task_with(epochs=2)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
