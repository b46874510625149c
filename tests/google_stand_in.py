"""A Google of JSON files: a local HTTP server that google-auth's own session asks instead of *.googleapis.com."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import requests
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter

Answers = Mapping[str, Any]
"""By `<service>/<path>`: the JSON of the answer, or a status to refuse with. What is not in it is a 404.

`CLOCK`: by how many seconds this Google's clock is ahead of the machine's.
"""
CLOCK = "clock"


class _ToLocal(HTTPAdapter):
    """Sends `https://<service>.googleapis.com/<path>` to `http://127.0.0.1:<port>/<service>/<path>`."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        service = str(parts.hostname).removesuffix(".googleapis.com")
        request.url = f"http://127.0.0.1:{self._port}/{service}{parts.path}?{parts.query}"
        options["proxies"] = {}
        return super().send(request, *args, **options)


@contextmanager
def google_session(answers: Answers) -> Iterator[AuthorizedSession]:
    """A session whose questions are answered from `answers`, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + answers.get(CLOCK, 0))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer()

        def _answer(self) -> None:
            answer = answers.get(urlsplit(self.path).path.removeprefix("/"), 404)
            status = answer if isinstance(answer, int) else 200
            refusal = {"error": {"code": status, "message": f"refused with {status}"}}
            body = json.dumps(answer if status == 200 else refusal).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            """Nothing: the test tells what it saw."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        session = AuthorizedSession(AnonymousCredentials())  # type: ignore[no-untyped-call]  # google.auth has no types
        session.mount("https://", _ToLocal(server.server_port))
        try:
            yield session
        finally:
            session.close()  # type: ignore[no-untyped-call]  # google.auth has no types
            server.shutdown()
            thread.join()
