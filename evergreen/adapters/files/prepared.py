"""Which files of a folder are its prepared rows: those of one list, which is replaced at once.

_prepared.json: {"files": ["prepared-5d0c1b…-00000.parquet", …], "parts": {…}}

A file is there, whole and under a name made of its content, before the list names it; one that the list names no longer
stays until the list changes once more. So whoever reads meanwhile sees all rows of before or all rows of now.
"""

from __future__ import annotations

from pydantic import JsonValue, ValidationError

from evergreen.core.base import Frozen
from evergreen.core.errors import InputError

LIST = "_prepared.json"
PREFIX = "prepared-"
"""How the names of prepared files begin."""
OWN = (PREFIX, LIST, "_preparing-", "_rejected", "_statistics.json")
"""How the names begin of all that a preparation writes."""


class PreparedSet(Frozen):
    """The names of the prepared files below a folder; `whole` and `parts` are what their writer needs to know of them:
    what they are all made of, and what came of each part of that.
    """

    files: tuple[str, ...] = ()
    whole: str = ""
    parts: dict[str, JsonValue] = {}


def set_in(content: bytes | str, place: str) -> PreparedSet:
    """The set that a list's content means. Raises InputError where it means none."""
    try:
        return PreparedSet.model_validate_json(content)
    except ValidationError as error:
        raise InputError(
            f"{place} is no list of prepared rows; remove it together with the prepared files beside it, and prepare "
            "them again"
        ) from error
