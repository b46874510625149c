"""A full server turns usual requests away by their bytes; each caller hears what the application says."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from unittest.mock import Mock

import pytest
import uvicorn
from starlette.responses import Response

from evergreen.requestlog.journal import Journal
from evergreen.requestlog.record import Request, Row
from evergreen.runtime.connections import Room
from evergreen.serving.accounts import Accounts
from evergreen.serving.app import create_app
from evergreen.serving.connections import PatientProtocol
from evergreen.serving.model import ServedModel
from evergreen.serving.settings import ServerSettings
from evergreen.serving.turning_away import TurningAway
from tests.keyword_model import KEYWORDS, KeywordPredictor, write_keyword_model
from tests.raw_http import Answer, answer_of, connect, head

BODY = json.dumps({"instances": [{"text": "a late goal"}]}).encode()
LENGTH = f"content-length: {len(BODY)}"
USUAL = head(LENGTH) + BODY
TRACE = "x-trace-id: asked-7"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
CHANGING = ("date", "x-trace-id")


class Kept:
    """A sink that keeps statuses."""

    def __init__(self) -> None:
        self.statuses: list[int] = []

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        del model, rows
        self.statuses.append(request.status)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Serving:
    """A server in a thread of this process; `turned` counts what was turned away by its bytes."""

    def __init__(self, folder: Path, status: int, *, is_quick: bool) -> None:
        write_keyword_model(folder / "model")
        self.settings = ServerSettings(storage_uri=str(folder / "model"), full_status=status, max_waiting=2)
        self.model = ServedModel(self.settings, lambda _: KeywordPredictor(KEYWORDS))
        self.model.load()
        self.kept = Kept()
        self.journal = Journal(self.kept, "news", 1.0, None, logging.getLogger("evergreen.serving"))
        self.accounts = Accounts(self.settings, self.model, self.journal)
        self.turned = self.pieces = 0
        self._away = TurningAway(self.settings, self.model, self.accounts)
        app = create_app(self.settings, self.model, self.accounts)
        made = partial(PatientProtocol, Room(8, lambda: 0.0), self._turn_away if is_quick else lambda _: None)
        config = uvicorn.Config(app, port=0, http=made, log_config=None, lifespan="off", server_header=False)  # type: ignore[arg-type]
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
        self.port = int(self._server.servers[0].sockets[0].getsockname()[1])

    def _turn_away(self, data: bytes) -> Response | None:
        refusal = self._away.answer(data)
        self.pieces += 1
        self.turned += refusal is not None
        return refusal

    def ask(self, *requests: bytes) -> list[Answer]:
        """The answers on one connection, one after the other."""
        with connect(self.port) as connection:
            answers = []
            for request in requests:
                connection.sendall(request)
                answers.append(answer_of(connection))
        return answers

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self.journal.close()


Start = Callable[..., Serving]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Serving] = []

    def begin(status: int = 429, *, is_quick: bool = True, is_full: bool = True) -> Serving:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Serving(folder, status, is_quick=is_quick))
        started[-1].model.waiting = 2 if is_full else 0
        return started[-1]

    yield begin
    for one in started:
        one.stop()


@pytest.mark.parametrize("status", [429, 503])
def test_a_usual_request_hears_by_either_way_the_same(start: Start, status: int) -> None:
    quick, slow = start(status), start(status, is_quick=False)
    (turned, traced), (parsed, _) = (one.ask(USUAL, head(LENGTH, TRACE) + BODY) for one in (quick, slow))
    assert (quick.turned, slow.turned) == (2, 0)
    assert (turned.status, turned.headers["retry-after"]) == (status, "1")
    assert turned.headers.keys() == parsed.headers.keys()
    for name in turned.headers.keys() - {*CHANGING, "content-length"}:
        assert turned.headers[name] == parsed.headers[name]
    assert turned.body["error"].keys() == parsed.body["error"].keys()
    assert turned.body["error"]["message"] == parsed.body["error"]["message"]
    assert traced.headers["x-trace-id"] == traced.body["error"]["trace_id"] == "asked-7"


def test_both_ways_are_accounted_for_alike(start: Start) -> None:
    both = [start(is_quick=True), start(is_quick=False)]
    for one in both:
        one.ask(USUAL, USUAL, USUAL)
        while sum(one.accounts.metrics.requests.values()) < 3:  # accounts are closed after the answer is out
            time.sleep(0.01)
        one.journal.close()
    assert [one.turned for one in both] == [3, 0]
    assert both[0].accounts.metrics.requests == both[1].accounts.metrics.requests == {("predict", 429): 3}
    assert both[0].accounts.metrics.refused == both[1].accounts.metrics.refused == {"full": 3}
    assert both[0].kept.statuses == both[1].kept.statuses == [429, 429, 429]


def test_a_connection_is_answered_on_after_it_was_turned_away_and_the_other_way_round(start: Start) -> None:
    serving = start()
    with connect(serving.port, USUAL) as connection:
        statuses: list[int] = []
        for is_full in (True, False, True, False):
            serving.model.waiting = 2 if is_full else 0
            if statuses:
                connection.sendall(USUAL)
            statuses.append(answer_of(connection).status)
    assert statuses == [429, 200, 429, 200]
    assert serving.turned == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (head("transfer-encoding: chunked") + CHUNKED, 429),
        (head(LENGTH, "connection: close") + BODY, 429),
        (head(LENGTH, TRACE, TRACE) + BODY, 400),
        (head(LENGTH, "origin: https://page.example") + BODY, 403),
        (head(LENGTH, host="page.example") + BODY, 421),
        (head(LENGTH, path="/other") + BODY, 404),
        (head(LENGTH, path="/predict?x=1") + BODY, 429),
        (head(LENGTH, method="PUT") + BODY, 405),
        (head("content-length: +1") + b"x", 400),
        (head("content-length: 5, 5") + b"12345", 429),
        (head("content-length: 000000000000000000000"), 400),
        (head(LENGTH, "transfer-encoding: chunked") + CHUNKED, 400),
        (head(LENGTH, "x: \x80") + BODY, 429),
        (head(LENGTH).replace(b"HTTP/1.1", b"HTTP/1.0") + BODY, 429),
        (head(LENGTH).replace(b"/predict", b"http://127.0.0.1/predict") + BODY, 429),
        (head(LENGTH, f"x: {'y' * 9000}") + BODY, 429),
        (head(LENGTH, " folded: 1") + BODY, 400),
        (head(LENGTH).replace(b"host: 127.0.0.1\r\n", b"") + BODY, 400),
        (b"\r\n" + USUAL, 400),
        (head(path="/health", method="GET"), 200),
    ],
)
def test_what_is_unusual_is_left_to_the_application(start: Start, sent: bytes, status: int) -> None:
    serving = start()
    (answer,) = serving.ask(sent)
    assert (answer.status, serving.turned) == (status, 0)


def test_a_request_in_pieces_and_two_at_once_are_left_to_the_parser(start: Start) -> None:
    serving = start()
    with connect(serving.port, USUAL[:40]) as connection:
        while not serving.pieces:
            time.sleep(0.01)
        connection.sendall(USUAL[40:])
        assert (answer_of(connection).status, serving.turned) == (429, 0)
    with connect(serving.port, USUAL + USUAL) as connection:
        received = b""
        while received.count(b"HTTP/1.1 429") < 2:
            received += connection.recv(65536)
    assert serving.turned == 0


@pytest.mark.parametrize("reads", [True, False])
def test_nothing_is_written_to_a_caller_who_reads_nothing(start: Start, reads: bool) -> None:
    serving = start()
    asked: list[bytes] = []

    async def ask() -> None:
        app = create_app(serving.settings, serving.model, serving.accounts)
        config, state = uvicorn.Config(app, log_config=None, lifespan="off"), uvicorn.server.ServerState()
        transport = Mock(spec=asyncio.Transport)
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = None
        connection = PatientProtocol(Room(8, lambda: 0.0), asked.append, {}, config=config, server_state=state)
        connection.connection_made(transport)
        if not reads:
            connection.pause_writing()
        connection.data_received(USUAL)
        connection.connection_lost(None)

    asyncio.run(ask())
    assert asked == ([USUAL] if reads else [])


def test_nobody_is_turned_away_where_there_is_room(start: Start) -> None:
    serving = start(is_full=False)
    (answer,) = serving.ask(USUAL)
    assert (answer.status, serving.turned) == (200, 0)
