"""The log of one server process: requests are handed over once they are answered, a thread of its own does the rest.

What it costs a request is an entry in a queue. Where the thread falls behind, or cannot write, requests are dropped
from the log and counted, never kept waiting.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from evergreen.requestlog.record import Request, Row, line_of, row_of
from evergreen.requestlog.storm import Storm
from evergreen.requestlog.witness import Witness

MOST_ROWS = 512
"""Rows that may wait to be noted: decoded pictures are large."""
MOST_WAITING = 4096
IDLE_S = 1.0
TOLD_EVERY_S = 60.0
Redact = Callable[[Any], Any]


class Sink(Protocol):
    """Where lines go."""

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        """Keeps one request. Raises OSError where that is not possible."""

    def flush(self) -> None:
        """Called when nothing waits, at least once a second."""

    def close(self) -> None:
        """Nothing follows."""


class Journal:
    """Notes a `sample` of the requests; `redact` makes of an instance what may be kept of it."""

    def __init__(self, sink: Sink, model: str, sample: float, redact: Redact | None, logger: logging.Logger) -> None:
        self.dropped = 0
        self._sink = sink
        self._model = model
        self._sample = sample
        self._redact = redact
        self._logger = logger
        self._storm = Storm()
        self._waiting: deque[tuple[Request, Witness, int]] = deque()
        """With how many rows each counts: that of a caller who left may still be told of more."""
        self._rows = 0
        self._changed = threading.Condition()
        self._closed = False
        self._told_at = 0.0
        self._told = 0
        self._thread = threading.Thread(target=self._work, name="request log", daemon=True)
        self._thread.start()

    def begin(self) -> Witness | None:
        """What follows a request that is to be noted; None for one that is not in the sample."""
        if self._sample < 1 and random.random() >= self._sample:  # noqa: S311 - a sample, no secret
            return None
        return Witness(keeps_inputs=self._redact is not None)

    def note(self, request: Request, witness: Witness) -> None:
        """Takes over an answered request and returns at once."""
        rows = witness.rows
        with self._changed:
            full = len(self._waiting) >= MOST_WAITING or (self._rows and self._rows + rows > MOST_ROWS)
            if full or self._closed:
                self.dropped += 1
                return
            self._rows += rows
            self._waiting.append((request, witness, rows))
            self._changed.notify()

    def close(self, timeout_s: float = 10.0) -> None:
        """Returns when all that was noted is written, or after the time."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._closed:
                    self._changed.wait(IDLE_S)
                taken, closed = list(self._waiting), self._closed
                self._waiting.clear()
            for request, witness, rows in taken:
                self._keep(request, witness)
                with self._changed:
                    self._rows -= rows
            self._write_all(self._storm.over(time.time(), at_once=closed))
            self._guarded(self._sink.flush)
            self._tell()
            if closed and not taken:
                self._guarded(self._sink.close)
                return

    def _keep(self, request: Request, witness: Witness) -> None:
        if request.is_refused:
            self._write_all(self._storm.admit(request))
            return
        try:
            rows = self._rows_of(witness)
        except Exception as error:
            self._fault("observe", error)
            rows = []
        self._guarded(lambda: self._sink.write(self._model, request, rows))

    def _rows_of(self, witness: Witness) -> list[Row]:
        rows = [
            row_of(index, seen)
            for part in witness.parts
            for index, seen in zip(part.indices, part.predictor.observe(part.batch, part.outputs), strict=True)
        ]
        rows.sort(key=lambda row: int(row["index"]))
        for row in rows:
            if self._redact is not None and row["index"] < len(witness.instances):
                self._add_input(row, witness.instances[row["index"]])
        return rows

    def _add_input(self, row: Row, instance: Any) -> None:
        """Adds what the hook makes of the instance; nothing at all where it fails."""
        try:
            kept = self._redact(instance) if self._redact else None
            if kept is not None:
                line_of("", _NOBODY, [{"input": kept}]).encode("utf-8")  # what is no JSON fails here
                row["input"] = kept
        except Exception as error:
            self._fault("redact", error)

    def _write_all(self, refused: list[Request]) -> None:
        for request in refused:
            self._guarded(lambda request=request: self._sink.write(self._model, request, []))  # type: ignore[misc]

    def _guarded(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.dropped += 1
            self._fault("write", error)

    def _fault(self, what: str, error: Exception) -> None:
        """Tells that it happened: an exception's message may quote an input."""
        reason = error.strerror if isinstance(error, OSError) else None
        self._warn("request log failed", {"at": what, "error": type(error).__name__, "reason": reason})

    def _tell(self) -> None:
        if self.dropped > self._told:
            self._warn("request log dropped", {})

    def _warn(self, event: str, fields: dict[str, Any]) -> None:
        """Once a minute: what fails does so at every request."""
        now = time.monotonic()
        if now - self._told_at >= TOLD_EVERY_S or not self._told_at:
            self._told_at, self._told = now, self.dropped
            self._logger.warning(event, extra={"fields": {**fields, "dropped": self.dropped}})


_NOBODY = Request(time=0.0, version="", trace_id="", engine="", status=0, latency_ms=0.0)
