"""Records the answers of Google's clients while a program runs, by their fields alone.

python -m tests.proof.recorder tests/cassettes/google.json run.py --config prod.yaml
"""

from __future__ import annotations

import json
import logging
import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.proof.cassettes import Cassette, add, fields_of, merged, method_of

GOOGLE = ".googleapis.com"
CLIENTS = ("google.cloud", "google.devtools", "google.longrunning")
"""Loggers to which generated clients tell every answer, where somebody listens."""


class _Answers(logging.Handler):
    """Takes what the clients of gRPC tell of their answers."""

    def __init__(self, cassette: Cassette) -> None:
        super().__init__(logging.DEBUG)
        self._cassette = cassette

    def emit(self, record: logging.LogRecord) -> None:
        response, service = getattr(record, "response", None), getattr(record, "serviceName", None)
        if not isinstance(response, dict) or service is None:
            return
        name = str(getattr(record, "rpcName", "")).rpartition("/")[2]
        try:
            answer = json.loads(response["payload"])
        except (KeyError, TypeError, ValueError):
            return
        _note(self._cassette, f"{service}/{name}", answer)


@contextmanager
def recording(file: Path) -> Iterator[Cassette]:
    """Within the block every answer is noted; at its end, whatever ended it, the file holds them too."""
    import requests

    cassette: Cassette = {}
    handler = _Answers(cassette)
    levels = {name: logging.getLogger(name).level for name in CLIENTS}
    for name in CLIENTS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.DEBUG)
    send = requests.Session.send

    def noted(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        response = send(self, request, **options)
        _note_rest(cassette, request, response)
        return response

    requests.Session.send = noted  # type: ignore[method-assign]
    try:
        yield cassette
    finally:
        requests.Session.send = send  # type: ignore[method-assign]
        for name, level in levels.items():
            logging.getLogger(name).removeHandler(handler)
            logging.getLogger(name).setLevel(level)
        add(file, cassette)


def _note(cassette: Cassette, method: str, answer: Any) -> None:
    cassette[method] = merged({method: cassette.get(method, {})}, {method: fields_of(answer)})[method]


def _note_rest(cassette: Cassette, request: Any, response: Any) -> None:
    parts = urlsplit(str(request.url))
    host = parts.hostname or ""
    if not host.endswith(GOOGLE) or not response.ok or "token" in parts.path:
        return
    if not response.headers.get("Content-Type", "").startswith("application/json"):
        return
    _note(cassette, method_of(str(request.method), host.removesuffix(GOOGLE), parts.path), response.json())


def main(arguments: list[str]) -> None:
    """Runs a Python program, recorded."""
    file, program, *rest = arguments
    sys.argv = [program, *rest]
    sys.path.insert(0, str(Path(program).resolve().parent))
    with recording(Path(file)):
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
