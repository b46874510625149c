"""The local endpoint under what callers, pages of other sites and hung workers do to it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.served import GOOD, Served
from tests.keyword_server import instances_predicted
from tests.raw_http import answer_of, ask, connect, head, is_ended
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e
BODY = json.dumps({"instances": GOOD}).encode()
WHOLE = head(f"content-length: {len(BODY)}") + BODY


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An endpoint with two ready versions, which share the traffic: no test may change it."""
    served = Served(tmp_path_factory.mktemp("shared"))
    served.endpoint = served.open(request_timeout_s=4)
    first, second = served.live("first"), served.upload("second")
    served.endpoint.deploy(second)
    served.endpoint.set_traffic({first: 50, second: 50})
    yield served
    served.endpoint.delete()


def port_of(served: Served) -> int:
    port = httpx.URL(served.url()).port
    assert port is not None
    return port


def restarts(served: Served) -> int:
    return sum(worker.restarts for worker in served.front().versions.values())


def silence_s(served: Served, version: str) -> float:
    """How long the version was silent, by the front's own clock, until it was ended."""
    lines = [json.loads(line) for line in served.files.log("front").read_text().splitlines()]
    reasons = [line["reason"] for line in lines if line["event"] == "ended" and line["version"] == version]
    return float(reasons[0].removeprefix("did not answer for ").removesuffix(" s"))


def test_a_body_of_many_keys_stops_no_version(shared: Served) -> None:
    pairs = ",".join(f'"key {number}": {number}' for number in range(60_000))
    body = f'{{"instances": [{{{pairs}, "key 59999": 1}}]}}'
    began = time.monotonic()
    answer = httpx.post(shared.url(), content=body, headers={"content-type": "application/json"}, timeout=30)
    assert (answer.status_code, "appears twice" in answer.text) == (400, True)
    assert time.monotonic() - began < 15
    assert shared.endpoint.predict(GOOD)
    assert restarts(shared) == 0


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "nonsense"])
def test_an_encoded_body_is_a_415_in_json_with_a_trace(shared: Served, encoding: str) -> None:
    answer = ask(port_of(shared), head(f"content-encoding: {encoding}", f"content-length: {len(BODY)}") + BODY)
    assert answer.status == 415
    assert answer.body["error"]["trace_id"] == answer.headers["x-trace-id"]


@pytest.mark.parametrize(
    ("lines", "host", "status"),
    [
        ((), "evil.example", 421),
        ((), "127.0.0.1.evil.example:8501", 421),
        (("origin: http://evil.example",), "127.0.0.1", 403),
        (("origin: null",), "127.0.0.1", 403),
        (("sec-fetch-site: cross-site",), "127.0.0.1", 403),
        (("content-type:",), "127.0.0.1", 415),
        ((), "localhost:8501", 200),
        ((), "[::1]:8501", 200),
        (("origin: http://localhost:3000", "sec-fetch-site: cross-site"), "127.0.0.1:8501", 200),
    ],
)
def test_pages_of_other_sites_get_no_predictions(
    shared: Served, lines: tuple[str, ...], host: str, status: int
) -> None:
    request = head(*lines, f"content-length: {len(BODY)}", host=host) + BODY
    answer = ask(port_of(shared), request)
    assert answer.status == status
    if status != 200:
        assert answer.body["error"]["trace_id"] == answer.headers["x-trace-id"]


def test_pages_of_other_sites_do_not_read_who_serves(shared: Served) -> None:
    for path in ("/status", "/health"):
        assert ask(port_of(shared), head(path=path, method="GET", host="evil.example")).status == 421


def test_a_body_over_the_limit_is_refused_before_it_is_read_or_invited(shared: Served) -> None:
    with connect(port_of(shared), head("content-length: 10000000000")) as announced:
        assert answer_of(announced).status == 413
    with connect(port_of(shared), head("content-length: 11000000", "expect: 100-continue")) as waiting:
        assert answer_of(waiting).status == 413
    with connect(port_of(shared), head(f"content-length: {len(BODY)}", "expect: 100-continue")) as invited:
        assert invited.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        invited.sendall(BODY)
        assert answer_of(invited).status == 200


def test_senders_that_never_finish_are_ended_and_leave_no_memory(shared: Served) -> None:
    port, front = port_of(shared), psutil.Process(shared.front().pid)
    before = front.memory_info().rss
    held = [connect(port, head("content-length: 9990000")) for _ in range(25)]
    for connection in held:
        connection.settimeout(3)
        try:
            connection.sendall(b" " * 9_989_900)
        except OSError:
            continue  # refused: the others hold all there is
    stuck = [connect(port), connect(port, b"POST /predict HTTP/1.1\r\nhost: 127.0.0.1\r\nx-half")]
    stuck += [connect(port, head("transfer-encoding: chunked") + b"5\r\n{")]
    assert httpx.post(shared.url(), json={"instances": GOOD}).status_code == 200
    deadline = time.monotonic() + 30
    assert all(is_ended(connection, max(0.1, deadline - time.monotonic())) for connection in [*stuck, *held])
    for connection in [*stuck, *held]:
        connection.close()
    wait_until(lambda: front.memory_info().rss - before < 60_000_000)


