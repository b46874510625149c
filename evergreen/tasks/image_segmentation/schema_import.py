"""Schemas of TensorFlow Metadata in text form, as far as pipelines for pictures use them, without TensorFlow.

feature { name: "label" type: FLOAT presence { min_fraction: 1.0 } float_domain { min: 0 max: 2 }
          shape { dim { size: 128 } dim { size: 128 } } }

becomes {"mask": {"dtype": "uint8", "shape": [128, 128], "minimum": 0.0, "maximum": 2.0, "presence": 1.0}}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

PIXEL_FEATURES = {"image": "image", "label": "mask"}
_OTHER_TYPES = {"BYTES": "string", "INT": "integer", "FLOAT": "number"}
_TOKEN = re.compile(r'\s+|#[^\n]*|(?P<word>[A-Za-z_][\w.]*|-?[\d.]+(?:e[+-]?\d+)?|"(?:[^"\\]|\\.)*"|[{}:;,\[\]<>])')

Message = dict[str, list[Any]]
"""Every field's values, in order; messages are such mappings."""


def columns_of_text_form(text: str, name: str) -> dict[str, dict[str, Any]]:
    """What each feature declares, by canonical column; those that tell shapes alone (`image_shape`) are left out.

    Raises:
        ValueError: the text cannot be read, or declares no feature.
    """
    tokens = _tokens(text, name)
    schema = _message(tokens, name, closing=None)
    domains = {_first(domain, "name"): domain.get("value", []) for domain in schema.get("string_domain", [])}
    columns = {}
    for feature in schema.get("feature", []):
        title = _first(feature, "name")
        if title is None:
            raise ValueError(f"schema file '{name}' has a feature without a name")
        if title.removesuffix("_shape") not in PIXEL_FEATURES or title in PIXEL_FEATURES:
            columns[PIXEL_FEATURES.get(title, title)] = _column(title, feature, domains)
    if not columns:
        raise ValueError(f"schema file '{name}' declares no feature")
    return columns


def _column(title: str, feature: Message, domains: dict[Any, list[Any]]) -> dict[str, Any]:
    column: dict[str, Any] = {}
    if title in PIXEL_FEATURES:
        column["dtype"] = "uint8"  # whatever the pixels were stored as
        if dims := [_first(dim, "size") for shape in feature.get("shape", []) for dim in shape.get("dim", [])]:
            column["shape"] = [None if size is None or size < 0 else int(size) for size in dims]
    elif (kind := _first(feature, "type")) in _OTHER_TYPES:
        column["dtype"] = _OTHER_TYPES[kind]
    for domain in [*feature.get("float_domain", []), *feature.get("int_domain", [])]:
        column |= {to: _first(domain, of) for of, to in (("min", "minimum"), ("max", "maximum")) if of in domain}
    named = _first(feature, "domain")
    values = [value for domain in feature.get("string_domain", []) for value in domain.get("value", [])]
    if values := values or domains.get(named, []):
        column["values"] = values
    share = _first(_first(feature, "presence") or {}, "min_fraction")
    if share is not None or title not in PIXEL_FEATURES:  # a row without pixels is none, whatever a schema leaves open
        column["presence"] = float(share or 0)
    return column


def _first(message: Message, field: str) -> Any:
    return message.get(field, [None])[0]


def _tokens(text: str, name: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            line = text.count("\n", 0, place) + 1
            raise ValueError(f"schema file '{name}' cannot be read at line {line}: {text[place : place + 20]!r}")
        place = match.end()
        if match["word"] is not None:
            yield match["word"]


def _message(tokens: Iterator[str], name: str, closing: str | None) -> Message:
    """Fields up to the closing bracket, or to the end where there is none."""
    message: Message = {}
    for word in tokens:
        if word == closing:
            return message
        if word in ";,":
            continue
        if not re.fullmatch(r"[A-Za-z_][\w.]*", word):
            raise ValueError(f"schema file '{name}' cannot be read: a field's name is due, not {word!r}")
        value = next(tokens, None)
        if value == ":":
            value = next(tokens, None)
        if value is None:
            break
        message.setdefault(word, []).append(_value(value, tokens, name))
    if closing is not None:
        raise ValueError(f"schema file '{name}' ends before a {closing} is closed")
    return message


def _value(word: str, tokens: Iterator[str], name: str) -> Any:
    if word in "{<":
        return _message(tokens, name, closing="}" if word == "{" else ">")
    if word.startswith('"'):
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if re.fullmatch(r"-?[\d.]+(?:e[+-]?\d+)?", word):
        return float(word)
    if word in "[]}>:":
        raise ValueError(f"schema file '{name}' cannot be read: a value is due, not {word!r}")
    return word
