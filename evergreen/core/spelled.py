"""Errors that name a setting as the person wrote it, where it is not the configuration's own `source`.

with spelled({"source": "labels"}):      # set source.path → set labels.path
    rows = source_of(labels).table(None, columns)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from evergreen.core.errors import InputError


@contextmanager
def spelled(names: Mapping[str, str]) -> Iterator[None]:
    """The block, whose InputErrors name each setting of `names`, or what is in it, as that says.

    Only what an error advises is spelled anew: what stands in quotes, or in a path, is of somebody else.
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        for name, instead in names.items():
            inside = r"(?=\.[a-z])" if "." not in name else r"\b"  # `a source of rows` is no setting
            text = re.sub(rf"(?<![\w./'\"-]){re.escape(name)}{inside}", instead, text)
        if type(error) is not InputError or text == str(error):
            raise
        raise InputError(text) from error
