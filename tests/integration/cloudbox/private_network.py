"""The network of a private endpoint: plain HTTP, sent through a proxy, reaches the box's Vertex AI."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import httpx

from cloudbox.box import HOST, Box


@contextmanager
def network_of(box: Box) -> Iterator[str]:
    """The address of a proxy for plain HTTP that leads every host to Vertex AI in the box."""
    authority = ssl.create_default_context(cafile=str(box.home.ca))
    target = httpx.Client(base_url=f"https://{HOST}:{box.port('vertex', 'https')}", verify=authority, trust_env=False)

    class Onward(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            host = {"host": self.headers["host"], "content-type": "application/json"}
            answer = target.post(urlsplit(self.path).path, content=content, headers=host)
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer((HOST, 0), Onward)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        target.close()
