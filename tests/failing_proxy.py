"""An HTTP proxy before a bucket that fails where a test says: it cuts a connection, falls silent, or answers 503."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Failure = Literal["cut", "stall", "unavailable", "cut body", "stall body"]


@dataclass
class Request:
    """What the proxy was asked."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class FailingProxy:
    """`fails` says how a request fails; None lets it pass. `seen` are all requests in order."""

    fails: Callable[[Request], Failure | None]
    address: str = ""
    seen: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def failing_proxy(fails: Callable[[Request], Failure | None]) -> Iterator[FailingProxy]:
    """The proxy, until the block ends; silent connections end with it."""
    server = _Server(FailingProxy(fails))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.proxy
    finally:
        server.proxy.over.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FailingProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy
        proxy.address = f"http://127.0.0.1:{self.server_port}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """308 says that a chunk of an upload arrived."""

    def redirect_request(self, *_: object) -> None:
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        proxy, body = self.server.proxy, self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        proxy.seen.append(asked)
        failure = proxy.fails(asked)
        if failure == "unavailable":
            self._answer(503, {}, b"try later", None)
        elif failure in ("stall", "cut"):
            proxy.over.wait(60 if failure == "stall" else 0)
            self.close_connection = True
        else:
            with suppress(OSError):  # who asked has given up
                self._answer(*self._onward(body), failure)

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the names of the standard library

    def _onward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the bucket answers."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
        headers = {name: value for name, value in self.headers.items() if name.lower() != "proxy-connection"}
        try:
            sent = urllib.request.Request(self.path, body or None, headers, method=self.command)
            with opener.open(sent, timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def _answer(self, status: int, headers: dict[str, str], body: bytes, failure: Failure | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if failure else body)
        if failure:
            self.server.proxy.over.wait(60 if failure == "stall body" else 0)
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return
