"""Long-running operations: persisted, with real states, in Google's error shape.

An operation that was under way when the service died ends in ABORTED at the next start: nobody works on it any more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from cloudbox import faults
from cloudbox.errors import ApiError, invalid, not_found
from cloudbox.home import Home
from cloudbox.rpc import raw
from cloudbox.vertex.listing import page
from cloudbox.vertex.store import Store, new_id, now

log = logging.getLogger(__name__)

WAIT_S = 60.0
"""Longest wait of one WaitOperation call; the caller asks again."""


class Operations:
    """The operations of the service; `start` works in the background, `finished` answers at once."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._changed = threading.Condition(store.lock)

    def recover(self) -> None:
        """End what was under way when the service last stopped."""
        for operation in self._store.listed(operations_pb2.Operation):
            if not operation.done:
                self._fail(operation.name, ApiError(grpc.StatusCode.ABORTED, "The service restarted meanwhile."))

    def start(self, resource: str, metadata: Any, work: Callable[[Callable[[], bool]], Any]) -> Any:
        """An operation not yet done; `work(cancelled)` returns its response, or raises ApiError, in a thread."""
        operation = self._create(resource, metadata)
        if not self._suffers("never-ends", operation):
            threading.Thread(target=self._work, args=(operation.name, work), daemon=True).start()
        return operation

    def finished(self, resource: str, metadata: Any, response: Any) -> Any:
        """An operation that is done as it is returned, unless a fault on demand holds it."""
        operation = self._create(resource, metadata)
        if not self._suffers("never-ends", operation):
            self._succeed(operation.name, response)
        return self._store.get(operations_pb2.Operation, operation.name)

    def get(self, request: Any) -> Any:
        """GetOperation."""
        operation = self._store.find(operations_pb2.Operation, request.name)
        if operation is None:
            raise not_found("Operation", request.name)
        return operation

    def wait(self, request: Any) -> Any:
        """WaitOperation: returns when done, after the request's timeout, or after a minute."""
        asked = request.timeout.ToTimedelta().total_seconds() if request.HasField("timeout") else WAIT_S
        deadline = time.monotonic() + min(asked, WAIT_S)
        with self._changed:
            while not self.get(request).done and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self.get(request)

    def list(self, request: Any) -> Any:
        """ListOperations of a resource, or of everything below it."""
        below = [
            operation
            for operation in self._store.listed(operations_pb2.Operation)
            if operation.name.startswith(f"{request.name}/")
        ]
        chosen, token = page(below, request)
        return operations_pb2.ListOperationsResponse(operations=chosen, next_page_token=token)

    def delete(self, request: Any) -> Any:
        """DeleteOperation: forgets one that is done."""
        if not self.get(request).done:
            raise invalid(f"Operation `{request.name}` is not done; cancel it first.")
        self._store.delete(request.name)
        return empty_pb2.Empty()

    def cancel(self, request: Any) -> Any:
        """CancelOperation: ends it as CANCELLED, and its work notices and cleans up. Google promises only to try."""
        with self._store.lock:
            operation = self.get(request)
            if not operation.done and not self._suffers("cancel-ignored", operation):
                self._fail(request.name, ApiError(grpc.StatusCode.CANCELLED, "The operation was cancelled."))
        return empty_pb2.Empty()

    def _create(self, resource: str, metadata: Any) -> Any:
        generic = metadata.generic_metadata
        generic.create_time = generic.update_time = now()
        metadata.generic_metadata = generic
        operation = operations_pb2.Operation(name=f"{resource}/operations/{new_id()}")
        operation.metadata.Pack(raw(metadata))
        self._store.put(operation)
        return operation

    def _suffers(self, kind: faults.Kind, operation: Any) -> bool:
        """Whether a fault on demand concerns the operation, by the method that started it."""
        method = operation.metadata.TypeName().rpartition(".")[2].removesuffix("OperationMetadata")
        if method == "Delete":  # one metadata type for all: `…/endpoints/1` makes it DeleteEndpoint
            collection = operation.name.split("/")[-4]
            method += collection[0].upper() + collection[1:-1]
        return faults.take(self._home, kind, method) is not None

    def _work(self, name: str, work: Callable[[Callable[[], bool]], Any]) -> None:
        try:
            self._succeed(name, work(lambda: self._is_done(name)))
        except ApiError as error:
            self._fail(name, error)
        except Exception as error:
            log.exception("operation %s failed", name)
            self._fail(name, ApiError(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"))

    def _is_done(self, name: str) -> bool:
        operation = self._store.find(operations_pb2.Operation, name)
        return operation is None or bool(operation.done)

    def _succeed(self, name: str, response: Any) -> None:
        with self._changed:
            operation = self._store.get(operations_pb2.Operation, name)
            if not operation.done:
                operation.done = True
                operation.response.Pack(raw(response))
                self._store.put(operation)
            self._changed.notify_all()

    def _fail(self, name: str, error: ApiError) -> None:
        log.warning("operation %s: %s %s", name, error.code.name, error.message)
        with self._changed:
            operation = self._store.find(operations_pb2.Operation, name)
            if operation is not None and not operation.done:
                operation.done = True
                operation.error.code, operation.error.message = error.number, error.message
                self._store.put(operation)
            self._changed.notify_all()
