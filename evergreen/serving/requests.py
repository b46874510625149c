"""Prediction requests: from untrusted bytes to instances, or to an error that says what is wrong.

{"instances": [{"text": "Stocks rose"}], "parameters": {}}

Bodies are bounded in size, in time and in what all of them hold together.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import sys
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from evergreen.core.errors import InputError, InstanceError, RequestTooLargeError
from evergreen.core.fullness import AGAIN, full_of_bytes
from evergreen.core.limits import BODY_STALL_S, BODY_TIMEOUT_S, MAX_WAITING_BYTES, SMALL_BODY_BYTES
from evergreen.core.quoting import MOST_NAMES, cut
from evergreen.runtime.http import media_refusal
from evergreen.serving.errors import FullError

MAX_VALUES = 200_000
MAX_DEPTH = 50
FIELDS = ("instances", "parameters")
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
EXAMPLE = '{"instances": [{…}]}'
TOO_DEEP = (
    f"the body is nested too deeply to be a prediction request (allowed: {MAX_DEPTH} levels); send instances that are "
    "flatter"
)
_TOO_LONG = f"a whole number has more than {sys.get_int_max_str_digits():,} digits"
"""What Python refuses in words for programmers."""
T = TypeVar("T")


class BodyTooLargeError(RequestTooLargeError):
    """A request's body is larger than the server reads: the rest of it is still to come."""


class MediaTypeError(InputError):
    """A request's body is declared to be something other than JSON."""


@dataclass(frozen=True)
class PredictRequest:
    """The instances and parameters of one well-formed request; what is inside of them is the task's business."""

    instances: list[Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def check_media_type(content_type: str, content_encoding: str) -> None:
    """Returns for JSON, and where nothing is declared.

    Raises:
        MediaTypeError: the headers declare something else.
    """
    if reason := media_refusal(content_type, content_encoding):
        raise MediaTypeError(reason)


def parse_request(body: bytes | bytearray, max_instances: int) -> PredictRequest:
    """The request that `body` holds.

    Raises:
        InputError: the body is no such request, or holds more than `max_instances`.
        InstanceError: one instance holds text that is no Unicode.
    """
    content = _parse_json(body)
    if not isinstance(content, dict):
        raise InputError(f"the body is a JSON {_json_type(content)}; send an object such as {EXAMPLE}")
    if "instances" not in content:
        raise InputError(f"'instances' is missing (has: {_first_names(content)}); send {EXAMPLE}")
    unknown = min(set(content) - set(FIELDS), default=None)
    if unknown is not None:
        raise InputError(f"unknown field {_short(unknown)} (allowed: {', '.join(FIELDS)}); leave it out")
    parameters = _checked_parameters(content.get("parameters"))
    _check_size(content["instances"])
    return PredictRequest(_checked_instances(content["instances"], body, max_instances), parameters)


def _checked_instances(instances: object, body: bytes | bytearray, max_instances: int) -> list[Any]:
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


def _checked_parameters(parameters: object) -> Mapping[str, Any]:
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InputError(f"'parameters' is a JSON {_json_type(parameters)}; send an object or leave it out")
    _check_size(parameters)
    return parameters


def _check_size(content: object) -> None:
    """Bounds what waits in memory and what a model's decoder walks through."""
    left, level = MAX_VALUES, [content]
    for _ in range(MAX_DEPTH):
        left -= len(level)
        children = (child for value in level for child in _children(value))
        level = list(itertools.islice(children, left + 1))
        if len(level) > left:
            raise InputError(
                f"the body holds more than {MAX_VALUES:,} values; split the instances over several requests"
            )
        if not level:
            return
    raise InputError(TOO_DEEP)


def _children(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _parse_json(body: bytes | bytearray) -> Any:
    try:
        text = body.decode("utf-8")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise InputError(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}; encode it in UTF-8"
        ) from error
    except RecursionError as error:
        raise InputError(TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}; send {EXAMPLE}") from error
    except ValueError as error:
        reason = _TOO_LONG if "set_int_max_str_digits" in str(error) else error
        raise InputError(f"the body is no JSON that is read here: {reason}; send {EXAMPLE}") from error


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
        raise ValueError(f"key {_short(_first_repeated(pairs))} appears twice in one object")
    return result


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError("no name is repeated")


def _check_unicode(index: int, instance: object) -> None:
    try:
        json.dumps(instance, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InstanceError(index, "holds half a surrogate pair (\\ud800–\\udfff), which is no Unicode text") from error


def _first_names(content: dict[str, Any]) -> str:
    names = [_short(name) for name in itertools.islice(content, MOST_NAMES)]
    more = len(content) - len(names)
    return (", ".join(names) or "nothing") + (f" and {more:,} more" if more else "")


def _short(name: str) -> str:
    return json.dumps(cut(name), ensure_ascii=False) if name.isprintable() else json.dumps(cut(name))


def _json_type(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


class SlowBodyError(InputError):
    """A sender stopped within its body, or takes too long for it."""


class Bodies:
    """Reads bodies of at most `limit` bytes; what large ones hold together stays below MAX_WAITING_BYTES."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0

    @asynccontextmanager
    async def body_of(self, request: Request) -> AsyncIterator[bytearray]:
        """The body, uncopied, which counts as held until the block ends.

        Raises:
            BodyTooLargeError: it is announced, or turns out, to be larger than the limit.
            SlowBodyError: it does not come in time.
            FullError: the bodies of others hold all there is.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced[:20]) > self._limit:
            raise self._too_large()
        body, held = bytearray(), 0
        try:
            async for chunk in _chunks(request):
                body += chunk
                if len(body) > self._limit:
                    raise self._too_large()
                beyond = max(0, len(body) - SMALL_BODY_BYTES)
                self._held += beyond - held
                held = beyond
                if self._held > MAX_WAITING_BYTES:
                    raise FullError(f"{full_of_bytes(self._held - held, SMALL_BODY_BYTES)}; {AGAIN}")
            yield body
        finally:
            self._held -= held

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the body is larger than {self._limit} bytes; split the instances over several requests"
        )


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    last = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    while True:
        stalled = asyncio.get_running_loop().time() + BODY_STALL_S
        try:
            async with asyncio.timeout_at(min(last, stalled)):
                chunk = await anext(stream, None)
        except TimeoutError as error:
            late = f"for {BODY_STALL_S:g} s" if stalled < last else f"whole within {BODY_TIMEOUT_S:g} s"
            raise SlowBodyError(f"the body did not come {late}; send it at once") from error
        if chunk is None:
            return
        yield chunk


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when the caller leaves.

    Raises:
        ClientDisconnect: the caller left.
    """
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait([working, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return await working
    finally:
        for task in (working, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await leaving


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
