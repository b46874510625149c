"""Connections under uvicorn: a bounded number, an end to those that never finish their headers, and a short way for
requests that are turned away.

The HTTP of the image is that of tests and workers: h11, whatever else is installed beside it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import h11
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from evergreen.core.limits import HEADER_TIMEOUT_S, KEEP_ALIVE_S
from evergreen.runtime.connections import HALF_CLOSED, HeadTimer, Refused, Room
from evergreen.runtime.http import malformed

IS_GUEST = "is_guest"


class PatientProtocol(asyncio.Protocol):
    """uvicorn's own protocol for one connection of `room`, closed when it sends no whole request head in time.

    `turn_away` gives the refusal of a whole request that comes alone, or None, for which uvicorn is asked.
    """

    def __init__(
        self, room: Room, turn_away: Callable[[bytes], Response | None], app_state: dict[str, Any], **arguments: Any
    ) -> None:
        state = {**app_state, IS_GUEST: lambda: room.is_guest(self)}
        protocol: Any = H11Protocol
        self._inner = protocol(app_state=state, **arguments)
        self._completed_inside = self._inner.on_response_complete
        self._inner.send_400_response = self._malformed
        self._inner.on_response_complete = self._completed
        self._room = room
        self._turn_away = turn_away
        self._transport: asyncio.Transport
        self._head = HeadTimer(HEADER_TIMEOUT_S, self._too_slow)
        self._idle = HeadTimer(KEEP_ALIVE_S, self.give_way)
        self._began = False
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Takes a connection up, or refuses it when there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._room.enter(self):
            self._is_over = True
            message = "too many connections; ask again in a second"
            Refused(self._room, self._transport).refuse(HTTPStatus.SERVICE_UNAVAILABLE, message)
            return
        self._inner.connection_made(transport)
        self._head.start()

    def data_received(self, data: bytes) -> None:
        """Hands the bytes on, and watches whether they ever make a request."""
        refusal = self._turn_away(data) if self._is_between_requests() else None
        if refusal is not None:
            self._transport.write(_rendered(refusal, self._inner.server_state.default_headers))
            self._rest_anew()
            return
        self._inner.data_received(data)
        self._watch()

    def eof_received(self) -> None:
        """A caller that closes its sending side counts as gone; one that waits for an answer is told so."""
        cycle = self._inner.cycle
        if not self._is_over and cycle is not None and not cycle.response_started:
            self._refuse(HTTPStatus.BAD_REQUEST, HALF_CLOSED)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends what waits."""
        if self._is_over:
            return
        self._is_over = True
        self._head.stop()
        self._idle.stop()
        self._room.leave(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hands it on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hands it on."""
        self._inner.resume_writing()

    def give_way(self) -> None:
        """Closes the connection; nothing is answered on it."""
        self._transport.close()

    def _is_between_requests(self) -> bool:
        """Whether what comes next begins a request of a caller who may ask for predictions."""
        cycle, parser = self._inner.cycle, self._inner.conn
        answered = cycle is None or cycle.response_complete
        begun = parser.their_state is not h11.IDLE or bool(parser.trailing_data[0])
        takes = not self._inner.flow.write_paused  # of a caller who reads no answers, nothing more is read
        return answered and not begun and takes and not self._is_over and not self._room.is_guest(self)

    def _rest_anew(self) -> None:
        """Counts the time in which nothing is asked from now on."""
        self._inner._unset_keepalive_if_required()
        self._head.stop()
        self._idle.stop()
        self._idle.start()
        self._room.works(self)
        self._room.rests(self)

    def _completed(self) -> None:
        self._completed_inside()
        self._watch()

    def _watch(self) -> None:
        """Starts and stops the timers. After an early answer the rest of a body may come, which is no head."""
        if self._is_over:
            return
        cycle = self._inner.cycle
        if cycle is not None and not cycle.response_complete:
            self._began = False
            self._head.stop()
            self._idle.stop()
            self._room.works(self)
            return
        self._room.rests(self)
        self._began = self._inner.conn.their_state is h11.IDLE and bool(self._inner.conn.trailing_data[0])
        if self._began:
            self._head.start()
        elif cycle is not None:
            self._head.stop()
            self._idle.start()

    def _too_slow(self) -> None:
        if self._began:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the head did not come within {HEADER_TIMEOUT_S:g} s")
        else:
            self._transport.close()

    def _malformed(self, _: str) -> None:
        error = sys.exception()  # uvicorn calls this where it caught what h11 has to say
        self._refuse(HTTPStatus.BAD_REQUEST, malformed(str(error or "")))

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        """Refuses on a connection that uvicorn then knows no more."""
        Refused(self._room, self._transport).refuse(status, message)
        self.connection_lost(ConnectionAbortedError())  # without an error, uvicorn would close it at once


def _rendered(response: Response, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """The bytes of an answer that keeps its connection."""
    head = b"HTTP/1.1 %d %s" % (response.status_code, STATUS_PHRASES[response.status_code])
    lines = (b"%s: %s" % header for header in (*default_headers, *response.raw_headers))
    return b"\r\n".join((head, *lines, b"", bytes(response.body)))


def comes_as_guest(request: Request) -> bool:
    """Whether the request's connection came when all others were at work."""
    is_guest = getattr(request.state, IS_GUEST, None)
    return is_guest is not None and bool(is_guest())
