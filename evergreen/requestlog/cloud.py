r"""The log of a process in a container: lines on its stdout as Cloud Logging reads them.

{"severity": "INFO", "message": "{\"log\":\"evergreen.requests\",…}", "model": "news", "version": "36df30fb3710",
 "logging.googleapis.com/labels": {"evergreen_log": "requests"}}

The request is a text inside of the line: so its types cannot drift apart from those of a table that a log sink made of
an earlier one, and it arrives the same whether or not the line is taken apart on its way. What a container prints is
cut at 16 KiB, so a request of many rows is several lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from evergreen.requestlog.record import Request, Row, line_of

MOST_LINE_BYTES = 16_000
"""Of what is printed, its end too."""
LABELS = {"evergreen_log": "requests"}


class Stdout:
    """A `Sink` that prints."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        """Prints the request in one line, or as many as its rows need."""
        for line in _lines(model, request, rows):
            self._stream.write(line)
        self._stream.flush()

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Stdout stays open."""


def _lines(model: str, request: Request, rows: list[Row]) -> Iterator[bytes]:
    """The request's line, in halves where it is too long; an input that makes one row too long is left out."""
    line = _line(model, request, rows)
    if len(line) <= MOST_LINE_BYTES:
        yield line
    elif len(rows) > 1:
        middle = len(rows) // 2
        yield from _lines(model, request, rows[:middle])
        yield from _lines(model, request, rows[middle:])
    else:
        yield _line(model, request, [{name: value for name, value in row.items() if name != "input"} for row in rows])


def _line(model: str, request: Request, rows: list[Row]) -> bytes:
    line = {
        "severity": "WARNING" if request.status >= 500 else "INFO",
        "message": line_of(model, request, rows),
        "model": model,
        "version": request.version,
        "logging.googleapis.com/labels": LABELS,
    }
    return json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
