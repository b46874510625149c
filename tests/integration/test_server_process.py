import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from evergreen.runtime.processes import log_tail
from tests.keyword_server import GOOD, Server
from tests.waiting import wait_until


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    started: list[Server] = []
    yield started
    for server in started:
        server.close()


def test_the_server_answers_503_while_loading_then_predicts(servers: list[Server], tmp_path: Path) -> None:
    server = Server(tmp_path, {"load_s": 0.5})
    servers.append(server)
    assert server.wait_ready() == {503, 200}
    assert server.client.post("/predict", json=GOOD).json()["predictions"][0]["label"] == "sport"


def test_sigterm_finishes_what_is_in_flight_and_exits_with_0(servers: list[Server], tmp_path: Path) -> None:
    server = Server(tmp_path, {"delay_s": 1.0})
    servers.append(server)
    server.wait_ready()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(server.client.post, "/predict", json=GOOD)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.client.get("/health").status_code == 503)
        assert httpx.post(f"{server.url}/predict", json=GOOD, trust_env=False).status_code == 503
        assert answer.result().status_code == 200
    assert server.process.wait(10) == 0


@pytest.mark.parametrize("load_s", [0.0, 30.0])
def test_sigterm_stops_an_idle_and_a_loading_server(servers: list[Server], tmp_path: Path, load_s: float) -> None:
    server = Server(tmp_path, {"load_s": load_s})
    servers.append(server)
    while "listening" not in log_tail(server.log):
        time.sleep(0.05)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(5) == 0


def test_a_model_that_does_not_load_ends_the_server_with_one_line(servers: list[Server], tmp_path: Path) -> None:
    server = Server(tmp_path, {"broken": True})
    servers.append(server)
    assert server.process.wait(30) == 2
    assert log_tail(server.log, 1) == "the model did not load: task.json at model names no keywords"


def test_a_taken_port_is_named(servers: list[Server], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = Server(tmp_path, AIP_HTTP_PORT=str(port))
        servers.append(server)
        assert server.process.wait(30) == 1
    assert f"127.0.0.1:{port} cannot be bound: Address already in use" in log_tail(server.log)


def test_an_oversized_body_gets_its_413_even_while_it_is_still_being_sent(
    servers: list[Server], tmp_path: Path
) -> None:
    server = Server(tmp_path)
    servers.append(server)
    server.wait_ready()
    announced = server.client.post("/predict", content=b"x" * 30_000_000)
    chunked = server.client.post("/predict", content=(b"x" * 1_000_000 for _ in range(30)))
    assert (announced.status_code, chunked.status_code) == (413, 413)
    assert server.client.post("/predict", json=GOOD).status_code == 200


def test_the_server_ends_with_the_process_that_holds_its_stdin(servers: list[Server], tmp_path: Path) -> None:
    server = Server(tmp_path, EVERGREEN_EXIT_WITH_STDIN="1")
    servers.append(server)
    server.wait_ready()
    assert server.process.stdin is not None
    server.process.stdin.close()
    server.process.stdin = None
    assert server.process.wait(10) == 0


def test_every_line_of_the_log_is_json(servers: list[Server], tmp_path: Path) -> None:
    server = Server(tmp_path)
    servers.append(server)
    server.wait_ready()
    server.client.post("/predict", json=GOOD)
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(10)
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {line["severity"] for line in lines} == {"INFO"}
    events = [line["event"] for line in lines]
    assert events[0] == "listening"
    assert {"ready", "request", "drained"} <= set(events)
