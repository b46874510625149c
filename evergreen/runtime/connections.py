"""What both servers do with their connections: how many may be open, which gives way, how long a head may take.

A connection that answers nothing gives way to a new one. Where all of them answer, the next few are guests, who may
ask for health and status alone, so that whoever watches a full server sees that it lives; beyond these, a connection
is refused with 503.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Protocol

from evergreen.core.limits import LINGER_S
from evergreen.runtime.http import raw_refusal

GUESTS = 64
LINGERING = 512
IDLE_S = 1.0
"""How long a connection answers nothing before it may be closed for another: its first request may be under way."""


HALF_CLOSED = "the caller closed its side of the connection before the answer; keep it open until the answer is there"
"""What a caller reads who still can; whoever left for good cannot be told apart, so the work of both is dropped."""


class Closable(Protocol):
    """A connection."""

    def give_way(self) -> None:
        """Closes it."""


class Room:
    """The open connections of a server, at most `limit` and some guests."""

    def __init__(self, limit: int, clock: Callable[[], float], guests: int = GUESTS) -> None:
        self._limit = limit
        self._most_guests = guests
        self._clock = clock
        self._regulars: set[Closable] = set()
        self._guests: dict[Closable, None] = {}
        self._idle: dict[Closable, float] = {}  # since when, the longest first
        self.lingering = 0

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._regulars) + len(self._guests)

    def enter(self, connection: Closable) -> bool:
        """Whether the connection may stay."""
        if len(self._regulars) >= self._limit:
            self._close_idle(self._regulars)
        if len(self._regulars) < self._limit:
            self._regulars.add(connection)
        elif len(self._guests) < self._most_guests or self._close_idle(self._guests):
            self._guests[connection] = None
        else:
            return False
        self.rests(connection)
        return True

    def leave(self, connection: Closable) -> None:
        """Counts the connection no more; the guest who came first takes its place."""
        self._idle.pop(connection, None)
        self._guests.pop(connection, None)
        self._regulars.discard(connection)
        if self._guests and len(self._regulars) < self._limit:
            first = next(iter(self._guests))
            del self._guests[first]
            self._regulars.add(first)

    def works(self, connection: Closable) -> None:
        """The connection answers a request."""
        self._idle.pop(connection, None)

    def rests(self, connection: Closable) -> None:
        """The connection answers nothing, from now on where it did."""
        if connection not in self._idle and (connection in self._regulars or connection in self._guests):
            self._idle[connection] = self._clock()

    def is_guest(self, connection: Closable) -> bool:
        """Whether it came when all others were at work, and may ask for little."""
        return connection in self._guests

    def _close_idle(self, among: set[Closable] | dict[Closable, None]) -> bool:
        """Whether a connection gave way."""
        until = self._clock() - IDLE_S
        for connection, since in self._idle.items():
            if since > until:
                return False
            if connection in among:
                self.leave(connection)
                connection.give_way()
                return True
        return False


class HeadTimer:
    """Calls `too_slow` unless a request's head is whole within `seconds` of its start."""

    def __init__(self, seconds: float, too_slow: Callable[[], None]) -> None:
        self._seconds = seconds
        self._too_slow = too_slow
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts it where it does not run: further bytes of a head win no time."""
        if self._handle is None:
            self._handle = asyncio.get_running_loop().call_later(self._seconds, self._end)

    def stop(self) -> None:
        """Ends it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _end(self) -> None:
        self._handle = None
        self._too_slow()


class Refused(asyncio.Protocol):
    """A connection that is refused in a way that its caller sees: closed only once the caller has closed, or late.

    What comes is thrown away meanwhile. Closing while a request is unread would reset the connection, and the refusal
    with it.
    """

    def __init__(self, room: Room, transport: asyncio.Transport) -> None:
        self._room = room
        self._transport = transport
        self._lingers = room.lingering < LINGERING
        self._last: asyncio.TimerHandle | None = None

    def refuse(self, status: HTTPStatus, message: str) -> None:
        """Sends the refusal, and nothing after it."""
        if self._transport.is_closing():
            return
        self._transport.set_protocol(self)
        self._transport.write(raw_refusal(status, message))
        if not self._lingers:
            self._transport.close()
            return
        self._room.lingering += 1
        if self._transport.can_write_eof():
            with suppress(OSError):  # the caller has closed both sides: there is nothing left to end
                self._transport.write_eof()
        self._last = asyncio.get_running_loop().call_later(LINGER_S, self._transport.close)

    def data_received(self, data: bytes) -> None:
        """Throws it away."""

    def eof_received(self) -> None:
        """Lets the connection be closed: the caller has seen the refusal or is gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the wait."""
        del exc
        if self._last is not None:
            self._last.cancel()
            self._room.lingering -= 1
