"""One at a time: runs of a model, and changes of its endpoint and aliases."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evergreen.core.errors import BusyError


@contextmanager
def run_lock(directory: Path, model: str) -> Iterator[None]:
    """Held by one run of a model at a time on this machine; freed by the kernel when the process ends.

    Raises:
        BusyError: another run holds it.
    """
    with _opened(directory, f"{model}.run.lock") as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 20, 0).decode() or "unknown"
            raise BusyError(
                f"another run of model '{model}' is under way (process {holder}); wait for it to end, "
                "or set another parameters.model_name"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def model_lock(directory: Path, model: str) -> Iterator[None]:
    """Held while aliases and endpoint change; waits, since they change in seconds."""
    with _opened(directory, f"{model}.versions.lock") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(directory: Path, name: str) -> Iterator[int]:
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
