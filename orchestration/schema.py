"""Values checked against pydantic types, every violation told as a mistake at its YAML path."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from evergreen.core.bounded_yaml import safe_load
from evergreen.core.errors import EvergreenError
from evergreen.core.kinds import Kinds
from evergreen.core.names import SpellingError
from orchestration.document import NAME, PLACEHOLDER, Document
from orchestration.mistakes import UNKNOWN_KEY, Mistake, YamlPath, unknown

SHOWN_CHARACTERS = 60
KEY = "[key]"
"""What pydantic calls a mapping's key in the place of an error."""
BOOLEAN_WORDS = frozenset(
    spelling
    for word in ("true", "false", "yes", "no", "on", "off")
    for spelling in (word, word.capitalize(), word.upper())
)
"""What YAML takes for a boolean where it is not quoted."""
LEADING_ZEROS = re.compile(r"(?<![\d.])0+(?=\d)")
PLAIN = {
    "missing": "missing",
    "dict_type": "should be a mapping (key: value)",
    "model_type": "should be a mapping (key: value)",
    "model_attributes_type": "should be a mapping (key: value)",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "string_type": "should be text; quote it",
}


def check(annotation: Any, document: Document, path: YamlPath, *, strict: bool = False) -> tuple[Any, list[Mistake]]:
    """The value at `path` as its type, and its mistakes (the value is None then).

    `strict` forbids unknown keys also in models that would ignore them.
    """
    value: Any = document.values
    for part in path:
        value = value[part]
    if problem := _problem(annotation, value):
        return None, [Mistake((*path, "kind"), problem)]
    mistakes = list(misfits([annotation], document.got(path), path))
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        checked = adapter.validate_python(value, extra="forbid" if strict else None)
    except EvergreenError as error:
        return None, [*mistakes, _with_origin(Mistake(path, document.mask(str(error), path)), document)]
    except ValidationError as error:
        known = {mistake.path for mistake in mistakes}
        others = mistakes_of(annotation, value, error, document, path)
        return None, [*mistakes, *(mistake for mistake in others if mistake.path not in known)]
    return None if mistakes else checked, mistakes


def mistakes_of(
    annotation: Any, value: Any, error: ValidationError, document: Document, path: YamlPath
) -> list[Mistake]:
    """What pydantic found wrong with the value at `path`, as mistakes."""
    causes = _first_causes(error.errors(include_url=False))
    mistakes = (_replaced(_mistake(annotation, value, cause, document, path), document) for cause in causes)
    return [_with_origin(mistake, document) for mistake in _merged(mistakes)]


def _replaced(mistake: Mistake, document: Document) -> Mistake:
    """The mistake; where a source of the former kind `package` is written, what to write instead of it."""
    with suppress(LookupError):
        written = document.got(mistake.path[:-1])
        if isinstance(written, Mapping) and written.get("kind") == "package" and "package" in written:
            inside = "/".join(str(written[name]) for name in ("package", "path") if written.get(name, ".") != ".")
            return Mistake(
                (*mistake.path[:-1], "kind"),
                f"kind 'package' is now files with a path; write kind: files, path: package://{inside}",
            )
    return mistake


