"""What a source says itself of where its rows go.

A column `split`, by the three names or what they are often called; and a column `group` of rows that belong together
(frames of a film, pictures of a patient, letters of a customer) and share a split.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evergreen.core.artifacts import Dataset, SplitName
from evergreen.core.errors import InputError
from evergreen.core.quoting import excerpt
from evergreen.data.shards import iter_batches

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

SPELLINGS = {
    "train": SplitName.TRAIN,
    "training": SplitName.TRAIN,
    "trainval": SplitName.TRAIN,
    "val": SplitName.VALIDATION,
    "valid": SplitName.VALIDATION,
    "validation": SplitName.VALIDATION,
    "dev": SplitName.VALIDATION,
    "eval": SplitName.VALIDATION,
    "test": SplitName.TEST,
    "testing": SplitName.TEST,
}
"""The split that is meant by each spelling, whatever its case."""


def split_column(column: pa.Array, rows: pa.Array) -> pa.Array:
    """The splits' names, one a row. Raises InputError naming the first row with none of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    spelled = pc.utf8_lower(column.cast(pa.string()))
    position = pc.index_in(spelled, pa.array(list(SPELLINGS), pa.string()))
    if position.null_count:
        first = pc.index(pc.is_null(position), True).as_py()
        raise InputError(
            f"split {excerpt(column[first].as_py())} of row {rows[first]} is none (allowed: {', '.join(SPELLINGS)}); "
            "correct it, or map another column as source.columns.split, or none"
        )
    return pa.array(list(SPELLINGS.values()), pa.string()).take(position)


def group_column(column: pa.Array, rows: pa.Array) -> pa.Array:
    """The groups, one a row. Raises InputError naming the first row that has none, or an empty one."""
    import pyarrow.compute as pc

    absent = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), "")
    if pc.any(absent).as_py():
        raise InputError(
            f"row {rows[pc.index(absent, True).as_py()]} has no group; fill it (its id, where it belongs to nothing), "
            "or map no source.columns.group"
        )
    return column


def groups_of_names(names: pa.Array, pattern: str) -> pa.Array:
    """What the pattern's parentheses match in each row's name. Raises InputError naming the first that it does not."""
    import pyarrow as pa

    sought = re.compile(pattern)
    groups = []
    for name in names.to_pylist():
        match = sought.search(name)
        if match is None or not match[1]:
            where = "in it" if match is None else "for its parentheses"
            raise InputError(
                f"the name '{name}' tells no group: source.group_pattern '{pattern}' finds nothing {where}; "
                "correct the pattern, or rename the file"
            )
        groups.append(match[1])
    return pa.array(groups, pa.string())


def splits_given(dataset: Dataset) -> tuple[str, ...]:
    """The splits that the rows are given to; none: they say nothing. Raises InputError where none is for training."""
    if "split" not in dataset.manifest.columns:
        return ()
    splits: set[str] = set()
    for batch in iter_batches(dataset.shards, columns=["split"]):
        splits.update(batch["split"].unique().to_pylist())
    if strange := sorted(str(name) for name in splits - set(SplitName.ALL)):
        raise InputError(
            f"rows are given to split {', '.join(strange)} (allowed: {', '.join(SplitName.ALL)}); correct it"
        )
    if SplitName.TRAIN not in splits:
        raise InputError(
            f"no row is given to split 'train' (given: {', '.join(sorted(splits))}); read training rows too, or map no "
            "source.columns.split to have the rows shared out"
        )
    return tuple(name for name in SplitName.ALL if name in splits)


def check_groups(connection: duckdb.DuckDBPyConnection, dataset: Dataset) -> None:
    """Raises InputError naming the first group whose rows are given to several splits."""
    if not {"split", "group"} <= dataset.manifest.columns.keys():
        return
    straddling = connection.execute(
        """
        SELECT "group", list_sort(list(DISTINCT split)), count(*) OVER () FROM read_parquet(?)
        GROUP BY "group" HAVING min(split) <> max(split) ORDER BY "group" LIMIT 1
        """,
        [[str(shard) for shard in dataset.shards]],
    ).fetchone()
    if straddling is not None:
        group, splits, count = straddling
        more = f", and so are {count - 1:,} more" if count > 1 else ""
        raise InputError(
            f"group '{group}' is given to {len(splits)} splits, {', '.join(splits)}{more} (allowed: one); give all its "
            "rows to one split, or map only one of source.columns.split and source.columns.group"
        )


def split_of_name(name: str) -> str | None:
    """The split that a file's name begins with: `val-00003.tfrec` → `validation`; None: it begins with none."""
    stem = name.rpartition("/")[2].lower()
    for spelling in sorted(SPELLINGS, key=len, reverse=True):
        rest = stem.removeprefix(spelling)
        if rest != stem and not rest[:1].isalpha():
            return SPELLINGS[spelling]
    return None
