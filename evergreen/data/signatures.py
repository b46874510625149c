"""What tells two rows apart: a hash of their content, and word pairs of texts or the likeness of pictures. Memory does
not grow with rows.

Equal texts differ in case and spacing at most; equal pictures have the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evergreen.core.artifacts import Dataset
from evergreen.data.content import content_keys, keys_and_likeness, normalise, picture_keys
from evergreen.data.shards import iter_batches
from evergreen.data.similarity import word_pairs

if TYPE_CHECKING:
    import pyarrow as pa


def has_pictures(dataset: Dataset) -> bool:
    """Whether the rows are pictures; else they are texts."""
    return "image" in dataset.manifest.columns


def signatures(dataset: Dataset, seed: int, *, with_near: bool) -> Iterator[tuple[pa.RecordBatch, dict[str, Any]]]:
    """Batches of the small columns (`id`, `split`, `group`), with `key`, (rows,) uint64.

    With what near duplicates are found by if wanted: `pairs` of texts, `likeness` of pictures.
    """
    content = "image" if has_pictures(dataset) else "text"
    columns = [name for name in ("id", "split", "group", content) if name in dataset.manifest.columns]
    for batch in iter_batches(dataset.shards, columns=columns):
        small = batch.select([name for name in columns if name != content])
        if content == "image":
            yield small, _of_pictures(batch["image"], seed, with_near=with_near)
            continue
        texts = normalise(batch["text"])
        found: dict[str, Any] = {"key": content_keys(texts, seed)}
        if with_near:
            found["pairs"] = word_pairs(texts)
        yield small, found


def _of_pictures(images: pa.Array, seed: int, *, with_near: bool) -> dict[str, Any]:
    if not with_near:
        return {"key": picture_keys(images, seed)}
    keys, alike = keys_and_likeness(images, seed)
    return {"key": keys, "likeness": alike}
