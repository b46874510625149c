"""The front's connections: a bounded number, an end to those that never finish their headers, and JSON for bad HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from evergreen.adapters.local_endpoint.answers import Refusals, RefusedError
from evergreen.adapters.local_endpoint.proxy import Proxy
from evergreen.core.http import raw_refusal, trace_id
from evergreen.core.limits import HEADER_TIMEOUT_S, KEEP_ALIVE_S, MAX_CONNECTIONS

LINGER_S = 5.0


class FrontServer(web.Server):
    """Answers each connection's requests by the proxy; work for callers who leave is cancelled."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(self._answer, handler_cancellation=True)
        self._proxy = proxy
        self.refusals = Refusals()
        self.open = 0

    def __call__(self) -> web.RequestHandler:
        """The protocol of a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            return await self._proxy(request)
        connection.answers(True)
        try:
            return await self._proxy(request)
        finally:
            connection.answers(False)


class Connection(web.RequestHandler):
    """One connection, which is closed when it sends no whole request head in time."""

    def __init__(self, server: FrontServer, **arguments: Any) -> None:
        super().__init__(server, **arguments)
        self._front = server
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._began = False
        self._taken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a connection up, or refuses it when there are too many."""
        if self._front.open >= MAX_CONNECTIONS:
            self.transport = transport  # type: ignore[assignment]
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; ask again in a second")
            return
        self._taken = True
        self._front.open += 1
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends what waits."""
        self._stop_waiting()
        if self._taken:
            self._front.open -= 1
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hands the bytes on, and watches whether they ever make a request."""
        if not self._taken:
            return
        self._began = True
        if not self._answering:
            self._wait_for_head()
        super().data_received(data)

    def answers(self, begins: bool) -> None:
        """A request's answer begins or ends."""
        self._answering = begins
        self._stop_waiting()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer for what is no HTTP; the library's own would quote it in answer and log."""
        del exc, message
        reason = "this is no well-formed HTTP request" if status < 500 else "the endpoint failed on this request"
        refusal = RefusedError(status, reason, closes=True)
        return self._front.refusals.answer(refusal, trace_id(request.headers), "other")

    def _wait_for_head(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HEADER_TIMEOUT_S, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self._answering:
            return
        if self._began:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "the request's head did not come in time")
        self.force_close()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(raw_refusal(status, message))
            self.transport.close()
