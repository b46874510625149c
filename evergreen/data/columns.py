"""Which of the columns that are present a wanted one is: compared as people read names, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from evergreen.core.errors import InputError
from evergreen.core.names import listed, nearest, nfc, quoted

ROW_NAME = "__row__"
"""Column that readers add: where a person finds the row, e.g. `news.csv:17`; the id when none is mapped."""
INGESTED = "__arrived__"
"""Column that readers add where the place that holds the rows tells when they came: times in UTC."""
_RESERVED = (ROW_NAME, INGESTED)


_NUMBERED = re.compile(r"(.+\.\w+):(\d+)")


def row_words(name: str) -> str:
    """A row's name in a sentence: `row 17 of news.csv` where it is one that readers gave, else the name itself.

    The header of a table is no row, so that a text editor shows it on another line.
    """
    match = _NUMBERED.fullmatch(name)
    return f"row {match[2]} of {match[1]}" if match else name


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
    if reserved := next((name for name in _RESERVED if name in wanted), None):
        raise InputError(f"{where} has a column '{reserved}', a name that readers keep for themselves; rename it")
    for column in wanted:
        same = by_name[nfc(column)]
        if len(same) > 1:
            forms = f" ({listed(dict.fromkeys(same))})" if len(set(same)) > 1 else ""
            raise InputError(f"{where} has {len(same)} columns {quoted(column)}{forms}; rename all but one")
    return {column: by_name[nfc(column)][0] for column in wanted}


def all_columns(present: Sequence[str], where: str) -> None:
    """Raises InputError where a name of `present` is there more than once."""
    match_columns(dict.fromkeys(present, "its name"), present, where)
