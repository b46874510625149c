"""Holds requests to what Google documents of their fields; the table is `documented.json`.

| what | Google | here |
| --- | --- | --- |
| required and not set | INVALID_ARGUMENT | the same |
| an enum's number that is not defined | INVALID_ARGUMENT | the same |
| immutable and changed by an update | INVALID_ARGUMENT | the same |
| output only and set | ignored (AIP-203) | INVALID_ARGUMENT: who sets it believes that it does something |

Of an update, only what its mask names is looked at. Proto3 does not tell a number that is 0 from one that is not set,
so a required number is not asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from cloudbox.errors import ApiError, invalid
from cloudbox.fields.documented import Behaviours

TABLE = Path(__file__).with_name("documented.json")
MASK = "update_mask"
IDENTIFIERS = frozenset({"name", "etag"})
"""An update tells by them what it changes, and which state of it."""
CHANGEABLE = frozenset({"min_replica_count", "max_replica_count", "autoscaling_metric_specs"})
"""Documented as immutable, and as what MutateDeployedModel changes: the method's word counts."""
_NUMBERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32,
            FieldDescriptor.CPPTYPE_UINT64, FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE,
            FieldDescriptor.CPPTYPE_BOOL)  # fmt: skip


@cache
def table() -> Behaviours:
    """The behaviours that are checked in."""
    read: Behaviours = json.loads(TABLE.read_text(encoding="utf-8"))
    return read


def check_request(request: Any) -> None:
    """Raises ApiError(INVALID_ARGUMENT) that names the first field of a protobuf request that breaks a rule."""
    masked = {path.partition(".")[0] for path in request.update_mask.paths} if _has(request, MASK) else None
    for field, value in _set_fields(request):
        _check_enum(field, value, field.name)
        if masked is not None and field.message_type and field.name != MASK:
            _check(value, field.name, masked | IDENTIFIERS)
        else:
            for part, path in _parts(field, value, field.name):
                _check(part, path, None)
    _check_required(request, "", None)


def check_unchanged(before: Any, after: Any, path: str = "") -> None:
    """Raises ApiError(INVALID_ARGUMENT) where an immutable field of a protobuf message differs from what it was."""
    behaviours = table().get(before.DESCRIPTOR.full_name, {})
    for field in before.DESCRIPTOR.fields:
        old, new = getattr(before, field.name), getattr(after, field.name)
        where = f"{path}{field.name}"
        if "immutable" in behaviours.get(field.name, ()) and field.name not in CHANGEABLE and old != new:
            raise refused(where, "Immutable field cannot be changed")
        if field.message_type and not _repeated(field) and before.HasField(field.name) and after.HasField(field.name):
            check_unchanged(old, new, f"{where}.")


def refused(path: str, why: str) -> ApiError:
    """Google's words for a field that it does not take."""
    return invalid(f"List of found errors:\t1.Field: {path}; Message: {why}.\t")


def _check(message: Any, path: str, looked_at: Collection[str] | None) -> None:
    """Of a message inside a request: all its fields, or those that an update's mask names."""
    behaviours = table().get(message.DESCRIPTOR.full_name, {})
    for field, value in _set_fields(message):
        if looked_at is not None and field.name not in looked_at:
            continue
        where = f"{path}.{field.name}"
        named = looked_at is not None and field.name in IDENTIFIERS
        if "output only" in behaviours.get(field.name, ()) and not named:
            raise refused(where, "Output only field is set")
        _check_enum(field, value, where)
        for part, inner in _parts(field, value, where):
            _check(part, inner, None)
    _check_required(message, f"{path}.", looked_at)


def _check_required(message: Any, path: str, looked_at: Collection[str] | None) -> None:
    for name, words in table().get(message.DESCRIPTOR.full_name, {}).items():
        field = message.DESCRIPTOR.fields_by_name[name]
        asked = "required" in words and (looked_at is None or name in looked_at)
        if asked and not _is_number(field) and not _is_set(message, field):
            raise refused(f"{path}{name}", "Required field is not set")


def _check_enum(field: FieldDescriptor, value: Any, path: str) -> None:
    if field.enum_type is None:
        return
    for number in value if _repeated(field) else [value]:
        if number not in field.enum_type.values_by_number:
            raise refused(path, f"{number} is no value of {field.enum_type.full_name}")


def _parts(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The messages that a field holds, each with its path: `job_spec.worker_pool_specs[0]`."""
    if field.message_type is None or field.message_type.file.package == "google.protobuf":
        return  # a struct may be as large as a request for predictions
    if field.message_type.GetOptions().map_entry:
        if field.message_type.fields_by_name["value"].message_type:
            yield from ((part, f"{path}[{key}]") for key, part in value.items())
    elif _repeated(field):
        yield from ((part, f"{path}[{number}]") for number, part in enumerate(value))
    else:
        yield value, path


def _set_fields(message: Any) -> list[tuple[FieldDescriptor, Any]]:
    fields: list[tuple[FieldDescriptor, Any]] = message.ListFields()
    return fields


def _is_set(message: Any, field: FieldDescriptor) -> bool:
    return bool(message.HasField(field.name) if field.has_presence else getattr(message, field.name))


def _is_number(field: FieldDescriptor) -> bool:
    return not _repeated(field) and not field.has_presence and field.cpp_type in _NUMBERS


def _repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def _has(request: Any, name: str) -> bool:
    return name in request.DESCRIPTOR.fields_by_name
