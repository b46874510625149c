"""Answers of Google as the fields that they have: `{"…EndpointService/GetEndpoint": {"name": "string", …}}`.

No value is kept, and no name that a person or Google chose: keys of maps are `*`, elements of lists `[]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "cassettes" / "google.json"
MAPS = {
    "labels",
    "trafficSplit",
    "traffic_split",
    "env",
    "metadata",
    "substitutions",
    "parameterValues",
    "tasks",
    "timing",
}
"""Fields whose keys somebody chose."""
CHOSEN = re.compile(r"\d+|.*[^A-Za-z0-9_@].*")
"""Keys that are no fields' names: ids, and names with dots, dashes or slashes."""
OPAQUE = {"pipelineSpec", "pipeline_spec"}
"""Fields whose content is the caller's own, sent back."""
SEGMENTS = {
    *("v1", "v1beta1", "v2", "projects", "locations", "services", "consumerQuotaMetrics", "serviceAccounts"),
    *("bigquery", "datasets", "tables", "jobs", "queries", "data", "insertAll", "storage", "upload", "b", "o", "iam"),
    *("repositories", "packages", "tags", "versions", "accessPolicies", "servicePerimeters", "compute", "global"),
    *("networks", "endpoints", "models"),
}
"""Parts of paths that Google names; all others are somebody's."""

Fields = dict[str, str]
"""Type by path: `{"deployedModels[].id": "string"}`."""
Cassette = dict[str, Fields]
"""Fields by method."""


def fields_of(answer: Any, path: str = "") -> Fields:
    """The fields of an answer in JSON, with the types that they have."""
    fields: Fields = {}
    for place, value in _walk(answer, path):
        if place.rpartition(".")[2] in OPAQUE:
            fields[place] = "object"
        elif isinstance(value, dict | list) and value:
            fields |= fields_of(value, place)
        else:
            fields[place] = _type(value)
    return fields


def method_of(verb: str, service: str, path: str) -> str:
    """A REST call by its form: `bigquery GET /bigquery/v2/projects/*/datasets/*`."""
    parts = [part.partition(":") for part in path.split("/")]
    route = "/".join(f"{name if name in SEGMENTS or not name else '*'}{colon}{verb_}" for name, colon, verb_ in parts)
    return f"{service} {verb} {route}"


def merged(*cassettes: Mapping[str, Fields]) -> Cassette:
    """Every field of every method that one of them has."""
    together: Cassette = {}
    for cassette in cassettes:
        for method, fields in cassette.items():
            together[method] = dict(sorted({**together.get(method, {}), **fields}.items()))
    return dict(sorted(together.items()))


def differences(google: Mapping[str, Fields], box: Mapping[str, Fields]) -> list[str]:
    """What the box answers otherwise, of the methods that both were asked for."""
    lines = []
    for method in sorted(google.keys() & box.keys()):
        for path in sorted(box[method].keys() - google[method].keys()):
            lines.append(f"{method}: Google has no {path}")
        for path in sorted(google[method].keys() - box[method].keys()):
            lines.append(f"{method}: the box lacks {path}")
        for path in sorted(google[method].keys() & box[method].keys()):
            if {google[method][path], box[method][path]} - {"empty"} and google[method][path] != box[method][path]:
                lines.append(f"{method}: {path} is {google[method][path]}, in the box {box[method][path]}")
    return lines


def read(file: Path) -> Cassette:
    """What was recorded; nothing where no file is."""
    recorded: Cassette = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return recorded


def add(file: Path, cassette: Mapping[str, Fields]) -> None:
    """Adds to what was recorded."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(merged(read(file), cassette), indent=1) + "\n", "utf-8")


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((f"{path}[]", item) for item in value)
    elif isinstance(value, dict):
        is_map = path.rpartition(".")[2] in MAPS
        for key, item in value.items():
            name = "*" if is_map or CHOSEN.fullmatch(str(key)) else str(key)
            yield f"{path}.{name}" if path else name, item


def _type(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return "empty"
    return {bool: "boolean", int: "number", float: "number", str: "string"}[type(value)]
