"""Kept connections of a load generator that shares the machine with what it asks, and so has to be cheap."""

from __future__ import annotations

import asyncio
from typing import cast
from urllib.parse import urlsplit


class Connections:
    """Connections to a server that are kept, each for a request at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._port = parts.port or 80
        self._head = (
            f"POST {parts.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: "
        ).encode()
        self._free: list[_Connection] = []
        self.busy = 0

    async def ask(self, body: bytes) -> int:
        """The status of the answer; 0 for none."""
        self.busy += 1
        try:
            connection = self._kept() or await self._made()
            status = await connection.ask(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        except (OSError, ValueError):
            return 0
        finally:
            self.busy -= 1
        if connection.is_open:
            self._free.append(connection)
        return status

    def _kept(self) -> _Connection | None:
        """One that is free, but for those that the server has closed for being idle, which it may."""
        while self._free:
            if (connection := self._free.pop()).is_open:
                return connection
        return None

    async def _made(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._port)
        return connection


class _Connection(asyncio.Protocol):
    """One connection, and the answer that comes on it."""

    def __init__(self) -> None:
        self.is_open = False
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[int] | None = None
        self._received = b""

    async def ask(self, request: bytes) -> int:
        """The answer's status. Raises ConnectionError: none came."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """May be asked."""
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Waits for the whole of an answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        self._received = b""
        if b"connection: close" in head:
            self.is_open = False
            self._transport.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def eof_received(self) -> None:
        """Is asked no more."""
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails what waits."""
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(str(exc or "closed before the answer")))
