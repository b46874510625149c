"""The Storage Read API over gRPC with TLS: one method that answers at once and one that streams."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
from google.cloud.bigquery_storage_v1 import types

from cloudbox.bigquery.storage_read import StorageRead
from cloudbox.errors import ApiError
from cloudbox.ledger.calls import caller, principal_of
from cloudbox.rpc import Dispatcher, Method

_SERVICE = "/google.cloud.bigquery.storage.v1.BigQueryRead/"
_CREATE, _READ = _SERVICE + "CreateReadSession", _SERVICE + "ReadRows"
_WORKERS = 32


def methods(read: StorageRead) -> dict[str, Method]:
    """The methods that answer at once, by path."""
    return {_CREATE: Method(read.create_session, types.CreateReadSessionRequest)}


class ReadHandler(grpc.GenericRpcHandler):  # type: ignore[misc] # the library has no types
    """Calls the methods; an unknown one is refused and recorded."""

    def __init__(self, dispatcher: Dispatcher, read: StorageRead) -> None:
        self._dispatcher = dispatcher
        self._read = read

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The handler of one call."""
        path = handler_call_details.method
        if path == _READ:
            return grpc.unary_stream_rpc_method_handler(
                self._stream, types.ReadRowsRequest.deserialize, types.ReadRowsResponse.serialize
            )

        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            caller.set(_principal(context))
            try:
                return self._dispatcher.call(path, request).message
            except ApiError as error:
                context.abort(error.code, error.message)

        reader = types.CreateReadSessionRequest.deserialize if path == _CREATE else None
        return grpc.unary_unary_rpc_method_handler(answer, reader, types.ReadSession.serialize)

    def _stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        caller.set(_principal(context))
        try:
            for response in self._read.read_rows(request):
                # Around every batch, so that a fault can break a stream in its midst.
                self._dispatcher.suffer(_READ.lstrip("/"))
                yield response
        except ApiError as error:
            context.abort(error.code, error.message)


def _principal(context: grpc.ServicerContext) -> str:
    return principal_of(dict(context.invocation_metadata()).get("authorization", ""))


def serve(dispatcher: Dispatcher, read: StorageRead, port: int) -> grpc.Server:
    """The started server on 127.0.0.1 with the home's certificate."""
    pair = (dispatcher.home.server_key.read_bytes(), dispatcher.home.server_certificate.read_bytes())
    server = grpc.server(
        futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix="read"),
        handlers=[ReadHandler(dispatcher, read)],
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([pair]))
    server.start()
    return server
