"""What the soak makes of servers that drop, or leave hanging, what they have no room for."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from bench import loops
from bench.connections import Connections
from bench.heard import Heard
from bench.loops import asked, closed, flooded, opened
from bench.report import print_result
from bench.soak import LIMITS

HEARD, SENT = "answered or refused of those sent, at the least", "sent of those that came under overload"
BODIES = [b'{"instances": [{"text": "a late goal"}]}', b'{"instances": [{"text": "stocks"}]}']
ANSWER = b"HTTP/1.1 %d x\r\ncontent-length: 2\r\n\r\n{}"
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk (Debian: apt-get install wrk)")
Behaviour = Callable[[int], int | None]
"""The status of the request of a number; None: the connection is dropped, 0: there is never an answer."""


@asynccontextmanager
async def serving(status_of: Behaviour, requests_a_connection: int | None = None) -> AsyncIterator[str]:
    numbers, writers, under_way = count(), list[asyncio.StreamWriter](), set[asyncio.Task[None] | None]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        under_way.add(asyncio.current_task())
        for answered in count(1):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            except (EOFError, ConnectionError):
                return
            status = status_of(next(numbers))
            if status is None:
                writer.close()
                return
            if status:
                writer.write(ANSWER % status)
            if answered == requests_a_connection:
                await asyncio.sleep(0)  # idle for too long, as a server sees it
                writer.close()
                return

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=500)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/predict"
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await asyncio.gather(*filter(None, under_way))


def heard_under_overload(status_of: Behaviour) -> Heard:
    async def run() -> Heard:
        async with serving(status_of) as url:
            return await opened(url, BODIES, 300.0, 0.5)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("status_of", "connections", "patience_s", "missed"),
    [
        (lambda number: 200 if number % 4 == 0 else 503, 900, loops.PATIENCE_S, []),
        (lambda number: 200 if number % 4 == 0 else None, 900, loops.PATIENCE_S, [HEARD]),
        (lambda number: 500 if number == 7 else 429, 900, loops.PATIENCE_S, [HEARD]),
        (lambda number: 200 if number < 20 else 0, 40, 0.3, [HEARD, SENT]),
        (lambda number: 0 if number == 7 else 429, 900, 0.3, [HEARD]),
    ],
    ids=["refuses", "drops", "fails once", "leaves hanging", "leaves one hanging"],
)
def test_a_server_that_drops_fails_or_forgets_requests_misses_a_limit(
    status_of: Behaviour, connections: int, patience_s: float, missed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "CONNECTIONS", connections)
    monkeypatch.setattr(loops, "PATIENCE_S", patience_s)
    heard = heard_under_overload(status_of)
    ratios = {HEARD: heard.heard, SENT: heard.sent}
    for name in ratios:
        held = print_result("soak", ratios, {name: LIMITS[name]}, as_json=False) == 0
        assert held == (name not in missed), (name, ratios)


def heard_of_a_flood(status_of: Behaviour, folder: Path) -> Heard:
    bodies = folder / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(BODIES))

    async def run() -> Heard:
        async with serving(status_of) as url:
            return await flooded("wrk", url, bodies, 300.0, 1.0)

    return asyncio.run(run())


@needs_wrk
def test_a_flood_comes_at_its_rate(tmp_path: Path) -> None:
    heard = heard_of_a_flood(lambda number: 200 if number % 4 == 0 else 503, tmp_path)
    assert heard.answers + heard.refusals == pytest.approx(300, abs=60)
    assert heard.answers == pytest.approx(heard.refusals / 3, abs=2)
    assert (heard.failed, heard.sent > 0.8) == (0, True)


@needs_wrk
def test_a_flood_that_is_left_hanging_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CONNECTIONS", 40)
    heard = heard_of_a_flood(lambda number: 200 if number < 20 else 0, tmp_path)
    assert (heard.answers, heard.refusals) == (20, 0)
    assert heard.sent < 0.5


def test_a_dead_server_was_never_heard() -> None:
    heard = asyncio.run(opened("http://127.0.0.1:9/predict", BODIES, 100.0, 0.2))
    assert (heard.heard, heard.failed > 5) == (0.0, True)
    assert Heard().heard == 0.0


def test_a_connection_that_the_server_closed_while_it_was_idle_is_no_failure() -> None:
    async def run() -> Heard:
        async with serving(lambda _: 200, requests_a_connection=1) as url:
            connections, heard = Connections(url), Heard()
            for _ in range(5):
                await asked(connections, heard, BODIES[0])
                await asyncio.sleep(0.02)
            return heard

    heard = asyncio.run(run())
    assert (len(heard.answered), heard.failed) == (5, 0)


def test_what_two_crowds_heard_is_told_together() -> None:
    async def run(status_of: Behaviour) -> Heard:
        async with serving(status_of) as url:
            return await closed(url, BODIES, 2, 0.1)

    one, other = map(asyncio.run, map(run, (lambda _: 200, lambda _: 429)))
    both = one.and_of(other)
    assert (len(both.answered), len(both.refused)) == (len(one.answered), len(other.refused))
    assert both.cells(0.2)[-2:] == ["0", "0"]
