"""Connections of both servers, in this process and under limits that are quickly reached."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from aiohttp import web

import evergreen.adapters.local_endpoint.front as front_connections
import evergreen.serving.connections as serving_connections
from evergreen.adapters.local_endpoint.fleet import Fleet
from evergreen.adapters.local_endpoint.front import FrontServer
from evergreen.adapters.local_endpoint.proxy import Proxy
from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.runtime import connections
from evergreen.runtime.connections import Room
from evergreen.serving.accounts import Accounts
from evergreen.serving.app import create_app
from evergreen.serving.connections import PatientProtocol
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.serving.turning_away import TurningAway
from tests.endpoint_states import endpoint_state
from tests.keyword_model import KEYWORDS, KeywordPredictor, write_keyword_model
from tests.raw_http import head

HEAD_S = 0.2
LIMIT = 3
BODY = json.dumps({"instances": [{"text": "a late goal"}]}).encode()
HEALTH = head(path="/health", method="GET")
Reached = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def front(path: Path) -> AsyncIterator[int]:
    """The port of a front without versions."""
    state = endpoint_state(request_timeout_s=5, allowed_hosts=("app.example",))
    fleet = Fleet(EndpointFiles(path), state, cast("Any", None))
    runner = web.ServerRunner(FrontServer(Proxy(fleet, cast("Any", None)), LIMIT))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@asynccontextmanager
async def server(path: Path) -> AsyncIterator[int]:
    """The port of a server with a model."""
    write_keyword_model(path / "model")
    settings = ServerSettings(storage_uri=str(path / "model"), allowed_hosts=("app.example",))
    model = ServedModel(settings, lambda _: KeywordPredictor(KEYWORDS))
    model.load()
    accounts = Accounts(settings, model)
    config = uvicorn.Config(create_app(settings, model, accounts), log_config=None, lifespan="off")
    config.load()
    state = uvicorn.server.ServerState()
    room = Room(LIMIT, asyncio.get_running_loop().time)
    away = TurningAway(settings, model, accounts).answer
    made = partial(PatientProtocol, room, away, config=config, server_state=state, app_state={})
    listening = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


@pytest.fixture(params=[front, server])
def reach(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs a test against the port of the front, or of the server."""
    monkeypatch.setattr(front_connections, "HEADER_TIMEOUT_S", HEAD_S)
    monkeypatch.setattr(serving_connections, "HEADER_TIMEOUT_S", HEAD_S)
    monkeypatch.setattr(connections, "IDLE_S", 0.0)

    def run(test: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        async def within() -> None:
            async with asyncio.timeout(20), request.param(tmp_path) as port:
                await test(port)

        asyncio.run(within())

    return run


async def status_of(reader: asyncio.StreamReader) -> int:
    top = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(top.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    return int(top.split(b" ", 2)[1])


async def connected(port: int, sent: bytes = b"") -> Reached:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


def test_idle_connections_give_way_to_new_ones(reach: Callable[..., None]) -> None:
    async def ask(port: int) -> None:
        idle = []
        for _ in range(3 * LIMIT):
            reader, writer = await connected(port, HEALTH)
            assert await status_of(reader) in (200, 503)
            idle.append((reader, writer))
        assert await idle[0][0].read() == b""
        for _, writer in idle:
            writer.close()

    reach(ask)


def test_a_server_without_a_free_connection_says_how_it_is_and_refuses_all_else_so_that_it_is_seen(
    reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_connections, "HEADER_TIMEOUT_S", 30.0)
    monkeypatch.setattr(serving_connections, "HEADER_TIMEOUT_S", 30.0)
    monkeypatch.setattr(connections, "IDLE_S", 1000.0)
    predict = head(f"content-length: {len(BODY)}") + BODY

    async def ask(port: int) -> None:
        opened = [await connected(port, b"POST /predict HTTP/1.1\r\n") for _ in range(LIMIT)]
        guest = await connected(port, HEALTH)
        assert await status_of(guest[0]) in (200, 503)
        guest[1].write(predict)
        assert b"too many connections" in await guest[0].readuntil(b'"trace_id"')
        opened += [guest, *[await connected(port) for _ in range(connections.GUESTS - 1)]]
        for _ in range(20):
            reader, writer = await connected(port, predict)
            assert (await reader.read())[9:12] == b"503"
            writer.close()
        for _, writer in opened:
            writer.close()

    reach(ask)


def test_the_rest_of_a_refused_body_is_no_slow_head(reach: Callable[..., None]) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, head("content-encoding: br", f"content-length: {4 * len(BODY)}"))
        assert await status_of(reader) == 415
        for _ in range(4):
            await asyncio.sleep(HEAD_S / 2)
            writer.write(BODY)
        await asyncio.sleep(HEAD_S / 2)
        writer.write(HEALTH)
        assert await status_of(reader) in (200, 503)
        await asyncio.sleep(2 * HEAD_S)  # idle, but within its time
        writer.write(HEALTH)
        assert await status_of(reader) in (200, 503)
        writer.close()

    reach(ask)


def test_a_head_that_stops_is_a_408_and_a_silent_connection_is_only_closed(reach: Callable[..., None]) -> None:
    async def ask(port: int) -> None:
        silent, half = await connected(port), await connected(port, b"POST /predict HTTP/1.1\r\nhost: 127")
        assert await status_of(half[0]) == 408
        assert await silent[0].read() == b""
        kept = await connected(port, HEALTH)
        await status_of(kept[0])
        kept[1].write(b"GET /health HTT")
        assert await status_of(kept[0]) == 408
        for _, writer in (silent, half, kept):
            writer.close()

    reach(ask)


def test_the_host_of_a_whole_url_counts(reach: Callable[..., None]) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, head(path="http://evil.example/health", method="GET"))
        assert await status_of(reader) == 421
        writer.close()

    reach(ask)


