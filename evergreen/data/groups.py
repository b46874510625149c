"""Rows that belong together (frames of a film, pictures of a patient, letters of a customer) and share a split."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from evergreen.core.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def groups(column: pa.Array, rows: pa.Array) -> pa.Array:
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
    found = []
    for name in names.to_pylist():
        match = sought.search(name)
        if match is None or not match[1]:
            where = "in it" if match is None else "for its parentheses"
            raise InputError(
                f"the name '{name}' tells no group: source.group_pattern '{pattern}' finds nothing {where}; "
                "correct the pattern, or rename the file"
            )
        found.append(match[1])
    return pa.array(found, pa.string())
