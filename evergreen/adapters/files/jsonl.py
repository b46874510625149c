"""JSON Lines, one object a line: `{"content": "Oil prices rose.", "label": 3}`."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evergreen.adapters.files.decoding import check_decodes, encoding_of, lines_of, open_bytes, python_encoding
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.files.texts import check_characters, text_batches
from evergreen.core.errors import InputError
from evergreen.core.names import listed, nfc, quoted
from evergreen.data.columns import ROW_NAME
from evergreen.data.row_fields import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_jsonl(path: Path, name: str, settings: FilesSettings) -> Iterator[pa.RecordBatch]:
    """Batches of the needed columns, all text, and the row's line as its name; numbers become text, absent keys null.

    Keys are compared composed, in each line anew.

    Raises:
        InputError: a list or object where text belongs, a key that the first object lacks, or as `read_objects`.
    """
    encoding = encoding_of(path, name, settings)
    rows = _rows(read_objects(path, name, encoding, settings.needed), name, settings)
    yield from text_batches(rows, [*settings.needed, ROW_NAME], name)


def read_objects(
    path: Path, name: str, encoding: str, keys: Collection[str] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's name and object; `keys` are those that matter, None: all do.

    Raises:
        InputError: empty, undecodable, a line that is no JSON object, has a key twice in whatever spelling, or half of
            a character in a text.
    """
    seen = False
    try:
        with io.TextIOWrapper(open_bytes(path), encoding=python_encoding(encoding), newline="\n") as lines:
            for number, line in enumerate(lines_of(lines, name), start=1):
                if line.strip():
                    where = f"{name}:{number}"
                    values = _parse(line, where)
                    _check(values, line, where, values if keys is None else keys)
                    yield where, values
                    seen = True
    except UnicodeError as error:
        check_decodes(path, name, encoding)
        raise InputError(f"{name} cannot be read as {encoding}: {error}; set source.encoding") from error
    if not seen:
        raise InputError(f"{name} is empty; give it one JSON object a line")


class _Repeating(dict[str, Any]):
    """An object that has keys more than once: `repeated` are those, composed, with how they are written."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        written: dict[str, list[str]] = {}
        for name, _ in pairs:
            written.setdefault(nfc(name), []).append(name)
        self.repeated = {name: names for name, names in written.items() if len(names) > 1}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    return values if len(_composed(values)) == len(pairs) else _Repeating(pairs)


def _composed(values: dict[str, Any]) -> dict[str, Any]:
    """By composed keys; those of one file may be spelt in two ways."""
    return values if all(map(str.isascii, values)) else {nfc(key): value for key, value in values.items()}


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        values = _DECODER.decode(line)
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply to be read; write one flat JSON object a line") from error
    except ValueError as error:
        raise InputError(f"{where} is not JSON: {error}; write one JSON object a line") from error
    if not isinstance(values, dict):
        raise InputError(f"{where} holds a {type(values).__name__}, not an object; write one JSON object a line")
    return values


def _check(values: dict[str, Any], line: str, where: str, keys: Collection[str]) -> None:
    if isinstance(values, _Repeating) and (twice := sorted(values.repeated.keys() & map(nfc, keys))):
        forms = dict.fromkeys(values.repeated[twice[0]])
        shown = f" ({listed(forms)})" if len(forms) > 1 else ""
        raise InputError(f"{where} has the key {quoted(twice[0])}{shown} more than once; keep one")
    if _SURROGATE.search(line):
        named = _composed(values)
        for key in keys:
            check_characters(json.dumps([key, named.get(nfc(key))], ensure_ascii=False), key, where)


def _rows(
    objects: Iterator[tuple[str, dict[str, Any]]], name: str, settings: FilesSettings
) -> Iterator[tuple[str | None, ...]]:
    keys: dict[str, str] = {}
    for where, values in objects:
        keys = keys or {column: nfc(column) for column in check_columns(settings, list(values), name)}
        named = _composed(values)
        yield (*(_as_text(named.get(key), column, where) for column, key in keys.items()), where)


def _as_text(value: object, column: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        raise InputError(f"'{column}' of row {where} holds a {type(value).__name__}, not text; map another column")
    return json.dumps(value)
