"""The server alone, as it runs in a container, under what callers throw at it."""

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.keyword_server import GOOD, Server, instances_predicted
from tests.raw_http import answer_of, ask, connect, head, is_ended
from tests.waiting import wait_until

BODY = json.dumps(GOOD).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("hostile"), {"delay_s": 0.05})
    server.wait_ready()
    yield server
    server.close()


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path, {"delay_s": 0.4}, OMP_NUM_THREADS="1")
    server.wait_ready()
    yield server
    server.close()


def test_health_answers_while_a_large_body_is_read(server: Server) -> None:
    pairs = ",".join(f'"key {number}": {number}' for number in range(400_000))
    body = f'{{"instances": [{{{pairs}, "key 399999": 1}}]}}'
    with ThreadPoolExecutor() as pool:
        large = pool.submit(server.client.post, "/predict", content=body, headers={"content-type": "application/json"})
        waits = []
        while not large.done():
            began = time.monotonic()
            assert httpx.get(f"{server.url}/health", trust_env=False, timeout=5).status_code == 200
            waits.append(time.monotonic() - began)
        assert (large.result().status_code, 'key 399999\\" appears twice' in large.result().text) == (400, True)
    assert max(waits) < 2


def test_the_work_of_callers_who_left_is_not_done(slow: Server) -> None:
    left = [connect(slow.port, head(f"content-length: {len(BODY)}") + BODY) for _ in range(30)]
    for connection in left:
        connection.close()
    assert slow.client.post("/predict", json=GOOD).status_code == 200
    assert instances_predicted(slow.port) < 30


def test_work_that_comes_too_late_for_its_caller_is_not_done(tmp_path: Path) -> None:
    server = Server(tmp_path, {"delay_s": 2.0}, OMP_NUM_THREADS="1")

    def hurried(left_ms: int) -> int:
        with httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:
            return client.post("/predict", json=GOOD, headers={"x-time-left-ms": str(left_ms)}).status_code

    try:
        server.wait_ready()
        with ThreadPoolExecutor(20) as pool:
            patient = pool.submit(hurried, 30_000)
            wait_until(lambda: "evergreen_requests_in_flight 1" in server.client.get("/metrics").text)
            statuses = list(pool.map(hurried, [100] * 15))
            assert patient.result() == 200
        assert statuses.count(503) >= 13
    finally:
        server.close()


def test_a_small_request_is_answered_between_the_slices_of_a_large_one(slow: Server) -> None:
    with ThreadPoolExecutor() as pool:
        large = pool.submit(slow.client.post, "/predict", json={"instances": GOOD["instances"] * 300})
        time.sleep(0.3)
        began = time.monotonic()
        assert httpx.post(f"{slow.url}/predict", json=GOOD, trust_env=False, timeout=30).status_code == 200
        assert time.monotonic() - began < 2.5
        assert not large.done()
        assert len(large.result().json()["predictions"]) == 300


def test_a_full_server_refuses_before_the_body_is_sent_and_logs_it_once_a_second(tmp_path: Path) -> None:
    server = Server(tmp_path, {"delay_s": 30}, EVERGREEN_MAX_WAITING="1")
    try:
        server.wait_ready()
        with connect(server.port, head(f"content-length: {len(BODY)}") + BODY):
            wait_until(lambda: "evergreen_requests_in_flight 1" in server.client.get("/metrics").text)
            began = time.monotonic()
            refused = [ask(server.port, head("content-length: 9000000")).status for _ in range(30)]
        seconds = time.monotonic() - began
        assert refused == [503] * 30
        lines = [json.loads(line) for line in server.log.read_text().splitlines()]
        assert len([line for line in lines if line.get("status") == 503]) <= 3 + seconds
    finally:
        server.close()


def test_senders_that_never_finish_are_ended(server: Server) -> None:
    stuck = [
        connect(server.port),
        connect(server.port, b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half"),
        connect(server.port, head("content-length: 1000") + b'{"instances"'),
        connect(server.port, head("transfer-encoding: chunked") + b"5\r\n{"),
    ]
    deadline = time.monotonic() + 16
    assert [is_ended(connection, deadline - time.monotonic()) for connection in stuck] == [True] * 4
    for connection in stuck:
        connection.close()


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "nonsense"])
def test_an_encoded_body_is_a_415_in_json(server: Server, encoding: str) -> None:
    answer = ask(server.port, head(f"content-encoding: {encoding}", f"content-length: {len(BODY)}") + BODY)
    assert answer.status == 415
    assert answer.body["error"]["trace_id"] == answer.headers["x-trace-id"]


def test_an_upgrade_to_a_websocket_is_answered(server: Server) -> None:
    upgrade = ("connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: AAAAAA==")
    assert ask(server.port, head(*upgrade, f"content-length: {len(BODY)}") + BODY).status < 500
    assert ask(server.port, head(*upgrade, method="GET", path="/health")).status < 500


@pytest.mark.parametrize("wanted", ["h2c", "websocket"])
def test_a_prediction_that_offers_another_protocol_is_answered_in_this_one(server: Server, wanted: str) -> None:
    request = head("connection: upgrade", f"upgrade: {wanted}", f"content-length: {len(BODY)}") + BODY
    with connect(server.port, request) as connection:
        assert answer_of(connection).status == 200
        connection.sendall(head(f"content-length: {len(BODY)}") + BODY)
        assert answer_of(connection).status == 200


@pytest.mark.parametrize("origin", ["http://[", "http://\xbd.com", "\xff", "://", "null"])
def test_an_origin_that_is_none_is_refused_with_a_trace(server: Server, origin: str) -> None:
    answer = ask(server.port, head(f"origin: {origin}", f"content-length: {len(BODY)}") + BODY)
    assert answer.status == 403
    assert answer.body["error"]["trace_id"] == answer.headers["x-trace-id"]


def test_a_body_over_the_limit_is_not_invited(server: Server) -> None:
    with connect(server.port, head("content-length: 11000000", "expect: 100-continue")) as connection:
        assert answer_of(connection).status == 413


def test_a_site_that_calls_itself_by_this_machine_s_address_gets_nothing(server: Server) -> None:
    assert ask(server.port, head(path="/health", method="GET", host="evil.example")).status == 421


def test_no_log_line_quotes_a_caller_and_malformed_requests_do_not_fill_it(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        server.wait_ready()
        for _ in range(60):
            malformed = ask(server.port, b"secret-word nonsense\r\n\r\n")
            assert (malformed.status, bool(malformed.body["error"]["trace_id"])) == (400, True)
        ask(server.port, head(path="/secret-word", method="GET"))
        ask(server.port, head(path="/health", method="SECRET-WORD"))
        ask(server.port, head("x-trace-id: secret word", "content-encoding: secret-word", "content-length: 0"))
        for body in (b'{"secret-word": 1}', b'{"instances": [{"text": "raise a fault"}]}', b'["secret-word"'):
            ask(server.port, head(f"content-length: {len(body)}") + body)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
        log = server.log.read_text()
        assert "secret" not in log.lower()
        assert "raise a fault" not in log
        assert len(log.splitlines()) < 40
    finally:
        server.close()
