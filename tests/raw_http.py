"""HTTP as no library would send it: bytes down a socket, and what comes back until the other side ends it."""

from __future__ import annotations

import json
import socket
import time
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """One answer; `body` is its JSON where it is any."""

    status: int
    headers: dict[str, str]
    body: Any


def head(*lines: str, path: str = "/predict", method: str = "POST", host: str = "127.0.0.1") -> bytes:
    """A request's head, of JSON unless a content type is among the lines."""
    kind = [] if any(line.lower().startswith("content-type") for line in lines) else ["content-type: application/json"]
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"host: {host}", *kind, *lines, "", ""]).encode("latin-1")


def connect(port: int, sent: bytes = b"", timeout_s: float = 20.0) -> socket.socket:
    """A connection on which the bytes were sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
    connection.sendall(sent)
    return connection


def answer_of(connection: socket.socket) -> Answer:
    """The next answer on the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionError(f"closed after {received!r}")
        received += chunk
    top, _, body = received.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if "content-length" in headers:
        while len(body) < int(headers["content-length"]):
            body += connection.recv(65536)
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    return Answer(int(first.split()[1]), headers, content)


def ask(port: int, sent: bytes) -> Answer:
    """The answer to these bytes."""
    with connect(port, sent) as connection:
        return answer_of(connection)


def is_ended(connection: socket.socket, within_s: float) -> bool:
    """Whether the other side ends the connection in time, with or without an answer."""
    connection.settimeout(within_s)
    deadline = time.monotonic() + within_s
    try:
        while time.monotonic() < deadline:
            if not connection.recv(65536):
                return True
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return False
