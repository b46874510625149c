"""Google's filter language (AIP-160), as far as lists of Vertex resources have it.

    labels.model="news" AND (state=JOB_STATE_RUNNING OR NOT display_name="old*") AND create_time>"2026-01-01T00:00:00Z"

OR binds tighter than AND, as AIP-160 has it. What is not understood is INVALID_ARGUMENT, never everything.
"""

from __future__ import annotations

import datetime
import operator
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from cloudbox.errors import ApiError, invalid

Predicate = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<sign><=|>=|!=|[=<>:()])|(?P<word>[^\s"'=<>!:()]+))"""
)
_ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matcher(text: str, value_at: Callable[[Any, str], Any] | None = None) -> Predicate:
    """Whether a resource passes the filter `text`; an empty filter lets everything through.

    `value_at` gives the value of a resource at a path; without it resources are protobuf messages.

    Raises:
        ApiError: INVALID_ARGUMENT for syntax that is not understood, and, when applied, for an unknown field.
    """
    if not text.strip():
        return lambda _: True
    parser = _Parser(text, value_at or field_at)
    predicate = parser.conjunction()
    if parser.rest:
        raise parser.error(f"unexpected `{parser.rest[0][1]}`")
    return predicate


def field_at(message: Any, path: str) -> Any:
    """The value at `labels.key`, `display_name`, `create_time`: str, number, bool, datetime; None when unset.

    Raises:
        ApiError: INVALID_ARGUMENT for a field that the resource does not have.
    """
    name, _, rest = path.partition(".")
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise invalid(f"Invalid filter or order: {message.DESCRIPTOR.name} has no field `{path}`.")
    value = getattr(message, name)
    if _is_map(field):
        return value.get(rest.strip("\"'")) if rest else dict(value)
    if field.message_type is not None:
        if field.message_type.full_name == "google.protobuf.Timestamp":
            return value.ToDatetime(datetime.UTC) if message.HasField(name) else None
        return field_at(value, rest)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def _is_map(field: Any) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


class _Parser:
    def __init__(self, text: str, value_at: Callable[[Any, str], Any]) -> None:
        self.text = text
        self.value_at = value_at
        self.rest: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if not match:
                raise self.error(f"cannot read `{text[position:].strip()}`")
            self.rest.append((str(match.lastgroup), match.group(str(match.lastgroup))))
            position = match.end()

    def error(self, why: str) -> ApiError:
        return invalid(f"Invalid filter `{self.text}`: {why}.")

    def conjunction(self) -> Predicate:
        parts = [self._disjunction()]
        while self._accept("AND"):
            parts.append(self._disjunction())
        return lambda message: all(part(message) for part in parts)

    def _disjunction(self) -> Predicate:
        parts = [self._term()]
        while self._accept("OR"):
            parts.append(self._term())
        return lambda message: any(part(message) for part in parts)

    def _term(self) -> Predicate:
        if self._accept("NOT"):
            inner = self._term()
            return lambda message: not inner(message)
        if self._accept("("):
            inner = self.conjunction()
            if not self._accept(")"):
                raise self.error("a `)` is missing")
            return inner
        return self._comparison()

    def _accept(self, token: str) -> bool:
        if self.rest and self.rest[0][1] == token and self.rest[0][0] != "text":
            self.rest.pop(0)
            return True
        return False

    def _comparison(self) -> Predicate:
        path = self._next("word", "a field")
        sign = self._next("sign", "a comparison")
        if sign not in ("=", "!=", ":", *_ORDERINGS):
            raise self.error(f"unexpected `{sign}`")
        if not self.rest or self.rest[0][0] == "sign":
            raise self.error(f"`{path}{sign}` lacks its value")
        kind, value = self.rest.pop(0)
        text = re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value
        return lambda message: self._compare(self.value_at(message, path), sign, text)

    def _next(self, kind: str, what: str) -> str:
        if not self.rest or self.rest[0][0] != kind:
            raise self.error(f"expected {what}" + (f" before `{self.rest[0][1]}`" if self.rest else " at its end"))
        return self.rest.pop(0)[1]

    def _compare(self, have: Any, sign: str, text: str) -> bool:
        if sign == ":":
            return self._has(have, text)
        if sign == "!=":
            return not self._compare(have, "=", text)
        if have is None:
            return False
        want = self._typed(have, text)
        if sign == "=":
            return fnmatchcase(have, want.replace("[", "[[]")) if isinstance(have, str) else bool(have == want)
        return bool(_ORDERINGS[sign](have, want))

    def _has(self, have: Any, text: str) -> bool:
        if isinstance(have, dict):
            return text in have
        if text == "*":
            return have is not None
        wanted = text.lower() if "*" in text else f"*{text.lower()}*"
        return isinstance(have, str) and fnmatchcase(have.lower(), wanted.replace("[", "[[]"))

    def _typed(self, have: Any, text: str) -> Any:
        try:
            if isinstance(have, bool):
                return {"true": True, "false": False}[text.lower()]
            if isinstance(have, datetime.datetime):
                moment = datetime.datetime.fromisoformat(text)
                return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
            if isinstance(have, dict):
                raise self.error("a map is compared key by key, as in labels.key=value")
            return type(have)(text)
        except (KeyError, ValueError) as error:
            raise self.error(f"`{text}` cannot be compared with this field") from error
