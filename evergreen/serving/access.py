"""What the server tells of its requests: a JSON line to stderr each, and a trace id on every answer.

{"time": "2026-05-04T09:30:00.120Z", "severity": "INFO", "event": "request", "route": "predict", "status": 200, …}

Never a payload. Requests that are refused for want of room (429, 503) share a line a second, with their `count`.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evergreen.requestlog.journal import Journal
from evergreen.requestlog.record import Request
from evergreen.requestlog.witness import Witness
from evergreen.runtime.http import TRACE_HEADER, UNLOGGED_HEADER, Trace, origin_refusal, repeated_refusal, target_host
from evergreen.runtime.logs import Throttle
from evergreen.serving.answers import error_response
from evergreen.serving.metrics import Metrics
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings

LOGGER = logging.getLogger("evergreen.serving")
VERSION_HEADER = "x-model-version"
QUIET_ROUTES = ("health", "metrics")
CROWDED = (429, 503)
OWN_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Observed:
    """ASGI middleware that traces, counts and logs each request and turns a fault of ours into a plain 500.

    `routes` maps paths to the names that metrics and log use. Requests under foreign names are refused where `settings`
    let the server listen on loopback. `journal`, the request log, is told of predictions once they are answered.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Mapping[str, str],
        metrics: Metrics,
        model: ServedModel,
        settings: ServerSettings,
        journal: Journal | None = None,
    ) -> None:
        self._app = app
        self._routes = routes
        self._metrics = metrics
        self._model = model
        self._journal = journal
        self._host = settings.host
        self._allowed_hosts = settings.allowed_hosts
        self._refused = Throttle(LOGGER, logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, started = time.time(), time.perf_counter()
        given = Headers(scope=scope)
        trace = Trace(given, self._model.version).id
        seen: dict[str, Any] = {"trace_id": trace, "status": 499}  # 499: the caller left before the answer
        witness = self._witness(scope, given)
        scope.setdefault("state", {}).update(request_log=seen, witness=witness)

        async def traced_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers[TRACE_HEADER] = trace
                headers[VERSION_HEADER] = self._model.version
            await send(message)

        try:
            refusal = self._refusal(scope, given)
            app = self._app if refusal is None else error_response(*refusal, trace)
            await app(scope, receive, traced_send)
        except Exception as error:
            log_fault(error, trace)
            if seen["status"] == 499:
                response = error_response(500, "the server failed on this request; its log has the trace id", trace)
                await response(scope, receive, traced_send)
        finally:
            seconds = time.perf_counter() - started
            self._finish(scope, seen, seconds)
            if self._journal is not None and witness is not None:
                self._journal.note(self._request(seen, came, seconds), witness)

    def _witness(self, scope: Scope, headers: Mapping[str, str]) -> Witness | None:
        """What follows a prediction that is to be noted."""
        if self._journal is None or UNLOGGED_HEADER in headers or self._routes.get(scope["path"]) != "predict":
            return None
        return self._journal.begin()

    def _request(self, seen: Mapping[str, Any], came: float, seconds: float) -> Request:
        return Request(
            time=came,
            version=self._model.version,
            trace_id=seen["trace_id"],
            engine=self._model.engine,
            status=seen["status"],
            latency_ms=seconds * 1000,
        )

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Status and reason for a repeated header, and for a foreign name in one, or in a target that is a URL."""
        if repeated := repeated_refusal(headers.keys()):
            return 400, repeated
        for named in (headers, target_host(scope["raw_path"].decode("latin-1"))):
            if refusal := origin_refusal(scope["method"], named, self._host, self._allowed_hosts):
                return refusal
        return None

    def _finish(self, scope: Scope, seen: dict[str, Any], seconds: float) -> None:
        route = self._routes.get(scope["path"], "other")
        self._metrics.observe(route, seen["status"], seconds)
        if route in QUIET_ROUTES and seen["status"] < 500:
            return
        method = scope["method"] if scope["method"] in OWN_METHODS else "other"
        fields = {
            "method": method,
            "route": route,
            **seen,
            "ms": round(seconds * 1000, 2),
            "version": self._model.version,
        }
        if seen["status"] in CROWDED:
            self._refused.log("request", route, fields)
        else:
            LOGGER.info("request", extra={"fields": fields})


def log_fault(error: Exception, trace: str) -> None:
    """Logs where it happened, not the message, which may quote the payload."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    LOGGER.error("fault", extra={"fields": {"trace_id": trace, "error": type(error).__name__, "frames": frames[-8:]}})
