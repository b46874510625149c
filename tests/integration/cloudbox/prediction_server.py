"""A prediction server in a few lines: echoes who it is and what it was asked."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    def answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.answer({}, 200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "die" in asked["instances"][0]:
            os._exit(3)
        about: dict[str, object] = {
            "storage": os.environ["AIP_STORAGE_URI"],
            "args": sys.argv[1:],
            "cwd": str(Path.cwd()),
        }
        about |= {"leaked": "NOT_FOR_CONTAINERS" in os.environ, "image": os.environ.get("FROM_THE_IMAGE")}
        self.answer(
            {"predictions": [{"name": os.environ["NAME"], "got": instance, **about} for instance in asked["instances"]]}
        )

    def log_message(self, *_: object) -> None:
        return


if "BROKEN" in os.environ:
    sys.exit("cannot load the model: weights are missing")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
