"""What a message may quote of somebody's rows and requests: a few characters, for messages end in logs.

excerpt("Dear doctor, since Monday I have")    →  "'Dear doctor, since…'"
in_json("Dear doctor, since Monday I have")    →  'the string "Dear doctor, since…"'
without_rows("2 columns, got 3: 7,Dear doctor, since Monday")  →  "2 columns, got 3: 7,Dear doctor, sinc…"
"""

from __future__ import annotations

import json
import re

MOST_CHARS = 20
MOST_NAMES = 5
_KINDS: dict[type, str] = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
_ROW = re.compile(r"(\bgot \d+: )(.{21,})$", re.S)
_QUOTED = re.compile(r"(?<!\w)'([^']{21,})'(?!\w)|\"([^\"]{21,})\"|`([^`]{21,})`")
_PLACE = re.compile(r"(?:[a-z]+://|[./~])[\x21-\x7e]*")


def excerpt(value: object) -> str:
    """The value as Python writes it, a text in quotes, of at most MOST_CHARS characters."""
    return repr(cut(value)) if isinstance(value, str) else cut(repr(value))


def cut(text: str) -> str:
    """The text itself, of at most MOST_CHARS characters."""
    return text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1].rstrip()}…"


def excerpts(names: list[str]) -> str:
    """The first names of somebody's choice, each cut and in quotes, and how many there are beside them."""
    more = len(names) - MOST_NAMES
    return ", ".join(map(excerpt, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")


def kind(value: object) -> str:
    """What JSON calls a value of a request."""
    return "null" if value is None else _KINDS.get(type(value), "a number")


def in_json(value: object) -> str:
    """The value of a request as JSON writes it: a string is told from the number in it, objects and arrays by kind."""
    if isinstance(value, dict | list):
        return kind(value)
    written = json.dumps(cut(value) if isinstance(value, str) else value, ensure_ascii=False)
    return f"the string {written}" if isinstance(value, str) else cut(written)


def without_rows(message: str) -> str:
    """A library's message, what it quotes of rows cut to MOST_CHARS characters; paths and addresses stay whole."""
    shorter = _QUOTED.sub(lambda match: _cut_quoted(match[0], next(filter(None, match.groups()))), message)
    return _ROW.sub(lambda match: match[1] + cut(match[2]), shorter)


def _cut_quoted(quoted: str, text: str) -> str:
    return quoted if _PLACE.fullmatch(text) else f"{quoted[0]}{cut(text)}{quoted[-1]}"
