"""A GitHub of one repository: the part of its REST interface through which a workflow speaks to a pull request."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "news/evergreen"
TOKEN = "ghs_of-this-test"


@dataclass
class Repository:
    """Its pull requests by commit, their comments, and what commits were given for a status."""

    pulls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    url: str = ""

    def open_pull(self, number: int, commit: str, state: str = "open", head: str | None = None) -> None:
        pull = {"number": number, "state": state, "head": {"sha": head or commit}}
        self.pulls.setdefault(commit, []).append(pull)
        self.comments.setdefault(number, [])

    def say(self, number: int, body: str, kind: str = "User") -> dict[str, Any]:
        identity = 1 + sum(map(len, self.comments.values()))
        said = {"id": identity, "body": body, "user": {"type": kind}, "html_url": f"{self.url}/#comment-{identity}"}
        self.comments[number].append(said)
        return said

    def answer(self, method: str, path: str, query: dict[str, list[str]], content: Any) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        rest = path.removeprefix(f"/repos/{REPOSITORY}")
        page, size = (int(query.get(name, [default])[0]) for name, default in (("page", "1"), ("per_page", "30")))
        chosen = slice((page - 1) * size, page * size)
        if method == "GET" and (match := re.fullmatch(r"/commits/(\w+)/pulls", rest)):
            return 200, self.pulls.get(match[1], [])[chosen]
        if match := re.fullmatch(r"/issues/(\d+)/comments", rest):
            number = int(match[1])
            if method == "GET":
                return 200, self.comments[number][chosen]
            return 201, self.say(number, content["body"], "Bot")
        if method == "PATCH" and (match := re.fullmatch(r"/issues/comments/(\d+)", rest)):
            (said,) = [comment for many in self.comments.values() for comment in many if comment["id"] == int(match[1])]
            said["body"] = content["body"]
            return 200, said
        if method == "POST" and (match := re.fullmatch(r"/statuses/(\w+)", rest)):
            assert len(content["description"]) <= 140
            self.statuses.setdefault(match[1], []).append(content)
            return 201, content
        return 404, {"message": f"Not Found: {method} {path}"}


@contextmanager
def github() -> Iterator[Repository]:
    """The repository behind a server on loopback, until the block ends."""
    repository = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
            parts = urlsplit(self.path)
            if self.headers["Authorization"] == f"Bearer {TOKEN}":
                status, answer = repository.answer(self.command, parts.path, parse_qs(parts.query), content)
            else:
                status, answer = 401, {"message": "Bad credentials"}
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def do_PATCH(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
            """Nothing: the test tells what it saw."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        repository.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield repository
        finally:
            server.shutdown()
            thread.join()
