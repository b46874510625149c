"""The front process: `python -m evergreen.adapters.local_endpoint.front <state directory>`.

It keeps one worker per version alive and forwards predictions by the traffic split. What it is to do stands in
`endpoint.json`, read at the start and on SIGHUP; SIGTERM drains and stops all. Its connections are a bounded number,
those that never finish their headers are ended, and bad HTTP is answered in JSON.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import aiohttp
import uvloop
from aiohttp import web

from evergreen.adapters.local_endpoint.answers import Refusals, RefusedError
from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.proxy import Proxy
from evergreen.adapters.local_endpoint.requests import LogOrder, RefusalLog
from evergreen.adapters.local_endpoint.shadow import Copies
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontAddress, cap_log
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.limits import HEADER_TIMEOUT_S, KEEP_ALIVE_S, LINGER_S, MAX_CONNECTIONS
from evergreen.runtime.connections import HALF_CLOSED, HeadTimer, Refused, Room
from evergreen.runtime.http import Trace, malformed
from evergreen.runtime.locks import exclusive
from evergreen.runtime.logs import log_json_to_stderr
from evergreen.runtime.processes import allow_files

LOGGER = logging.getLogger("evergreen.local_endpoint")
POOL_KEEP_ALIVE_S = 15  # shorter than the workers' own, so that it is we who close idle connections
LOG_CHECK_S = 60.0
BACKLOG = 1024
DESCRIPTORS = 4 * MAX_CONNECTIONS


class FrontServer(web.Server):
    """Answers each connection's requests by the proxy; work for callers who leave is cancelled."""

    def __init__(self, proxy: Proxy, max_connections: int = MAX_CONNECTIONS) -> None:
        super().__init__(self._answer, handler_cancellation=True)
        self._proxy = proxy
        self.refusals = Refusals()
        self.room = Room(max_connections, asyncio.get_running_loop().time)

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
            return await self._proxy(request, own_questions_only=self.room.is_guest(connection))
        finally:
            connection.answers(False)


class Connection(web.RequestHandler):
    """One connection, which is closed when it sends no whole request head in time."""

    def __init__(self, server: FrontServer, **arguments: Any) -> None:
        super().__init__(server, **arguments)
        self._front = server
        self._timer = HeadTimer(HEADER_TIMEOUT_S, self._too_slow)
        self._owes = False
        self._asked = False
        self._began = False
        self._taken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a connection up, or refuses it when there are too many."""
        if not self._front.room.enter(self):
            self.transport = cast("asyncio.Transport", transport)
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections; ask again in a second")
            return
        self._taken = True
        super().connection_made(transport)
        self._timer.start()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Ends what waits."""
        self._timer.stop()
        self._front.room.leave(self)
        if self._taken:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hands the bytes on, and watches whether they ever make a request."""
        super().data_received(data)
        self._owes = self._owes or bool(self._messages)  # its handler starts in a later turn of the loop
        if self._head_may_begin():
            self._began = True
            self._timer.start()

    def eof_received(self) -> None:
        """A caller that closes its sending side counts as gone; one that waits for an answer is told so."""
        if self._owes:
            self._refuse(HTTPStatus.BAD_REQUEST, HALF_CLOSED)

    def answers(self, begins: bool) -> None:
        """A request's answer begins or ends."""
        self._owes = begins or bool(self._messages)
        self._asked, self._began = True, False
        self._timer.stop()
        if begins:
            self._front.room.works(self)
        else:
            self._front.room.rests(self)

    def give_way(self) -> None:
        """Closes the connection for another; nothing is answered on it."""
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer for what is no HTTP; the library's own would quote it in answer and log."""
        del exc
        reason = malformed(message or "") if status < 500 else "the endpoint failed on this request"
        refusal = RefusedError(status, reason, closes=True)
        return self._front.refusals.answer(refusal, Trace(request.headers).id, "other")

    def _head_may_begin(self) -> bool:
        """Whether what just came is part of a head: no request is answered, queued or still sending its body."""
        if self._owes:
            return False
        waits = self._waiter is not None and not self._waiter.done()
        return waits or not self._asked

    def _too_slow(self) -> None:
        if self._owes:
            return
        if self._began:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head did not come within {HEADER_TIMEOUT_S:g} s")
        else:
            self.force_close()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Refuses on a connection that this protocol then has nothing to do with any more."""
        transport = self.transport
        if transport is not None:
            self.transport = None  # not to be closed with what this protocol ends
            Refused(self._front.room, transport).refuse(status, message)
            self.connection_lost(None)


async def run_front(files: EndpointFiles) -> None:
    """Serves until SIGTERM.

    Raises:
        EndpointError: nothing was ever deployed here, or the address cannot be bound.
    """
    state = files.read_state()
    if state is None:
        raise EndpointError(f"{files.root} holds no endpoint; deploy a version first")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_KEEP_ALIVE_S)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        fleet = Fleet(files, state, session)
        copies = Copies(fleet, session)
        loop.add_signal_handler(signal.SIGHUP, lambda: _reload(files, fleet, copies))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        log, order = RefusalLog(files, state.model), LogOrder(files)
        server = FrontServer(Proxy(fleet, session, log, copies))
        runner = web.ServerRunner(server, shutdown_timeout=state.drain_timeout_s)
        try:
            port = await _listen(runner, state.host, state.port)
            files.write_address(FrontAddress(pid=os.getpid(), host=state.host, port=port))
            LOGGER.info("listening", extra={"fields": {"host": state.host, "port": port, "pid": os.getpid()}})
            copies.follow(files.read_shadow())
            fleet.apply(state)
            await _until(stop, files.log("front"), order)
        finally:
            await runner.cleanup()
            await copies.stop()
            await fleet.stop()
            await order.stop()
            log.close()
    LOGGER.info("drained")


async def _listen(runner: web.ServerRunner, host: str, port: int) -> int:
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=BACKLOG).start()
    except OSError as error:
        raise EndpointError(f"{host}:{port} cannot be bound: {error}; set host.port to a free one") from error
    return int(runner.addresses[0][1])


async def _until(stop: asyncio.Event, log: Path, order: LogOrder) -> None:
    while not stop.is_set():
        order.look()
        try:
            async with asyncio.timeout(LOG_CHECK_S):
                await stop.wait()
        except TimeoutError:
            cap_log(log)


def _reload(files: EndpointFiles, fleet: Fleet, copies: Copies) -> None:
    try:
        state = files.read_state()
    except EndpointError as error:
        LOGGER.error("reload", extra={"fields": {"reason": str(error)}})  # noqa: TRY400 - no traceback in the log
        return
    if state is not None:
        copies.follow(files.read_shadow())
        fleet.apply(state)


def main(root: Path) -> int:
    """The exit code; the reason of a failure is one line on stderr."""
    log_json_to_stderr(LOGGER)
    allow_files(DESCRIPTORS)
    files = EndpointFiles(root)
    try:
        with exclusive(files.front_lock, f"the front of {root.name} runs already", timeout_s=0):
            uvloop.run(run_front(files))  # a refusal costs a fifth less than on asyncio's own loop
    except EvergreenError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
