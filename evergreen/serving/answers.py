"""Answers to requests that cannot be served.

{"error": {"message": "instances[3]: 'text' is blank", "instance": 3, "trace_id": "5f…"}}
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from evergreen.core.errors import EvergreenError, InputError, InstanceError, RequestTooLargeError
from evergreen.core.limits import LINGER_S
from evergreen.runtime.http import TRACE_HEADER, error_body
from evergreen.serving.errors import DrainingError, FullError, NotReadyError, TooLateError
from evergreen.serving.requests import BodyTooLargeError, MediaTypeError, SlowBodyError

REFUSALS: tuple[tuple[type[Exception], int, str], ...] = (
    (RequestTooLargeError, 413, "too_large"),
    (MediaTypeError, 415, "media_type"),
    (SlowBodyError, 408, "slow_body"),
    (InstanceError, 400, "instance"),
    (InputError, 400, "request"),
    (FullError, 503, "full"),
    (TooLateError, 503, "late"),
    (DrainingError, 503, "draining"),
    (NotReadyError, 503, "loading"),
    (EvergreenError, 503, "elsewhere"),  # what the request needs from elsewhere cannot be had now
)
"""By error: the status of its answer, and what metrics call it."""
RETRY = {"retry-after": "1"}
VERSION_HEADER = "x-model-version"
LINGER_BYTES = 64 * 1024 * 1024


def mark(headers: MutableHeaders, trace: str, version: str) -> None:
    """What every answer says in its headers: its request's trace id, and the version that was asked."""
    headers[TRACE_HEADER] = trace
    headers[VERSION_HEADER] = version


class JsonAnswer(Response):
    """A JSON body without NaN, which JSON does not have."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8")


class RefusedBody(JsonAnswer):
    """An answer sent before the body was read; what still comes is thrown away for a while, at most `LINGER_BYTES`.

    Closing at once would reset the connection, and the caller would never see the answer.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Sends the answer, then lingers."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        try:
            async with asyncio.timeout(LINGER_S):
                await _discard(receive)
        except TimeoutError:
            pass
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return
        left -= len(message.get("body", b""))


def error_response(status: int, message: str, trace: str, instance: int | None = None) -> Response:
    """The answer for one error; 429 and 503 ask the caller to come back, and 408 gives it up."""
    headers = {429: RETRY, 503: RETRY, 408: {"connection": "close"}}.get(status)
    return Response(error_body(message, trace, instance), status, headers, JsonAnswer.media_type)


def reason_of(error: Exception) -> str:
    """What metrics call the error."""
    return next((reason for kind, _, reason in REFUSALS if isinstance(error, kind)), "fault")


def answer_for(error: Exception, trace: str, full_status: int = 503) -> Response:
    """The answer for an exception of ours; re-raises any other. A body that was not read ends the connection.

    `full_status` is that of a request for which there is no room.
    """
    status = next((status for kind, status, _ in REFUSALS if isinstance(error, kind)), None)
    if status is None:
        raise error
    if isinstance(error, FullError):
        status = full_status
    if isinstance(error, BodyTooLargeError):
        content = {"error": {"message": str(error), "trace_id": trace}}
        return RefusedBody(content, status, {"connection": "close"})
    return error_response(status, str(error), trace, error.index if isinstance(error, InstanceError) else None)
