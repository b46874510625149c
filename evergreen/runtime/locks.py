"""One at a time, across processes of a machine: runs of a model, trainings of the same thing, changes of an endpoint.

Locks are the kernel's: they end with the process that holds them, however it ends. While it holds one, its id is in the
file, so that whoever waits can be told for whom.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from evergreen.core.errors import BusyError

POLL_S = 0.05
LOOK_S = 1.0
"""Somebody who only looks whether a lock is held holds it for a moment; that is waited for."""


@contextmanager
def exclusive(
    path: Path, taken: str, timeout_s: float = LOOK_S, instead: str = "wait for it to end, then run again"
) -> Iterator[None]:
    """Held by one process at a time.

    Raises:
        BusyError: another one held it all the time; the message is `taken`, who, since when, and what to do `instead`.
    """
    with _open(path) as descriptor:
        deadline = time.monotonic() + timeout_s
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise BusyError(f"{taken} (process {_holder(descriptor)}); {instead}")
            time.sleep(POLL_S)
        if not os.fstat(descriptor).st_nlink:  # its last holder removed the file: the next to come locks another one
            raise BusyError(f"{taken}, or was until now; run again")
        with _named(descriptor):
            yield


def is_held(path: Path) -> bool:
    """Whether a process holds the lock."""
    with _open(path) as descriptor:
        return not _taken(descriptor, fcntl.LOCK_SH)


def holder(path: Path) -> int | None:
    """The id of the process that holds the lock; None when none does, or it does not say so yet."""
    with _open(path) as descriptor:
        if _taken(descriptor, fcntl.LOCK_SH):
            return None
        named = os.pread(descriptor, 20, 0).decode()
        return int(named) if named.isdecimal() else None


def left_by(path: Path) -> int | None:
    """The id of the process that ended while it held the lock, so by no end of its own; None where none did."""
    if not path.exists():
        return None
    with _open(path) as descriptor:
        if not _taken(descriptor, fcntl.LOCK_SH):
            return None
        named = os.pread(descriptor, 20, 0).decode()
        return int(named) if named.isdecimal() else None


def _taken(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Its id, and when it wrote that."""
    since = datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)
    return f"{os.pread(descriptor, 20, 0).decode() or 'unknown'}, since {since:%Y-%m-%d %H:%M:%S} UTC"


@contextmanager
def _named(descriptor: int) -> Iterator[None]:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    try:
        yield
    finally:
        os.ftruncate(descriptor, 0)


@contextmanager
def _open(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
