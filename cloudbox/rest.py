"""REST over TLS for the same methods as gRPC: Google's standard transcoding, errors in Google's shape.

    Route("POST", re.compile("/v1/(?P<parent>projects/.+)/endpoints"), "/…/CreateEndpoint", body="endpoint")

Named groups of a route's pattern fill fields of the request (`endpoint__name` is `endpoint.name`), `body` is the field
that the JSON body fills (`*`: the request itself), query parameters fill the rest.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvicorn
from google.api import httpbody_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as StarletteRoute

from cloudbox.errors import ApiError, invalid
from cloudbox.home import Home
from cloudbox.ledger.calls import caller, principal_of
from cloudbox.rpc import Dispatcher, Reply, blank, raw

log = logging.getLogger(__name__)

_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True)
class Route:
    """One address of one method."""

    verb: str
    pattern: re.Pattern[str]
    path: str
    body: str = ""


class RunningServer:
    """A REST server in a thread of its own."""

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.run, name="rest", daemon=True)
        self._thread.start()
        while not server.started:
            self._thread.join(timeout=0.05)
            if not self._thread.is_alive():
                raise RuntimeError(f"no REST server at 127.0.0.1:{server.config.port}: is the port taken?")

    def stop(self) -> None:
        """Stop it after the requests under way."""
        self._server.should_exit = True
        self._thread.join(timeout=5.0)


def serve(app: Starlette, home: Home, port: int) -> RunningServer:
    """A started server on 127.0.0.1 with the home's certificate. Raises RuntimeError when it cannot listen."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        ssl_certfile=str(home.server_certificate),
        ssl_keyfile=str(home.server_key),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    return RunningServer(uvicorn.Server(config))


def application(dispatcher: Dispatcher, routes: Sequence[Route]) -> Starlette:
    """The app that answers every address of `routes`; any other is a refusal, recorded and UNIMPLEMENTED."""

    async def answer(request: Request) -> Response:
        body = await request.body()
        try:
            return await run_in_threadpool(_answer, dispatcher, routes, request, body)
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.http_status)

    return Starlette(routes=[StarletteRoute("/{rest:path}", answer, methods=_VERBS)])


def _answer(dispatcher: Dispatcher, routes: Sequence[Route], request: Request, body: bytes) -> Response:
    caller.set(principal_of(request.headers.get("authorization", "")))
    for route in routes:
        match = route.pattern.fullmatch(request.url.path) if route.verb == request.method else None
        if match:
            message = _message(dispatcher, route, request, body)
            for name, value in match.groupdict().items():
                _set(message, name.split("__"), value)
            through = request.url.hostname or ""
            return _response(dispatcher.call(route.path, _wrapped(dispatcher, route, message), through))
    raise dispatcher.refuse(f"{request.method} {request.url.path}")


def _message(dispatcher: Dispatcher, route: Route, request: Request, body: bytes) -> Any:
    message = blank(dispatcher.find(route.path).request_type)
    if route.body and _takes_any_body(message):
        message.http_body.data = body
        message.http_body.content_type = request.headers.get("content-type", "application/json")
        return message
    try:
        if route.body and body.strip():
            text = body.decode()
            target = message if route.body == "*" else getattr(message, route.body)
            json_format.Parse(text, target)
            if route.body != "*":
                target.SetInParent()
        for name, value in request.query_params.multi_items():
            if not name.startswith("$") and name not in ("alt", "key", "prettyPrint"):
                _set(message, re.sub(r"[A-Z]", lambda letter: f"_{letter.group().lower()}", name).split("."), value)
    except (json_format.ParseError, UnicodeDecodeError) as error:
        raise invalid(f"Invalid JSON payload received. {error}") from error
    return message


def _takes_any_body(message: Any) -> bool:
    field = message.DESCRIPTOR.fields_by_name.get("http_body")
    return field is not None and field.message_type.full_name == "google.api.HttpBody"


def _set(message: Any, path: Sequence[str], value: str) -> None:
    """Set a scalar, an element of a repeated scalar or a message in its JSON form (a FieldMask: `a,b`)."""
    *parents, name = path
    for parent in parents:
        if parent not in message.DESCRIPTOR.fields_by_name:
            raise invalid(f"Unknown name `{'.'.join(path)}`: Cannot bind query parameter.")
        message = getattr(message, parent)
    field = message.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise invalid(f"Unknown name `{'.'.join(path)}`: Cannot bind query parameter.")
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        setattr(message, name, value.lower() == "true")
        return
    try:
        repeated = hasattr(getattr(message, name), "append")
        json_format.ParseDict({name: [value] if repeated else value}, message)
    except json_format.ParseError as error:
        raise invalid(f"Invalid value at `{'.'.join(path)}`: {error}") from error


def _wrapped(dispatcher: Dispatcher, route: Route, message: Any) -> Any:
    """The request as the method takes it: proto-plus where its type is."""
    request_type = dispatcher.find(route.path).request_type
    return request_type.wrap(message) if hasattr(request_type, "wrap") else message


def _response(reply: Reply) -> Response:
    message = raw(reply.message)
    headers = dict(reply.headers)
    if isinstance(message, httpbody_pb2.HttpBody):
        return Response(message.data, reply.status, {**headers, "content-type": message.content_type})
    return JSONResponse(json_format.MessageToDict(message), reply.status, headers)
