"""A webhook of the test's own, on a port of this machine that was free."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0000-B0000-not-to-be-shown"


class Webhook:
    """Answers with `statuses`, one after the other and the last one ever after; 0 stands for no answer at all, 1 for
    one that comes byte by byte and has no end.
    """

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses) or [200]
        self.messages: list[dict[str, Any]] = []
        self.url = ""
        self.begun = False
        self.ended = threading.Event()

    def take(self, content: bytes) -> int:
        self.messages.append(json.loads(content))
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def listening(*statuses: int) -> Iterator[Webhook]:
    webhook = Webhook(*statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = webhook.take(self.rfile.read(int(self.headers["content-length"])))
            if not status:
                webhook.ended.wait(30)
                return
            while status == 1 and not webhook.ended.wait(0.05):
                self.wfile.write(b"HTTP/1.1 200 OK\r\n" if not webhook.begun else b"x")
                webhook.begun = True
            if status == 1:
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"{webhook.url}-elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.url = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        webhook.ended.set()
        server.shutdown()
        server.server_close()
