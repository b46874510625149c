"""Errors that name a setting as the person wrote it, where it is not the configuration's own `source`.

with spelled({"source": "labels"}):      # set source.path → set labels.path
    rows = source_of(labels).table(None, columns)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from evergreen.core.errors import InputError
from evergreen.core.members import SourceSettings


@contextmanager
def spelled(names: Mapping[str, str]) -> Iterator[None]:
    """The block, whose InputErrors say for each of `names`, in their order, what that says, and stay of their class.

    `source` alone stands before the fields that sources have: `source.csv` is a file. What stands in quotes or in a
    path is of somebody else.
    """
    try:
        yield
    except InputError as error:
        error.args = (_spelled(str(error), names),)
        raise


def _spelled(text: str, names: Mapping[str, str]) -> str:
    fields = "|".join(sorted(_fields(SourceSettings)))
    for name, instead in names.items():
        behind = rf"(?=\.(?:{fields})(?![\w/]))" if name == "source" else r"(?![\w/]|\.\w)"
        text = re.sub(rf"(?<![\w./'\"-]){re.escape(name)}{behind}", instead, text)
    return text


def _fields(kind: type[SourceSettings]) -> set[str]:
    """Those of all kinds of sources that are in use, of packages too."""
    return set(kind.model_fields).union(*map(_fields, kind.__subclasses__()))
