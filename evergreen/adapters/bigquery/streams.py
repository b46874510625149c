"""Rows of several read streams, fetched side by side and handed on by turns.

BigQuery itself promises no order of rows within a stream.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_AHEAD = 2
"""Batches that wait of each stream: what bounds memory, however many rows there are."""


class _Stream:
    """One stream, read by a thread of its own into a short queue; None or an error is its end."""

    def __init__(self, client: Any, name: str, retry: Any) -> None:
        self._client, self._name, self._retry = client, name, retry
        self._opened: Any = None
        self._waiting: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fetch, daemon=True)
        self._thread.start()

    def next(self, patience_s: float) -> pa.RecordBatch | None:
        """The next batch, or None at the end. Raises what the stream failed with, TimeoutError if nothing comes."""
        try:
            item = self._waiting.get(timeout=patience_s)
        except queue.Empty:
            raise TimeoutError(f"no row arrived for {patience_s:g} s") from None
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """Ends the thread, whatever it waits for."""
        self._stopped.set()
        if self._opened is not None:
            self._opened.cancel()
        while not self._waiting.empty():
            self._waiting.get()

    def _fetch(self) -> None:
        try:
            self._opened = self._client.read_rows(self._name, retry=self._retry)
            for page in self._opened.rows().pages:
                self._waiting.put(page.to_arrow())
                if self._stopped.is_set():
                    return
            self._waiting.put(None)
        except Exception as error:
            if not self._stopped.is_set():
                self._waiting.put(error)


def read_streams(client: Any, names: Sequence[str], retry: Any, patience_s: float) -> Iterator[pa.RecordBatch]:
    """Batches of the streams in turn, one of each, until all have ended; memory does not grow with rows.

    The client itself resumes a broken stream at the row where it broke, again and again; `patience_s` bounds how long
    no row may arrive.
    """
    with ExitStack() as stack:
        open_streams = []
        for name in names:
            stream = _Stream(client, name, retry)
            stack.callback(stream.stop)
            open_streams.append(stream)
        while open_streams:
            for stream in list(open_streams):
                batch = stream.next(patience_s)
                if batch is None:
                    open_streams.remove(stream)
                else:
                    yield batch