def test_malformed_requests_are_answered_in_json_and_do_not_fill_the_log(shared: Served) -> None:
    log = shared.files.log("front")
    before = len(log.read_text())
    for _ in range(100):
        answer = ask(port_of(shared), b"SECRET WORD nonsense\r\n\r\n")
        assert answer.status == 400
        assert answer.body["error"]["trace_id"] == answer.headers["x-trace-id"]
    for path in ("/secret-word", "/versions/secret-word/predict"):
        traced = ask(port_of(shared), head("x-trace-id: <secret word>", "content-length: 0", path=path))
        assert traced.status == 404
        assert "secret" not in traced.headers["x-trace-id"]
    written = log.read_text()[before:]
    assert "secret" not in written.lower()
    assert len(written.splitlines()) < 25


def test_the_work_of_callers_who_left_the_front_is_not_done(served: Served) -> None:
    version = served.live(delay_s=4)
    left = [connect(port_of(served), WHOLE) for _ in range(30)]
    wait_until(lambda: served.front().versions[version].in_flight == 30)
    for connection in left:
        connection.close()
    assert served.endpoint.predict(GOOD)
    assert instances_predicted(served.front().versions[version].port) < 30


def test_a_hung_worker_is_noticed_and_its_request_never_repeated(served: Served) -> None:
    first, second = served.live(delay_s=1.5), served.upload("second")
    served.endpoint.deploy(second)
    hung = served.pid(first)
    with ThreadPoolExecutor() as pool:
        caught = pool.submit(httpx.post, served.url(), json={"instances": GOOD}, timeout=40)
        wait_until(lambda: served.front().versions[first].in_flight == 1)
        os.kill(hung, signal.SIGSTOP)
        wait_until(lambda: served.front().versions[first].state != "ready", timeout_s=20)
        answer = caught.result()
    assert (answer.status_code, "hung" in answer.json()["error"]["message"]) == (503, True)
    assert served.front().versions[second].restarts == 0
    wait_until(lambda: served.front().versions[first].state == "ready", timeout_s=30)
    assert served.pid(first) != hung
    assert 6 <= silence_s(served, first) < 10  # which the log has once the process is gone


def test_a_request_that_ends_its_workers_is_repeated_once_at_most(served: Served) -> None:
    version = served.live(delay_s=60)
    killed: set[int] = set()
    ended = threading.Event()

    def kill_each() -> None:
        while not ended.wait(0.02):
            worker = served.front().versions[version]
            if worker.in_flight and worker.state == "ready" and worker.pid and worker.pid not in killed:
                killed.add(worker.pid)
                os.kill(worker.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_each)
    killer.start()
    answer = httpx.post(served.url(), json={"instances": GOOD}, timeout=40)
    ended.set()
    killer.join()
    assert (answer.status_code, len(killed)) == (503, 2)


def test_a_version_that_failed_gets_no_waiting_requests(served: Served) -> None:
    version = served.live()
    described = served.files.model_dir(version) / "task.json"
    described.write_bytes(b"{}")
    os.kill(served.pid(version), signal.SIGKILL)
    wait_until(lambda: served.front().versions[version].state == "failed", timeout_s=30)
    began = time.monotonic()
    answer = httpx.post(served.url(), json={"instances": GOOD}, timeout=30)
    assert time.monotonic() - began < 2
    assert (answer.status_code, f"version {version} failed" in answer.text) == (503, True)
    assert int(answer.headers["retry-after"]) >= 1


def test_a_crowd_is_refused_at_once_and_the_rest_is_answered(served: Served, tmp_path: Path) -> None:
    served.live(delay_s=0.3)
    seen = []
    for clients in ("32", "200"):
        command = [sys.executable, "-m", "bench.crowd", str(port_of(served)), clients, "3", BODY.decode()]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seen.append(json.loads(done.stdout))
    few, many = seen
    assert (few["refused"], few["failed"], many["failed"]) == (0, 0, 0)
    assert many["answered"] > few["answered"] / 2
    assert many["refused"] > 0
    assert many["waiting"] <= 128  # who has room; whoever has none is refused at once
    assert many["refused_p99_s"] < many["answered_p99_s"]


def test_a_full_endpoint_refuses_before_the_body_is_sent(served: Served) -> None:
    version = served.live(delay_s=60)
    crowd = [connect(port_of(served), WHOLE) for _ in range(128)]
    wait_until(lambda: served.front().versions[version].in_flight == 128)
    assert ask(port_of(served), head("content-length: 9000000")).status == 429
    for connection in crowd:
        connection.close()
