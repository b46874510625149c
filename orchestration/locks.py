"""One at a time: runs of a model, trainings of the same thing, changes of an endpoint and its aliases.

Locks are the kernel's: they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evergreen.core.errors import BusyError


@contextmanager
def run_lock(directory: Path, model: str) -> Iterator[None]:
    """Held by one run of a model at a time on this machine.

    Raises:
        BusyError: another run holds it.
    """
    with exclusive(directory / f"{model}.run.lock", f"another run of model '{model}' is under way"):
        yield


@contextmanager
def model_lock(directory: Path, model: str) -> Iterator[None]:
    """Held while aliases and endpoint change; waits, since they change in seconds."""
    with _opened(directory / f"{model}.versions.lock") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def exclusive(path: Path, refusal: str) -> Iterator[None]:
    """Held by one process at a time, which writes its id into the file.

    Raises:
        BusyError: another process holds it; the message is `refusal`, who, and what to do.
    """
    with _opened(path) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            raise BusyError(f"{refusal} (process {holder}); wait for it to end, then run again") from error
        if not os.fstat(descriptor).st_nlink:  # its last holder removed the file: the next to come locks another one
            raise BusyError(f"{refusal}, or was until now; run again")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield


def is_held(directory: Path, model: str) -> bool:
    """Whether a run of the model is under way on this machine."""
    with _opened(directory / f"{model}.run.lock") as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
