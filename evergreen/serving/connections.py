"""Connections under uvicorn: a bounded number, and an end to those that never finish their headers."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from evergreen.core.http import raw_refusal
from evergreen.core.limits import HEADER_TIMEOUT_S, MAX_CONNECTIONS


class PatientProtocol(asyncio.Protocol):
    """uvicorn's own protocol for one connection, which is closed when it sends no whole request head in time."""

    def __init__(self, server_state: Any, **arguments: Any) -> None:
        inner: Any = AutoHTTPProtocol
        self._inner = inner(server_state=server_state, **arguments)
        self._inner.send_400_response = self._malformed
        self._connections = server_state.connections
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refused = False
        self._began = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a connection up, or refuses it when there are too many."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        if len(self._connections) >= MAX_CONNECTIONS:
            self._refused = True
            self._close(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; ask again in a second")
            return
        self._inner.connection_made(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Hands the bytes on, and watches whether they ever make a request."""
        if self._refused:
            return
        self._began = True
        if self._is_idle():
            self._wait_for_head()
        self._inner.data_received(data)
        if not self._is_idle():
            self._stop_waiting()

    def eof_received(self) -> None:
        """A caller that closes its sending side counts as gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what waits."""
        self._stop_waiting()
        if not self._refused:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hands it on."""
        if not self._refused:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hands it on."""
        if not self._refused:
            self._inner.resume_writing()

    def _is_idle(self) -> bool:
        cycle = self._inner.cycle
        return cycle is None or bool(cycle.response_complete)

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HEADER_TIMEOUT_S, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if not self._is_idle():
            return
        if self._began:
            self._close(HTTPStatus.REQUEST_TIMEOUT, "the request's head did not come in time")
        elif self._transport is not None:
            self._transport.close()

    def _malformed(self, _: str) -> None:
        self._close(HTTPStatus.BAD_REQUEST, "this is no well-formed HTTP request")

    def _close(self, status: HTTPStatus, message: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(raw_refusal(status, message))
            self._transport.close()
