"""A crowd of clients that ask again as soon as they are answered, refused or not: a process of its own beside a server.

    python -m bench.crowd 8501 256 20 '{"instances": [{"text": "Stocks rose"}]}'

prints `{"answered": 702, "refused": 16788, "failed": 0, "waiting": 128, "answered_p99_s": 3.9, "refused_p99_s": 0.08}`.
`waiting` are the clients that had no answer yet when the time was over. It speaks HTTP itself: a library's client
would take the processor from the server that it measures.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

WARM_UP_S = 2.0
RETRY_AFTER_S = 0.05
STILL_WAITING_S = 0.1


@dataclass
class Crowd:
    """What the clients saw once `since` had come."""

    since: float
    until: float
    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: int = 0
    began: dict[int, float] = field(default_factory=dict)

    def begin(self, client: int) -> float:
        """Now, when a client connects or asks."""
        self.began[client] = time.perf_counter()
        return self.began[client]

    def waiting(self) -> int:
        """Clients that have waited at the end for longer than a refusal may take."""
        return sum(self.until - began > STILL_WAITING_S for began in self.began.values())

    def note(self, status: int, began: float) -> None:
        """Counts an answer that came now."""
        now = time.perf_counter()
        if not self.since <= now <= self.until:
            return
        if status in (200, 429, 503):
            (self.answered if status == 200 else self.refused).append(now - began)
        else:
            self.failed += 1


async def crowd(port: int, clients: int, seconds: float, body: bytes) -> dict[str, float]:
    """What `clients` saw within `seconds`, after a warm-up."""
    since = time.perf_counter() + WARM_UP_S
    seen = Crowd(since, since + seconds)
    asking = [asyncio.create_task(_client(client, port, body, seen)) for client in range(clients)]
    await asyncio.wait(asking, timeout=WARM_UP_S + seconds)
    waiting = seen.waiting()
    for task in asking:
        task.cancel()
    for ended in await asyncio.gather(*asking, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return {
        "answered": len(seen.answered),
        "refused": len(seen.refused),
        "failed": seen.failed,
        "waiting": waiting,
        "answered_p99_s": _p99(seen.answered),
        "refused_p99_s": _p99(seen.refused),
    }


async def _client(client: int, port: int, body: bytes, seen: Crowd) -> None:
    head = f"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    request = f"{head}\r\n\r\n".encode() + body
    while time.perf_counter() < seen.until:
        began = seen.begin(client)
        writer, goes_on = None, True
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            while goes_on and time.perf_counter() < seen.until:
                began = seen.begin(client)
                writer.write(request)
                status, goes_on = await _answer(reader)
                seen.note(status, began)
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):  # no connection, a broken one, or no HTTP
            seen.note(0, began)
            await asyncio.sleep(RETRY_AFTER_S)
        finally:
            if writer is not None:
                writer.close()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """The status, and whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), b"connection: close" not in head


def _p99(seconds: list[float]) -> float:
    return round(sorted(seconds)[int(0.99 * (len(seconds) - 1))], 4) if seconds else 0.0


def main(port: str, clients: str, seconds: str, body: str) -> int:
    """Exit code 0; the counts are printed."""
    print(json.dumps(asyncio.run(crowd(int(port), int(clients), float(seconds), body.encode()))))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
