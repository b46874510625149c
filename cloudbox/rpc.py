"""gRPC over TLS for a table of methods, with faults, refusals and the guard of fields around every call.

    table = {"/google.cloud.aiplatform.v1.EndpointService/GetEndpoint": Method(get, GetEndpointRequest)}
    server = serve(Dispatcher(home, "vertex", table), port=8443)

Google ships no `*_pb2_grpc`: the message types' own (de)serialisers and a generic handler do its work.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import grpc

from cloudbox import faults, refusals
from cloudbox.errors import ApiError
from cloudbox.fields.guard import check_request
from cloudbox.home import Home
from cloudbox.ledger.calls import Call, caller, principal_of, record

log = logging.getLogger(__name__)

WORKERS = 64
"""Threads: a call that waits for an operation or a prediction holds one."""
MESSAGE_BYTES = 64 * 1024 * 1024
ENDPOINT_HEADER = "x-vertex-ai-endpoint-id"
asked_through: ContextVar[str] = ContextVar("asked_through", default="")
"""Host name of the REST request under way. A gRPC call does not tell its own: the endpoint that its header names."""

lag_s: ContextVar[float] = ContextVar("lag_s", default=0.0)
"""How old the state is that the list under way tells: Google promises the present state of single resources alone."""


@dataclass(frozen=True)
class Method:
    """One method: a function from request to response, and the protobuf or proto-plus type of the request."""

    function: Callable[[Any], Any]
    request_type: Any


@dataclass(frozen=True)
class Reply:
    """A response with headers: HTTP headers in REST, trailing metadata in gRPC."""

    message: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200


def raw(message: Any) -> Any:
    """The protobuf message inside a proto-plus one, or the message itself."""
    return getattr(message, "_pb", message)


def blank(message_type: Any) -> Any:
    """A fresh protobuf message of a protobuf or proto-plus type."""
    return message_type.pb(message_type()) if hasattr(message_type, "pb") else message_type()


class Names(Protocol):
    """How a service tells resources by other names than it keeps them."""

    def inward(self, request: Any) -> None:
        """Turns what a caller may say into what the service keeps, in place. Raises ApiError."""

    def outward(self, answer: Any) -> Any:
        """A copy of a protobuf answer with the names that the caller is told."""


@dataclass(frozen=True)
class Dispatcher:
    """The methods of one service of the box, called by path by both transports."""

    home: Home
    service: str
    methods: Mapping[str, Method]
    names: Names | None = None

    def find(self, path: str) -> Method:
        """The method at `/package.Service/Method`; an unknown one is recorded as a refusal and UNIMPLEMENTED."""
        if path not in self.methods:
            raise self.refuse(path.lstrip("/"))
        return self.methods[path]

    def refuse(self, what: str) -> ApiError:
        """The answer to a method or an address that the box does not have, recorded as a refusal."""
        refusals.record(self.home, self.service, what)
        log.warning("refused %s", what)
        return ApiError(grpc.StatusCode.UNIMPLEMENTED, f"{what} is not implemented by the {self.service} of the box.")

    def call(self, path: str, request: Any, through: str = "") -> Reply:
        """The reply to a request (proto-plus or protobuf). Raises ApiError, for faults on demand too."""
        method = self.find(path)
        asked_through.set(through)
        check_request(raw(request))
        if self.names:
            self.names.inward(raw(request))
        self.suffer(path.lstrip("/"))
        try:
            answer = method.function(request)
        except ApiError as error:
            log.info("%s: %s %s", path, error.code.name, error.message)
            raise
        except Exception as error:
            log.exception("%s failed", path)
            raise ApiError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}") from error
        if lost := faults.take(self.home, "answer-lost", path.lstrip("/")):
            log.info("fault on demand: the answer of %s is lost", path)
            raise ApiError(grpc.StatusCode[lost.code], f"{lost.code} by a fault on demand after {path}.")
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        return replace(reply, message=self.names.outward(raw(reply.message))) if self.names else reply

    def suffer(self, name: str) -> None:
        """Note a call of `package.Service/Method`, and wait, or raise, as the faults in force ask for it."""
        if not name.startswith("cloudbox."):  # methods of the box's own
            record(self.home, Call(caller.get(), name.replace(".v1beta1.", ".v1.")))
        if slow := faults.take(self.home, "slow", name):
            time.sleep(slow.seconds)
        stale = faults.take(self.home, "stale", name)
        lag_s.set(stale.seconds if stale else 0.0)
        if fault := faults.take(self.home, "error", name):
            log.info("fault on demand: %s answers %s", name, fault.code)
            raise ApiError(grpc.StatusCode[fault.code], f"{fault.code} by a fault on demand for {name}.")


class _Handler(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        path = handler_call_details.method
        method = self.dispatcher.methods.get(path)

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            metadata = dict(context.invocation_metadata())
            through = metadata.get(ENDPOINT_HEADER, "")
            caller.set(principal_of(metadata.get("authorization", "")))
            try:
                reply = self.dispatcher.call(path, request, through)
            except ApiError as error:
                context.abort(error.code, error.message)
            context.set_trailing_metadata(tuple(reply.headers.items()))
            return reply.message

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=_reader(method.request_type) if method else None,
            response_serializer=lambda message: raw(message).SerializeToString(),
        )


def _reader(message_type: Any) -> Callable[[bytes], Any]:
    reader: Callable[[bytes], Any] = getattr(message_type, "deserialize", None) or message_type.FromString
    return reader


def serve(dispatcher: Dispatcher, port: int) -> grpc.Server:
    """A started gRPC server on 127.0.0.1 with the home's certificate. Raises RuntimeError for a taken port."""
    pair = (dispatcher.home.server_key.read_bytes(), dispatcher.home.server_certificate.read_bytes())
    server = grpc.server(
        futures.ThreadPoolExecutor(WORKERS, thread_name_prefix="grpc"),
        handlers=[_Handler(dispatcher)],
        options=[
            ("grpc.max_receive_message_length", MESSAGE_BYTES),
            ("grpc.max_send_message_length", MESSAGE_BYTES),
            ("grpc.so_reuseport", 0),
        ],
    )
    server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    server.start()
    log.info("%s", json.dumps({"serves": "gRPC", "port": port, "methods": len(dispatcher.methods)}))
    return server
