"""Field behaviour read from the docstrings of the installed clients, which carry it nowhere else.

proto-plus drops the `google.api.field_behavior` option of the interface definitions; the first words of an attribute's
description still tell it: `name (str): Output only. The resource name of the Endpoint.`
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

Behaviours = dict[str, dict[str, list[str]]]
"""Message's full name → field → what holds for it: `required`, `output only`, `immutable`, `input only`."""

SERVICES = {
    "google.cloud.aiplatform_v1.types": tuple(
        f"{name}_service" for name in ("endpoint", "job", "model", "pipeline", "prediction", "schedule")
    ),
    "google.cloud.bigquery_storage_v1.types": ("storage",),
    "google.cloud.devtools.cloudbuild_v1.types": ("cloudbuild",),
    "google.cloud.resourcemanager_v3.types": ("projects",),
}
"""Where the requests of the box's services are defined: a client's types, and those of its modules that hold requests.

BigQuery's REST interface, Cloud Storage's JSON interface and Service Usage have no message types among the installed
clients, so nothing can be read of theirs; Dataflow's docstrings tell of no field how it behaves.
"""
_ATTRIBUTE = re.compile(r"^ {4}(?P<name>\w+) \((?P<type>.+)\):\s*$")
_WORDS = re.compile(r"(?P<word>Required|Output only|Immutable|Input only|Optional|Identifier)[.;,]\s*", re.IGNORECASE)
_KEPT = ("required", "output only", "immutable", "input only")


def documented() -> Behaviours:
    """The behaviour of every field of every message that a request of the services can hold."""
    behaviours: Behaviours = {}
    for types, modules in SERVICES.items():
        known = importlib.import_module(types)
        waiting = [request for module in modules for request in _requests(importlib.import_module(f"{types}.{module}"))]
        while waiting:
            message = waiting.pop()
            descriptor = message.pb(message()).DESCRIPTOR
            if descriptor.full_name not in behaviours:
                behaviours[descriptor.full_name] = dict(_behaviours(message))
                waiting += _parts(known, descriptor)
    return {name: dict(sorted(fields.items())) for name, fields in sorted(behaviours.items()) if fields}


def _requests(module: Any) -> list[Any]:
    names = [name for name in module.__protobuf__.manifest if name.endswith("Request")]
    return [getattr(module, name) for name in sorted(names)]


def _parts(known: Any, descriptor: Any) -> list[Any]:
    """The messages of the same client in the fields of this one; those of others, such as timestamps, tell nothing."""
    inner = [field.message_type for field in descriptor.fields if field.message_type]
    entries = [field.message_type for part in inner if part.GetOptions().map_entry for field in part.fields]
    kinds = [
        _class_of(known, part) for part in [*inner, *entries] if part and part.file.package == descriptor.file.package
    ]
    return [kind for kind in kinds if kind is not None]


def _class_of(known: Any, descriptor: Any) -> Any | None:
    """The proto-plus class of a message, which may be nested in another's; None for the entry of a map."""
    holder = _class_of(known, descriptor.containing_type) if descriptor.containing_type else known
    kind = getattr(holder, descriptor.name, None)
    return kind if hasattr(kind, "pb") else None


def _behaviours(message: Any) -> Iterator[tuple[str, list[str]]]:
    lines = (inspect.getdoc(message) or "").splitlines()
    for number, line in enumerate(lines[:-1]):
        attribute = _ATTRIBUTE.match(line)
        if attribute is None or attribute["name"] not in message.meta.fields:
            continue
        words, rest = [], " ".join(line.strip() for line in lines[number + 1 : number + 3]) + " "
        while match := _WORDS.match(rest):
            words.append(match["word"].lower())
            rest = rest[match.end() :]
        if kept := [word for word in _KEPT if word in words]:
            yield attribute["name"], kept
