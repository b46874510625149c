"""One JSON line to stderr per request and per event, a trace id on every answer, and counters; never a payload.

{"time": "2026-05-04T09:30:00.120Z", "level": "info", "event": "request", "route": "predict", "status": 200, …}
"""

from __future__ import annotations

import logging
import re
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergreen.serving.answers import error_response
from evergreen.serving.metrics import Metrics

LOGGER = logging.getLogger("evergreen.serving")
TRACE_HEADER = "x-trace-id"
VERSION_HEADER = "x-model-version"
TRACE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
QUIET_ROUTES = ("health", "metrics")


def trace_id(headers: Mapping[str, str]) -> str:
    """The caller's `x-trace-id`, or the trace of its W3C `traceparent`, or a new one."""
    given = headers.get(TRACE_HEADER, "")
    if TRACE_ID.fullmatch(given):
        return given
    parent = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return parent.group(1) if parent else uuid.uuid4().hex


class Observed:
    """ASGI middleware that traces, counts and logs each request and turns a fault of ours into a plain 500.

    `routes` maps paths to the names that metrics and log use; `version` tells the model's version.
    """

    def __init__(self, app: ASGIApp, routes: Mapping[str, str], metrics: Metrics, version: Callable[[], str]) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics
        self._version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        trace = trace_id(Headers(scope=scope))
        seen: dict[str, Any] = {"trace_id": trace, "status": 499}  # 499: the caller left before the answer
        scope.setdefault("state", {})["request_log"] = seen

        async def traced_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers[TRACE_HEADER] = trace
                headers[VERSION_HEADER] = self._version()
            await send(message)

        try:
            await self._app(scope, receive, traced_send)
        except Exception as error:
            _log_fault(error, trace)
            if seen["status"] == 499:
                response = error_response(500, "the server failed on this request; its log has the trace id", trace)
                await response(scope, receive, traced_send)
        finally:
            self._finish(scope, seen, time.perf_counter() - started)

    def _finish(self, scope: Scope, seen: dict[str, Any], seconds: float) -> None:
        route = self._routes.get(scope["path"], "other")
        self._metrics.observe(route, seen["status"], seconds)
        if route in QUIET_ROUTES and seen["status"] < 500:
            return
        fields = {"method": scope["method"], "route": route, **seen, "ms": round(seconds * 1000, 2)}
        LOGGER.info("request", extra={"fields": {**fields, "version": self._version()}})


def _log_fault(error: Exception, trace: str) -> None:
    """Logs where it happened, not the message, which may quote the payload."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    LOGGER.error("fault", extra={"fields": {"trace_id": trace, "error": type(error).__name__, "frames": frames[-8:]}})
