"""What rows are, texts or pictures, and what follows from it for the split: keys, and near duplicates.

`content_of(dataset.manifest.columns)` gives the one value or the other; whoever has it asks no further.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from evergreen.data.duplicates.keys import (
    Codes,
    Rows,
    content_keys,
    keys_and_likeness,
    normalise,
    picture_keys,
)
from evergreen.data.duplicates.pictures import find_alike
from evergreen.data.duplicates.similarity import Levels, bounded, sampled, word_pairs
from evergreen.data.duplicates.texts import find_straddling
from evergreen.data.split_plan import SplitPlan

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MOST_PAIRS = 256
"""Word pairs of a text that are kept for later runs, of 4 bytes each; of longer texts a sample."""


class Content(ABC):
    """What the rows of a dataset are; `one_label` says whether each has exactly one."""

    column: ClassVar[str]
    near: ClassVar[str]
    """The signature that near duplicates are found by."""
    one_label: ClassVar[bool]

    @abstractmethod
    def looks_for_near(self, plan: SplitPlan) -> bool:
        """Whether near duplicates are looked for."""

    @abstractmethod
    def signatures(self, values: pa.Array, seed: int, *, with_near: bool) -> dict[str, Any]:
        """`key`, (rows,) uint64 and, if wanted, what near duplicates are found by, of values of the column."""

    @abstractmethod
    def find_near(self, connection: duckdb.DuckDBPyConnection, signatures: Path, codes: Codes, plan: SplitPlan) -> Rows:
        """Row numbers of near duplicates of rows in more protected splits, where they are looked for.

        The Parquet file, and the view of its name, have the signatures of each row; `codes` the split of each: (rows,).
        """

    @abstractmethod
    def bounded(self, near: pa.Array) -> tuple[pa.Array, Levels]:
        """What is kept of the signatures `near` of rows for later runs, and the level at which it is, (rows,)."""

    @abstractmethod
    def at_level(self, near: pa.Array, level: int) -> pa.Array:
        """The signatures as they compare with kept ones of this level."""

    @abstractmethod
    def about_near(self, plan: SplitPlan) -> str:
        """The rule of near duplicates, and how it is changed, for rows that lost most of their kind to it."""


class Text(Content):
    """Rows with a `text`; near duplicates share most of their word pairs."""

    column: ClassVar[str] = "text"
    near: ClassVar[str] = "pairs"
    one_label: ClassVar[bool] = True

    @override
    def looks_for_near(self, plan: SplitPlan) -> bool:
        return plan.near_duplicate_similarity is not None

    @override
    def signatures(self, values: pa.Array, seed: int, *, with_near: bool) -> dict[str, Any]:
        texts = normalise(values)
        key = {"key": content_keys(texts, seed)}
        return {**key, self.near: word_pairs(texts)} if with_near else key

    @override
    def find_near(self, connection: duckdb.DuckDBPyConnection, signatures: Path, codes: Codes, plan: SplitPlan) -> Rows:
        if plan.near_duplicate_similarity is None:
            return np.empty(0, dtype=np.uint32)
        return find_straddling(connection, signatures, codes, plan.near_duplicate_similarity)

    @override
    def bounded(self, near: pa.Array) -> tuple[pa.Array, Levels]:
        return bounded(near, MOST_PAIRS)

    @override
    def at_level(self, near: pa.Array, level: int) -> pa.Array:
        return sampled(near, level)

    @override
    def about_near(self, plan: SplitPlan) -> str:
        return (
            f"split.near_duplicate_similarity is {plan.near_duplicate_similarity}: texts that share at least this part "
            "of their word pairs count as the same; raise it (1: all of them), or set it to null so that only equal "
            "texts do"
        )


class Picture(Content):
    """Rows with an `image` and a `mask` of classes; near duplicates look alike."""

    column: ClassVar[str] = "image"
    near: ClassVar[str] = "likeness"
    one_label: ClassVar[bool] = False

    @override
    def looks_for_near(self, plan: SplitPlan) -> bool:
        return plan.near_duplicate_distance is not None

    @override
    def signatures(self, values: pa.Array, seed: int, *, with_near: bool) -> dict[str, Any]:
        if not with_near:
            return {"key": picture_keys(values, seed)}
        keys, alike = keys_and_likeness(values, seed)
        return {"key": keys, self.near: alike}

    @override
    def find_near(self, connection: duckdb.DuckDBPyConnection, signatures: Path, codes: Codes, plan: SplitPlan) -> Rows:
        if plan.near_duplicate_distance is None:
            return np.empty(0, dtype=np.uint32)
        return find_alike(connection, codes, plan.near_duplicate_distance)

    @override
    def bounded(self, near: pa.Array) -> tuple[pa.Array, Levels]:
        return near, np.zeros(len(near), dtype=np.uint8)

    @override
    def at_level(self, near: pa.Array, level: int) -> pa.Array:
        return near

    @override
    def about_near(self, plan: SplitPlan) -> str:
        return (
            f"split.near_duplicate_distance is {plan.near_duplicate_distance}: pictures that differ in no more of the "
            "64 bits that tell what they show count as the same; lower it, or set it to null so that only equal "
            "pictures do"
        )


def content_of(columns: Collection[str]) -> Content:
    """What rows with these columns are."""
    return Picture() if Picture.column in columns else Text()
