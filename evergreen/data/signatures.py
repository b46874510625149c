"""What tells two rows apart: a hash of their content, and for texts their word pairs. Memory does not grow with rows.

Equal texts differ in case and spacing at most; equal pictures have the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evergreen.core.artifacts import Dataset
from evergreen.data.content import content_keys, normalise, picture_keys
from evergreen.data.shards import iter_batches
from evergreen.data.similarity import word_pairs

if TYPE_CHECKING:
    import pyarrow as pa


def has_pictures(dataset: Dataset) -> bool:
    """Whether the rows are pictures; else they are texts."""
    return "image" in dataset.manifest.columns


def signatures(dataset: Dataset, seed: int, *, with_pairs: bool) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
    """Batches of the small columns (`id`, `split`), with `key`, (rows,) uint64, and for texts `pairs` if wanted."""
    content = "image" if has_pictures(dataset) else "text"
    columns = [name for name in ("id", "split", content) if name in dataset.manifest.columns]
    for batch in iter_batches(dataset.shards, columns=columns):
        small = batch.select([name for name in columns if name != content])
        if content == "image":
            yield small, {"key": picture_keys(batch["image"], seed)}
            continue
        texts = normalise(batch["text"])
        found: dict[str, Any] = {"key": content_keys(texts, seed)}
        if with_pairs:
            found["pairs"] = word_pairs(texts)
        yield small, found