@pytest.mark.parametrize("left", ["-1", "soon", ""])
def test_a_time_left_that_is_none_is_refused_by_both(
    reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.setattr(Fleet, "choose", lambda *_: None)

    async def ask(port: int) -> None:
        reader, writer = await connected(port, head(f"x-time-left-ms: {left}", f"content-length: {len(BODY)}") + BODY)
        assert await status_of(reader) == 400
        writer.close()

    reach(ask)


def test_a_caller_without_time_left_gets_no_prediction_from_either(
    reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fleet, "choose", lambda *_: None)

    async def ask(port: int) -> None:
        reader, writer = await connected(port, head("x-time-left-ms: 0", f"content-length: {len(BODY)}") + BODY)
        async with asyncio.timeout(2):  # the front would wait five seconds for a version
            assert await status_of(reader) == 503
        writer.close()

    reach(ask)


@pytest.mark.parametrize(
    ("host", "allowed"), [("app.example", True), ("APP.example:443", True), ("evil.example", False)]
)
def test_further_names_are_answered_where_they_are_allowed(
    reach: Callable[..., None], host: str, allowed: bool
) -> None:
    async def ask(port: int) -> None:
        named = head(f"origin: https://{host}", path="/health", method="GET", host=host)
        reader, writer = await connected(port, named)
        assert await status_of(reader) in ((200, 503) if allowed else (421,))
        writer.close()

    reach(ask)


def never_answering(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Server and front that work on a request for good: set when that has begun, and when it was dropped."""
    begun, dropped = asyncio.Event(), asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()

    monkeypatch.setattr(ServedModel, "predict", never)
    monkeypatch.setattr(Fleet, "choose", lambda *_: None)
    monkeypatch.setattr(Proxy, "_answer", never)
    return begun, dropped


@pytest.mark.parametrize(
    ("sent", "waits"),
    [(BODY, True), (BODY, False), (BODY[:5], False)],
    ids=["under way", "as soon as it is sent", "within its body"],
)
def test_a_caller_that_closes_its_sending_side_is_told_at_once_and_its_work_dropped(
    reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch, sent: bytes, waits: bool
) -> None:
    begun, dropped = never_answering(monkeypatch)

    async def ask(port: int) -> None:
        others = len(asyncio.all_tasks())
        reader, writer = await connected(port, head(f"content-length: {len(BODY)}") + sent)
        if waits:
            await begun.wait()
        writer.write_eof()
        assert await status_of(reader) == 400
        assert await reader.read() == b""
        if waits:
            await dropped.wait()
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == others
        writer.close()

    reach(ask)


def test_the_work_of_a_caller_that_closes_its_connection_is_dropped(
    reach: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, dropped = never_answering(monkeypatch)

    async def ask(port: int) -> None:
        others = len(asyncio.all_tasks())
        _, writer = await connected(port, head(f"content-length: {len(BODY)}") + BODY)
        await begun.wait()
        writer.close()
        async with asyncio.timeout(2):
            await dropped.wait()
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == others

    reach(ask)


def test_a_caller_that_closes_its_sending_side_after_its_answer_is_only_closed(reach: Callable[..., None]) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, HEALTH)
        assert await status_of(reader) in (200, 503)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()

    reach(ask)


@pytest.mark.parametrize(
    "line", ["x-time-left-ms: 900", "x-trace-id: b", "content-encoding: gzip", "origin: http://a.b"]
)
def test_a_header_of_one_value_that_is_there_twice_is_refused_by_both(reach: Callable[..., None], line: str) -> None:
    async def ask(port: int) -> None:
        name = line.partition(":")[0]
        reader, writer = await connected(port, head(f"{name}: 500", line.title(), "content-length: 0"))
        answered = await reader.readuntil(b"}}")
        assert answered.startswith(b"HTTP/1.1 400 ")
        assert f"{name} is there 2 times; send it once".encode() in answered
        writer.close()

    reach(ask)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"secret-word nonsense\r\n\r\n", b"well-formed HTTP request: "),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nhost: secret-word\r\n\r\n", b"Host"),
        (b"GET /health HTTP/1.1\r\nhost: a\r\nsecret word: 1\r\n\r\n", b"header"),
        (b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: secret-word\r\n\r\n", b"ontent-Length"),
    ],
    ids=["no request line", "two hosts", "no header", "no length"],
)
def test_what_is_no_http_is_told_by_both_in_the_words_of_their_parsers(
    reach: Callable[..., None], sent: bytes, answer: bytes
) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, sent)
        answered = await reader.readuntil(b"}}")
        assert answered.split(b" ")[1] == b"400"
        assert answer in answered.partition(b"well-formed")[1] + answered.partition(b"well-formed")[2]
        assert b"secret" not in answered
        writer.close()

    reach(ask)


URL = b"http://127.0.0.1:8080"
BOTH = (b"content-length: 3\r\n", b"transfer-encoding: chunked\r\n")


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        (b"/health", b"", 200),
        (b"/he%61lth", b"", 200),
        (URL + b"/health", b"", 200),
        (URL + b"/he%61lth?a=1", b"", 200),
        (b"/health#there", b"", 200),
        (b"/nothing", b"", 404),
        (URL + b"/nothing", b"", 404),
        (b"//health", b"", 404),
        (b"http://other.example/health", b"", 421),
        (b"/health", b"expect: miracles\r\n", 417),
        (b"/health", b"".join(BOTH), 400),
    ],
)
def test_both_read_a_target_and_what_is_expected_alike(
    reach: Callable[..., None], target: bytes, lines: bytes, status: int
) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, b"GET %s HTTP/1.1\r\nhost: localhost\r\n%s\r\n" % (target, lines))
        answered = await reader.readuntil(b"}")
        expected = (200, 503) if status == 200 else (status,)  # a front without versions is there, and not ready
        assert int(answered.split(b" ", 2)[1]) in expected, answered
        writer.close()

    reach(ask)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_answer_http_1_0_and_1_1(reach: Callable[..., None], version: str) -> None:
    async def ask(port: int) -> None:
        reader, writer = await connected(port, f"GET /health HTTP/{version}\r\nhost: localhost\r\n\r\n".encode())
        assert await status_of(reader) in (200, 503)
        writer.close()

    reach(ask)
