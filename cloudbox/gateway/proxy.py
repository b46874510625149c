"""An HTTP proxy that knows `CONNECT` to an allow-listed host, and answers anything else with 403 and a line in the log.

`CONNECT us-central1-aiplatform.googleapis.com:443 HTTP/1.1` is answered by a tunnel to a service of the box; TLS runs
end to end between the client and that service.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from cloudbox.box import HOST
from cloudbox.gateway.hosts import port_of

CHUNK_BYTES = 64 * 1024
HEAD_WITHIN_S = 30.0


@dataclass(frozen=True)
class Proxy:
    """Tunnels to the hosts of a table; `refuse` is told of every `host:port` that is not in it.

    `resolves` says whether DNS has a host by now: the name of a dedicated endpoint takes minutes.
    """

    table: dict[str, int]
    refuse: Callable[[str], None]
    resolves: Callable[[str], bool]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, until either side ends it."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_WITHIN_S)
            asked = _asked(head)
            target = port_of(self.table, *asked) if asked and head.startswith(b"CONNECT ") else None
            if target is None:
                self._refuse(writer, "{}:{}".format(*asked) if asked else "a request that is not HTTP")
            elif asked and not self.resolves(asked[0]):
                _answer(writer, "502 could not resolve host", f"no address of {asked[0]} yet, by a fault on demand")
            else:
                await _tunnel(reader, writer, target)
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            pass  # the client went away or never spoke; there is nobody to tell
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _refuse(self, writer: asyncio.StreamWriter, what: str) -> None:
        self.refuse(what)
        # Clients show the reason phrase of a refused tunnel, and nothing else of the answer.
        reason = f"{what} is not in the box; see refusals.jsonl"
        _answer(writer, "403 " + reason.encode("ascii", "replace").decode(), reason)


async def _tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
    try:
        service_reader, service_writer = await asyncio.open_connection(HOST, target)
    except OSError:
        _answer(writer, "503 the service of the box does not answer", "see python -m cloudbox status")
        return
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_copy(reader, service_writer), _copy(service_reader, writer))
    finally:
        service_writer.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copies until the source ends, then says so to the sink: the other direction may still have something to say."""
    while chunk := await source.read(CHUNK_BYTES):
        sink.write(chunk)
        await sink.drain()
    with contextlib.suppress(OSError):  # the sink is gone already
        sink.write_eof()


def _answer(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode("ascii") + b"Connection: close\r\n\r\n" + body)


def _asked(head: bytes) -> tuple[str, int] | None:
    """Host and port of `CONNECT host:port` or of `GET http://host/…`; a path or query is read by nobody."""
    words = head.split(b"\r\n", 1)[0].decode("latin-1").split()
    if len(words) < 2:
        return None
    address = f"//{words[1]}" if words[0] == "CONNECT" else words[1]
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        return None
    return (host, port) if host else None
