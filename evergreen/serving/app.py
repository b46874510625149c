"""The HTTP application: health, predict, metrics, and its own description.

    POST /predict {"instances": [{"text": "Stocks rose"}]}
    200 {"predictions": [{"label": "business", …}], "metadata": {"model_version": "3f9c…", "engine": "torch", …}}

`metadata` is the field that Vertex AI's PredictResponse keeps for the model.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from evergreen.core.errors import RequestTooLargeError
from evergreen.requestlog.witness import Witness
from evergreen.runtime.http import is_loopback, machine_share, time_left_s
from evergreen.serving.access import Observed
from evergreen.serving.accounts import DESCRIPTION_ROUTE, METRICS_ROUTE, Accounts, log_fault
from evergreen.serving.answers import JsonAnswer, answer_for, error_response, reason_of
from evergreen.serving.connections import comes_as_guest
from evergreen.serving.errors import NotReadyError, UndecodableError
from evergreen.serving.metrics import CONTENT_TYPE, State
from evergreen.serving.model import ServedModel
from evergreen.serving.openapi import described
from evergreen.serving.requests import Bodies, check_media_type, parse_request, while_connected
from evergreen.serving.settings import ServerSettings

READ_AT_ONCE_BYTES = 4 * 1024
"""A body of a text or two is read in less time than it takes to wake a thread."""


def create_app(settings: ServerSettings, model: ServedModel, accounts: Accounts) -> Starlette:
    """The application that serves `model` at the routes and within the limits of `settings`."""
    handlers = _Handlers(settings, model, accounts)
    app = Starlette(
        routes=[
            Route(settings.predict_route, handlers.predict, methods=["POST"]),
            Route(settings.health_route, handlers.health, methods=["GET"]),
            Route(METRICS_ROUTE, handlers.render_metrics, methods=["GET"]),
            Route(DESCRIPTION_ROUTE, handlers.describe, methods=["GET"]),
        ],
        middleware=[Middleware(Observed, settings=settings, model=model, accounts=accounts)],
        exception_handlers={HTTPException: _http_error},
    )
    app.router.redirect_slashes = False
    return app


class _Handlers:
    def __init__(self, settings: ServerSettings, model: ServedModel, accounts: Accounts) -> None:
        self._settings = settings
        self._model = model
        self._bodies = Bodies(settings.max_body_bytes)
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read")
        self._has_front = is_loopback(settings.host)
        """Whether whoever asks may be the front of this machine, and nobody from elsewhere."""
        self._metrics = accounts.metrics

    async def predict(self, request: Request) -> Response:
        log = request.state.request_log
        try:
            predictions = await self._answer(request, log)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:
            if isinstance(error, UndecodableError) and isinstance(error.__cause__, Exception):
                log_fault(error.__cause__, log["trace_id"])
            return self._refused(error, log["trace_id"])
        metadata = {"model_version": self._model.version, "trace_id": log["trace_id"], "engine": self._model.engine}
        answer = JsonAnswer({"predictions": predictions, "metadata": metadata})
        if len(answer.body) > self._settings.max_answer_bytes:
            return self._refused(_too_large(len(answer.body), self._settings), log["trace_id"])
        self._metrics.instances += len(predictions)
        return answer

    def _refused(self, error: Exception, trace: str) -> Response:
        self._metrics.refused[reason_of(error)] += 1
        return answer_for(error, trace, self._settings.full_status)

    async def _answer(self, request: Request, log: dict[str, Any]) -> list[dict[str, Any]]:
        """The predictions. Refuses what it can before the body is read, and reads what is large beside the loop."""
        arrived = time.monotonic()
        if comes_as_guest(request):
            raise NotReadyError("too many connections; ask again in a second")
        self._model.check_room()
        check_media_type(request.headers.get("content-type", ""), request.headers.get("content-encoding", ""))
        left = time_left_s(request.headers)
        if self._has_front:
            self._model.share(machine_share(request.headers))
        async with self._bodies.body_of(request) as body:
            deadline = None if left is None else arrived + left
            with self._model.place():
                witness = request.state.witness
                return await while_connected(request, self._predictions(body, deadline, log, witness))

    async def _predictions(
        self, body: bytearray, deadline: float | None, log: dict[str, Any], witness: Witness | None
    ) -> list[dict[str, Any]]:
        if len(body) <= READ_AT_ONCE_BYTES:
            read = parse_request(body, self._settings.max_instances)
        else:
            loop = asyncio.get_running_loop()
            read = await loop.run_in_executor(self._reader, parse_request, body, self._settings.max_instances)
        log["instances"] = len(read.instances)
        if witness is not None:
            witness.came(read.instances)
        left = None if deadline is None else deadline - time.monotonic()
        return await self._model.predict(read, left, witness)

    async def health(self, request: Request) -> Response:
        if not self._model.ready:
            reason = "the server ends" if self._model.version else "the model is still loading"
            return error_response(503, reason, request.state.request_log["trace_id"])
        return JsonAnswer({"status": "ready", "model_version": self._model.version})

    async def render_metrics(self, _request: Request) -> Response:
        model = self._model
        state = State(model.version, model.engine, model.ready, in_flight=model.waiting, queued=model.queued)
        return Response(self._metrics.render(state), media_type=CONTENT_TYPE)

    async def describe(self, _request: Request) -> Response:
        return JsonAnswer(described(self._settings, self._model.interface, self._model.version))


def _too_large(answer_bytes: int, settings: ServerSettings) -> RequestTooLargeError:
    return RequestTooLargeError(
        f"the answer has {answer_bytes:,} bytes, at most {settings.max_answer_bytes:,} are sent; send fewer instances"
    )


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = getattr(error, "headers", None) or {}
    routes = [route.path for route in request.app.routes if isinstance(route, Route)]
    path = request.url.path[:200]
    reason = {
        404: f"no such route: {path} (has: {', '.join(routes)}); ask for one of these",
        405: f"{request.method} is not allowed here (allowed: {headers.get('Allow', 'none')}): {path}",
    }.get(status, f"request refused: {path}")
    response = error_response(status, reason, request.state.request_log["trace_id"])
    response.headers.update(headers)
    return response
