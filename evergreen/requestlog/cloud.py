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

MOST_LINE_BYTES = 12_000
"""Of a request's own text: quoted within the line it is longer."""
LABELS = {"evergreen_log": "requests"}


class Stdout:
    """A `Sink` that prints."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        """Prints the request in one line, or as many as its rows need."""
        for text in _texts(model, request, rows):
            line = {
                "severity": "WARNING" if request.status >= 500 else "INFO",
                "message": text,
                "model": model,
                "version": request.version,
                "logging.googleapis.com/labels": LABELS,
            }
            self._stream.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        self._stream.flush()

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Stdout stays open."""


def _texts(model: str, request: Request, rows: list[Row]) -> Iterator[str]:
    """The request's text, in halves where it is too long; an input that makes one row too long is left out."""
    text = line_of(model, request, rows)
    if len(text.encode("utf-8", "replace")) <= MOST_LINE_BYTES:
        yield text
    elif len(rows) > 1:
        middle = len(rows) // 2
        yield from _texts(model, request, rows[:middle])
        yield from _texts(model, request, rows[middle:])
    else:
        yield line_of(model, request, [{name: value for name, value in row.items() if name != "input"} for row in rows])
