"""The log of one process in a folder of this machine: files of lines, which whoever finds them may turn into Parquet.

requests/20260504T093000-36df30fb3710-4711-9f2c.jsonl     locked by the process that writes it
requests/20260504T083000-36df30fb3710-4711-01be.parquet   what became of an earlier one

A file is written for an hour or up to 16 MB. Each line goes to the system at once, so that a process that is killed
loses what it had not noted yet, and at most a part of its last line.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from evergreen.requestlog.record import Request, Row, line_of

LINES, PARQUET = ".jsonl", ".parquet"
MOST_BYTES = 16 * 1024 * 1024
MOST_AGE_S = 3600.0


class Spool:
    """A `Sink` that writes into the folder; `owner` names who writes, in the names of files alone."""

    def __init__(self, folder: Path, owner: Callable[[], str], now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._owner = owner
        self._now = now
        self._file: int | None = None
        self._opened = 0.0
        self._bytes = 0

    def write(self, model: str, request: Request, rows: list[Row]) -> None:
        """Appends one line."""
        if self._file is None:
            self._file = self._open()
        data = line_of(model, request, rows).encode("utf-8", "replace") + b"\n"
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError:
            if written:
                os.ftruncate(self._file, self._bytes)  # half a line would spoil the next one, too
            raise
        self._bytes += len(data)

    def flush(self) -> None:
        """Ends a file that is large or old enough, so that it can be turned into Parquet."""
        if self._file is not None and (self._bytes >= MOST_BYTES or self._now() - self._opened >= MOST_AGE_S):
            self.close()

    def close(self) -> None:
        """Ends the file: its lock goes with it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        """A new file, which has its lock before it has a name that others look for."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._opened, self._bytes = self._now(), 0
        when = datetime.fromtimestamp(self._opened, UTC).strftime("%Y%m%dT%H%M%S")
        name = f"{when}-{self._owner() or 'none'}-{os.getpid()}-{secrets.token_hex(2)}{LINES}"
        unnamed = self._folder / f".{name}"
        descriptor = os.open(unnamed, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(self._folder / name)
        except OSError:
            unnamed.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        return descriptor


@contextmanager
def unwritten(path: Path) -> Iterator[bool]:
    """Whether no process writes the file; none begins to until the block ends."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
