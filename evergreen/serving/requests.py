"""Prediction requests: from untrusted bytes to instances, or to an error that says what is wrong.

{"instances": [{"text": "Stocks rose"}], "parameters": {}}
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError

FIELDS = ("instances", "parameters")
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
EXAMPLE = '{"instances": [{…}]}'


class BodyTooLargeError(RequestTooLargeError):
    """A request's body is larger than the server reads: the rest of it is still to come."""


class MediaTypeError(InputError):
    """A request's body is declared to be something other than JSON."""


@dataclass(frozen=True)
class PredictRequest:
    """The instances of one well-formed request; what is inside each one is the task's business."""

    instances: list[Any]


def check_media_type(content_type: str, content_encoding: str) -> None:
    """Returns for JSON, and where nothing is declared.

    Raises:
        MediaTypeError: the headers declare something else.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeError(f"content-type is {media_type!r}; send 'content-type: application/json'")
    if content_encoding.strip().lower() not in ("", "identity"):
        raise MediaTypeError(f"content-encoding is {content_encoding!r}; send the body uncompressed")


def parse_request(body: bytes, max_instances: int) -> PredictRequest:
    """The request that `body` holds.

    Raises:
        InputError: the body is no such request, or holds more than `max_instances`.
        InstanceError: one instance holds text that is no Unicode.
    """
    content = _parse_json(body)
    if not isinstance(content, dict):
        raise InputError(f"the body is a JSON {_json_type(content)}; send an object such as {EXAMPLE}")
    unknown = sorted(set(content) - set(FIELDS))
    if "instances" not in content:
        raise InputError(
            f"'instances' is missing (has: {', '.join(map(_short, content)) or 'nothing'}); send {EXAMPLE}"
        )
    if unknown:
        raise InputError(f"unknown field {_short(unknown[0])} (allowed: {', '.join(FIELDS)})")
    _check_parameters(content.get("parameters"))
    return PredictRequest(_checked_instances(content["instances"], body, max_instances))


def _checked_instances(instances: Any, body: bytes, max_instances: int) -> list[Any]:
    if not isinstance(instances, list):
        raise InputError(f"'instances' is a JSON {_json_type(instances)}; send a list such as {EXAMPLE}")
    if not instances:
        raise InputError("'instances' is empty; send at least one instance")
    if len(instances) > max_instances:
        raise InputError(
            f"'instances' holds {len(instances)}, allowed are {max_instances} in one request; split them over several"
        )
    if SURROGATE_ESCAPE.search(body):  # rare; JSON admits half a surrogate pair, Unicode text does not
        for index, instance in enumerate(instances):
            _check_unicode(index, instance)
    return instances


def _check_parameters(parameters: Any) -> None:
    """No task takes parameters with a request yet, so that a name in there is a mistake."""
    if parameters is not None and not isinstance(parameters, dict):
        raise InputError(f"'parameters' is a JSON {_json_type(parameters)}; send an object or leave it out")
    if parameters:
        raise InputError(f"unknown parameter {_short(next(iter(parameters)))} (allowed: none); leave it out")


def _parse_json(body: bytes) -> Any:
    try:
        text = body.decode("utf-8")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}") from error
    except RecursionError as error:
        raise InputError("the body is nested too deeply to be a prediction request") from error
    except ValueError as error:
        raise InputError(f"the body is not JSON: {error}; send {EXAMPLE}") from error


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON number")


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise ValueError(f"{literal[:20]} is too large a number")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {_short(twice)} appears twice in one object")
    return result


def _check_unicode(index: int, instance: Any) -> None:
    try:
        json.dumps(instance, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InstanceError(index, "holds half a surrogate pair (\\ud800–\\udfff), which is no Unicode text") from error


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