def unknown_keys(annotations: Sequence[Any], value: Any, path: YamlPath) -> Iterator[Mistake]:
    """Keys that no model among the annotations has, at every depth; for models that accept anything."""
    if isinstance(value, Mapping):
        models = _models_of(annotations)
        allowed = {name for model in models for name in model.model_fields}
        for key, item in value.items():
            if models and key not in allowed:
                yield unknown((*path, key), "key", allowed)
            else:
                yield from unknown_keys(_inside(annotations, key), item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_keys(_inside(annotations, index), item, (*path, index))


def tags(annotation: Any) -> tuple[str, ...]:
    """The `kind`s that a union of tagged models accepts."""
    return tuple(tag for model in _models(annotation) for tag in _tags(model))


def tagged(annotation: Any, kind: Any) -> Any:
    """The member of a union of tagged models that `kind` names; None: there is none."""
    return next((model for model in _models(annotation) if kind in _tags(model)), None)


def _problem(annotation: Any, value: Any) -> str | None:
    """Why the kind that a value names cannot be had, though an installed package offers it; None: it can, or none does.

    The union lacks it, and would call it unknown.
    """
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(kind, str):
        return None
    return next((problem for kinds in _kinds(annotation) if (problem := kinds.problem(kind))), None)


def _kinds(annotation: Any) -> Iterator[Kinds]:
    """The open unions in an annotation."""
    yield from (marker for marker in getattr(annotation, "__metadata__", ()) if isinstance(marker, Kinds))
    for argument in get_args(annotation):
        yield from _kinds(argument)


def misfits(annotations: Sequence[Any], written: Any, path: YamlPath) -> Iterator[Mistake]:
    """What is written where only numbers or only booleans fit, and is none, though pydantic would make one of it:
    `true` is no 1, `"0.9"` no 0.9, `"no"` no false, and 1 no true.

    What the environment fills in is text, and may be either.
    """
    if isinstance(written, Mapping):
        for key, item in written.items():
            yield from misfits(_inside(annotations, key), item, (*path, key))
    elif isinstance(written, list):
        for index, item in enumerate(written):
            yield from misfits(_inside(annotations, index), item, (*path, index))
    elif written is not None:
        kinds = {member for annotation in annotations for member in _flat(annotation)} - {type(None)}
        if kinds == {bool} and not isinstance(written, bool) and not _is_filled(written):
            yield Mistake(path, _no_boolean(written))
        elif kinds and kinds <= {int, float} and _is_taken_for_number(written):
            yield Mistake(path, _no_number(written))


def _is_filled(written: Any) -> bool:
    return isinstance(written, str) and PLACEHOLDER.search(written) is not None


def _no_boolean(written: Any) -> str:
    """What is wrong with it; words that YAML takes for booleans need no more than their quotes removed."""
    advice = "remove the quotes" if written in BOOLEAN_WORDS else "write one of the two, without quotes"
    return f"should be true or false, got {_short(written)}; {advice}"


def _is_taken_for_number(written: Any) -> bool:
    """Whether it is no number, and pydantic would make one of it."""
    if not isinstance(written, str):
        return isinstance(written, bool)
    try:
        float(written)
    except ValueError:
        return False
    return True


def _no_number(written: str | bool) -> str:
    """What is wrong with it, and what to do where the same characters can be the number."""
    if isinstance(written, bool):
        return f"should be a number, got {written}"
    if not math.isfinite(float(written)):
        return f"should be a finite number, got {_short(written)}"
    bare = LEADING_ZEROS.sub("", written)
    advice = "; remove the quotes and leading zeros" if isinstance(safe_load(bare), int | float) else ""
    return f"should be a number, got {_short(written)}{advice}"


def _mistake(annotation: Any, value: Any, error: ErrorDetails, document: Document, root: YamlPath) -> Mistake:
    path, annotations = _locate(annotation, value, error)
    path = (*root, *path)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = {name for member in annotations for model in _models(member) for name in model.model_fields}
        return unknown(path, "key", allowed)
    if kind == "union_tag_invalid":
        path, expected = (*path, "kind"), re.findall(r"'([^']*)'", context["expected_tags"])
        return unknown(path, f"kind {_got(document, path)}", expected)
    if kind == "union_tag_not_found":
        return Mistake((*path, "kind"), "missing", tuple(sorted(t for member in annotations for t in tags(member))))
    if kind in {"literal_error", "enum"} and (words := re.findall(r"'([^']*)'", context["expected"])):
        return unknown(path, f"value {_got(document, path)}", words)
    if isinstance(cause := context.get("error"), SpellingError):
        return Mistake(path, _misspelt(cause, error, document, path))
    return Mistake(path, document.mask(_plain_message(error, document, path), path))


def _with_origin(mistake: Mistake, document: Document) -> Mistake:
    """The mistake, with the variables that its value, which is not shown, came from."""
    if mistake.message.startswith(UNKNOWN_KEY):  # the key is wrong, whatever its value is
        return mistake
    names = dict.fromkeys([*document.variables(mistake.path), *PLACEHOLDER.findall(mistake.message)])
    filled = " and ".join(f"${{{name}}}" for name in names if NAME.fullmatch(name))
    return replace(mistake, message=f"{mistake.message} (filled from {filled})") if filled else mistake


def _misspelt(cause: SpellingError, error: ErrorDetails, document: Document, path: YamlPath) -> str:
    if KEY in error["loc"]:
        return f"the key {cause}".replace(", got ", ", not ")
    if document.variables(path):
        return f"{cause.rule}, got {_got(document, path)}"  # how it would be spelled tells the value
    return str(cause)


def _plain_message(error: ErrorDetails, document: Document, path: YamlPath) -> str:
    if error["type"] in {"value_error", "assertion_error"}:
        return str(error["ctx"]["error"])
    message = PLAIN.get(error["type"]) or error["msg"].removeprefix("Input ")
    message = message.split(", unable to")[0]
    return message if error["type"] == "missing" else f"{message}, got {_got(document, path)}"


def _got(document: Document, path: YamlPath) -> str:
    try:
        return _short(document.got(path))
    except LookupError:
        return "nothing"


def _short(written: Any) -> str:
    text = repr(written)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _locate(annotation: Any, value: Any, error: ErrorDetails) -> tuple[YamlPath, list[Any]]:
    """Where a pydantic error is in the YAML, and the types that hold the last key.

    Pydantic's location also names the union member it looked at; those parts are in no YAML.
    """
    path: list[str | int] = []
    holders, inside, node = [annotation], [annotation], value
    for part in error["loc"]:
        member = _member(inside, part)
        if member and len(_models_of(inside)) > 1:
            inside = member  # a union's member first: its tag may also be a key, as in {kind: parcel, parcel: news}
        elif (isinstance(node, Mapping) and part in node) or (isinstance(node, list) and isinstance(part, int)):
            path.append(part)
            node = node[part]  # type: ignore[index]
            holders, inside = inside, _inside(inside, part)
        elif error["type"] == "missing" and part == error["loc"][-1]:
            path.append(part)
        else:
            inside = member or inside
    return tuple(path), holders if error["type"] == "extra_forbidden" else inside


def _first_causes(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short only since none of their items could be used."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(len(place) > len(error["loc"]) and place[: len(error["loc"])] == error["loc"] for place in places)
    ]


def _merged(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """One mistake a path: an undiscriminated union reports each of its members."""
    merged: dict[YamlPath, Mistake] = {}
    for mistake in mistakes:
        known = merged.get(mistake.path, mistake)
        message = mistake.message
        if known.message != message:
            message = f"{known.message.split(', got')[0]}, or {message}"
        merged[mistake.path] = Mistake(mistake.path, message, known.allowed or mistake.allowed)
    return list(merged.values())


def _flat(annotation: Any) -> Iterator[Any]:
    """The members of unions, `Annotated` removed."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _flat(get_args(annotation)[0])
    elif origin in {Union, UnionType}:
        for member in get_args(annotation):
            yield from _flat(member)
    else:
        yield annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [member for member in _flat(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]


def _models_of(annotations: Iterable[Any]) -> list[type[BaseModel]]:
    return [model for annotation in annotations for model in _models(annotation)]


def _inside(annotations: Iterable[Any], part: str | int) -> list[Any]:
    """The types of what is at a key or an index of values of these types."""
    inner: list[Any] = []
    for annotation in annotations:
        for member in _flat(annotation):
            origin = get_origin(member)
            if isinstance(origin, type) and issubclass(origin, Mapping):
                inner.append(get_args(member)[1])
            elif isinstance(origin, type) and isinstance(part, int):
                inner.extend(argument for argument in get_args(member) if argument is not Ellipsis)
        inner.extend(
            model.model_fields[str(part)].annotation for model in _models(annotation) if part in model.model_fields
        )
    return inner


def _member(annotations: Iterable[Any], part: str | int) -> list[Any]:
    """The union members that pydantic names `part`: by tag or by class name."""
    return [model for model in _models_of(annotations) if part == model.__name__ or part in _tags(model)]


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("kind")
    annotation = field.annotation if field else None
    return get_args(annotation) if get_origin(annotation) is Literal else ()
