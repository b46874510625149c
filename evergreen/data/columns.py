"""Which of the columns that are present a wanted one is: compared as people read names, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evergreen.core.errors import InputError
from evergreen.core.names import listed, nearest, nfc, quoted

RESERVED = "__row__"
"""The name of a column that readers add, which no file may have."""


def match_columns(wanted: Mapping[str, str], present: Sequence[str], where: str) -> dict[str, str]:
    """The present column by wanted one; `wanted` has the setting that names each, such as `source.columns.text`.

    Raises:
        InputError: naming every column that `where` lacks and those that it has, or one that it has more than once.
    """
    by_name: dict[str, list[str]] = {}
    for column in present:
        by_name.setdefault(nfc(column), []).append(column)
    if missing := {column: setting for column, setting in wanted.items() if nfc(column) not in by_name}:
        noun = "column" if len(missing) == 1 else "columns"
        named = ", ".join(f"{quoted(column)}{nearest(column, present)}" for column in missing)
        settings = " and ".join(dict.fromkeys(missing.values()))
        raise InputError(f"{noun} {named} missing from {where} (has: {listed(present)}); set {settings}")
    if RESERVED in wanted:
        raise InputError(f"{where} has a column '{RESERVED}', a name that is kept for rows' places; rename it")
    for column in wanted:
        same = by_name[nfc(column)]
        if len(same) > 1:
            forms = f" ({listed(dict.fromkeys(same))})" if len(set(same)) > 1 else ""
            raise InputError(f"{where} has {len(same)} columns {quoted(column)}{forms}; rename all but one")
    return {column: by_name[nfc(column)][0] for column in wanted}


def all_columns(present: Sequence[str], where: str) -> None:
    """Raises InputError where a name of `present` is there more than once."""
    match_columns(dict.fromkeys(present, "its name"), present, where)
