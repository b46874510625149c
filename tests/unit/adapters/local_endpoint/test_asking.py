"""Clients of a full endpoint."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from evergreen.adapters.local_endpoint.asking import post_predict
from evergreen.core.errors import EndpointError


@contextmanager
def full_for(refusals: int, retry_after: str) -> Iterator[tuple[str, list[int], list[str | None]]]:
    """The address of an endpoint without room for the first requests, the statuses that it answered with, and what each
    request said in `x-unlogged`.
    """
    answered: list[int] = []
    marks: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            marks.append(self.headers["x-unlogged"])
            self.rfile.read(int(self.headers["content-length"]))
            full = len(answered) < refusals
            answered.append(429 if full else 200)
            content = {"error": {"message": "too many wait", "trace_id": "t"}} if full else {"predictions": [{"a": 1}]}
            body = json.dumps(content).encode()
            self.send_response(answered[-1])
            self.send_header("content-length", str(len(body)))
            self.send_header("retry-after", retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/predict", answered, marks
    finally:
        server.shutdown()
        server.server_close()


def test_a_full_endpoint_is_asked_again_when_it_says() -> None:
    with full_for(2, "0") as (url, answered, _):
        assert post_predict(url, [{"text": "a"}]) == [{"a": 1}]
        assert answered == [429, 429, 200]


def test_what_is_no_traffic_says_so_each_time_that_it_asks() -> None:
    with full_for(1, "0") as (url, _, marks):
        post_predict(url, [{"text": "a"}], logged=False)
        post_predict(url, [{"text": "a"}])
    assert marks == ["1", "1", None]


@pytest.mark.parametrize("retry_after", ["60", "later"])
def test_an_endpoint_that_stays_full_is_told_once_the_time_is_over(retry_after: str) -> None:
    with full_for(99, retry_after) as (url, answered, _):
        with pytest.raises(EndpointError, match=r"failed \(429\): too many wait"):
            post_predict(url, [{"text": "a"}], 0.5)
        assert answered == [429]
